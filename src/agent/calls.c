/*
 * Calls to the server: which is the most urgent, what it carries, and what a
 * failure of it means. One is under way at a time; nothing is queued, each
 * call is made from the state as it stands when its turn comes, so an outage
 * leaves no backlog behind.
 */
#include "agent/agent.h"
#include "agent/recovery.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include <stdio.h>
#include <string.h>

#define CALL_FIRST_BYTE_MS 60000
#define CALL_TOTAL_MS 60000
#define TASKS_TOTAL_MS 120000

/* A little below the five seconds after which the server's page looks
 * stale, so that delivery does not push it beyond. */
#define PROGRESS_EVERY_MS 4500
#define INFO_EVERY_MS (3600u * 1000u)
#define HEARTBEAT_LEAST_S 10
/* A poll that waits longer than this goes before everything but register. */
#define POLL_LATE_MS 1000

static const char *const paths[] = {
    [CALL_REGISTER] = "/api/agent/register",
    [CALL_TASKS] = "/api/agent/tasks",
    [CALL_PROGRESS] = "/api/agent/progress",
    [CALL_HEARTBEAT] = "/api/agent/heartbeat",
    [CALL_INFO] = "/api/agent/info",
    [CALL_SSH_KEY] = "/api/agent/ssh-key",
};

static bool is_told(const struct job *job)
{
	/* The server keeps a look's parameters where its state would go. */
	return !job->gone && job->task.kind != TASK_LIST_DIR &&
	       (job->state == JOB_STARTING || job->state == JOB_RUNNING ||
		   (job->state == JOB_REPORTING && job->log_count > 0));
}

static uint64_t progress_due(const struct job *job)
{
	/* What a person waits to read goes out at once. */
	return job->log_count > 0 ? 0 : job->progress_at;
}

static bool runs_a_job(const struct agent *a)
{
	for (const struct job *job = a->jobs.first; job != NULL;
	     job = job->next) {
		if ((job->state == JOB_RUNNING ||
			job->state == JOB_REPORTING) &&
		    !job->stuck)
			return true;
	}
	return false;
}

struct candidate {
	enum call call;
	uint64_t due;
	struct job *job;
};
#define CANDIDATES 7

static struct candidate next_progress(const struct agent *a)
{
	struct candidate c = {CALL_PROGRESS, CLOCK_NEVER, NULL};
	for (struct job *job = a->jobs.first; job != NULL; job = job->next) {
		if (!is_told(job) || progress_due(job) >= c.due)
			continue;
		c.due = progress_due(job);
		c.job = job;
	}
	return c;
}

/* All that could be asked, the most urgent first. */
static void list_candidates(const struct agent *a, struct candidate *c)
{
	bool polls = !(a->once && a->polled);
	uint64_t poll = polls ? a->poll_at : CLOCK_NEVER;
	uint64_t late = polls ? a->poll_at + POLL_LATE_MS : CLOCK_NEVER;
	uint64_t heartbeat = runs_a_job(a) ? a->heartbeat_at : CLOCK_NEVER;
	uint64_t key = a->want_key ? a->key_at : CLOCK_NEVER;
	uint64_t info = a->registered ? a->info_at : CLOCK_NEVER;
	uint64_t enter = a->registered ? CLOCK_NEVER : a->register_at;
	c[0] = (struct candidate){CALL_REGISTER, enter, NULL};
	/* However many jobs there are to tell of: polls must not starve. */
	c[1] = (struct candidate){CALL_TASKS, late, NULL};
	c[2] = next_progress(a);
	c[3] = (struct candidate){CALL_HEARTBEAT, heartbeat, NULL};
	c[4] = (struct candidate){CALL_SSH_KEY, key, NULL};
	c[5] = (struct candidate){CALL_TASKS, poll, NULL};
	c[6] = (struct candidate){CALL_INFO, info, NULL};
}

/* The most urgent call that is due at `now`, else the one that comes first;
 * CALL_NONE when there is none at all. */
static struct candidate choose(const struct agent *a, uint64_t now)
{
	struct candidate c[CANDIDATES];
	struct candidate best = {CALL_NONE, CLOCK_NEVER, NULL};
	if (a->host.len == 0 || a->stopping)
		return best;
	list_candidates(a, c);
	for (int i = 0; i < CANDIDATES; i++) {
		if (c[i].due <= now)
			return c[i];
		if (c[i].due < best.due)
			best = c[i];
	}
	return best;
}

