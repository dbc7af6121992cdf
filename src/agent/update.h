/* The agent's own update, as the supervisor takes part in it. update.c. */
#ifndef AGENT_UPDATE_H
#define AGENT_UPDATE_H

#include "agent/agent.h"

/* At the start, with the lock held: counts the start of a new version, puts
 * the old one back when there were too many (and is it then), tells the server
 * what became of an update. argv: what this program was called with. */
void update_open(struct agent *a, char **argv);
/* Is a new version in its place, put there by this job (0: by anybody)? Then
 * it takes over as soon as nothing runs. */
bool update_wanted(struct agent *a, int64_t job_id);
/* Does what is due about one; returns when it wants to be called again. */
uint64_t update_watch(struct agent *a, uint64_t now);
/* The server answered a poll: the version that runs is good. */
void update_answered(struct agent *a);
/* Is this a job whose report the update owes? */
bool update_has(const struct agent *a, int64_t job_id);
/* The agent ends in good order, which is no sign against it. */
void update_close(struct agent *a);
/* Executes the new version in this process, the lock held all the time.
 * Returns only when that fails, and the old one as well. */
void update_execute(struct agent *a, char **argv);
/* The lock that the version before has left us: its descriptor, or -1. */
int update_inherit_lock(const struct agent *a);

#endif
