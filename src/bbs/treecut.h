/* A browsed tree made smaller, when it was too large for the server. */
#ifndef BBS_TREECUT_H
#define BBS_TREECUT_H

#include "base/buf.h"

/* Appends the tree (the JSON of a list_dir) with its number of entries halved
 * `times` times: those nearest to the top stay, and what lost entries is
 * marked as truncated. The number of entries that are left; -1 when the text
 * is no such tree, or there is no room. */
int treecut_halve(
    const char *tree, size_t len, unsigned times, struct buf *out);

#endif
