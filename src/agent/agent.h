/*
 * The supervisor's state, shared by the files of this directory and by nobody
 * else. supervisor.c owns it.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "agent/jobs.h"
#include "agent/refusal.h"
#include "agent/statusfile.h"
#include "agent/trouble.h"
#include "base/proc.h"
#include "bbs/answer.h"
#include "bbs/config.h"
#include "bbs/paths.h"
#include "net/net.h"

/* What is asked of the server over the first net process. */
enum call {
	CALL_NONE,
	CALL_REGISTER,
	CALL_TASKS,
	CALL_PROGRESS,
	CALL_HEARTBEAT,
	CALL_INFO,
	CALL_SSH_KEY
};

/* A worker that answers a question about this host. */
struct helper {
	pid_t pid; /* 0: none */
	struct frame_link link;
	bool answered;
	uint64_t until; /* it hangs if it is there then */
	bool dismissed; /* its link was cut, and it is waited for no more */
};

/* Processes of a job whose worker died: stopped, then killed. */
#define ORPHANS_MAX 8
struct orphan {
	int64_t job_id;
	pid_t group;
	uint64_t start;
	uint64_t next_at; /* SIGKILL, then the end of our patience */
	bool killed, let_go;
};

struct memory_report {
	struct memory_report *next;
	int64_t job_id;
	struct buf body;
};

/* Final reports on their way (spool.c). */
struct spool {
	uint64_t watch_until;	      /* files of an earlier life may come */
	uint64_t watched_at;	      /* when it was looked for some last */
	bool pending;		      /* there may be files to be sent */
	struct memory_report *memory; /* those that are on no disk */
	int64_t sending;	      /* job id, 0: none is under way */
	bool sending_memory;
	int64_t shortened; /* job whose report is sent with less than it has */
	unsigned times;	   /* how often that was made less */
	bool can_be_less;
	char name[64]; /* the file under way */
	struct refusals refusals;
	uint64_t counted_at; /* the caps were looked at */
	char after[64];	     /* up to this one they had their turn */
	char unread[64];     /* up to this one it was told which cannot be */
	bool again;	     /* one of those is to be sent once more */
	uint64_t rest_at; /* the second net process is ended then; 0: it is */
	struct trouble trouble;
};

/* Downloads of jobs (fetch.c). */
struct fetch {
	struct net *net; /* NULL: none was needed lately */
	int64_t job_id;	 /* whose is under way, 0: none */
	uint64_t rest_at;
	bool stale; /* its configuration is an old one */
};

/* Whom the network processes trust (nets.c): files of anchors, -1: none, and
 * what they were read from. The two may be one. */
struct net_trust {
	int anchors, others;
	struct buf name, others_name;
};

/* What the service manager was told last (notify_status.c). */
struct notice {
	char line[400];
	uint64_t at;
};

/* A job changed this host: the server is to know before its report. */
enum renewal {
	RENEWAL_NONE,
	RENEWAL_WANTED,	 /* the host is to be looked at */
	RENEWAL_LOOKING, /* it is */
	RENEWAL_KNOWN,	 /* info is to be sent */
	RENEWAL_SENDING
};

struct agent {
	struct config *config; /* replaced by reload.c alone */
	const struct paths *paths;
	bool once, debug;
	int log_fd;
	int self; /* our own binary, -1: not open yet */
	bool has_trust;
	struct net_trust trust;
	int signals; /* signalfd */
	int alarm;   /* wakes the loop after a suspend, too; -1: none */
	int lock;

	struct net *polls;   /* whatever is quick */
	struct net *reports; /* final reports: minutes, maybe */
	enum call call;	     /* under way on `polls` */
	int64_t call_job;
	uint64_t call_log;	/* number of the job's line that it carries */
	struct trouble trouble; /* of `polls` */
	bool unreachable;	/* it is that no answer comes at all */
	uint64_t contact_at;	/* the last answer that was good, 0: none */
	struct notice notice;
	struct json answer; /* the last one's; kept for its memory */

	struct jobs jobs;
	struct spool spool;
	struct fetch fetch;
	struct history history;
	struct statusfile status;
	enum renewal renewal;
	struct orphan orphans[ORPHANS_MAX];
	struct lost *lost; /* recovery.c */
	bool unswept;	   /* somebody killed may have left files */
	struct helper sysinfo, ssh_test;
	struct buf host;   /* the body of register and info */
	struct buf early;  /* the same without borg, at the start */
	uint64_t early_at; /* it is used then, should borg still be silent */
	struct ssh_info ssh_info;
	uint64_t borg_stamp; /* changes when borg's file does */

	int poll_interval; /* seconds */
	uint64_t polls_done;
	bool registered; /* the server knows this start of ours */
	bool want_key, want_ssh_test, want_host;
	bool poll_again; /* it was asked for while one was under way */
	uint64_t register_at, poll_at, heartbeat_at, info_at, host_at;
	uint64_t key_at, key_told_at, ssh_test_at;
	uint64_t browsed_at; /* a list_dir came, 0: never */

