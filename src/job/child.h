/*
 * A program that is run for a job: a dump, an import, a hook, a package
 * manager. While it runs the worker goes on listening to the supervisor, so
 * that a cancel ends it at once. borg has a loop of its own (job/borg.h).
 */
#ifndef JOB_CHILD_H
#define JOB_CHILD_H

#include "job/worker.h"

/* out: what it writes is collected in `output`. */
#define CHILD_COLLECT (-2)

struct child {
	/* set by the caller, after child_init */
	struct worker *worker;
	const char *const *argv; /* as in base/proc.h */
	/* Reads what argv writes and writes to out; NULL: there is none. */
	const char *const *filter;
	/* What the filter reads behind argv's output, only when argv ended
	 * with 0: it can tell a whole input from one that was cut off, even
	 * when we are gone. At most PIPE_BUF bytes; NULL: nothing. */
	const char *last_words;
	const char *const *env; /* NULL: our own */
	const char *cwd;	/* NULL: our own */
	int in;			/* of argv; PROC_NULL */
	int out;		/* of the last one; PROC_NULL, CHILD_COLLECT */
	/* Errors are collected in `output`, too, as the two come; of both the
	 * head and the tail are kept then (output.max may be made smaller). */
	bool join;
	bool bulk; /* with [borg] nice and ionice: it moves much data */
	/* It is not ended when the job is to stop, only when the supervisor
	 * is gone. */
	bool goes_on;
	/* A hang ends it: no CPU and no I/O for STALL_MS. Only for what is
	 * never idle by itself, as a client whose server works is. */
	bool watched;
	bool may_leave;	     /* what it leaves running in its group stays */
	uint64_t timeout_ms; /* 0: none */
	uint64_t grace_ms;   /* from SIGTERM to SIGKILL; CHILD_GRACE_MS */
	/* At least once a second: to tell progress. May be NULL. */
	void (*on_tick)(void *ctx);
	void *ctx;

	/* the outcome */
	int exit_code;	   /* as a shell has it; of the one that failed */
	bool stopped;	   /* ended since the job is to stop (worker->stop) */
	bool timed_out;	   /* ended since timeout_ms had passed */
	bool stuck;	   /* killed, and still there: left behind */
	struct buf output; /* CHILD_OUTPUT_MAX; what is over it is dropped */
	struct buf errors; /* the head and the tail of what both said */
	/* How many bytes of each were dropped; where head and tail are kept,
	 * they stood behind the first quarter of max. */
	uint64_t output_cut, errors_cut;
};

void child_init(struct child *c, struct worker *w);
/* Frees the outcome; both texts are wiped. */
void child_release(struct child *c);
/*
 * Runs it to its end: 0 when it ran, whatever came of it; -1 when it could
 * not be started (one sentence in why). Ended early it gets SIGTERM, and
 * SIGKILL after grace_ms; then nothing of its group is left. The struct can
 * be used again after child_release and child_init.
 */
int child_run(struct child *c, struct buf *why);

#endif