uint64_t calls_due(const struct agent *a)
{
	if (a->call != CALL_NONE)
		return CLOCK_NEVER;
	uint64_t due = choose(a, 0).due;
	if (due != CLOCK_NEVER && due < a->trouble.hold_until)
		due = a->trouble.hold_until;
	return due;
}

/* Returns the number of the log line that it carries, 0: none. */
static uint64_t encode_progress(struct job *job, struct buf *body)
{
	struct progress p = job->progress;
	struct buf level = BUF_INIT(64), text = BUF_INIT(LOG_MESSAGE_MAX + 64);
	if (job->state == JOB_STARTING)
		text_copy(p.message, sizeof(p.message), "Starting task...");
	else if (strcmp(p.message, job->said) == 0)
		p.message[0] = '\0';
	else
		text_copy(job->said, sizeof(job->said), p.message);
	uint64_t log = job_peek_log(job, &level, &text);
	progress_encode(&p, job->id, buf_str(&level),
	    log != 0 ? buf_str(&text) : NULL, body);
	buf_release(&level);
	buf_release(&text);
	return log;
}

static int heartbeat_interval(const struct agent *a)
{
	return a->poll_interval > HEARTBEAT_LEAST_S ? a->poll_interval
						    : HEARTBEAT_LEAST_S;
}

uint64_t calls_poll_every(const struct agent *a, uint64_t now)
{
	uint64_t every = (uint64_t)a->poll_interval * 1000u;
	bool browsing =
	    a->browsed_at != 0 && now - a->browsed_at < BROWSE_POLLS_MS;
	return browsing && every > BROWSE_POLL_MS ? BROWSE_POLL_MS : every;
}

/* When the same call is due again, should this one come to nothing. */
static void postpone(
    struct agent *a, enum call call, struct job *job, uint64_t now)
{
	uint64_t interval = (uint64_t)a->poll_interval * 1000u;
	switch (call) {
	case CALL_REGISTER:
		a->register_at = now + interval;
		break;
	case CALL_TASKS:
		a->poll_at = now + calls_poll_every(a, now);
		break;
	case CALL_PROGRESS:
		job->progress_at = now + PROGRESS_EVERY_MS;
		break;
	case CALL_HEARTBEAT:
		a->heartbeat_at = now + (uint64_t)heartbeat_interval(a) * 1000u;
		break;
	case CALL_INFO:
		a->info_at = now + INFO_EVERY_MS;
		break;
	case CALL_SSH_KEY:
		a->key_at = now + 10 * interval;
		break;
	case CALL_NONE:
		break;
	}
}

void calls_begin(struct agent *a, uint64_t now)
{
	if (a->call != CALL_NONE || now < a->trouble.hold_until)
		return;
	struct candidate chosen = choose(a, now);
	enum call call = chosen.call;
	struct job *job = chosen.job;
	if (call == CALL_NONE || chosen.due > now)
		return;

	struct buf body = BUF_INIT(ANSWER_BODY_MAX);
	uint64_t log = 0;
	bool get = call == CALL_TASKS || call == CALL_SSH_KEY;
	if (call == CALL_REGISTER || call == CALL_INFO)
		buf_add(&body, a->host.data, a->host.len);
	else if (call == CALL_HEARTBEAT)
		buf_adds(&body, "{}");
	else if (call == CALL_PROGRESS) {
		recovery_note(a, job);
		log = encode_progress(job, &body);
	}
	postpone(a, call, job, now);

	struct net_request request = {.method = get ? "GET" : "POST",
	    .path = paths[call],
	    .body = get ? NULL : buf_str(&body),
	    .body_len = body.len,
	    .first_byte_ms = CALL_FIRST_BYTE_MS,
	    .total_ms = call == CALL_TASKS ? TASKS_TOTAL_MS : CALL_TOTAL_MS,
	    .body_max = call == CALL_TASKS ? TASKS_BODY_MAX : ANSWER_BODY_MAX};
	log_debug("%s %s %s", request.method, request.path,
	    body.len < LOG_LINE_MAX ? buf_str(&body) : "");
	if (net_begin(a->polls, &request) == 0) {
		bool tells = call == CALL_REGISTER || call == CALL_INFO;
		if (tells && a->renewal == RENEWAL_KNOWN)
			a->renewal = RENEWAL_SENDING;
		a->call = call;
		a->call_job = job != NULL ? job->id : 0;
		a->call_log = log;
	}
	buf_release(&body);
}

