/*
 * The plugin shell_hook: a script before the backup and one after it.
 * PROTOCOL: "Plugins". A post-script is owed from the moment that its
 * pre-script starts (without one: from the backup's start), on disk, too; it
 * runs after success, failure, abort and cancel.
 */
#ifndef JOB_HOOK_H
#define JOB_HOOK_H

#include "job/plugin.h"

/* Before the first plugin: what has only a post-script is owed from now. */
void hooks_begin(struct plugins *p);
/* Right before the final report: what is owed gets the backup's result, and
 * the supervisor is told how long it may take. */
void hooks_announce(struct plugins *p, bool completed);
/* Behind it: waits for its delivery, then runs what is owed, in the order of
 * the plugins. One that cannot end since the agent does stays owed. */
void hooks_settle(struct plugins *p, bool completed);
void hooks_release(struct plugins *p);

/* The post-script of a plugin_post. 0, or -1 with a sentence in why; what it
 * said goes into output. */
int hook_post(struct worker *w, const struct task_plugin *config,
    struct buf *output, struct buf *why);

/*
 * Runs a post-script that an earlier life of the agent still owed; the
 * worker's task is not looked at. 0 when that is settled, whatever came of
 * it: outcome says what, it is logged and kept. -1 when it is still owed: the
 * agent stops, or the worker that owes it lives and will run it itself.
 */
int hook_run_owed(
    struct worker *w, const char *script_json, struct buf *outcome);

#endif
