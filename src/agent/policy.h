/* What the server may order. README: [policy]. */
#ifndef AGENT_POLICY_H
#define AGENT_POLICY_H

#include "bbs/config.h"
#include "bbs/task.h"

/* 0 when the task may run, else -1 with one sentence in why. */
int policy_check(const struct config *c, const struct task *t, struct buf *why);

#endif
