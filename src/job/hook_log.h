/*
 * The outcomes of the last post-scripts, kept on disk for `status`: the
 * server takes no log line of a job that is over. The file is an array of
 * {time, job_id, ok, text}, the oldest first.
 */
#ifndef JOB_HOOK_LOG_H
#define JOB_HOOK_LOG_H

#include "bbs/paths.h"
#include <stdbool.h>
#include <stdint.h>

/* Adds one; a disk that does not take it costs a line in the log. */
void hook_log_add(
    const struct paths *p, int64_t job_id, bool ok, const char *text);

#endif
