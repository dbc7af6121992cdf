/*
 * One run of borg: started, its log read, stopped when told, ended whole.
 * What a line means for the job is the caller's business (on_event).
 */
#ifndef JOB_BORG_H
#define JOB_BORG_H

#include "job/borglog.h"
#include "job/excerpt.h"
#include "job/worker.h"

struct borg_run {
	/* set by the caller */
	struct worker *worker;
	const char *const *argv; /* argv[0]: absolute path of borg */
	const char *const *env;
	const char *cwd; /* NULL: where we stand */
	/* A line that was decoded; a message's text is in j. May be NULL. */
	void (*on_event)(
	    void *ctx, const struct json *j, const struct borglog_event *e);
	/* After each batch of lines, and at least once a second: to write,
	 * to tell progress. May be NULL. */
	void (*on_tick)(void *ctx, uint64_t now, bool silent);
	void *ctx;

	/* the outcome */
	bool stopped;	       /* it was told to end */
	int exit_code;	       /* as a shell has it */
	struct excerpt errors; /* errors, and warnings that are not routine */
	struct excerpt all;    /* the same with the routine ones */
	uint64_t warnings;     /* warnings that are not routine */
	uint64_t other_errors; /* errors that are not about a lock */
	unsigned lock_marks;
	struct buf summary; /* borg's standard output */
};

void borg_run_init(struct borg_run *r, struct worker *w);
void borg_run_release(struct borg_run *r);
/*
 * Runs it to its end: 0 when it ran (see exit_code and worker->stop), -1 when
 * it could not be started (one sentence in why). When the worker is told to
 * stop, borg alone gets SIGTERM so that it releases its locks, after 10 s its
 * group gets SIGKILL. Afterwards nothing of the group is left.
 */
int borg_run(struct borg_run *r, struct buf *why);

#endif
