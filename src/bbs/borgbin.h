/* Which borg is used, and what it is. PROTOCOL: "System information". */
#ifndef BBS_BORGBIN_H
#define BBS_BORGBIN_H

#include "base/buf.h"
#include <stdint.h>

/* Appends the absolute path of the borg to run: `configured` when not NULL,
 * else the protocol's list of places, then PATH. 0; -1 with one sentence in
 * why when there is none that can be executed. */
int borgbin_find(const char *configured, struct buf *path, struct buf *why);
/* Asks that very file for its version ("1.4.1"); runs it, at most 30 s.
 * stop_fd as in proc_run. 0, or -1 with a sentence in why. */
int borgbin_version(
    const char *path, int stop_fd, struct buf *version, struct buf *why);
/* A number that changes when the file that borgbin_find finds does; 0 when
 * there is none. */
uint64_t borgbin_stamp(const char *configured);
/* "binary", "pip" or "package", from where it lies. */
const char *borgbin_install_method(const char *path);

#endif
