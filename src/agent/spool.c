/*
 * The sender of final reports: one at a time, oldest first, over a net
 * process of its own, since a server may take minutes to answer one. A report
 * leaves the spool only on a definite answer; until then it is tried again,
 * after the others when it may be the one that the server stumbles over.
 * An outage never costs one. Given up are, and said so: a report that the
 * server itself fails over for a day (it is set aside), and the oldest of a
 * spool that grows without end.
 */
#include "agent/agent.h"
#include "agent/done.h"
#include "agent/recovery.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "bbs/spoolfile.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_PATH "/api/agent/status"
/* The server imports a backup's catalogue before it answers. */
#define STATUS_TIMEOUT_MS (600u * 1000u)
/* Log lines of a job go before its report, for this long. */
#define LOGS_FIRST_MS 10000
#define IDLE_REST_MS 30000
#define COUNT_EVERY_MS 60000u

/* Must this job's report wait for what the server is still to be told? */
static bool has_to_wait(const struct agent *a, int64_t id, uint64_t now)
{
	const struct job *job = jobs_find(&a->jobs, id);
	if (job == NULL || job->gone || a->stopping)
		return false;
	/* Its worker wrote it and has not said so yet: lines may come. */
	if (job->pid != 0 && job->final_at == 0)
		return true;
	if (a->renewal != RENEWAL_NONE && now < job->info_by)
		return true;
	if (now - job->final_at >= LOGS_FIRST_MS)
		return false;
	return job->log_count > 0 ||
	       (a->call == CALL_PROGRESS && a->call_job == id);
}

bool spool_is_empty(const struct agent *a)
{
	return a->spool.memory == NULL && !a->spool.pending &&
	       a->spool.sending == 0;
}

bool spool_has(const struct agent *a, int64_t job_id)
{
	for (const struct memory_report *m = a->spool.memory; m != NULL;
	     m = m->next) {
		if (m->job_id == job_id)
			return true;
	}
	return spoolfile_has(a->paths->spool, job_id);
}

bool spool_is_full(const struct agent *a)
{
	int count = 0;
	for (const struct memory_report *m = a->spool.memory; m != NULL;
	     m = m->next)
		count++;
	return count >= SPOOL_MEMORY_MAX;
}

void spool_add(struct agent *a, int64_t job_id, const char *body, size_t len)
{
	struct memory_report *m = calloc(1, sizeof(*m));
	struct memory_report **end = &a->spool.memory;
	if (m == NULL) {
		log_error("job %lld: its report is lost: out of memory",
		    (long long)job_id);
		return;
	}
	m->job_id = job_id;
	buf_init(&m->body, REPORT_BODY_MAX);
	if (len == 0 || buf_add(&m->body, body, len) != 0) {
		char least[REPORT_LEAST_MAX];
		len = report_least(job_id, REPORT_FAILED, least);
		buf_reset(&m->body);
		buf_add(&m->body, least, len);
	}
	while (*end != NULL)
		end = &(*end)->next;
	*end = m;
}

void spool_add_sentence(struct agent *a, int64_t job_id,
    enum report_result result, const char *sentence)
{
	struct buf body = BUF_INIT(REPORT_BODY_MAX);
	struct report r = {.result = result};
	history_add(a, job_id, &r, sentence);
	report_encode_failed(job_id, result, sentence, &body);
	spool_add(a, job_id, buf_str(&body), body.len);
	buf_release(&body);
}

static void drop_memory(struct agent *a)
{
	struct memory_report *m = a->spool.memory;
	a->spool.memory = m->next;
	buf_release(&m->body);
	free(m);
}

void spool_keep(struct agent *a)
{
	for (; a->spool.memory != NULL; drop_memory(a)) {
		const struct memory_report *m = a->spool.memory;
		if (spoolfile_write(a->paths->spool, m->job_id,
			buf_str(&m->body), m->body.len) != 0)
			log_error("job %lld: its report is lost: cannot write "
				  "into %s: %s",
			    (long long)m->job_id, a->paths->spool,
			    strerror(errno));
	}
}

