/* What the agent tells of its host. PROTOCOL: "System information". */
#ifndef BBS_SYSINFO_H
#define BBS_SYSINFO_H

#include "bbs/config.h"
#include "bbs/paths.h"

/* Appends the body of register and info. Runs borg --version, so it takes
 * half a second and belongs into a process that may wait; stop_fd as in
 * proc_run. In why, and in the log, a sentence when borg cannot be used;
 * without a why: not a word about borg, and at once. */
void sysinfo_encode(const struct config *c, const struct paths *p, int stop_fd,
    struct buf *why, struct buf *out);

#endif