/* One sentence for an answer that is no success. */
static void describe_status(struct buf *out, const struct agent *a,
    const struct net_reply *r, const char *path)
{
	switch (r->status) {
	case 401:
	case 403:
		buf_addf(out,
		    "the server refuses the API key (%d): copy the "
		    "client's key from the server into [server] "
		    "api_key; the agent keeps trying",
		    r->status);
		return;
	case 404:
		buf_addf(out,
		    "the server knows no %s (404): is [server] url "
		    "the address of a BBS server, with its path?",
		    path);
		return;
	case 413:
		buf_addf(out,
		    "the server's proxy refuses a body this large "
		    "(413) for %s: raise its limit "
		    "(client_max_body_size in nginx)",
		    path);
		return;
	case 429:
		buf_adds(out, "the server asks for fewer requests (429): the "
			      "agent waits");
		return;
	default:
		break;
	}
	if (r->status >= 300 && r->status < 400 && r->text != NULL &&
	    r->text[0] != '\0') {
		buf_adds(out, r->text);
		return;
	}
	buf_addf(out, "the server answers %d to %s", r->status, path);
	if (r->status == 400 && text_starts(a->config->url, "http://"))
		buf_adds(out,
		    ": if this is its port for TLS, [server] url must begin "
		    "with https://");
	if (r->status >= 500)
		buf_adds(out, ": an error or an overload on the server, its "
			      "log says more; the agent keeps trying");
	if (r->body_len > 0 && r->body[0] == '{') {
		buf_adds(out, ": ");
		text_add_escaped(
		    out, r->body, r->body_len < 200 ? r->body_len : 200);
	}
}

static bool is_json_object(const struct net_reply *r)
{
	return r->body_len > 0 && r->body[0] == '{' &&
	       json_check(r->body, r->body_len, JSON_DEPTH_MAX, NULL, NULL) ==
		   0;
}

static void forget_job(struct agent *a, struct job *job)
{
	recovery_reported(a, job->id);
	jobs_remove(&a->jobs, job);
}

/* The server does not know a job that we told of. */
static void job_is_gone(struct agent *a, struct job *job)
{
	log_warning(
	    "job %lld: the server does not know it any more: going on without "
	    "telling it",
	    (long long)job->id);
	job->gone = true;
	if (job->state == JOB_STARTING)
		forget_job(a, job);
}

/* After an outage the server is told anew who we are. Where a poll met it, one
 * is to work before: it may be all that the server fails at. */
static void after_outage(struct agent *a, enum call call, int status)
{
	bool poll = call == CALL_TASKS;
	if (status != 0 && (status < 500 || !poll))
		return;
	if (poll)
		a->poll_at = a->trouble.hold_until;
	if (!poll || a->registered)
		a->register_at = poll ? CLOCK_NEVER : 0;
	a->registered = false;
}

/* Asked for every few polls, and said as often as a trouble is. */
static void tell_no_key(struct agent *a, uint64_t now)
{
	if (now < a->key_told_at)
		return;
	a->key_told_at = now + 3600u * 1000u;
	log_info(ANSWER_NO_KEY);
}

