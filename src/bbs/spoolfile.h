/*
 * The files of the spool: one final report each, named so that sorting by
 * name is the order of their making. Workers write them, the supervisor
 * sends and removes them.
 */
#ifndef BBS_SPOOLFILE_H
#define BBS_SPOOLFILE_H

#include "base/buf.h"
#include <stdint.h>

/* Writes a report (JSON) atomically, synced to disk. 0 or -1 (errno). */
int spoolfile_write(
    const char *dir, int64_t job_id, const char *body, size_t len);
/* Name of the oldest report after `after` (NULL: the first), into name
 * (size bytes), with its job id. 1, 0 when there is none, -1 (errno). */
#define SPOOLFILE_NAME_MAX 64
int spoolfile_next(const char *dir, const char *after, char *name, size_t size,
    int64_t *job_id);
/* Does a report of this job lie there? Also when that cannot be told now: a
 * job that it would be wrong to call unknown. */
bool spoolfile_has(const char *dir, int64_t job_id);
/* Reads one: 0; -1 when it cannot be read or holds no JSON object. */
int spoolfile_read(const char *dir, const char *name, struct buf *body);
/* Seconds since it was written, by the clock as it stands; 0 for a time that
 * is still to come. */
int64_t spoolfile_age(const char *name);
/* How many reports wait, or (aside) were set aside; name gets the oldest. */
int spoolfile_count(const char *dir, bool aside, char *name, size_t size);
int spoolfile_remove(const char *dir, const char *name);
/* Renames it to NAME.bad, so that it no longer counts but can be looked at */
int spoolfile_set_aside(const char *dir, const char *name);

#endif
