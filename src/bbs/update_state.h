/*
 * How far an update of the agent itself is, on disk: /var/lib/bbs-agent/
 * update.json. Whoever starts in the middle of one knows from it what to do.
 * Older and newer versions read each other's: unknown members are passed
 * over, and a phase that is not known counts as none.
 */
#ifndef BBS_UPDATE_STATE_H
#define BBS_UPDATE_STATE_H

#include "bbs/paths.h"
#include "bbs/release.h"
#include <limits.h>
#include <stdint.h>

enum update_phase {
	UPDATE_NONE,
	UPDATE_TRIAL,	   /* `to` is fetched and tried beside the program */
	UPDATE_PENDING,	   /* it is the program, the server has not answered
			      it yet */
	UPDATE_ROLLED_BACK /* it was, and `from` is again, for `reason` */
};

struct update_state {
	enum update_phase phase;
	char from[RELEASE_VERSION_MAX], to[RELEASE_VERSION_MAX];
	char program[PATH_MAX]; /* which file it is about */
	int64_t job_id;		/* whose report is owed, 0: none */
	int64_t starts;		/* of `to` since it is in its place */
	int64_t time;		/* of the last change, seconds since 1970 */
	char reason[300];
};

/* For anybody: UPDATE_NONE also when the file is not there or unreadable. */
void update_state_read(const struct paths *p, struct update_state *s);
/* Synced to disk; sets s->time. 0 or -1 (errno). */
int update_state_write(const struct paths *p, struct update_state *s);
void update_state_clear(const struct paths *p);

/* Only one at a time: a descriptor to be closed at the end, -1 (errno). */
int update_lock(const struct paths *p);

/* The program's companions: PROGRAM.new, PROGRAM.old. */
#define UPDATE_NEW ".new"
#define UPDATE_OLD ".old"
#define UPDATE_NAME_MAX (PATH_MAX + 8)
void update_name(
    char name[UPDATE_NAME_MAX], const char *program, const char *suffix);
/* PROGRAM.new takes the program's place, which becomes PROGRAM.old; and the
 * other way back. At each moment the name is a whole program. 0, or -1 with a
 * sentence in why. */
int update_swap(const char *program, struct buf *why);
int update_swap_back(const char *program, struct buf *why);

#endif
