/*
 * Any borg command that is not a backup: a restore, a dry run, or whatever
 * else the server orders. PROTOCOL: "restore", "anything else".
 */
#ifndef JOB_COMMAND_H
#define JOB_COMMAND_H

#include "job/worker.h"

/* Runs w->task from the working directory to the final report. */
void command_run(struct worker *w);

#endif
