/* Restores of databases: extract by borg, then import. PROTOCOL:
 * "restore_mysql, restore_pg, restore_mongo". */
#ifndef JOB_DATABASE_H
#define JOB_DATABASE_H

#include "job/worker.h"

void database_run(struct worker *w);

#endif