/* Puts the first report behind the others. */
static void rotate_memory(struct agent *a)
{
	struct memory_report *first = a->spool.memory, **end = &first->next;
	while (*end != NULL)
		end = &(*end)->next;
	*end = first;
	a->spool.memory = first->next;
	first->next = NULL;
}

/* The file under way cannot be read: one that is no report is set aside, any
 * other may be readable when the spool is looked at again. */
static void skip_file(struct agent *a, int64_t id)
{
	struct spool *s = &a->spool;
	bool bad = errno == EILSEQ || errno == EFBIG || errno == EISDIR;
	const char *why =
	    bad ? "it is damaged, and set aside as .bad" : strerror(errno);
	/* Looked at with each poll, told once: newer ones sort behind it. */
	if (strcmp(s->name, s->unread) > 0) {
		log_error("the report %s/%s cannot be read: %s",
		    a->paths->spool, s->name, why);
		text_copy(s->unread, sizeof(s->unread), s->name);
	}
	if (bad && spoolfile_set_aside(a->paths->spool, s->name) == 0) {
		/* The server would wait for it for ever. */
		if (!spool_has(a, id))
			spool_add_sentence(a, id, REPORT_FAILED,
			    "The job ended, but its report was damaged on "
			    "disk before it could be sent");
		return;
	}
	text_copy(s->after, sizeof(s->after), s->name);
}

/* A spool without end fills the disk: the oldest go, and that is said. */
static void keep_caps(struct agent *a, uint64_t now)
{
	const char *dir = a->paths->spool;
	char name[SPOOLFILE_NAME_MAX + 8];
	if (a->spool.counted_at != 0 &&
	    now - a->spool.counted_at < COUNT_EVERY_MS)
		return;
	a->spool.counted_at = now;
	while (
	    spoolfile_count(dir, false, name, sizeof(name)) > SPOOL_FILES_MAX) {
		log_error("over %d reports wait in %s: the oldest, %s, is "
			  "given up",
		    SPOOL_FILES_MAX, dir, name);
		if (spoolfile_remove(dir, name) != 0)
			return;
	}
	while (
	    spoolfile_count(dir, true, name, sizeof(name)) > SPOOL_ASIDE_MAX) {
		log_info("over %d reports are set aside in %s: the oldest, "
			 "%s, is removed",
		    SPOOL_ASIDE_MAX, dir, name);
		if (spoolfile_remove(dir, name) != 0)
			return;
	}
}

/* Puts the first report that need not wait before the others; all of one job
 * wait alike, so these keep their order. False when there is none. */
static bool choose_memory(struct agent *a, uint64_t now)
{
	struct memory_report **at = &a->spool.memory;
	while (*at != NULL && has_to_wait(a, (*at)->job_id, now))
		at = &(*at)->next;
	struct memory_report *m = *at;
	if (m == NULL)
		return false;
	*at = m->next;
	m->next = a->spool.memory;
	a->spool.memory = m;
	return true;
}

/* The next file to send, into spool.name and body: 1, 0 when there is none. */
static int next_file(
    struct agent *a, struct buf *body, int64_t *id, uint64_t now)
{
	struct spool *s = &a->spool;
	if (s->pending)
		keep_caps(a, now);
	while (s->pending) {
		int rc = spoolfile_next(a->paths->spool,
		    s->after[0] != '\0' ? s->after : NULL, s->name,
		    sizeof(s->name), id);
		if (rc <= 0) {
			s->pending = rc == 0 && s->again;
			s->again = false;
			s->after[0] = '\0';
			return 0;
		}
		if (jobs_was_done(&a->jobs, *id, now)) {
			/* Acknowledged, but could not be removed then. */
			spoolfile_remove(a->paths->spool, s->name);
			text_copy(s->after, sizeof(s->after), s->name);
			continue;
		}
		if (has_to_wait(a, *id, now)) {
			/* Those of other jobs pass it. */
			text_copy(s->after, sizeof(s->after), s->name);
			s->again = true;
			continue;
		}
		buf_reset(body);
		if (spoolfile_read(a->paths->spool, s->name, body) == 0)
			return 1;
		skip_file(a, *id);
	}
	return 0;
}

