/* What the agent tells of its host. PROTOCOL: "System information". */
#ifndef BBS_SYSINFO_H
#define BBS_SYSINFO_H

#include "bbs/config.h"
#include "bbs/paths.h"

/* Appends the body of register and info. Runs borg --version, so it takes
 * half a second and belongs into a process that may wait; stop_fd as in
 * proc_run. Without borg: not a word about it, and at once. Sentences on what
 * could not be found out go to the log. */
void sysinfo_encode(const struct config *c, const struct paths *p, bool borg,
    int stop_fd, struct buf *out);

#endif
