/* A release is found, verified and fetched: of `bbs-agent update`. */
#ifndef SETUP_UPDATE_FETCH_H
#define SETUP_UPDATE_FETCH_H

#include "bbs/config.h"
#include "bbs/paths.h"
#include "bbs/release.h"

/* from: a directory or an address (NULL: where config.ini says); each of
 * the two files gets ms; the place is appended to base. 0 with *r, which was
 * verified; -1 with one sentence in why. */
int update_look(const struct config *c, const struct paths *p, const char *from,
    uint32_t ms, struct buf *base, struct release *r, struct buf *why);
/* Fetches the program of that release from base to a new file `path` (0755,
 * synced): 0 when it is what was signed and a program of this machine; -1 with
 * one sentence in why, and no file. */
int update_fetch(const struct config *c, const struct paths *p,
    const char *base, const struct release *r, const char *path,
    struct buf *why);

#endif
