/*
 * Nothing of the agent depends on this file, so it is written without waiting
 * for a disk, and a failure is said once.
 */
#include "agent/statusfile.h"
#include "agent/agent.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/version.h"
#include "bbs/spoolfile.h"
#include "net/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Below the shortest poll interval, so that each poll needs one turn. */
#define WRITE_EVERY_MS 950u
/* The newest step counts for an eighth of a rate, so that it does not jump. */
#define RATE_SHARE 8
/* Before, nobody can tell how long a job will take. */
#define LEFT_AFTER_S 3

void statusfile_open(struct agent *a)
{
	struct statusfile *s = &a->status;
	s->started = clock_wall();
	s->pid_start = proc_start_time(getpid());
	s->ssh_state = "untested";
	history_load(a);
}

void statusfile_close(struct agent *a)
{
	struct statusfile *s = &a->status;
	free(s->ssh_text);
	free(s->borg_version);
	free(s->borg_path);
	free(s->borg_failing);
	free(s->update);
	history_release(&a->history);
}

static void replace(char **text, char *by)
{
	free(*text);
	*text = by;
}

void statusfile_ssh(struct agent *a, enum ssh_test result, const char *text)
{
	static const char *const states[] = {[SSH_TEST_OK] = "works",
	    [SSH_TEST_STALE] = "refused",
	    [SSH_TEST_FAILED] = "failed"};
	struct statusfile *s = &a->status;
	if (result <= SSH_TEST_FAILED)
		s->ssh_state = states[result];
	s->ssh_checked = clock_wall();
	s->changes++;
	replace(&s->ssh_text, strndup(text, 400));
}

void statusfile_host(struct agent *a, const char *why)
{
	struct statusfile *s = &a->status;
	struct json j = JSON_INIT;
	bool fails = why != NULL && why[0] != '\0';
	replace(&s->borg_failing, fails ? strdup(why) : NULL);
	if (json_parse(&j, buf_str(&a->host), a->host.len) == 0) {
		replace(&s->borg_version,
		    json_strdup(&j, json_get(&j, 0, "borg_version")));
		replace(&s->borg_path,
		    json_strdup(&j, json_get(&j, 0, "borg_binary_path")));
		s->changes++;
	}
	json_release(&j);
}

void statusfile_update(struct agent *a, const char *text)
{
	a->status.changes++;
	replace(&a->status.update, text != NULL ? strdup(text) : NULL);
}

void statusfile_progress(
    struct job *job, const struct progress *p, uint64_t now)
{
	uint64_t ms = now - job->rate_at;
	int64_t bytes = p->bytes_processed;
	if (bytes <= 0)
		return;
	if (job->rate_at == 0 || bytes < job->rate_bytes) {
		job->moving_at = job->moving_at != 0 ? job->moving_at : now;
	} else if (ms < WRITE_EVERY_MS / 2) {
		return;
	} else {
		uint64_t step = (uint64_t)(bytes - job->rate_bytes) * 1000 / ms;
		job->rate =
		    job->rate == 0
			? step
			: (job->rate * (RATE_SHARE - 1) + step) / RATE_SHARE;
	}
	job->rate_at = now;
	job->rate_bytes = bytes;
}

static uint64_t mix(uint64_t sum, uint64_t value)
{
	return (sum ^ value) * 0x100000001b3u;
}

static uint64_t mix_job(uint64_t sum, const struct job *job)
{
	const struct progress *p = &job->progress;
	sum = mix(sum, (uint64_t)job->id);
	sum = mix(sum, job->state);
	sum = mix(sum, (uint64_t)p->files_processed);
	sum = mix(sum, (uint64_t)p->files_total);
	sum = mix(sum, (uint64_t)p->bytes_processed);
	for (const char *c = p->message; *c != '\0'; c++)
		sum = mix(sum, (unsigned char)*c);
	return sum;
}

/* Changes when anything does that the file tells. A call that is under way
 * has moved the time of the next poll already; only its answer counts. */
