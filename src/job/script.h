/*
 * One script of a hook, run: without a shell, in its own process group,
 * within its time, its output kept as far as the protocol keeps it.
 */
#ifndef JOB_SCRIPT_H
#define JOB_SCRIPT_H

#include "job/worker.h"

struct script {
	/* set by the caller, after script_init */
	struct worker *worker;
	const char *line; /* a path with arguments, quoted as for a shell */
	uint64_t timeout_s;
	bool goes_on; /* as in job/child.h */
	const char *const *env;

	/* the outcome */
	bool started;
	bool stopped;	   /* it did not come to its end: the job stops */
	struct buf output; /* valid text, HOOK_OUTPUT_MAX and a bit */
	struct buf end;	   /* "exit 0", "timed out after 60 s", … */
};

void script_init(struct script *s, struct worker *w);
void script_release(struct script *s);
/* 0 when it ended with 0; -1 when it did not, or did not start: `end` says
 * how it went in any case. */
int script_run(struct script *s);
/* Appends the script's command line, made fit for one line of text. */
void script_add_line(struct buf *out, const char *line);
/* Appends what the script said within max bytes, its head and its tail. */
void script_add_output(struct buf *out, const struct script *s, size_t max);

#endif
