/*
 * What the agent does, in a line: its job, or what keeps it from the server,
 * or since when it has nothing to do. Texts from outside are escaped: a
 * second line would be an order to the service manager.
 */
#include "agent/notify_status.h"
#include "agent/notify.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include <string.h>
#include <time.h>

#define STATUS_EVERY_MS 5000u

/* The time of day of a moment of clock_ms; with its date when it is a day
 * ago. */
static void add_time(struct buf *out, uint64_t at, uint64_t now)
{
	uint64_t ago = now > at ? (now - at) / 1000 : 0;
	time_t when = (time_t)(clock_wall() - (int64_t)ago);
	struct tm tm = {0};
	gmtime_r(&when, &tm);
	if (ago >= 24u * 3600u)
		buf_addf(out, "%04d-%02d-%02d ", tm.tm_year + 1900,
		    tm.tm_mon + 1, tm.tm_mday);
	buf_addf(out, "%02d:%02d:%02d UTC", tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* The job that a person would ask about: one that uses a repository, else any
 * that runs. */
static const struct job *job_to_tell(const struct agent *a)
{
	const struct job *found = NULL;
	for (const struct job *job = a->jobs.first; job != NULL;
	     job = job->next) {
		if (job->state == JOB_WAITING || job->stuck)
			continue;
		if (task_is_exclusive(&job->task))
			return job;
		found = job;
	}
	return found;
}

static int percent(const struct progress *p)
{
	bool bytes = p->bytes_total > 0 && p->bytes_processed >= 0;
	int64_t done = bytes ? p->bytes_processed : p->files_processed;
	int64_t all = bytes ? p->bytes_total : p->files_total;
	if (all <= 0 || done < 0)
		return -1;
	if (done >= all)
		return 100;
	return (
	    int)(all > INT64_MAX / 100 ? done / (all / 100) : done * 100 / all);
}

static void add_job(
    const struct agent *a, const struct job *job, struct buf *out)
{
	char count[TEXT_AMOUNT];
	const struct progress *p = &job->progress;
	/* One that is refused may have none. */
	const char *type = job->task.type != NULL ? job->task.type : "unknown";
	int done = percent(p), more = 0;
	buf_addf(out, "job %lld: ", (long long)job->id);
	text_add_escaped(out, type, strlen(type));
	if (job->state == JOB_REPORTING)
		buf_adds(out, ", reporting");
	else if (job->stop != STOP_NONE)
		buf_adds(out, ", stopping");
	else if (done >= 0)
		buf_addf(out, " %d %%", done);
	if (p->files_processed > 0)
		buf_addf(out, ", %s",
		    text_files(count, (uint64_t)p->files_processed));
	for (job = a->jobs.first; job != NULL; job = job->next)
		more += job->state == JOB_WAITING;
	if (more > 0)
		buf_addf(out, "; %d waiting", more);
}

static void add_trouble(const struct agent *a, uint64_t now, struct buf *out)
{
	const char *reason = a->trouble.text;
	buf_adds(out, a->unreachable ? "server not reachable since "
				     : "trouble with the server since ");
	add_time(out, a->trouble.since, now);
	buf_adds(out, ": ");
	text_add_escaped(out, reason, strlen(reason));
}

void notify_status_text(const struct agent *a, struct buf *out)
{
	uint64_t now = clock_ms();
	const struct job *job = job_to_tell(a);
	if (job != NULL)
		add_job(a, job, out);
	if (a->trouble.failures > 0) {
		buf_adds(out, job != NULL ? "; " : "");
		add_trouble(a, now, out);
	} else if (job == NULL && a->contact_at == 0) {
		buf_adds(out, "no word from the server yet");
	} else if (job == NULL) {
		buf_adds(out, "idle; last contact ");
		add_time(out, a->contact_at, now);
	}
}

uint64_t notify_status(struct agent *a, uint64_t now)
{
	struct notice *told = &a->notice;
	struct buf text = BUF_INIT(4 * KIB);
	char line[sizeof(told->line)];
	if (!notify_wanted() || a->stopping)
		return CLOCK_NEVER;
	buf_adds(&text, "STATUS=");
	notify_status_text(a, &text);
	text_copy(line, sizeof(line), buf_str(&text));
	buf_release(&text);
	if (strcmp(told->line, line) == 0)
		return CLOCK_NEVER;
	if (told->at != 0 && now - told->at < STATUS_EVERY_MS)
		return told->at + STATUS_EVERY_MS;
	memcpy(told->line, line, sizeof(line));
	told->at = now;
	notify_send(line);
	return CLOCK_NEVER;
}
