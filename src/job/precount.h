/* Counting files before a backup, for the progress bar. */
#ifndef JOB_PRECOUNT_H
#define JOB_PRECOUNT_H

#include "job/worker.h"

/*
 * Counts what is not a directory below each line of `directories` (CRLF
 * accepted), staying on one file system when told. Pseudo file systems are
 * passed over. It gives up after PRECOUNT_SECONDS, or when it came no further
 * for PRECOUNT_SILENT_MS, with what it has, and at once when the worker is
 * stopped. on_wait comes about once a second.
 */
#define PRECOUNT_SECONDS 300
#define PRECOUNT_SILENT_MS 15000u
int64_t precount_files(struct worker *w, const char *directories,
    bool one_file_system, void (*on_wait)(void *), void *ctx);

#endif
