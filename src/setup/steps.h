/*
 * The steps of an installation: each is done, or in a dry run only told, with
 * the same words. Nothing is written that is already as it should be. A step
 * that fails says so in one sentence and changes nothing.
 */
#ifndef SETUP_STEPS_H
#define SETUP_STEPS_H

#include "base/buf.h"
#include <sys/types.h>

struct steps {
	bool dry;  /* tell, do not do */
	bool loud; /* somebody watches */
};

/* A line for whoever watches, when somebody does or in a dry run. */
void steps_say(const struct steps *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Something that whoever installs should know, on stderr. */
void steps_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Each returns 0, or -1 with one sentence in why. */
int steps_dir(
    const struct steps *s, const char *path, mode_t mode, struct buf *why);
int steps_file(const struct steps *s, const char *path, const struct buf *data,
    mode_t mode, struct buf *why);
int steps_link(const struct steps *s, const char *target, const char *path,
    struct buf *why);
/* A file or link; it is no failure when there is none. */
int steps_remove(const struct steps *s, const char *path, struct buf *why);
int steps_remove_tree(const struct steps *s, const char *path, struct buf *why);
/* What an installation that was killed left half written of that file. */
void steps_sweep(const struct steps *s, const char *path);
/* Runs a program to its end; what it said is part of the sentence when it
 * failed. */
int steps_run(const struct steps *s, const char *const *argv, struct buf *why);

#endif
