/* update_agent: a newer version of this program, from [update] url. */
#ifndef JOB_AGENT_UPDATE_H
#define JOB_AGENT_UPDATE_H

#include "job/worker.h"

worker_main agent_update_run;

#endif
