/*
 * Running one script. What it prints may hold the job's secrets, which were
 * given to it on purpose: they are taken out before anything is told.
 */
#include "job/script.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc_hide.h"
#include "base/proc_why.h"
#include "base/text.h"
#include "job/child.h"
#include "job/hook_policy.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Of a script's command line, in a message. */
#define LINE_SHOWN_MAX 300

void script_init(struct script *s, struct worker *w)
{
	memset(s, 0, sizeof(*s));
	s->worker = w;
	/* Each byte may become three. */
	buf_init(&s->output, 4 * HOOK_OUTPUT_MAX);
	buf_init(&s->end, 8 * KIB);
}

void script_release(struct script *s)
{
	buf_wipe(&s->output);
	buf_release(&s->end);
}

/* What it printed as valid text, without blanks at its end. */
static void keep_output(struct script *s, const struct child *c)
{
	struct buf text = BUF_INIT(2 * HOOK_OUTPUT_MAX);
	struct buf clean = BUF_INIT(4 * HOOK_OUTPUT_MAX);
	const char *bytes = buf_str(&c->output);
	size_t len = c->output.len;
	size_t head = c->output_cut > 0 ? c->output.max / 4 : 0;
	while (len > head && (unsigned char)bytes[len - 1] <= ' ')
		len--;
	buf_add(&text, bytes, head);
	if (c->output_cut > 0)
		buf_addf(&text, "\n(%llu bytes left out)\n",
		    (unsigned long long)c->output_cut);
	buf_add(&text, bytes + head, len - head);
	log_redact(&clean, buf_str(&text), text.len);
	text_add_utf8(&s->output, buf_str(&clean), clean.len);
	buf_wipe(&text);
	buf_wipe(&clean);
}

static int judge(struct script *s, const struct child *c, const char *file)
{
	s->stopped = c->stopped;
	if (c->stopped) {
		buf_adds(&s->end, "was ended since the job stops");
	} else if (c->timed_out) {
		buf_addf(&s->end, "timed out after %llu s and was ended",
		    (unsigned long long)s->timeout_s);
	} else {
		buf_addf(&s->end, "exit %d", c->exit_code);
		if (c->exit_code == 0)
			return 0;
		proc_why_failed(&s->end, file);
	}
	return -1;
}

static int run_words(struct script *s, struct words *words, const char *file)
{
	struct child c;
	int rc = -1;
	child_init(&c, s->worker);
	c.argv = (const char *const *)words->list;
	c.env = s->env;
	c.cwd = "/";
	c.out = CHILD_COLLECT;
	c.output.max = HOOK_OUTPUT_MAX;
	c.join = true;
	c.goes_on = s->goes_on;
	c.may_leave = true;
	c.timeout_ms = s->timeout_s * 1000;
	/* It may start services, which live on with the limits it has. */
	proc_unlimit_cores();
	s->started = child_run(&c, &s->end) == 0;
	proc_hide();
	/* A service manager that stops the agent signals all of its group. */
	worker_listen(s->worker);
	if (s->goes_on && s->worker->stop == STOP_SERVICE &&
	    c.exit_code == 128 + SIGTERM)
		c.stopped = true;
	if (s->started) {
		rc = judge(s, &c, file);
		keep_output(s, &c);
	}
	child_release(&c);
	return rc;
}

int script_run(struct script *s)
{
	const struct config *config = s->worker->config;
	struct words words;
	char *file = NULL;
	bool missing;
	int rc = hook_policy_words(config, s->line, &words, &s->end);
	if (rc == 0)
		rc = hook_policy_file(
		    config, words.list[0], &file, &missing, &s->end);
	if (rc == 0) {
		free(words.list[0]);
		words.list[0] = file;
		rc = run_words(s, &words, file);
	}
	words_release(&words);
	return rc;
}

void script_add_line(struct buf *out, const char *line)
{
	size_t len = strlen(line);
	text_add_escaped(out, line, text_cut(line, len, LINE_SHOWN_MAX));
	if (len > LINE_SHOWN_MAX)
		buf_adds(out, "…");
}

void script_add_output(struct buf *out, const struct script *s, size_t max)
{
	const char *text = buf_str(&s->output);
	size_t len = s->output.len;
	if (len <= max) {
		buf_add(out, text, len);
		return;
	}
	size_t head = text_cut(text, len, max / 3);
	size_t tail = len - (max - max / 3);
	/* Not from within a character. */
	while (tail < len && ((unsigned char)text[tail] & 0xc0) == 0x80)
		tail++;
	buf_add(out, text, head);
	buf_adds(out, " […] ");
	buf_add(out, text + tail, len - tail);
}
