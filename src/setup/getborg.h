/* A borg for this host, obtained by the installation. README: "Install". */
#ifndef SETUP_GETBORG_H
#define SETUP_GETBORG_H

#include "setup/plan.h"

/* The file that --borg names, asked before anything is written: is it what a
 * SHA256SUMS beside it says, does it run here? 0 with p->borg_size, also when
 * no file was named; -1 with a sentence in why. */
int getborg_check(struct plan *p, struct buf *why);
/* Sees to it that there is a borg, as far as --borg and the person at the
 * terminal allow it. That there is none is said and is no failure: the server
 * can order one later. */
void getborg(struct plan *p);

#endif