static uint64_t sum_of(const struct agent *a)
{
	uint64_t sum = mix(1, a->polls_done);
	unsigned mask = 0;
	(void)net_sandbox(a->polls, &mask, NULL);
	sum = mix(sum, mask);
	sum = mix(sum, a->trouble.failures);
	sum = mix(sum, a->spool.trouble.failures);
	sum = mix(sum, spool_is_empty(a));
	sum = mix(sum, a->stopping);
	sum = mix(sum, a->want_key);
	sum = mix(sum, (uint64_t)a->poll_interval);
	sum = mix(sum, a->history.changes);
	sum = mix(sum, a->status.changes);
	for (const struct job *job = a->jobs.first; job != NULL;
	     job = job->next)
		sum = mix_job(sum, job);
	return sum;
}

/* The wall clock's time of a moment of clock_ms, 0: none. */
static int64_t wall_of(uint64_t at, uint64_t now, int64_t wall)
{
	if (at == 0 || at == CLOCK_NEVER)
		return 0;
	return at <= now ? wall - (int64_t)((now - at) / 1000)
			 : wall + (int64_t)((at - now) / 1000);
}

/* Seconds, by what was done since it moves; -1: nobody knows. */
static int64_t left_of(const struct job *job, uint64_t now)
{
	const struct progress *p = &job->progress;
	bool bytes = p->bytes_total > 0;
	int64_t total = bytes ? p->bytes_total : p->files_total;
	int64_t done = bytes ? p->bytes_processed : p->files_processed;
	int64_t passed = (int64_t)((now - job->moving_at) / 1000);
	if (job->moving_at == 0 || passed < LEFT_AFTER_S || done <= 0 ||
	    total <= done || (total - done) / done > 100000)
		return -1;
	/* In steps, for a petabyte does not overflow. */
	int64_t step = total / 1000000 + 1;
	return done / step > 0
		   ? passed * ((total - done) / step) / (done / step)
		   : -1;
}

static void fill_job(
    struct status_job *to, const struct job *job, uint64_t now, int64_t wall)
{
	static const char *const states[] = {[JOB_WAITING] = "waiting",
	    [JOB_STARTING] = "starting",
	    [JOB_RUNNING] = "running",
	    [JOB_REPORTING] = "reporting"};
	const struct progress *p = &job->progress;
	bool running = job->state == JOB_RUNNING;
	*to = (struct status_job){.id = job->id,
	    .type = job->task.type,
	    .archive = job->task.archive_name,
	    .state = states[job->state],
	    .message = p->message[0] != '\0' ? p->message : NULL,
	    .started = wall_of(job->started_at, now, wall),
	    .files = job->started_at != 0 ? p->files_processed : -1,
	    .files_total = p->files_total > 0 ? p->files_total : -1,
	    .bytes = job->started_at != 0 ? p->bytes_processed : -1,
	    .bytes_total = p->bytes_total > 0 ? p->bytes_total : -1,
	    .rate = running && job->rate > 0 ? (int64_t)job->rate : -1,
	    .left = running ? left_of(job, now) : -1};
}

/* Those that run come first. */
static void fill_jobs(
    struct status *s, const struct agent *a, uint64_t now, int64_t wall)
{
	for (int state = JOB_REPORTING; state >= JOB_WAITING; state--) {
		/* RUNNING, REPORTING, STARTING, WAITING */
		int wanted = state == JOB_REPORTING ? JOB_RUNNING
			     : state == JOB_RUNNING ? JOB_REPORTING
						    : state;
		for (const struct job *job = a->jobs.first; job != NULL;
		     job = job->next) {
			if ((int)job->state != wanted)
				continue;
			s->jobs_waiting += wanted == JOB_WAITING;
			if (s->job_count < STATUS_JOBS_MAX)
				fill_job(
				    &s->job[s->job_count++], job, now, wall);
		}
	}
}

static int64_t count_reports(const struct agent *a)
{
	char name[SPOOLFILE_NAME_MAX + 8];
	if (spool_is_empty(a))
		return 0;
	int64_t count =
	    spoolfile_count(a->paths->spool, false, name, sizeof(name));
	for (const struct memory_report *m = a->spool.memory; m != NULL;
	     m = m->next)
		count++;
	return count > 0 ? count : 0;
}

static void fill_server(
    struct status *s, const struct agent *a, uint64_t now, int64_t wall)
{
	const struct trouble *t = &a->trouble;
	uint64_t next = a->poll_at;
	if (next < t->hold_until)
		next = t->hold_until;
	s->url = a->config->url;
	s->answered = a->status.answered;
	s->failures = t->failures;
	if (t->failures > 0) {
		s->failing_since = wall_of(t->since, now, wall);
		s->failing = t->text;
	}
	s->poll_interval = a->poll_interval;
	s->next_poll =
	    a->stopping || next <= now ? 0 : wall_of(next, now, wall);
	s->reports = count_reports(a);
	if (a->spool.trouble.failures > 0)
		s->reports_failing = a->spool.trouble.text;
}

