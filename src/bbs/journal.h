/*
 * The journal: one file for each job, from before its announcement to the
 * server (or its start, where it is not announced) until its final report is
 * acknowledged and nothing is owed. With it the next start of the agent knows
 * what was running, whom to stop and what to tell.
 *
 * A file is lines of JSON, added at its end. What must outlive a power cut
 * (the job itself, owed scripts) is synced to disk; what counts only as long
 * as the kernel runs (processes) is not. A last line without its end was cut
 * off by a crash and does not count. Unknown keys are passed over.
 *
 * One process writes at a time: the supervisor until the worker is forked and
 * again when it is gone, the worker in between. The repository's passphrase
 * is never in it, but a script's words may hold some other secret: the files
 * are 0600 and their text is wiped from memory.
 */
#ifndef BBS_JOURNAL_H
#define BBS_JOURNAL_H

#include "base/limits.h"
#include "base/proc.h"
#include "bbs/paths.h"
#include <stddef.h>
#include <stdint.h>

/* As /proc writes it: 36 characters. "": not known. */
#define BOOT_ID_SIZE 48
void journal_boot_id(char id[BOOT_ID_SIZE]);

/* Before the job is announced; replaces what is there. archive may be NULL.
 * All of these return 0, or -1 (errno). */
int journal_begin(const struct paths *p, int64_t job_id, const char *type,
    const char *archive);
/* This process is its worker. On disk at once: what the server was told nothing
 * of, a test of a script, must not run again when the host loses its power. */
int journal_worker(const struct paths *p, int64_t job_id);
/* This process group runs for it. */
int journal_group(
    const struct paths *p, int64_t job_id, const struct proc *group);
/* Its final report lies in the spool. */
int journal_reported(const struct paths *p, int64_t job_id);
/* A script that has to run, whatever happens: a JSON object. The same key
 * once more replaces it. */
int journal_owe(const struct paths *p, int64_t job_id, const char *key,
    const char *script_json);
/* It is about to be run after a crash: that is not done for ever. */
int journal_tried(const struct paths *p, int64_t job_id, const char *key);
/* It is settled. */
int journal_paid(const struct paths *p, int64_t job_id, const char *key);
int journal_remove(const struct paths *p, int64_t job_id);
/* Renames it to NAME.bad, so that it can be looked at. */
int journal_set_aside(const struct paths *p, int64_t job_id);

struct owed {
	char *key, *script;
	unsigned tries;
};

struct journal {
	char boot[BOOT_ID_SIZE]; /* under which its worker ran */
	struct proc worker;	 /* pid 0: none is known */
	bool begun; /* more than announced, also by a version to come */
	struct proc group;
	bool reported;
	char type[64];
	struct owed *owed;
	size_t owed_count;
};

/* Reads a journal's text. 0; -1 when a line of it is no record: then *to has
 * what stood before. Release it in both cases. */
int journal_decode(struct journal *to, const char *text, size_t len);
/* The same of a job's file: 0, 1 damaged, -1 it cannot be read (errno). */
int journal_read(const struct paths *p, int64_t job_id, struct journal *j);
void journal_release(struct journal *j);

/* The smallest job id above `after` that has a file: 1 with *job_id, 0 there
 * is none, -1 (errno). */
int journal_next(const struct paths *p, int64_t after, int64_t *job_id);

#endif
