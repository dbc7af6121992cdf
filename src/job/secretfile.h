/*
 * A secret that a program reads from a file while it runs: 0600, in the
 * agent's run directory, one for each job, gone when the program ends, and
 * swept where a worker could not do it.
 */
#ifndef JOB_SECRETFILE_H
#define JOB_SECRETFILE_H

#include "bbs/paths.h"
#include <stddef.h>
#include <stdint.h>

/* Its path, to be given to secretfile_remove; NULL with errno. */
char *secretfile_write(
    const struct paths *p, int64_t job_id, const void *data, size_t len);
/* The same for a program that wants JavaScript's name: it ends in .js. */
char *secretfile_write_js(
    const struct paths *p, int64_t job_id, const void *data, size_t len);
/* Removes the file and frees the path; NULL is fine. */
void secretfile_remove(char *path);
/* What a job whose worker died / any job may have left. */
void secretfile_forget(const struct paths *p, int64_t job_id);
void secretfile_forget_all(const struct paths *p);

#endif