static void failed(struct agent *a, enum call call, struct job *job,
    const struct net_reply *r, uint64_t now)
{
	struct buf text = BUF_INIT(4 * KIB);
	bool answered = r->result == NET_OK;
	a->unreachable = !answered;
	/* Its message is to be said again. */
	if (job != NULL)
		job->said[0] = '\0';
	if (answered)
		describe_status(&text, a, r, paths[call]);
	else
		buf_adds(&text, r->text != NULL ? r->text : "no answer");

	if (call == CALL_PROGRESS && answered && r->status == 404 &&
	    is_json_object(r)) {
		trouble_end(&a->trouble, now);
		job_is_gone(a, job);
	} else if (call == CALL_SSH_KEY && answered && r->status == 404) {
		tell_no_key(a, now);
	} else if (r->result == NET_JSON) {
		/* Not worth a pause: the next poll comes as ever. */
		trouble_add(
		    &a->trouble, LOG_LEVEL_WARNING, buf_str(&text), 1, 0, now);
		a->trouble.hold_until = 0;
	} else {
		bool key = answered && (r->status == 401 || r->status == 403);
		trouble_add(&a->trouble,
		    key ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, buf_str(&text),
		    a->poll_interval, r->retry_after, now);
		after_outage(a, call, answered ? r->status : 0);
	}
	if (call == CALL_REGISTER || call == CALL_TASKS)
		a->once_failed = true;
	buf_release(&text);
}

static void succeeded(struct agent *a, enum call call, struct job *job,
    const struct net_reply *r, uint64_t now)
{
	struct json *j = &a->answer;
	if (json_parse(j, r->body, r->body_len) != 0) {
		trouble_add(&a->trouble, LOG_LEVEL_WARNING,
		    "the server's answer has more values than the agent "
		    "takes",
		    1, 0, now);
		a->trouble.hold_until = 0;
		json_release(j);
		return;
	}
	a->status.answered = clock_wall();
	if (call != CALL_TASKS)
		trouble_end(&a->trouble, now);
	switch (call) {
	case CALL_REGISTER:
		answers_register(a, j, now);
		break;
	case CALL_TASKS:
		answers_tasks(a, j, now);
		break;
	case CALL_PROGRESS:
		if (job != NULL)
			answers_progress(a, job, j, now);
		break;
	case CALL_HEARTBEAT:
		answers_heartbeat(a, j, now);
		break;
	case CALL_SSH_KEY:
		answers_ssh_key(a, j, now);
		break;
	case CALL_INFO:
	case CALL_NONE:
		break;
	}
	if (j->room > ANSWER_TOKENS_KEEP)
		json_release(j);
}

/* A line for the server's log is done with when the server took it, or will
 * never take it; one that met an outage is sent again. */
static void settle_log(
    struct agent *a, struct job *job, const struct net_reply *r)
{
	uint64_t number = a->call_log;
	a->call_log = 0;
	if (job == NULL || number == 0 || r->result != NET_OK)
		return;
	int s = r->status;
	bool later = s == 401 || s == 403 || s == 408 || s == 429;
	if ((s >= 200 && s < 300) || (s >= 400 && s < 500 && !later) ||
	    (s == 500 && ++job->log_tries >= LOG_TRIES_MAX))
		job_drop_log(job, number);
}

/* Does the server know this host as it is now? */
static void renewal_told(
    struct agent *a, enum call call, const struct net_reply *r, uint64_t now)
{
	bool tells = call == CALL_REGISTER || call == CALL_INFO;
	if (!tells || a->renewal != RENEWAL_SENDING)
		return;
	if (r->result == NET_OK && r->status >= 200 && r->status < 300) {
		a->renewal = RENEWAL_NONE;
	} else {
		a->renewal = RENEWAL_KNOWN;
		a->info_at = now;
	}
}

/* Tasks have passphrases and passwords in them, an SSH key is one. */
static void log_answer(enum call call, const struct net_reply *r)
{
	bool told = call != CALL_TASKS && call != CALL_SSH_KEY &&
		    r->body_len < LOG_LINE_MAX;
	log_debug("%s: %d (%zu bytes) %.*s", paths[call], r->status,
	    r->body_len, told ? (int)r->body_len : 0, r->body);
}

void calls_reply(struct agent *a, const struct net_reply *r, uint64_t now)
{
	enum call call = a->call;
	struct job *job = jobs_find(&a->jobs, a->call_job);
	a->call = CALL_NONE;
	a->call_job = 0;
	log_answer(call, r);
	settle_log(a, job, r);
	renewal_told(a, call, r, now);
	bool good = r->result == NET_OK && r->status >= 200 && r->status < 300;
	if (good) {
		a->contact_at = now;
		succeeded(a, call, job, r, now);
	} else if (call != CALL_PROGRESS || job != NULL)
		failed(a, call, job, r, now);
}
