/*
 * The table of jobs: every job_id that the server gave and that is not
 * acknowledged yet, and the ids of the last day that are. A job is in it once
 * and is never started twice.
 */
#ifndef AGENT_JOBS_H
#define AGENT_JOBS_H

#include "base/frame.h"
#include "bbs/report.h"
#include "bbs/task.h"
#include "job/message.h"
#include "job/stall.h"
#include <sys/types.h>

enum job_state {
	JOB_WAITING,  /* behind another one; nothing was said to the server */
	JOB_STARTING, /* "Starting task..." is not answered yet */
	JOB_RUNNING,  /* its worker runs */
	JOB_REPORTING /* the final report is on its way */
};

struct job {
	struct job *next;
	int64_t id;
	enum job_state state;
	struct task task;
	uint64_t poll; /* number of the poll that named it last */

	/* its worker */
	pid_t pid; /* 0: none */
	struct frame_link link;
	pid_t group; /* what the worker runs, 0: nothing */
	uint64_t group_start;
	enum stop_reason stop;
	uint64_t stop_by;    /* it was told to stop: killed then */
	uint64_t after_ms;   /* what must not be ended may take so long */
	uint64_t final_at;   /* FINAL came, 0: not yet */
	uint64_t info_by;    /* its report waits for info until then; 0: no */
	uint64_t give_up_at; /* it hangs if it runs then, 0: it never does */
	struct stall stall;  /* of the worker itself, not of what it runs */

	/* what the server knows and is to know */
	struct progress progress;
	char said[STATUS_MESSAGE_MAX + 1]; /* last message that was sent */
	struct buf logs;		   /* packed: level, text, … */
	int log_count;
	uint64_t logs_gone;	/* lines that are in it no more */
	unsigned log_tries;	/* answers of 500 to the oldest */
	uint64_t progress_at;	/* next progress is due */
	uint64_t accepted_at;	/* last progress that the server took */
	uint64_t started_at;	/* its worker was started, 0: it was not */
	uint64_t moving_at;	/* its first byte was told of */
	uint64_t rate, rate_at; /* bytes per second, when that was found */
	int64_t rate_bytes;
	bool journalled;   /* the journal has it */
	bool killed;	   /* its process was */
	bool stuck;	   /* and is there still: waited for no more */
	bool gone;	   /* the server does not know it any more */
	bool acknowledged; /* its final report had its answer */
};

/* Ids of jobs whose final report was acknowledged. */
#define JOBS_DONE_MAX 512
#define JOBS_DONE_MS (24u * 3600u * 1000u)

struct jobs {
	struct job *first;
	int count;
	struct {
		int64_t id;
		uint64_t at;
	} done[JOBS_DONE_MAX];
	unsigned done_next;
};

void jobs_release(struct jobs *jobs);
struct job *jobs_find(const struct jobs *jobs, int64_t id);
/* A new job at the end; takes over *task (which may be all zeros but for
 * job_id). NULL when out of memory or TASKS_MAX are there. */
struct job *jobs_add(struct jobs *jobs, struct task *task);
/* Takes it out of the table and frees it; its worker must be gone. */
void jobs_remove(struct jobs *jobs, struct job *job);
/* How long ago its report was acknowledged; JOBS_DONE_MS: not within the last
 * 24 hours, if ever. */
uint64_t jobs_done_ago(const struct jobs *jobs, int64_t id, uint64_t now);
/* Was it within them? */
bool jobs_was_done(const struct jobs *jobs, int64_t id, uint64_t now);
void jobs_mark_done(struct jobs *jobs, int64_t id, uint64_t now);
/* Is a job that uses a repository starting, or its worker still there? */
bool jobs_busy(const struct jobs *jobs);
/* May one more of those that wait for nobody begin? */
bool jobs_have_room(const struct jobs *jobs);
/* The oldest that waits, of those that must wait for their turn (exclusive)
 * or of the others; NULL when none does. */
struct job *jobs_next_waiting(const struct jobs *jobs, bool exclusive);
/* Forgets those that wait and were not named by poll number `poll`. */
void jobs_forget_unnamed(struct jobs *jobs, uint64_t poll);

/* A line for the server's log; over a cap the oldest is dropped. */
void job_add_log(struct job *job, const char *level, const char *text);
/* The oldest line; the texts are appended. Its number, 0 when there is none. */
uint64_t job_peek_log(
    const struct job *job, struct buf *level, struct buf *text);
/* Drops the oldest line, when it still is the one of that number. */
void job_drop_log(struct job *job, uint64_t number);

#endif
