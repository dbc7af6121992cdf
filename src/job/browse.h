/* A look into a directory for the server's file browser. PROTOCOL: "list_dir".
 */
#ifndef JOB_BROWSE_H
#define JOB_BROWSE_H

#include "job/worker.h"

void browse_run(struct worker *w);

#endif
