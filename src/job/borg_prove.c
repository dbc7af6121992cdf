/*
 * A borg is believed by what it does, not by what it says: --version of a
 * binary that lacks a library works, and its first backup fails. Its home and
 * its cache are directories that vanish afterwards; exit codes decide.
 */
#include "job/borg_prove.h"
#include "base/limits.h"
#include "base/proc.h"
#include "base/text.h"
#include "job/child.h"
#include <string.h>

/* A binary that unpacks itself takes 15 s on the smallest machines. */
#define STEP_MS 120000u

struct proof {
	struct short_job *job;
	const char *path, *dir;
	char **env;
};

/* Nothing of borg's own environment is taken over. */
static int make_env(struct proof *p)
{
	p->env = proc_env_new();
	for (size_t i = 0; p->env != NULL && p->env[i] != NULL;) {
		char name[128];
		size_t len = strcspn(p->env[i], "=");
		if (!text_starts(p->env[i], "BORG_") || len >= sizeof(name)) {
			i++;
			continue;
		}
		memcpy(name, p->env[i], len);
		name[len] = '\0';
		if (proc_env_set(&p->env, name, NULL) != 0)
			return -1;
	}
	return p->env != NULL && proc_env_set(&p->env, "HOME", p->dir) == 0 &&
		       proc_env_set(&p->env, "BORG_BASE_DIR", p->dir) == 0 &&
		       proc_env_set(&p->env, "LC_ALL", "C.UTF-8") == 0
		   ? 0
		   : -1;
}

/* The last line that is not empty: there programs name the reason. */
static void add_last_line(struct buf *out, const char *text)
{
	size_t end = strlen(text), start;
	while (end > 0 && strchr("\r\n \t", text[end - 1]) != NULL)
		end--;
	for (start = end; start > 0 && text[start - 1] != '\n'; start--)
		;
	text_add_escaped(
	    out, text + start, end - start < 300 ? end - start : 300);
}

/* Runs `borg words…`; out, when not NULL, gets what it says. */
static int step(struct proof *p, const char *const *words, struct buf *out)
{
	const char *argv[8] = {p->path};
	struct child c;
	struct buf why = BUF_INIT(4 * KIB);
	int n = 1, rc = -1;
	for (; *words != NULL && n < 7; words++)
		argv[n++] = *words;
	child_init(&c, p->job->worker);
	c.argv = argv;
	c.env = (const char *const *)p->env;
	c.cwd = p->dir;
	c.out = CHILD_COLLECT;
	c.timeout_ms = STEP_MS;
	if (child_run(&c, &why) != 0) {
		short_fail(p->job, "the new borg does not run here: %s",
		    buf_str(&why));
	} else if (c.timed_out) {
		short_fail(p->job,
		    "the new borg does not work here: \"%s\" did not end "
		    "within %u s",
		    argv[1], STEP_MS / 1000);
	} else if (c.stopped || c.exit_code != 0) {
		add_last_line(&why,
		    c.errors.len > 0 ? buf_str(&c.errors) : buf_str(&c.output));
		short_fail(p->job,
		    "the new borg does not work here: \"%s\" ended with code "
		    "%d: %s",
		    argv[1], c.exit_code, buf_str(&why));
	} else {
		rc = 0;
		if (out != NULL)
			buf_add(out, c.output.data, c.output.len);
	}
	child_release(&c);
	buf_release(&why);
	return rc;
}

static int take_version(struct proof *p, struct buf *version)
{
	static const char *const words[] = {"--version", NULL};
	struct buf said = BUF_INIT(CHILD_OUTPUT_MAX);
	int rc = step(p, words, &said);
	const char *text = buf_str(&said);
	size_t len = 0;
	if (rc == 0 && text_starts(text, "borg ")) {
		text += strlen("borg ");
		len = strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz.+-");
		if (len < 64)
			buf_add(version, text, len);
	}
	if (rc == 0 && version->len == 0) {
		buf_reset(version);
		add_last_line(version, buf_str(&said));
		short_fail(p->job, "what came is no borg: it says \"%s\"",
		    buf_str(version));
		rc = -1;
	}
	buf_release(&said);
	return rc;
}

static void tell(struct short_job *s)
{
	text_copy(s->progress.message, sizeof(s->progress.message),
	    "Trying the new borg");
	worker_progress(s->worker, &s->progress);
}

int borg_prove(
    struct short_job *s, const char *path, const char *dir, struct buf *version)
{
	static const char *const help[] = {"help", "create", NULL};
	static const char *const init[] = {
	    "init", "--encryption=none", "repo", NULL};
	static const char *const create[] = {
	    "create", "repo::proof", "repo/README", NULL};
	struct proof p = {s, path, dir, NULL};
	int rc = -1;
	tell(s);
	if (make_env(&p) != 0)
		short_fail(s, "out of memory");
	else if (take_version(&p, version) == 0 && step(&p, help, NULL) == 0 &&
		 step(&p, init, NULL) == 0 && step(&p, create, NULL) == 0)
		rc = 0;
	proc_env_free(p.env);
	return rc;
}
