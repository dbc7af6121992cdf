/* The supervisor: `bbs-agent run`. */
#ifndef AGENT_SUPERVISOR_H
#define AGENT_SUPERVISOR_H

#include "bbs/config.h"
#include "bbs/paths.h"

struct supervisor_options {
	bool once;
	bool debug;  /* everything is logged, to stderr */
	int log_fd;  /* kept open in workers; -1: stderr */
	char **argv; /* what this program was called with */
};

/* Runs until SIGTERM or SIGINT, or to the end of --once. Returns the exit
 * code: 0, or 1 when it could not start or --once could not do it all. On
 * SIGHUP *c becomes what config.ini says then. */
int supervisor_run(struct config *c, const struct paths *p,
    const struct supervisor_options *options);

#endif
