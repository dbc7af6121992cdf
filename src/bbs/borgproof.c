/*
 * A borg is believed by what it does, not by what it says: --version of a
 * binary that lacks a library works, and its first backup fails. Its home and
 * its cache are directories that vanish afterwards; exit codes decide.
 */
#include "bbs/borgproof.h"
#include "base/limits.h"
#include "base/proc.h"
#include "base/text.h"
#include <string.h>

struct proof {
	const char *path, *dir;
	borgproof_runner *runner;
	void *ctx;
	char **env;
	struct buf *why;
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
	struct borgproof_run run = {.argv = argv,
	    .env = (const char *const *)p->env,
	    .cwd = p->dir,
	    .said = BUF_INIT(CHILD_OUTPUT_MAX)};
	struct buf wrong = BUF_INIT(4 * KIB);
	int n = 1, rc = -1;
	for (; *words != NULL && n < 7; words++)
		argv[n++] = *words;
	if (p->runner(p->ctx, &run, &wrong) != 0) {
		buf_addf(p->why, "the new borg does not run here: %s",
		    buf_str(&wrong));
	} else if (run.timed_out) {
		buf_addf(p->why,
		    "the new borg does not work here: \"%s\" did not end "
		    "within %u s",
		    argv[1], BORGPROOF_STEP_MS / 1000);
	} else if (run.code != 0) {
		buf_addf(p->why,
		    "the new borg does not work here: \"%s\" ended with code "
		    "%d: ",
		    argv[1], run.code);
		add_last_line(p->why, buf_str(&run.said));
	} else {
		rc = 0;
		if (out != NULL)
			buf_add(out, run.said.data, run.said.len);
	}
	buf_release(&run.said);
	buf_release(&wrong);
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
		buf_adds(p->why, "what came is no borg: it says \"");
		add_last_line(p->why, buf_str(&said));
		buf_adds(p->why, "\"");
		rc = -1;
	}
	buf_release(&said);
	return rc;
}

int borgproof(const char *path, const char *dir, borgproof_runner *runner,
    void *ctx, struct buf *version, struct buf *why)
{
	static const char *const help[] = {"help", "create", NULL};
	static const char *const init[] = {
	    "init", "--encryption=none", "repo", NULL};
	static const char *const create[] = {
	    "create", "repo::proof", "repo/README", NULL};
	struct proof p = {path, dir, runner, ctx, NULL, why};
	int rc = -1;
	if (make_env(&p) != 0)
		buf_adds(why, "out of memory");
	else if (take_version(&p, version) == 0 && step(&p, help, NULL) == 0 &&
		 step(&p, init, NULL) == 0 && step(&p, create, NULL) == 0)
		rc = 0;
	proc_env_free(p.env);
	return rc;
}
