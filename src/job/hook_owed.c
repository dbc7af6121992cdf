/*
 * Post-scripts: owed, journalled, run at last. A cancel and a stop of the
 * agent do not end them; the end of the supervisor does, and then they stay
 * owed in the journal, for the next start.
 *
 * The journal has no passphrase: a script that runs after a crash runs
 * without BORG_PASSCOMMAND.
 */
#include "job/hook_owed.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "bbs/journal.h"
#include "job/hook.h"
#include "job/hook_log.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY_MAX 32
/* How much of a script's output goes into the log and the kept outcome. */
#define SAID_MAX 1500
/* A worker of an earlier life that lost its supervisor ends within this. */
#define OWNER_MS 15000

struct hook_owed {
	struct hook_owed *next;
	size_t index; /* of the task's plugins */
	struct hookconfig config;
};

static const char *status_of(bool completed)
{
	return completed ? "completed" : "failed";
}

static void key_of(char *key, size_t index)
{
	snprintf(key, KEY_MAX, "shell_hook-%zu", index);
}

/* Writes it into the journal, in place of what stands there. */
static void journal(
    const struct plugins *p, const struct hook_owed *o, const char *status)
{
	const struct worker *w = p->worker;
	struct buf text = BUF_INIT(MIB);
	struct json_writer json = {&text, false};
	char key[KEY_MAX];
	key_of(key, o->index);
	json_open(&json, NULL, '{');
	json_put_int(&json, "job_id", w->task->job_id);
	json_put(&json, "script", o->config.post);
	json_put_int(&json, "timeout", (int64_t)o->config.timeout_s);
	json_put_bool(&json, "expose_passphrase", o->config.expose_passphrase);
	hook_env_encode(&json, w->task, status, o->config.expose_passphrase);
	/* Who owes it, as long as that process lives. */
	json_put_int(&json, "pid", getpid());
	json_put_int(&json, "start", (int64_t)proc_start_time(getpid()));
	json_close(&json, '}');
	if (text.failed ||
	    journal_owe(w->paths, w->task->job_id, key, buf_str(&text)) != 0)
		log_warning("cannot write down that the post-script %s is "
			    "owed: after a crash it would not run (%s)",
		    o->config.post, strerror(errno));
	buf_release(&text);
}

static void free_owed(struct hook_owed *o)
{
	hookconfig_release(&o->config);
	free(o);
}

void hook_owed_add(struct plugins *p, size_t index, const struct hookconfig *h)
{
	struct hook_owed *o = calloc(1, sizeof(*o)), **at = &p->owed;
	if (o != NULL) {
		o->index = index;
		o->config = *h;
		o->config.pre = NULL;
		o->config.post = strdup(h->post);
	}
	if (o == NULL || o->config.post == NULL) {
		log_error(
		    "the post-script %s will not run: out of memory", h->post);
		free(o);
		return;
	}
	while (*at != NULL && (*at)->index < index)
		at = &(*at)->next;
	o->next = *at;
	*at = o;
	journal(p, o, status_of(false));
}

static void paid(const struct plugins *p, size_t index)
{
	char key[KEY_MAX];
	key_of(key, index);
	if (journal_paid(p->worker->paths, p->worker->task->job_id, key) != 0)
		log_warning("cannot write down that a post-script has run: %s",
		    strerror(errno));
}

void hook_owed_drop(struct plugins *p, size_t index)
{
	for (struct hook_owed **at = &p->owed; *at != NULL; at = &(*at)->next) {
		struct hook_owed *o = *at;
		if (o->index != index)
			continue;
		*at = o->next;
		free_owed(o);
		paid(p, index);
		return;
	}
}

void hooks_announce(struct plugins *p, bool completed)
{
	uint64_t ms = HOOK_DELIVERY_MS;
	if (p->owed == NULL)
		return;
	for (const struct hook_owed *o = p->owed; o != NULL; o = o->next) {
		journal(p, o, status_of(completed));
		ms += o->config.timeout_s * 1000 + CHILD_GRACE_MS;
	}
	worker_after(p->worker, ms);
}

/* "LINE completed (exit 0): what it said" */
static void describe(struct buf *out, const struct script *s, bool ok)
{
	script_add_line(out, s->line);
	buf_addf(
	    out, " %s (%s)", ok ? "completed" : "failed", buf_str(&s->end));
	if (s->output.len > 0) {
		buf_adds(out, ": ");
		script_add_output(out, s, SAID_MAX);
	}
}

