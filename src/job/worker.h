/*
 * The worker: one forked process for one job (or one question about this
 * host, or the post-scripts that a dead one owed). Straight-line code; it
 * speaks to the supervisor over one socket.
 */
#ifndef JOB_WORKER_H
#define JOB_WORKER_H

#include "base/frame.h"
#include "base/proc.h"
#include "bbs/config.h"
#include "bbs/paths.h"
#include "bbs/report.h"
#include "bbs/task.h"
#include "job/message.h"
#include <sys/types.h>

struct worker {
	const struct config *config;
	const struct paths *paths;
	const struct task *task; /* NULL for sysinfo and the ssh test */
	struct frame_link link;	 /* to the supervisor */
	int signals;		 /* signalfd for SIGCHLD */
	int log_fd;		 /* kept open across the fork, or -1 */
	enum stop_reason stop;	 /* set by worker_listen */
	bool key_refused;	 /* ssh says that the server refuses our key */
	bool host_changed;	 /* or that its host key is not the kept one */
	bool delivered;		 /* the server has the final report */
	char stuck[200]; /* what was killed and does not end; "": nothing */
	struct fetched *fetched; /* who waits for a file; NULL: nobody */
	struct progress sent;	 /* what the supervisor knows */
	uint64_t sent_at;
};

/* How a download ended. */
struct fetched {
	bool answered;
	bool done;  /* a 200 came whole */
	int status; /* of HTTP, 0: there was no answer */
	char text[1024];
};

/* What a worker runs; it may return early when w->stop is set. */
typedef void worker_main(struct worker *w);

/*
 * Forks a worker that runs `body` and exits. log_fd stays open in it. The
 * supervisor's end of the socket is put into *sock. Returns the pid, or -1
 * with errno set.
 */
pid_t worker_start(const struct config *c, const struct paths *p,
    const struct task *task, int log_fd, worker_main *body, int *sock);

/* Is this a task that worker_run_task can run? If not, a sentence in why. */
bool worker_can(const struct task *t, struct buf *why);

/* The bodies. */
worker_main worker_run_task;
worker_main worker_run_sysinfo;
worker_main worker_run_borg_look;
worker_main worker_run_ssh_test;

/* For the code of jobs: */

/* Reads what the supervisor says, without waiting; sets w->stop. */
void worker_listen(struct worker *w);
/* Tells the newest state: at once when the message changed, else at most
 * once a second. */
void worker_progress(struct worker *w, const struct progress *p);
/* A line for the server's log of this job. */
void worker_log(struct worker *w, const char *level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Tells which process group runs for this job (0: none any more). */
void worker_child(struct worker *w, pid_t group, uint64_t start);
/* This was killed and does not end: said to the server, and left behind to the
 * supervisor. */
void worker_stuck(struct worker *w, const struct proc *p);
/* How long the worker may go on although it is told to stop, with what must
 * not be ended half-way; before worker_final: behind that. */
void worker_after(struct worker *w, uint64_t ms);
/* Asks for the file at url, `most` bytes at most, to be written into `file`
 * from where it stands. The answer goes into *f by worker_listen: until then
 * f must live, and w->fetched is set. 0 or -1. */
int worker_fetch(struct worker *w, const char *url, uint64_t most, int file,
    struct fetched *f);
/* This host changed: the server is told before it gets the report. */
void worker_renew(struct worker *w);
/* Writes the final report into the spool and tells the supervisor. */
void worker_final(struct worker *w, const struct report *r);
/* Waits until the server has the final report or the
 * protocol's time for that is over; while the agent stops it is shorter. */
void worker_await_delivery(struct worker *w);
/* What a stopped job's report says. */
const char *worker_stop_sentence(enum stop_reason reason);

#endif
