/*
 * The ids of acknowledged jobs on disk, so that they outlive a restart: lines
 * of a job id and the time (seconds since 1970) of its acknowledgement.
 */
#ifndef AGENT_DONE_H
#define AGENT_DONE_H

#include "agent/jobs.h"
#include "bbs/paths.h"

/* now: clock_ms, wall: clock_wall. */
void done_encode(
    const struct jobs *jobs, uint64_t now, int64_t wall, struct buf *out);
/* Adds what the text holds. Returns how many lines were none of ours. */
int done_decode(struct jobs *jobs, const char *text, size_t len, uint64_t now,
    int64_t wall);
/* The same with the file; a failure is logged, and the agent goes on. */
void done_load(struct jobs *jobs, const struct paths *p);
void done_save(const struct jobs *jobs, const struct paths *p);

#endif
