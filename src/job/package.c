/*
 * The distribution's package manager at work for a job. It is not ended
 * half-way, and nothing is ever removed.
 */
#include "job/package.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/text.h"
#include "bbs/packages.h"
#include "job/child.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUESTION_MS 30000u
#define TAIL_MAX 2000

/* Each says nothing or fails when no package has the file. */
static const char *const owners[][4] = {
    {"dpkg-query", "-S"},
    {"rpm", "-qf"},
    {"pacman", "-Qqo"},
    {"apk", "info", "-q", "-W"},
    {"opkg", "search"},
    {"xbps-query", "-o"},
};

static bool in_path(const char *name)
{
	char *found = proc_search(name, getenv("PATH"));
	free(found);
	return found != NULL;
}

static bool ask(struct worker *w, const char *const *question, const char *path,
    struct buf *owner)
{
	const char *argv[6] = {NULL};
	struct child c;
	struct buf why = BUF_INIT(KIB);
	int n = 0;
	for (; n < 4 && question[n] != NULL; n++)
		argv[n] = question[n];
	argv[n] = path;
	child_init(&c, w);
	c.argv = argv;
	c.out = CHILD_COLLECT;
	c.timeout_ms = QUESTION_MS;
	bool owned =
	    child_run(&c, &why) == 0 && c.exit_code == 0 && c.output.len > 0;
	if (owned) {
		size_t len = strcspn(buf_str(&c.output), "\r\n");
		text_add_escaped(owner, c.output.data, len < 200 ? len : 200);
	}
	child_release(&c);
	buf_release(&why);
	return owned;
}

bool package_owns(struct worker *w, const char *path, struct buf *owner)
{
	for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
		if (in_path(owners[i][0]) && ask(w, owners[i], path, owner))
			return true;
	}
	return false;
}

/* The end of what it wrote, for the report. */
static void keep_tail(struct short_job *s, const struct buf *said)
{
	const char *text = buf_str(said);
	size_t from = said->len > TAIL_MAX ? said->len - TAIL_MAX : 0;
	const char *line = strchr(text + from, '\n');
	if (from > 0 && line != NULL)
		from = (size_t)(line + 1 - text);
	buf_adds(&s->output, text + from);
}

/* 0 when it ended with 0. goes_on: a package manager that is killed in its
 * work leaves a system that it must be asked to repair. */
static int run(struct short_job *s, const char *const *argv, bool goes_on)
{
	struct child c;
	struct buf why = BUF_INIT(4 * KIB);
	char **env = packages_env();
	int rc = -1;
	child_init(&c, s->worker);
	c.argv = argv;
	c.env = (const char *const *)env;
	c.out = CHILD_COLLECT;
	c.join = true;
	c.goes_on = goes_on;
	c.may_leave = true;
	c.timeout_ms = PACKAGES_INSTALL_MS;
	if (goes_on)
		worker_after(s->worker, PACKAGES_INSTALL_MS);
	if (env == NULL || child_run(&c, &why) != 0)
		buf_addf(&s->output, "%s\n", buf_str(&why));
	else
		rc = c.exit_code == 0 ? 0 : c.exit_code;
	if (goes_on)
		worker_after(s->worker, 0);
	if (c.timed_out)
		buf_addf(&s->output, "%s did not end within %u min\n", argv[0],
		    PACKAGES_INSTALL_MS / 60000u);
	keep_tail(s, &c.output);
	child_release(&c);
	buf_release(&why);
	proc_env_free(env);
	return rc;
}

int package_install(struct short_job *s)
{
	const struct package_manager *m = packages_find();
	if (m == NULL) {
		short_fail(s, "no package manager is known here "
			      "(" PACKAGES_KNOWN "): install borg by hand");
		return -1;
	}
	const char *name = m->install[0];
	snprintf(s->progress.message, sizeof(s->progress.message),
	    "Installing borg with %s", name);
	worker_progress(s->worker, &s->progress);
	log_info("installing borg with %s", name);
	/* Old lists may do. */
	if (m->refresh[0] != NULL && run(s, m->refresh, false) != 0)
		worker_log(s->worker, "warning",
		    "%s could not read its lists anew", name);
	if (s->worker->stop != STOP_NONE) {
		short_fail(s, "stopped");
		return -1;
	}
	int rc = run(s, m->install, true);
	if (rc == 0)
		return 0;
	short_fail(s,
	    "%s could not install borg (code %d): its last lines "
	    "are in the job's output",
	    name, rc);
	return -1;
}
