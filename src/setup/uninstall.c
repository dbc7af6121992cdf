/*
 * `uninstall`: takes away what `install` made, in the reverse order. A thing
 * that cannot be removed is named and the rest removed all the same. A
 * service that somebody else wrote, borg and, without --purge, configuration
 * and keys stay.
 */
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "bbs/update_state.h"
#include "setup/aids.h"
#include "setup/lockfile.h"
#include "setup/plan.h"
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An agent ends within 15 s. */
#define END_MS 20000
#define END_STEP_MS 50

struct removal {
	struct plan plan;
	struct buf left; /* lines */
	bool failed;
};

/* Takes a step's result; a failure is noted and the rest goes on. */
static void take(struct removal *r, int rc, struct buf *why)
{
	if (rc != 0) {
		r->failed = true;
		buf_addf(&r->left, "%s\n", buf_str(why));
	}
	buf_reset(why);
}

static char *place(const struct removal *r, const char *path)
{
	const char *root = r->plan.paths.root;
	return file_join(root[0] != '\0' ? root : "/", path);
}

static void leave(struct removal *r, const char *path, const char *because)
{
	struct stat st;
	if (path != NULL && lstat(path, &st) == 0)
		buf_addf(&r->left, "%s: %s\n", path, because);
}

/* Stops what runs, however it was started. */
static void end_agent(struct removal *r, struct buf *why)
{
	struct lockfile lock;
	uint64_t until = clock_ms() + END_MS;
	lockfile_read(r->plan.paths.lock, &lock);
	if (lock.pid == 0)
		return;
	steps_say(&r->plan.steps, "%s process %d, an agent",
	    r->plan.steps.dry ? "would end" : "end", lock.pid);
	if (r->plan.steps.dry)
		return;
	kill(lock.pid, SIGTERM);
	while (lock.pid != 0 && clock_ms() < until) {
		poll(NULL, 0, END_STEP_MS);
		lockfile_read(r->plan.paths.lock, &lock);
	}
	if (lock.pid != 0)
		buf_addf(why, "the agent (process %d) does not end", lock.pid);
	take(r, lock.pid != 0 ? -1 : 0, why);
}

static bool is_at(enum init_system init, const char *script)
{
	const char *path = service_path(init);
	return path != NULL && strcmp(path, script) == 0;
}

/* A service file of ours: whoever runs services here is asked to let go of
 * it, and the links of each kind that it may be go, too. */
static void remove_service(
    struct removal *r, const char *script, const char *path, struct buf *why)
{
	const struct service *own = &r->plan.service;
	const struct steps *s = &r->plan.steps;
	if (is_at(own->init, script)) {
		take(r, service_stop(own, s, why), why);
		take(r, service_disable(own, s, why), why);
	}
	take(r, steps_remove(s, path, why), why);
	steps_sweep(s, path);
	for (int i = INIT_SYSTEMD; i < INIT_UNKNOWN; i++) {
		struct service v = *own;
		v.init = (enum init_system)i;
		v.booted = own->booted && v.init == own->init;
		if (is_at(v.init, script))
			take(r, service_forget(&v, s, why), why);
	}
}

static void remove_services(struct removal *r, struct buf *why)
{
	static const char *const scripts[] = {
	    "/etc/systemd/system/bbs-agent.service", "/etc/init.d/bbs-agent"};
	for (size_t i = 0; i < 2; i++) {
		char *path = place(r, scripts[i]);
		if (path != NULL && service_is_ours(path))
			remove_service(r, scripts[i], path, why);
		else
			leave(r, path, "not written by bbs-agent install");
		free(path);
	}
}

/* With what an update has left beside it. */
static void remove_program(struct removal *r, struct buf *why)
{
	static const char *const suffixes[] = {"", UPDATE_NEW, UPDATE_OLD};
	char name[UPDATE_NAME_MAX];
	for (int i = 0; i < 3; i++) {
		update_name(name, r->plan.program, suffixes[i]);
		take(r, steps_remove(&r->plan.steps, name, why), why);
	}
	steps_sweep(&r->plan.steps, r->plan.program);
}

