/*
 * Scripts before a backup, and tests of both. What is owed behind it is
 * job/hook_owed.c's; both run scripts by hook_script alone.
 */
#include "job/hook.h"
#include "base/limits.h"
#include "job/hook_owed.h"
#include "job/hook_policy.h"
#include "job/hookconfig.h"
#include "job/script.h"
#include <stdlib.h>
#include <string.h>

/* How much of a script's output goes into a line of the server's log, which
 * is cut at LOG_MESSAGE_MAX. */
#define SAID_MAX (LOG_MESSAGE_MAX - 800)

/* May this script run here? One that is not there is not refused: its own
 * start says so in better words. */
static int check(const struct worker *w, const char *line, struct buf *why)
{
	struct words words;
	char *file = NULL;
	bool missing = false;
	struct buf text = BUF_INIT(8 * KIB);
	if (line == NULL)
		return 0;
	int rc = hook_policy_words(w->config, line, &words, &text);
	if (rc == 0) {
		rc = hook_policy_file(
		    w->config, words.list[0], &file, &missing, &text);
		if (missing)
			rc = 0;
	}
	if (rc != 0)
		buf_adds(why, buf_str(&text));
	free(file);
	words_release(&words);
	buf_release(&text);
	return rc;
}

int hook_check(
    const struct worker *w, const struct hookconfig *h, struct buf *why)
{
	/* Both, before either runs: a service must not be stopped by a script
	 * whose counterpart may not start it again. */
	if (check(w, h->pre, why) != 0)
		return -1;
	return check(w, h->post, why);
}

int hook_script(struct script *s, const char *line, const char *status,
    const struct hookconfig *h)
{
	struct hook_env env;
	int rc = -1;
	s->line = line;
	s->timeout_s = h->timeout_s;
	if (hook_env_build(
		&env, s->worker, status, h->expose_passphrase, &s->end) == 0) {
		s->env = (const char *const *)env.env;
		rc = script_run(s);
	}
	hook_env_release(&env);
	s->env = NULL;
	return rc;
}

/* "pre-script: LINE (exit 0)" */
static void add_script(
    struct buf *out, const char *label, const char *line, const char *end)
{
	buf_addf(out, "%s: ", label);
	script_add_line(out, line);
	buf_addf(out, " (%s)", end);
}

static void add_said(struct buf *out, const struct script *s)
{
	if (s->output.len == 0)
		return;
	buf_adds(out, " | output: ");
	script_add_output(out, s, SAID_MAX);
}

static int run_pre(const struct hookconfig *h, struct script *s,
    struct buf *summary, struct buf *why)
{
	int rc = hook_script(s, h->pre, "pending", h);
	if (rc == 0) {
		add_script(summary, "pre-script", h->pre, buf_str(&s->end));
		return 0;
	}
	add_script(why, "pre-script", h->pre, buf_str(&s->end));
	add_said(why, s);
	return -1;
}

static int run(struct plugins *p, const struct task_plugin *config,
    struct buf *summary, struct buf *why)
{
	struct worker *w = p->worker;
	struct hookconfig h;
	struct script s;
	size_t index = (size_t)(config - w->task->plugins);
	int rc = hookconfig_decode(&h, config->config, why);
	script_init(&s, w);
	if (rc == 0)
		rc = hook_check(w, &h, why);
	if (rc != 0)
		goto out;
	buf_adds(summary, "Shell hook: ");
	if (h.pre == NULL && h.post == NULL)
		buf_adds(summary, "neither a pre-script nor a post-script is "
				  "configured");
	if (h.pre != NULL) {
		if (h.post != NULL && !h.deferred)
			hook_owed_add(p, index, &h);
		rc = run_pre(&h, &s, summary, why);
		/* Nothing was begun that would have to be ended. */
		if (!s.started)
			hook_owed_drop(p, index);
	}
	if (h.post != NULL) {
		buf_adds(summary, h.pre != NULL ? " | " : "");
		add_script(summary, "post-script", h.post,
		    h.deferred ? "when the server orders it" : "pending");
	}
	add_said(summary, &s);
out:
	script_release(&s);
	hookconfig_release(&h);
	return rc;
}

void hooks_begin(struct plugins *p)
{
	const struct task *t = p->worker->task;
	struct buf why = BUF_INIT(8 * KIB);
	for (size_t i = 0; i < t->plugin_count; i++) {
		struct hookconfig h;
		if (strcmp(t->plugins[i].slug, plugin_shell_hook.slug) != 0)
			continue;
		if (hookconfig_decode(&h, t->plugins[i].config, &why) == 0 &&
		    h.pre == NULL && h.post != NULL && !h.deferred &&
		    hook_check(p->worker, &h, &why) == 0)
			hook_owed_add(p, i, &h);
		hookconfig_release(&h);
	}
	buf_release(&why);
}

/* One of the two: "Pre-script: LINE exit 0 — what it said". */
static int test_one(struct worker *w, const struct hookconfig *h,
    const char *label, const char *line, const char *status, struct buf *output,
    struct buf *why)
{
	struct script s;
	script_init(&s, w);
	int rc = hook_script(&s, line, status, h);
	if (rc != 0)
		buf_addf(why, "%s%s failed", why->len > 0 ? "; " : "", label);
	if (output->len > 0)
		buf_adds(output, " | ");
	buf_addf(output, "%s: ", label);
	script_add_line(output, line);
	buf_addf(output, " %s", buf_str(&s.end));
	if (s.output.len > 0) {
		buf_adds(output, " — ");
		script_add_output(output, &s, OUTPUT_LOG_MAX / 2 - KIB);
	}
	script_release(&s);
	return rc;
}

static int test(struct worker *w, const struct task_plugin *config,
    struct buf *output, struct buf *why)
{
	struct hookconfig h;
	int rc = hookconfig_decode(&h, config->config, why);
	if (rc == 0 && h.pre == NULL && h.post == NULL) {
		buf_adds(why, "the hook has neither a pre-script nor a "
			      "post-script: set one in the plugin's "
			      "configuration");
		rc = -1;
	}
	if (rc == 0)
		rc = hook_check(w, &h, why);
	if (rc != 0)
		goto out;
	if (h.pre != NULL)
		rc |= test_one(
		    w, &h, "Pre-script", h.pre, "pending", output, why);
	if (h.post != NULL && w->stop == STOP_NONE)
		rc |= test_one(
		    w, &h, "Post-script", h.post, "completed", output, why);
	if (rc != 0)
		buf_addf(why, ": %s", buf_str(output));
out:
	hookconfig_release(&h);
	return rc != 0 ? -1 : 0;
}

const struct plugin plugin_shell_hook = {
    "shell_hook", "Shell Script Hook", run, test};
