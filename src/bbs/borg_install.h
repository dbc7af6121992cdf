/* Puts a proven borg into its place, the old one beside it. */
#ifndef BBS_BORG_INSTALL_H
#define BBS_BORG_INSTALL_H

#include "base/buf.h"
#include <stdbool.h>

/* May a program (the agent, too) be put there? Absolute, in a directory that
 * others cannot write to, in the place of nothing or of a plain file, and not
 * where distributions keep theirs. 0, or -1 with a sentence in why. */
int borg_place_check(const char *place, struct buf *why);

/* A new directory to try a borg in, that only root can enter; what a crash
 * left of it goes first. It lies in the agent's own `state`, or beside place
 * where nothing may be executed in that. NULL with a sentence in why; the
 * caller removes it and frees its name. */
char *borg_try_dir(const char *state, const char *place, struct buf *why);

/* Copies `from` to place, mode 0755, in one step; a file that was there is
 * kept as place.bak. 0 with *had_old; -1 with a sentence in why, and place as
 * it was. */
int borg_install(
    const char *from, const char *place, bool *had_old, struct buf *why);
/* Takes it back: the old one, or nothing. */
void borg_uninstall(const char *place, bool had_old);

#endif
