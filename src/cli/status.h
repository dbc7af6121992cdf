/* `bbs-agent status`. README: "Is it working?". */
#ifndef CLI_STATUS_H
#define CLI_STATUS_H

#include "base/buf.h"
#include "bbs/paths.h"
#include "bbs/statusfile.h"
#include "cli/term.h"

struct status_options {
	const char *root, *config;
	bool watch, json;
};

/* Returns an exit code; what is wrong is said on stderr. */
int status_run(const struct status_options *o);

/* What is found when one looks. */
struct status_look {
	int code;	 /* of the exit: 0, or why says what is wrong */
	bool running;	 /* an agent holds the lock */
	bool told;	 /* s is its own word */
	struct buf text; /* the file as it is, "" when it cannot be read */
	struct buf why;	 /* one sentence */
	struct status s;
};

/* Judges by the lock; the file counts only when the lock's holder wrote it. */
void status_look(const struct paths *p, struct status_look *look);
void status_look_release(struct status_look *look);

/* The screen, a line each, at most `rows` of them (0: as many as there are).
 * now: clock_wall. */
void status_lines(const struct term *t, const struct status *s, int64_t now,
    unsigned rows, struct buf *out);

/* Draws it again and again, until somebody ends it. Returns an exit code. */
int status_watch(const struct paths *p);

#endif
