/*
 * A command line taken apart as a POSIX shell would quote it, without a
 * shell: nothing is expanded, $, * and ; are plain characters.
 */
#ifndef BASE_SHELLWORDS_H
#define BASE_SHELLWORDS_H

#include "base/buf.h"
#include "base/words.h"

/* Adds the words of line: quotes and backslashes as in a shell, any blank
 * between them (a CR, too). 0; -1 with *why, a clause such as "a quote is
 * not closed", and nothing usable in out. */
int shellwords_split(struct words *out, const char *line, const char **why);
/* Appends one word so that the above, or a shell, reads it as it is. */
void shellwords_quote(struct buf *out, const char *word);

#endif