uint64_t spool_due(const struct agent *a)
{
	const struct spool *s = &a->spool;
	if (s->sending != 0)
		return CLOCK_NEVER;
	if (s->memory == NULL && !s->pending)
		return s->rest_at != 0 ? s->rest_at : CLOCK_NEVER;
	/* A report that waits for its log lines is looked at often. */
	uint64_t soon = clock_ms() + 50;
	return s->trouble.hold_until > soon ? s->trouble.hold_until : soon;
}

static void send_report(struct agent *a, int64_t id, const struct buf *body)
{
	struct buf brief = BUF_INIT(REPORT_BODY_MAX);
	if (a->spool.shortened == id)
		a->spool.can_be_less = report_shorten(buf_str(body), body->len,
					   a->spool.times, &brief) == 1;
	const struct buf *what = brief.len > 0 ? &brief : body;
	struct net_request request = {.method = "POST",
	    .path = STATUS_PATH,
	    .body = buf_str(what),
	    .body_len = what->len,
	    .first_byte_ms = STATUS_TIMEOUT_MS,
	    .total_ms = STATUS_TIMEOUT_MS,
	    .body_max = ANSWER_BODY_MAX};
	log_debug("POST %s for job %lld (%u bytes) %s", STATUS_PATH,
	    (long long)id, what->len,
	    what->len < LOG_LINE_MAX ? buf_str(what) : "");
	if (net_begin(a->reports, &request) == 0)
		a->spool.sending = id;
	buf_release(&brief);
}

void spool_begin(struct agent *a, uint64_t now)
{
	struct spool *s = &a->spool;
	if (s->sending != 0 || now < s->trouble.hold_until)
		return;
	if (s->memory == NULL && !s->pending) {
		if (s->rest_at != 0 && s->rest_at <= now) {
			net_rest(a->reports);
			s->rest_at = 0;
		}
		return;
	}
	struct buf body = BUF_INIT(REPORT_BODY_MAX);
	int64_t id;
	if (next_file(a, &body, &id, now) == 1) {
		history_add_report(
		    a, id, buf_str(&body), body.len, spoolfile_age(s->name));
		s->sending_memory = false;
		send_report(a, id, &body);
	} else if (choose_memory(a, now)) {
		s->sending_memory = true;
		send_report(a, s->memory->job_id, &s->memory->body);
	}
	buf_release(&body);
}

/* The report under way has its answer: it is removed, or set aside where it
 * can still be read, and never sent again. That it is done with is written
 * down first: a crash in between must not make it a job without an end. */
static void finished(struct agent *a, int64_t id, bool aside, uint64_t now)
{
	struct spool *s = &a->spool;
	const char *dir = a->paths->spool;
	struct job *job = jobs_find(&a->jobs, id);
	s->shortened = 0;
	refusals_forget(&s->refusals, id);
	jobs_mark_done(&a->jobs, id, now);
	done_save(&a->jobs, a->paths);
	if (job == NULL || job->pid == 0)
		recovery_reported(a, id);
	if (s->sending_memory) {
		drop_memory(a);
	} else if ((aside ? spoolfile_set_aside(dir, s->name)
			  : spoolfile_remove(dir, s->name)) != 0) {
		log_error(
		    "cannot remove %s/%s: %s", dir, s->name, strerror(errno));
		text_copy(s->after, sizeof(s->after), s->name);
	}
	if (job == NULL)
		return;
	if (job->pid == 0) {
		jobs_remove(&a->jobs, job);
		return;
	}
	job->acknowledged = true;
	runner_tell_delivered(job);
}

