/* The backup job. PROTOCOL: "backup, backup_dry_run", "Final report". */
#ifndef JOB_BACKUP_H
#define JOB_BACKUP_H

#include "job/worker.h"

/* Runs w->task from its plugins to the final report. */
void backup_run(struct worker *w);

#endif
