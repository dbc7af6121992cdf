/*
 * Jobs that lost their worker, or the agent that started it: what runs of
 * them is ended, what the server does not know yet is told, what is owed is
 * run. See recovery.c.
 */
#ifndef AGENT_RECOVERY_H
#define AGENT_RECOVERY_H

#include "agent/agent.h"

/* At the start: takes up what the journal holds. */
void recovery_open(struct agent *a, uint64_t now);
/* Removes what somebody who was killed left: what is half written, keys and
 * other secrets of jobs. Not while a worker of an earlier life may be using
 * them, such as for a post-script; none of ours may run. */
void recovery_sweep(struct agent *a);
/* Moves on what can; returns when it wants to be called again. */
uint64_t recovery_watch(struct agent *a, uint64_t now);
/* A poll was answered with these tasks: a job that was only announced is
 * either in it, and begins anew, or it was lost. */
void recovery_polled(struct agent *a, const struct json *j, int tasks);
/* Writes the job into the journal, once: before the server believes that it
 * runs, and before its worker does. */
void recovery_note(struct agent *a, struct job *job);
/* A worker died: runs what it still owed. False when there is nothing. */
bool recovery_take(struct agent *a, int64_t id);
/* The final report of a job had its answer: its journal goes, unless
 * something is owed. Its worker must be gone. */
void recovery_reported(struct agent *a, int64_t id);
/* Is this a job that recovery has in its hands? */
bool recovery_has(const struct agent *a, int64_t id);
/* May no job on a repository begin yet? */
bool recovery_busy(const struct agent *a);
/* Is there a worker of ours at work? */
bool recovery_runs(const struct agent *a);
/* A child ended; true when it was one of these. */
bool recovery_reap(struct agent *a, pid_t pid, int status);
/* The agent is to stop. */
void recovery_stop(struct agent *a);
void recovery_close(struct agent *a);

#endif
