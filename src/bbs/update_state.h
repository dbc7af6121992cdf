/*
 * What became of the last update of the agent itself, on disk: /var/lib/
 * bbs-agent/update.json. Whoever starts behind one knows from it what to do,
 * and people what happened. Older and newer versions read each other's:
 * unknown members are passed over, and a phase that is not known counts as
 * none.
 */
#ifndef BBS_UPDATE_STATE_H
#define BBS_UPDATE_STATE_H

#include "bbs/paths.h"
#include "bbs/release.h"
#include <limits.h>
#include <stdint.h>

enum update_phase {
	UPDATE_NONE,
	UPDATE_PENDING,	    /* `to` is the program, the server has not answered
			       it yet */
	UPDATE_INSTALLED,   /* it has; its starts count until it ran for long */
	UPDATE_FAILED,	    /* nothing was changed, for `reason` */
	UPDATE_ROLLED_BACK, /* it was, and `from` is again, for `reason` */
	UPDATE_PHASES
};

struct update_state {
	enum update_phase phase;
	/* "" where UPDATE_FAILED came before they were known */
	char from[RELEASE_VERSION_MAX], to[RELEASE_VERSION_MAX];
	char program[PATH_MAX]; /* which file it is about */
	int64_t job_id;		/* whose report is owed, 0: none */
	int64_t starts;		/* of `to` whose end nobody ordered */
	int64_t time;		/* of the last change, seconds since 1970 */
	char reason[300];
};

/* For anybody: UPDATE_NONE also when the file is not there or unreadable. */
void update_state_read(const struct paths *p, struct update_state *s);
/* Synced to disk; sets s->time. 0 or -1 (errno). */
int update_state_write(const struct paths *p, struct update_state *s);
void update_state_clear(const struct paths *p);
/* The same for people, in one sentence; nothing for UPDATE_NONE. */
void update_state_tell(const struct update_state *s, struct buf *out);

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
