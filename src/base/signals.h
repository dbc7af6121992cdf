/*
 * Signals as a descriptor for poll(2), so that a loop meets them where it
 * waits and never in the middle of something.
 */
#ifndef BASE_SIGNALS_H
#define BASE_SIGNALS_H

#include <stddef.h>

/* Blocks the count signals and ignores SIGPIPE: a reader that went away is an
 * error of write. A signalfd(2) that does not block, to be closed by the
 * caller; -1 with errno. */
int signals_open(const int *signals, size_t count);

#endif