	bool take_over;	    /* a new version waits until nothing runs */
	bool unheard;	    /* we are one that the server did not answer yet */
	bool unproven;	    /* we are one whose starts are counted */
	uint64_t update_at; /* the update is looked at, 0: need not be */
	unsigned update_rounds; /* of one that is unproven */
	int64_t update_job;	/* that a new version reports on, 0: none */

	bool stopping;
	uint64_t stop_at; /* the process ends then, whatever is left */
	bool once_failed; /* --once: something could not be done */
	bool polled;	  /* --once: the one poll was answered */
};

/* calls.c */
/* Begins the most urgent call that is due; nothing when one is under way. */
void calls_begin(struct agent *a, uint64_t now);
void calls_reply(struct agent *a, const struct net_reply *r, uint64_t now);
/* When calls_begin wants to be called again. */
uint64_t calls_due(const struct agent *a);
/* Milliseconds between two polls: fewer while somebody browses. */
uint64_t calls_poll_every(const struct agent *a, uint64_t now);

/* answers.c: what the server's answers lead to. j is an object. */
void answers_register(struct agent *a, const struct json *j, uint64_t now);
void answers_tasks(struct agent *a, const struct json *j, uint64_t now);
void answers_progress(
    struct agent *a, struct job *job, const struct json *j, uint64_t now);
void answers_heartbeat(struct agent *a, const struct json *j, uint64_t now);
void answers_ssh_key(struct agent *a, const struct json *j, uint64_t now);
/* The policy may be another one: what did not begin yet is judged anew. */
void answers_judge_again(struct agent *a);

/* runner.c: workers. */
void runner_start_job(struct agent *a, struct job *job, uint64_t now);
void runner_read_job(struct agent *a, struct job *job, uint64_t now);
/* A child ended. */
void runner_reap(struct agent *a, pid_t pid, int status, uint64_t now);
void runner_stop_job(struct job *job, enum stop_reason reason);
/* Tells a worker that goes on behind its final report that the server has it.
 */
void runner_tell_delivered(struct job *job);
/* Each kills what did not end by itself, borg of dead workers and workers
 * that hang or were told to stop; returns when it wants to be called again. */
uint64_t runner_orphans(struct agent *a, uint64_t now);
uint64_t runner_overdue(struct agent *a, uint64_t now);
/* Ends what a dead worker of this job left running: its group was checked to
 * be the one that is meant. */
void runner_adopt(
    struct agent *a, int64_t id, const struct proc *group, uint64_t now);
/* Is any left that the next job on a repository has to wait for? */
bool runner_has_orphans(const struct agent *a);
/* Moves waiting jobs on: the oldest of those that use a repository when
 * nothing stands before it, the others at once. */
void runner_schedule(struct agent *a, uint64_t now);

/* nets.c: the handles, from config.ini. They replace those that are there,
 * and what these have under way is lost. 0, or -1 with one sentence in why and
 * nothing changed. */
int nets_open(struct agent *a, const struct config *c, struct buf *why);
/* For files; NULL: out of memory. */
struct net *nets_open_downloads(const struct agent *a);
void nets_close(struct agent *a);

/* reload.c: config.ini is read again; one that is wrong changes nothing. */
void reload_config(struct agent *a, uint64_t now);

/* fetch.c: files for jobs. */
/* A worker asks; the file stays the caller's. */
void fetch_ask(struct agent *a, struct job *job, struct unpack *u, int file);
/* Ends what is not wanted any more. */
void fetch_begin(struct agent *a, uint64_t now);
void fetch_take(struct agent *a, uint64_t now);
uint64_t fetch_due(const struct agent *a);
bool fetch_reap(struct agent *a, pid_t pid, int status);

/* helpers.c: questions about this host, each in a process that may wait. */
void helpers_begin(struct agent *a, uint64_t now);
void helpers_read(struct agent *a, struct helper *h, uint64_t now);
/* Was it one of them? Then it is taken note of. */
bool helpers_reap(struct agent *a, pid_t pid, uint64_t now);
/* Ends those that hang; returns when it, or helpers_begin, wants to be called
 * again. */
uint64_t helpers_overdue(struct agent *a, uint64_t now);
/* Cuts its link: it ends what it runs, and then itself. */
void helpers_dismiss(struct helper *h);
/* Is it there, and does it not hang? */
bool helpers_busy(const struct helper *h);

/* spool.c: final reports. */
void spool_begin(struct agent *a, uint64_t now);
void spool_reply(struct agent *a, const struct net_reply *r, uint64_t now);
uint64_t spool_due(const struct agent *a);
bool spool_is_empty(const struct agent *a);
bool spool_has(const struct agent *a, int64_t job_id);
/* Do as many wait in memory that no more of those should be added that the
 * server would ask for again? */
bool spool_is_full(const struct agent *a);
/* A report that the supervisor makes itself, or that found no disk. */
void spool_add(struct agent *a, int64_t job_id, const char *body, size_t len);
/* Before the process ends: what is in memory goes to disk, if it can. */
void spool_keep(struct agent *a);
/* A failed or abandoned job in one sentence. */
void spool_add_sentence(struct agent *a, int64_t job_id,
    enum report_result result, const char *sentence);

#endif
