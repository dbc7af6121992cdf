/*
 * Ten entries, the newest first. A file that cannot be read or written costs
 * a line in the log and no job.
 */
#include "agent/history.h"
#include "agent/agent.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "bbs/journal.h"
#include "bbs/repository.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void drop(struct status *list, int at)
{
	status_past_release(&list->past[at]);
	list->past_count--;
	memmove(&list->past[at], &list->past[at + 1],
	    (size_t)(list->past_count - at) * sizeof(list->past[0]));
}

void history_load(struct agent *a)
{
	struct buf text = BUF_INIT(STATUS_FILE_MAX);
	const char *path = a->paths->history;
	struct status *list = &a->history.list;
	if (file_read(path, &text) != 0) {
		if (errno != ENOENT)
			log_warning("cannot read %s: %s; the list of past jobs "
				    "begins anew",
			    path, strerror(errno));
	} else if (status_decode(
		       list, STATUS_HISTORY, buf_str(&text), text.len) != 0) {
		log_warning(
		    "%s is damaged; the list of past jobs begins anew", path);
	}
	for (int i = list->past_count; i-- > 0;) {
		if (list->past[i].id < 0 || list->past[i].result == NULL)
			drop(list, i);
	}
	buf_release(&text);
}

void history_release(struct history *h)
{
	status_release(&h->list);
}

void history_save(struct agent *a)
{
	struct buf text = BUF_INIT(STATUS_FILE_MAX);
	const char *path = a->paths->history;
	if (a->history.saved == a->history.changes)
		return;
	a->history.saved = a->history.changes;
	status_encode(&a->history.list, STATUS_HISTORY, &text);
	if (text.failed ||
	    file_write(path, buf_str(&text), text.len, 0600) != 0)
		log_warning("cannot write %s: %s", path, strerror(errno));
	buf_release(&text);
}

static int find(const struct status *list, int64_t id)
{
	int at = 0;
	while (at < list->past_count && list->past[at].id != id)
		at++;
	return at;
}

/* What ended later than this, up to now: a clock that was ahead does not keep
 * new ones behind the old. */
static bool is_newer(const struct status_past *p, int64_t ended)
{
	return p->ended > ended && p->ended <= clock_wall();
}

/* Takes p over; one that is older than all of a full list is dropped. */
static void insert(struct agent *a, struct status_past *p)
{
	struct status *list = &a->history.list;
	int at = find(list, p->id);
	if (at < list->past_count)
		drop(list, at);
	for (at = 0;
	     at < list->past_count && is_newer(&list->past[at], p->ended);)
		at++;
	if (at == STATUS_PAST_MAX) {
		status_past_release(p);
		return;
	}
	if (list->past_count == STATUS_PAST_MAX)
		drop(list, STATUS_PAST_MAX - 1);
	memmove(&list->past[at + 1], &list->past[at],
	    (size_t)(list->past_count - at) * sizeof(list->past[0]));
	list->past[at] = *p;
	list->past_count++;
	a->history.changes++;
}

/* NULL stays NULL; so does what there is no memory for. */
static char *copy(const char *text)
{
	return text != NULL ? strdup(text) : NULL;
}

/* What the job was: from the table, or else from its journal. */
static char *find_type(struct agent *a, int64_t id, const struct job *job)
{
	struct journal j;
	if (job != NULL)
		return copy(job->task.type);
	memset(&j, 0, sizeof(j));
	char *type = journal_read(a->paths, id, &j) >= 0 && j.type[0] != '\0'
			 ? strdup(j.type)
			 : NULL;
	journal_release(&j);
	return type;
}

/* Without it, or without memory, the job has none. */
static char *find_repository(const struct job *job)
{
	struct buf address = BUF_INIT(REPOSITORY_MAX);
	if (job != NULL)
		repository_of(&job->task, &address);
	char *found = address.len > 0 ? strdup(buf_str(&address)) : NULL;
	buf_release(&address);
	return found;
}

static void add(struct agent *a, int64_t id, const struct report *r,
    const char *reason, int64_t ended)
{
	static const char *const results[] = {[REPORT_COMPLETED] = "completed",
	    [REPORT_FAILED] = "failed",
	    [REPORT_ABANDONED] = "abandoned"};
	const struct job *job = jobs_find(&a->jobs, id);
	struct status_past p = {.id = id,
	    .type = find_type(a, id, job),
	    .warnings = r->had_warnings,
	    .ended = ended,
	    .files = r->files_processed,
	    .bytes = r->bytes_processed,
	    .stored = r->is_backup ? r->deduplicated_size : -1};
	if (p.type != NULL && strcmp(p.type, "list_dir") == 0) {
		status_past_release(&p);
		return;
	}
	p.archive =
	    copy(job != NULL ? job->task.archive_name : r->archive_name);
	p.result = copy(results[r->result]);
	p.reason = copy(reason);
	if (reason == NULL && r->error_log != NULL && r->error_log[0] != '\0')
		p.error = copy(r->error_log);
	p.repository = find_repository(job);
	if (job != NULL && job->started_at != 0)
		p.started = clock_wall() -
			    (int64_t)((clock_ms() - job->started_at) / 1000);
	insert(a, &p);
}

void history_add(
    struct agent *a, int64_t id, const struct report *r, const char *reason)
{
	add(a, id, r, reason, clock_wall());
}

static int64_t number_of(const struct json *j, const char *name)
{
	int64_t number = -1;
	(void)json_int(j, json_get(j, 0, name), &number);
	return number;
}

void history_add_report(
    struct agent *a, int64_t id, const char *body, size_t len, int64_t age)
{
	const struct status *list = &a->history.list;
	int64_t ended = clock_wall() - age;
	struct json j = JSON_INIT;
	/* Nothing is parsed for a report that is tried again and again. */
	if (find(list, id) < list->past_count ||
	    (list->past_count == STATUS_PAST_MAX &&
		is_newer(&list->past[STATUS_PAST_MAX - 1], ended)))
		return;
	if (json_parse(&j, body, len) == 0) {
		int result = json_get(&j, 0, "result");
		char *archive =
		    json_strdup(&j, json_get(&j, 0, "archive_name"));
		struct buf log = BUF_INIT(REPORT_BODY_MAX);
		struct buf gist = BUF_INIT(4 * KIB);
		(void)json_text(&j, json_get(&j, 0, "error_log"), &log);
		report_gist(buf_str(&log), &gist);
		struct report r = {.archive_name = archive,
		    .error_log = buf_str(&gist),
		    .is_backup = archive != NULL,
		    .result =
			json_is(&j, result, "completed") ? REPORT_COMPLETED
			: json_is(&j, result, "failed")	 ? REPORT_FAILED
							 : REPORT_ABANDONED,
		    .had_warnings =
			json_bool(&j, json_get(&j, 0, "had_warnings"), false),
		    .files_processed = number_of(&j, "files_processed"),
		    .bytes_processed = number_of(&j, "bytes_processed"),
		    .deduplicated_size = number_of(&j, "deduplicated_size")};
		add(a, id, &r, NULL, ended);
		free(archive);
		buf_release(&log);
		buf_release(&gist);
	}
	json_release(&j);
}
