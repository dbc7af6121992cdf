/*
 * Secrets in memory: kept out of core files and of the sight of others.
 */
#ifndef BASE_PROC_HIDE_H
#define BASE_PROC_HIDE_H

/* This process, and those that it forks, leave no core file, and nobody else
 * of the same user can trace them or read their memory. A program that is
 * executed can be looked at as usual, but leaves no core file either: borg
 * and others hold secrets of ours. May be called again and again. */
void proc_hide(void);
/* For programs that hold none: until the next proc_hide they are started with
 * the limit of core files as it was before the first. */
void proc_unlimit_cores(void);

#endif