/* The server's own word, and not a proxy's page. */
static bool is_definite(const struct net_reply *r, int status)
{
	return r->result == NET_OK && r->status == status && r->body_len > 0 &&
	       r->body[0] == '{' &&
	       json_check(r->body, r->body_len, JSON_DEPTH_MAX, NULL, NULL) ==
		   0;
}

/* May it be this very report that the server cannot take? One that dies of it
 * says nothing, or what stands before it says 502, or PHP says on a page. */
static bool is_about_report(const struct net_reply *r)
{
	switch (r->result) {
	case NET_OK:
		return r->status == 413 || r->status >= 500;
	case NET_HTTP:
	case NET_TIMEOUT:
	case NET_JSON:
	case NET_TOO_BIG:
	case NET_BROKEN:
		return true;
	default:
		return false;
	}
}

/* It is sent again later: shorter, or after those that come behind it; what
 * the server itself never takes is given up one day. */
static void put_off(
    struct agent *a, int64_t id, const struct net_reply *r, uint64_t now)
{
	struct spool *s = &a->spool;
	int status = r->result == NET_OK ? r->status : 0;
	if (!is_about_report(r))
		return;
	if (status == 413 && (s->shortened != id || s->can_be_less)) {
		s->times = s->shortened == id ? s->times + 1 : 1;
		s->shortened = id;
		/* Somebody may be waiting for it. */
		s->trouble.hold_until = 0;
		return;
	}
	s->shortened = 0;
	int64_t age = s->sending_memory ? 0 : spoolfile_age(s->name);
	if ((status == 413 || status == 500) &&
	    refusals_add(&s->refusals, id, age, now)) {
		log_error("job %lld: its report is given up: the server has "
			  "answered %d for too long%s",
		    (long long)id, status,
		    s->sending_memory ? "" : "; it is set aside as .bad");
		finished(a, id, true, now);
		return;
	}
	if (s->sending_memory) {
		rotate_memory(a);
	} else {
		text_copy(s->after, sizeof(s->after), s->name);
		s->again = true;
	}
}

/* A server that has the report, or does not want it. */
static void settled(
    struct agent *a, int64_t id, const struct net_reply *r, uint64_t now)
{
	trouble_end(&a->spool.trouble, now);
	if (r->status == 404)
		log_info("job %lld: the server does not want its report: the "
			 "job is gone",
		    (long long)id);
	else if (r->status == 400)
		log_error("job %lld: the server refuses its report (400)%s: "
			  "%.200s",
		    (long long)id,
		    a->spool.sending_memory ? "" : ", it is set aside as .bad",
		    r->body);
	else
		log_info("job %lld: reported to the server", (long long)id);
	finished(a, id, r->status == 400, now);
}

void spool_reply(struct agent *a, const struct net_reply *r, uint64_t now)
{
	struct spool *s = &a->spool;
	int64_t id = s->sending;
	s->sending = 0;
	s->rest_at = now + IDLE_REST_MS;
	log_debug("%s: %d", STATUS_PATH, r->status);
	bool taken = r->result == NET_OK && r->status >= 200 && r->status < 300;
	if (taken || is_definite(r, 404) || is_definite(r, 400)) {
		settled(a, id, r, now);
		return;
	}
	struct buf text = BUF_INIT(4 * KIB);
	if (r->result != NET_OK)
		buf_adds(&text, r->text != NULL ? r->text : "no answer");
	else
		buf_addf(&text, "the server answers %d", r->status);
	buf_addf(&text, "; the report of job %lld is kept and sent again",
	    (long long)id);
	trouble_add(&s->trouble, LOG_LEVEL_WARNING, buf_str(&text),
	    a->poll_interval, r->retry_after, now);
	buf_release(&text);
	put_off(a, id, r, now);
}