/* Into the log, and where `status` finds it. */
static void tell(
    const struct paths *p, int64_t job_id, bool ok, const char *text)
{
	if (ok)
		log_info("Shell hook post-script: %s", text);
	else
		log_warning("Shell hook post-script: %s", text);
	hook_log_add(p, job_id, ok, text);
}

static void run_owed(
    struct plugins *p, const struct hook_owed *o, const char *status)
{
	struct worker *w = p->worker;
	struct buf text = BUF_INIT(16 * KIB);
	struct script s;
	script_init(&s, w);
	s.goes_on = true;
	bool ok = hook_script(&s, o->config.post, status, &o->config) == 0;
	describe(&text, &s, ok);
	tell(w->paths, w->task->job_id, ok, buf_str(&text));
	/* A job that is over for the server takes no lines any more. */
	if (!w->delivered)
		worker_log(w, ok ? "info" : "warning",
		    "Shell hook post-script: %s", buf_str(&text));
	if (!s.stopped)
		paid(p, o->index);
	script_release(&s);
	buf_release(&text);
}

void hooks_settle(struct plugins *p, bool completed)
{
	if (p->owed == NULL)
		return;
	worker_await_delivery(p->worker);
	for (const struct hook_owed *o = p->owed;
	     o != NULL && p->worker->stop != STOP_ORPHANED; o = o->next)
		run_owed(p, o, status_of(completed));
}

void hooks_release(struct plugins *p)
{
	while (p->owed != NULL) {
		struct hook_owed *o = p->owed;
		p->owed = o->next;
		free_owed(o);
	}
}

int hook_post(struct worker *w, const struct task_plugin *config,
    struct buf *output, struct buf *why)
{
	struct hookconfig h;
	struct script s;
	int rc = hookconfig_decode(&h, config->config, why);
	if (rc == 0 && h.post == NULL) {
		buf_adds(why, "the hook has no post-script");
		rc = -1;
	}
	if (rc == 0)
		rc = hook_check(w, &h, why);
	if (rc == 0) {
		script_init(&s, w);
		rc = hook_script(&s, h.post, "completed", &h);
		describe(rc == 0 ? output : why, &s, rc == 0);
		script_release(&s);
	}
	hookconfig_release(&h);
	return rc;
}

/* Waits for the worker that owes it, should it still live: it may be just
 * ending the script. Does it live on? */
static bool owner_lives(struct worker *w, const struct json *j)
{
	int64_t pid = 0, start = 0;
	uint64_t until = clock_ms() + OWNER_MS;
	json_int(j, json_get(j, 0, "pid"), &pid);
	json_int(j, json_get(j, 0, "start"), &start);
	struct proc owner = {(pid_t)pid, (uint64_t)start};
	for (;;) {
		if (!proc_is_alive(&owner))
			return false;
		if (clock_ms() >= until || w->stop != STOP_NONE)
			return true;
		poll(NULL, 0, PROC_POLL_MS);
		worker_listen(w);
	}
}

int hook_run_owed(
    struct worker *w, const char *script_json, struct buf *outcome)
{
	struct json j = JSON_INIT;
	struct hook_env env = {NULL, NULL};
	struct script s;
	int64_t timeout = HOOK_TIMEOUT_S, job_id = 0;
	char *line = NULL;
	int rc = -1;
	script_init(&s, w);
	if (json_parse(&j, script_json, strlen(script_json)) == 0)
		line = json_strdup(&j, json_get(&j, 0, "script"));
	if (line == NULL) {
		buf_adds(outcome, "a post-script that was owed cannot be read");
		rc = 0;
		goto out;
	}
	if (owner_lives(w, &j) || hook_env_rebuild(&env, &j, 0) != 0)
		goto out;
	json_int(&j, json_get(&j, 0, "timeout"), &timeout);
	json_int(&j, json_get(&j, 0, "job_id"), &job_id);
	if (json_bool(&j, json_get(&j, 0, "expose_passphrase"), false))
		log_info("the post-script %s runs without the passphrase, "
			 "which is not kept on disk",
		    line);
	s.line = line;
	s.timeout_s = timeout > 0 ? (uint64_t)timeout : HOOK_TIMEOUT_S;
	s.goes_on = true;
	s.env = (const char *const *)env.env;
	bool ok = script_run(&s) == 0;
	describe(outcome, &s, ok);
	tell(w->paths, job_id, ok, buf_str(outcome));
	rc = s.stopped ? -1 : 0;
out:
	hook_env_release(&env);
	script_release(&s);
	json_release(&j);
	free(line);
	return rc;
}
