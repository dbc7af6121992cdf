/* Why the kernel would not run a file, in words that a user can act on. */
#ifndef BASE_PROC_WHY_H
#define BASE_PROC_WHY_H

#include "base/buf.h"

/* Appends a clause such as "it is not executable (mode 0644)"; error is what
 * execve(2) gave. It only looks at files and changes nothing. */
void proc_why(struct buf *why, const char *path, int error);
/* The same for a script that did start and failed at once: appends a clause
 * in brackets when its lines end in CR LF, which the kernel and env(1) pass on
 * as part of a name or an option; else nothing. */
void proc_why_failed(struct buf *why, const char *path);

#endif
