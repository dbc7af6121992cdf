/* The line that `systemctl status` shows. */
#ifndef AGENT_NOTIFY_STATUS_H
#define AGENT_NOTIFY_STATUS_H

#include "agent/agent.h"

/* Appends what the agent does now, in one line without control characters. */
void notify_status_text(const struct agent *a, struct buf *out);
/* Tells the service manager, if there is one, when the line is another; at
 * most every 5 s. Returns when it wants to be called again. */
uint64_t notify_status(struct agent *a, uint64_t now);

#endif
