/* Which scripts the server may order. README: [policy] hooks. */
#ifndef AGENT_POLICY_HOOK_H
#define AGENT_POLICY_HOOK_H

#include "bbs/config.h"
#include "bbs/task.h"

/* A task that is nothing but a hook: 0, or -1 with a sentence in why. In a
 * backup a refused hook is one plugin that failed, which the worker says. */
int policy_check_hook(
    const struct config *c, const struct task *t, struct buf *why);

#endif
