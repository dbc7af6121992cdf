/*
 * The last jobs and how they ended, for people: kept over restarts in
 * history.json. Looks into directories are not among them: somebody who
 * browses would push everything else out.
 */
#ifndef AGENT_HISTORY_H
#define AGENT_HISTORY_H

#include "bbs/report.h"
#include "bbs/statusfile.h"

struct agent;

struct history {
	struct status list;	 /* nothing of it but what is past */
	uint64_t changes, saved; /* how many, and how many are on disk */
};

void history_load(struct agent *a);
/* A job ended so. Of the report its result, flag, numbers and error_log (its
 * gist) count; reason: a sentence of the agent's own, or NULL. A job that is
 * there already is replaced. */
void history_add(
    struct agent *a, int64_t id, const struct report *r, const char *reason);
/* A report that lay in the spool, `age` seconds old: it may be of an earlier
 * life, when nobody heard of the job's end. */
void history_add_report(
    struct agent *a, int64_t id, const char *body, size_t len, int64_t age);
/* Writes the file when something changed: many ends at once are one write. */
void history_save(struct agent *a);
void history_release(struct history *h);

#endif
