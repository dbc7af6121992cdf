/* The proof that a borg works here: it is run, in a directory of its own. */
#ifndef BBS_BORGPROOF_H
#define BBS_BORGPROOF_H

#include "base/buf.h"
#include <stdbool.h>

/* A binary that unpacks itself takes 15 s on the smallest machines. */
#define BORGPROOF_STEP_MS 120000u

/* One run of it, for who carries it out. */
struct borgproof_run {
	const char *const *argv, *const *env;
	const char *cwd;
	/* the outcome */
	int code; /* as a shell has it */
	bool timed_out;
	struct buf said; /* its output, or when it failed its errors */
};

/* Runs it to its end, for BORGPROOF_STEP_MS at most. 0; -1 when it could not
 * be started, with a sentence in why. */
typedef int borgproof_runner(
    void *ctx, struct borgproof_run *run, struct buf *why);

/* Runs the program at path: its version, its help, a repository made and an
 * archive written below dir. 0 with the version; -1 with a sentence in why. */
int borgproof(const char *path, const char *dir, borgproof_runner *runner,
    void *ctx, struct buf *version, struct buf *why);

#endif
