/*
 * Between the two files of hooks: one script run, and what is owed. Nobody
 * else includes it; the rest of the house uses job/hook.h.
 */
#ifndef JOB_HOOK_OWED_H
#define JOB_HOOK_OWED_H

#include "job/hook_env.h"
#include "job/hookconfig.h"
#include "job/plugin.h"
#include "job/script.h"

/* May its scripts run here? 0, or -1 with a sentence in why. */
int hook_check(
    const struct worker *w, const struct hookconfig *h, struct buf *why);
/* script_run with the environment of the worker's task. */
int hook_script(struct script *s, const char *line, const char *status,
    const struct hookconfig *h);

/* The post-script of the task's plugin number `index` is owed from now on,
 * or is not any more. */
void hook_owed_add(struct plugins *p, size_t index, const struct hookconfig *h);
void hook_owed_drop(struct plugins *p, size_t index);

#endif
