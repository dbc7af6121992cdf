/* What was brought along on the medium that this program lies on. */
#ifndef SETUP_BESIDE_H
#define SETUP_BESIDE_H

#include "base/buf.h"

/* install.sh runs a copy of the program, and says here where it was. */
#define BESIDE_ENV "BBS_AGENT_BUNDLE"

/* A borg beside the program: "borg", or the "borg-linux-*" that this host can
 * run and that asks for the newest glibc. For the caller to free; NULL when
 * there is none, with a sentence in why when one was passed over. */
char *beside_find(struct buf *why);
/* Is the file what a SHA256SUMS beside it says? 0, also where none names it;
 * -1 with a sentence in why. */
int beside_check_sum(const char *file, struct buf *why);

/* A text beside the program, that a SHA256SUMS there may name. 0; -1 when there
 * is none, with a sentence in why when one was passed over. */
int beside_read(const char *name, struct buf *text, struct buf *why);

#endif
