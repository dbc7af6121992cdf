/*
 * A job whose result is a text and not what a run of borg says: begun, done,
 * reported. What it found goes into output, what went wrong into error; a
 * stop becomes the report's sentence.
 */
#ifndef JOB_SHORT_H
#define JOB_SHORT_H

#include "job/worker.h"

struct short_job {
	struct worker *worker;
	uint64_t started_at;
	struct progress progress; /* to be told with worker_progress */
	bool failed, had_warnings;
	struct buf output, error;
	bool output_whole; /* output is not cut: a tree */
};

void short_begin(struct short_job *s, struct worker *w);
/* Marks it as failed, with a sentence. */
void short_fail(struct short_job *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Writes the final report and frees. */
void short_end(struct short_job *s);

#endif
