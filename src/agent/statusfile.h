/*
 * The writer of status.json: at most once a second, and only when something
 * changed that it tells; at idle that is once a poll.
 */
#ifndef AGENT_STATUSFILE_H
#define AGENT_STATUSFILE_H

#include "agent/history.h"
#include "job/message.h"

struct job;

struct statusfile {
	int64_t started; /* when this agent was */
	uint64_t pid_start;
	uint64_t told; /* what the file tells, as a sum */
	uint64_t written_at;
	size_t size; /* of the file */
	bool changed, failed;
	int64_t answered; /* the server's last good answer */

	const char *ssh_state;
	char *ssh_text;
	int64_t ssh_checked;
	char *borg_version, *borg_path, *borg_failing;
	char *update;	  /* what became of the last one */
	uint64_t changes; /* of what stands above */
};

void statusfile_open(struct agent *a);
/* Writes it, if it is time. */
void statusfile_write(struct agent *a, uint64_t now);
/* When statusfile_write wants to be called again. */
uint64_t statusfile_due(const struct agent *a);
void statusfile_close(struct agent *a);

/* What is told of by whoever hears it: the SSH test, the host's data (borg's
 * in it, and why it cannot be used or ""), an update, and a job's progress,
 * before it is taken over into the table. */
void statusfile_ssh(struct agent *a, enum ssh_test result, const char *text);
void statusfile_host(struct agent *a, const char *why);
/* What became of the last update: a sentence, or NULL. */
void statusfile_update(struct agent *a, const char *text);
void statusfile_progress(
    struct job *job, const struct progress *p, uint64_t now);

#endif
