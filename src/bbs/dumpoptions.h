/*
 * Which extra options a server may give to the programs that dump. They come
 * from outside and run as root, so it is a list of those that only say what a
 * dump holds: none that writes a file, runs a program or a statement, or
 * changes what an import expects.
 */
#ifndef BBS_DUMPOPTIONS_H
#define BBS_DUMPOPTIONS_H

#include "base/buf.h"
#include "bbs/dumpconfig.h"

/* 0, or -1 with a sentence that names the first one that is refused. */
int dumpoptions_check(
    enum dump_engine engine, const struct words *options, struct buf *why);

#endif
