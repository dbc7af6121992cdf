/*
 * A log that is a file of our own: opened safely, and turned over when it is
 * large. The old one gets ".1" behind its name, in place of the one before.
 */
#ifndef BASE_LOG_FILE_H
#define BASE_LOG_FILE_H

#include "base/buf.h"
#include <stdbool.h>

/* Opens it for appending, made 0640 where it is not there. A link, a file with
 * a second name or of another user is refused. A descriptor, or -1 with one
 * sentence in why. */
int log_file_open(const char *path, struct buf *why);
/* From now on the log that goes to fd is kept under this name (copied; NULL:
 * none is): LOG_FILE_MAX at most, and opened anew where somebody else moved it
 * away. fd itself stays the same number. */
void log_file_keep(int fd, const char *path);
/* Before a line is written to fd: turns the file over if that is due. Every
 * process that shares the file calls it. What fails leaves the log where it
 * is. */
void log_file_turn(int fd);
/* Is fd the file of this name itself, and no link to it? */
bool log_file_is(int fd, const char *path);

#endif
