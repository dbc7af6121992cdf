/* Where the agent's log goes, as config.ini and the service have it. */
#ifndef AGENT_LOGGING_H
#define AGENT_LOGGING_H

#include "bbs/config.h"
#include "bbs/paths.h"

/* Opens log_file. *fd: its descriptor, -1 for standard error (which it is for
 * debug). 0, or -1 with one sentence in why. */
int logging_open(const struct config *c, bool debug, int *fd, struct buf *why);
/* From now on the log goes there. */
void logging_use(
    const struct config *c, const struct paths *p, bool debug, int fd);
/* Each line of it is a warning. */
void logging_warn(const struct buf *lines);
/* Before there is a configuration: why there is none. */
void logging_fail(const struct buf *why);

#endif
