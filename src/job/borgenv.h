/*
 * What a borg command of the server needs before it can run here: the very
 * file of borg, the environment, the remote key, a cache without the locks of
 * the dead. PROTOCOL: "borg", "remote_ssh_key".
 */
#ifndef JOB_BORGENV_H
#define JOB_BORGENV_H

#include "job/worker.h"

struct borg_command {
	const char **argv; /* the task's words, borg as an absolute path */
	char **env;
	char *remote_key; /* file to be removed, or NULL */
	struct buf path;
	char limit[48]; /* the option for [borg] upload_kib */
};

/* 0, or -1 with one sentence in why. */
int borg_command_build(
    struct borg_command *c, struct worker *w, struct buf *why);
/* Removes the remote key, too. Safe on a zeroed struct. */
void borg_command_release(struct borg_command *c);

/* Removes the remote key of a job whose worker could not / of all jobs. */
void borgenv_forget_key(const struct paths *p, int64_t job_id);
void borgenv_forget_keys(const struct paths *p);

/* Removes lock.exclusive below borg's cache directory when the process on
 * this host that made it is gone. env: borg's environment. Returns how many.
 */
int borgenv_clear_locks(char *const *env);
/* Is it the name of a UTF-8 locale? NULL is not. */
bool borgenv_is_utf8(const char *value);
/* Appends where borg's cache lies with this environment: 0, or -1 when that
 * cannot be known. */
int borgenv_cache_dir(char *const *env, struct buf *dir);

#endif
