/* The post-scripts that a dead worker, or a dead agent, left owed. */
#ifndef JOB_OWED_H
#define JOB_OWED_H

#include "job/worker.h"

/* Runs what the journal of the task's job says is owed; of the task only
 * job_id is looked at. What is settled is written down as paid. */
worker_main owed_run;

#endif
