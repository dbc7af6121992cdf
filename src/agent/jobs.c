/*
 * The job table, a list in the order of arrival. It is short: a server hands
 * out a handful of jobs, and TASKS_MAX bounds what it may try.
 */
#include "agent/jobs.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>

/* Lines for the server that wait to be sent, for each job. */
#define LOGS_MAX 64

void jobs_release(struct jobs *jobs)
{
	while (jobs->first != NULL)
		jobs_remove(jobs, jobs->first);
}

struct job *jobs_find(const struct jobs *jobs, int64_t id)
{
	for (struct job *job = jobs->first; job != NULL; job = job->next) {
		if (job->id == id)
			return job;
	}
	return NULL;
}

struct job *jobs_add(struct jobs *jobs, struct task *task)
{
	if (jobs->count >= TASKS_MAX)
		return NULL;
	struct job *job = calloc(1, sizeof(*job));
	if (job == NULL)
		return NULL;
	job->id = task->job_id;
	job->task = *task;
	memset(task, 0, sizeof(*task));
	job->progress = (struct progress)PROGRESS_INIT;
	buf_init(&job->logs, LOGS_MAX * (LOG_MESSAGE_MAX + 64));
	struct job **end = &jobs->first;
	while (*end != NULL)
		end = &(*end)->next;
	*end = job;
	jobs->count++;
	return job;
}

void jobs_remove(struct jobs *jobs, struct job *job)
{
	struct job **at = &jobs->first;
	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	jobs->count--;
	if (job->pid != 0)
		frame_link_release(&job->link);
	task_release(&job->task);
	buf_release(&job->logs);
	free(job);
}

uint64_t jobs_done_ago(const struct jobs *jobs, int64_t id, uint64_t now)
{
	uint64_t ago = JOBS_DONE_MS;
	for (int i = 0; i < JOBS_DONE_MAX; i++) {
		if (jobs->done[i].id == id && jobs->done[i].at != 0 &&
		    now - jobs->done[i].at < ago)
			ago = now - jobs->done[i].at;
	}
	return ago;
}

bool jobs_was_done(const struct jobs *jobs, int64_t id, uint64_t now)
{
	return jobs_done_ago(jobs, id, now) < JOBS_DONE_MS;
}

void jobs_mark_done(struct jobs *jobs, int64_t id, uint64_t now)
{
	jobs->done[jobs->done_next].id = id;
	jobs->done[jobs->done_next].at = now != 0 ? now : 1;
	jobs->done_next = (jobs->done_next + 1) % JOBS_DONE_MAX;
}

bool jobs_busy(const struct jobs *jobs)
{
	for (const struct job *job = jobs->first; job != NULL;
	     job = job->next) {
		if (!task_is_exclusive(&job->task))
			continue;
		if (job->state == JOB_STARTING ||
		    (job->pid != 0 && !job->stuck))
			return true;
	}
	return false;
}

bool jobs_have_room(const struct jobs *jobs)
{
	int running = 0, processes = 0;
	for (const struct job *job = jobs->first; job != NULL;
	     job = job->next) {
		if (task_is_exclusive(&job->task) || job->pid == 0)
			continue;
		/* One that was given up may hang for ever. */
		running += job->state == JOB_RUNNING;
		processes++;
	}
	return running < SHORT_JOBS_MAX && processes < SHORT_PROCESSES_MAX;
}

struct job *jobs_next_waiting(const struct jobs *jobs, bool exclusive)
{
	for (struct job *job = jobs->first; job != NULL; job = job->next) {
		if (job->state == JOB_WAITING &&
		    task_is_exclusive(&job->task) == exclusive)
			return job;
	}
	return NULL;
}

void jobs_forget_unnamed(struct jobs *jobs, uint64_t poll)
{
	for (struct job *job = jobs->first, *next; job != NULL; job = next) {
		next = job->next;
		if (job->state != JOB_WAITING || job->poll == poll)
			continue;
		log_info("job %lld: taken back by the server before it began",
		    (long long)job->id);
		jobs_remove(jobs, job);
	}
}

uint64_t job_peek_log(
    const struct job *job, struct buf *level, struct buf *text)
{
	struct unpack u;
	if (job->log_count == 0)
		return 0;
	unpack_init(&u, job->logs.data, job->logs.len);
	const char *first = unpack_bytes(&u, NULL);
	const char *second = unpack_bytes(&u, NULL);
	buf_adds(level, first != NULL ? first : "info");
	buf_adds(text, second != NULL ? second : "");
	return job->logs_gone + 1;
}

void job_drop_log(struct job *job, uint64_t number)
{
	struct unpack u;
	if (job->log_count == 0 || number != job->logs_gone + 1)
		return;
	unpack_init(&u, job->logs.data, job->logs.len);
	unpack_bytes(&u, NULL);
	unpack_bytes(&u, NULL);
	buf_consume(&job->logs, job->logs.len - u.left);
	job->log_count--;
	job->logs_gone++;
	job->log_tries = 0;
}

void job_add_log(struct job *job, const char *level, const char *text)
{
	struct buf entry = BUF_INIT(LOG_MESSAGE_MAX + 64);
	while (job->log_count >= LOGS_MAX)
		job_drop_log(job, job->logs_gone + 1);
	size_t len =
	    text_cut(text, strnlen(text, LOG_MESSAGE_MAX + 1), LOG_MESSAGE_MAX);
	buf_add(&entry, text, len);
	pack_str(&job->logs, level);
	if (pack_str(&job->logs, buf_str(&entry)) == 0)
		job->log_count++;
	buf_release(&entry);
}