static void fill_policy(struct status *s, const struct config *c)
{
	s->tasks = c->tasks;
	s->commands = c->any_command ? "any" : "borg";
	s->hooks = c->hooks != NULL ? c->hooks : "yes";
	s->restore_to = c->restore_to;
	s->browse = c->browse;
	s->backup_from = c->backup_from;
}

static void fill_sandbox(
    struct status *s, const struct agent *a, struct buf *missing)
{
	unsigned mask = 0;
	const char *note = NULL;
	const char *layers = net_sandbox(a->polls, &mask, &note);
	if (layers[0] == '\0')
		return;
	s->layers = layers;
	sandbox_text(missing, sandbox_missing(mask), a->config->net_user);
	s->missing = missing->len > 0 ? buf_str(missing) : NULL;
	s->sandbox_note = note[0] != '\0' ? note : NULL;
}

/* Before there was one: who could begin it. */
static const char *say_update(const struct agent *a)
{
	if (a->status.update != NULL)
		return a->status.update;
	return a->config->auto_update
		   ? "none so far; the server may order one"
		   : "none so far; only by hand (auto_update = no)";
}

static void encode(struct agent *a, uint64_t now, struct buf *out)
{
	const struct statusfile *f = &a->status;
	struct buf missing = BUF_INIT(KIB);
	int64_t wall = clock_wall();
	struct status s = {.version = BBS_VERSION,
	    .pid = getpid(),
	    .pid_start = (int64_t)f->pid_start,
	    .started = f->started,
	    .written = wall,
	    .stopping = a->stopping,
	    .ssh_state =
		a->want_key && f->ssh_checked == 0 ? "missing" : f->ssh_state,
	    .ssh_text = f->ssh_text,
	    .ssh_checked = f->ssh_checked,
	    .borg_version = f->borg_failing == NULL ? f->borg_version : NULL,
	    .borg_path = f->borg_path,
	    .borg_failing = f->borg_failing,
	    .update = say_update(a)};
	fill_server(&s, a, now, wall);
	fill_policy(&s, a->config);
	fill_sandbox(&s, a, &missing);
	fill_jobs(&s, a, now, wall);
	memcpy(s.past, a->history.list.past, sizeof(s.past));
	s.past_count = a->history.list.past_count;
	status_encode(&s, STATUS_WHOLE, out);
	buf_release(&missing);
}

/* As file_write does, without what would wake up a disk. */
static int put(const char *path, const struct buf *text)
{
	char temp[4096];
	int n = snprintf(temp, sizeof(temp), "%s.new", path);
	if (text->failed || n >= (int)sizeof(temp))
		return -1;
	/* One that an earlier agent left, or anybody. */
	unlink(temp);
	int fd = open(
	    temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -1;
	int rc = file_write_all(fd, text->data, text->len);
	if (rc == 0)
		rc = fchmod(fd, 0644);
	int saved = errno;
	close(fd);
	errno = saved;
	return rc == 0 ? rename(temp, path) : rc;
}

void statusfile_write(struct agent *a, uint64_t now)
{
	struct statusfile *s = &a->status;
	uint64_t sum = sum_of(a);
	s->changed = sum != s->told;
	if (!s->changed || now - s->written_at < WRITE_EVERY_MS)
		return;
	struct buf text = BUF_INIT(STATUS_FILE_MAX);
	(void)buf_space(&text, s->size);
	encode(a, now, &text);
	s->size = text.len;
	if (put(a->paths->status, &text) == 0) {
		s->failed = false;
	} else if (!s->failed) {
		log_warning(
		    "cannot write %s: %s", a->paths->status, strerror(errno));
		s->failed = true;
	}
	buf_release(&text);
	s->told = sum;
	s->written_at = now;
	s->changed = false;
}

uint64_t statusfile_due(const struct agent *a)
{
	return a->status.changed ? a->status.written_at + WRITE_EVERY_MS
				 : CLOCK_NEVER;
}
