/*
 * The directories that [policy] restore_to, backup_from and browse allow, and
 * which of them a task touches. Asked twice: by the supervisor by the letters
 * of the paths alone, since it may not touch a path that can hang, and by the
 * worker with symbolic links resolved.
 */
#ifndef JOB_ALLOWED_H
#define JOB_ALLOWED_H

#include "bbs/config.h"
#include "bbs/task.h"

/* 0 when the task stays where it may; -1 with a sentence in why that names
 * the rule. */
int allowed_check(const struct config *c, const struct task *t, bool resolve,
    struct buf *why);
/* Goes to the directory that the task runs in, made for a restore when it is
 * not there, and judges the one that it got: what is started from now on
 * stands there although a link on the way is moved. */
int allowed_enter(
    const struct config *c, const struct task *t, struct buf *why);
/* Does what fd is open on lie in one of the newline separated directories?
 * The list is one of allowed_resolve. Needs /proc; without it: no. */
bool allowed_fd(const char *list, int fd);
/* Appends the list with the links of each directory resolved. */
void allowed_resolve(const char *list, struct buf *out);

#endif
