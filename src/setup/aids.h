/*
 * What helps people at the command line: the manual page, and completions for
 * bash, zsh and fish. Where the files lie beside the program and the host has
 * a place for them they are installed; without them nothing is missing.
 */
#ifndef SETUP_AIDS_H
#define SETUP_AIDS_H

#include "setup/plan.h"

/* One that cannot be installed is no failure: a note says why. */
void aids_install(const struct plan *p);
/* Removes each that says it is ours. 0, or -1 with a sentence in why when one
 * could not be. */
int aids_remove(const struct plan *p, struct buf *why);

#endif
