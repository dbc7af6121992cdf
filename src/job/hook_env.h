/*
 * What a script of a hook finds in its environment. PROTOCOL: "Plugins",
 * shell_hook. The passphrase, where it is exposed, is a file that lives as
 * long as this struct does.
 */
#ifndef JOB_HOOK_ENV_H
#define JOB_HOOK_ENV_H

#include "base/json.h"
#include "job/worker.h"

struct hook_env {
	char **env;
	char *secret; /* the passphrase's file, or NULL */
};

/* For the worker's task. status: "pending", "completed", "failed". 0; -1
 * with a sentence in why. hook_env_release in both cases. */
int hook_env_build(struct hook_env *e, struct worker *w, const char *status,
    bool expose_passphrase, struct buf *why);
/* The same from what hook_env_encode wrote, a member "env" of object. */
int hook_env_rebuild(struct hook_env *e, const struct json *j, int object);
/* Appends the task's variables as a member "env"; no secret is in it. */
void hook_env_encode(struct json_writer *json, const struct task *t,
    const char *status, bool expose_passphrase);
/* Frees; the file is gone then. */
void hook_env_release(struct hook_env *e);
/* Removes the file of a job whose worker could not; job_id 0: of all jobs. */
void hook_env_forget(const struct paths *p, int64_t job_id);

#endif
