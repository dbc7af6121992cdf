/*
 * Keeps the host from falling asleep while a job runs, where systemd-inhibit
 * is there to ask for it. It can neither delay nor fail a job, and it ends
 * with the worker, however that ends.
 */
#ifndef JOB_INHIBIT_H
#define JOB_INHIBIT_H

#include "base/proc.h"
#include "job/worker.h"

struct inhibit {
	struct proc proc;
	int hold; /* what it holds the lock for: our end of a pipe; -1: none */
};

void inhibit_begin(struct inhibit *i, const struct worker *w);
void inhibit_end(struct inhibit *i);

#endif