/* A line for init or cron is somebody's own: it is named. */
static void leave_lines(struct removal *r)
{
	static const char *const files[] = {
	    "/etc/inittab", "/etc/crontab", "/etc/cron.d/bbs-agent"};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct buf text = BUF_INIT(256 * KIB);
		char *path = place(r, files[i]);
		if (path != NULL && file_read(path, &text) == 0 &&
		    strstr(buf_str(&text), r->plan.command) != NULL)
			leave(r, path,
			    "a line that starts the agent: take it out");
		buf_release(&text);
		free(path);
	}
}

static void remove_files(struct removal *r, struct buf *why)
{
	const struct steps *s = &r->plan.steps;
	const struct paths *p = &r->plan.paths;
	char *log = place(r, SERVICE_LOG), *old = place(r, SERVICE_LOG ".1");
	char *stock = place(r, "/opt/bbs-agent");
	if (log != NULL)
		take(r, steps_remove(s, log, why), why);
	if (old != NULL)
		take(r, steps_remove(s, old, why), why);
	take(r, aids_remove(&r->plan, why), why);
	take(r, steps_remove_tree(s, p->run, why), why);
	take(r, steps_remove_tree(s, p->state, why), why);
	if (r->plan.options->purge)
		take(r, steps_remove_tree(s, p->etc, why), why);
	else
		leave(
		    r, p->etc, "configuration and keys, kept without --purge");
	leave(r, stock, "the stock agent's files");
	leave_lines(r);
	free(log);
	free(old);
	free(stock);
}

static void list_what_is_left(const struct removal *r)
{
	const char *line = buf_str(&r->left);
	FILE *to = r->failed ? stderr : stdout;
	if (*line != '\0')
		fputs(r->failed ? "bbs-agent: not all of it could be removed. "
				  "Left:\n"
				: "left:\n",
		    to);
	while (*line != '\0') {
		size_t len = strcspn(line, "\n");
		struct buf clean = BUF_INIT(64 * KIB);
		text_add_escaped(&clean, line, len);
		fprintf(to, "  %s\n", buf_str(&clean));
		buf_release(&clean);
		line += len + (line[len] == '\n');
	}
}

int uninstall_run(const struct setup_options *o)
{
	struct removal r = {.failed = false};
	struct buf why = BUF_INIT(64 * KIB);
	/* What nothing keeps running can be removed as well. */
	struct setup_options options = *o;
	buf_init(&r.left, 256 * KIB);
	if ((o->service == NULL || strcmp(o->service, "auto") == 0) &&
	    (o->root == NULL || o->root[0] == '\0') &&
	    host_init_running(&why) == INIT_UNKNOWN)
		options.service = "none";
	buf_reset(&why);
	int rc = plan_init(&r.plan, &options, &why);
	if (rc == EXIT_DONE && geteuid() != 0 && r.plan.paths.root[0] == '\0') {
		buf_adds(&why, "only root can uninstall: run it with sudo, or "
			       "as root");
		rc = EXIT_FAILED;
	}
	if (rc != EXIT_DONE) {
		fprintf(stderr, "bbs-agent: %s\n", buf_str(&why));
	} else {
		remove_services(&r, &why);
		/* First, so that nobody starts it again. */
		remove_program(&r, &why);
		end_agent(&r, &why);
		remove_files(&r, &why);
		list_what_is_left(&r);
		rc = r.failed ? EXIT_FAILED : EXIT_DONE;
		if (rc == EXIT_DONE)
			puts(o->dry_run ? "nothing was changed (--dry-run)"
					: "bbs-agent is uninstalled");
	}
	plan_release(&r.plan);
	buf_release(&r.left);
	buf_release(&why);
	return rc;
}
