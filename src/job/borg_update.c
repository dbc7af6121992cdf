/*
 * A new borg. What cannot be done here is one sentence and failed: the server
 * leaves that alone for a day, while a version that did not change but was
 * reported as completed would be ordered again at once. pip is never used, the
 * distribution's package manager only with [borg] update = package, and
 * nothing that a package owns is replaced or removed.
 */
#include "job/borg_update.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "bbs/borg_install.h"
#include "bbs/borgbin.h"
#include "bbs/borgproof.h"
#include "job/borg_fetch.h"
#include "job/child.h"
#include "job/package.h"
#include "job/short.h"
#include "net/url.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLACE "/usr/local/bin/borg"

struct update {
	struct short_job job;
	const struct config *config;
	const struct paths *paths;
	/* the task; NULL: not given */
	char *url, *target, *method, *place, *source;
	/* the borg there is: "" when there is none */
	struct buf path, version;
	char *dir; /* where the new one is tried; NULL: not made yet */
};

bool borg_update_is_nixos(const char *text)
{
	for (const char *line = text; line != NULL && *line != '\0';) {
		if (text_starts(line, "ID=nixos") ||
		    text_starts(line, "ID=\"nixos\""))
			return true;
		line = strchr(line, '\n');
		line += line != NULL;
	}
	return false;
}

static bool on_nixos(void)
{
	struct buf text = BUF_INIT(64 * KIB);
	bool is = access("/etc/NIXOS", F_OK) == 0 ||
		  (file_read("/etc/os-release", &text) == 0 &&
		      borg_update_is_nixos(buf_str(&text)));
	buf_release(&text);
	return is;
}

/* A text of the task; an empty one counts as not given. */
static char *take(const struct json *j, const char *name)
{
	char *text = json_strdup(j, json_get(j, 0, name));
	if (text != NULL && text[0] == '\0') {
		free(text);
		return NULL;
	}
	return text;
}

static int decode(struct update *u, const char *details)
{
	struct json j = JSON_INIT;
	if (json_parse(&j, details, strlen(details)) != 0) {
		short_fail(&u->job, "the task cannot be read");
		json_release(&j);
		return -1;
	}
	u->url = take(&j, "download_url");
	u->target = take(&j, "target_version");
	u->method = take(&j, "install_method");
	u->place = take(&j, "binary_path");
	u->source = take(&j, "source");
	json_release(&j);
	if (u->place == NULL)
		u->place = strdup(PLACE);
	if (u->target != NULL && u->target[0] == 'v')
		memmove(u->target, u->target + 1, strlen(u->target));
	if (u->place != NULL)
		return 0;
	short_fail(&u->job, "out of memory");
	return -1;
}

/* Which borg do jobs use, and which version is it? */
static void look(struct update *u)
{
	struct buf why = BUF_INIT(4 * KIB);
	buf_reset(&u->path);
	buf_reset(&u->version);
	if (borgbin_find(u->config->borg_path, &u->path, &why) == 0)
		borgbin_version(buf_str(&u->path), u->job.worker->link.sock,
		    &u->version, &why);
	buf_release(&why);
}

static bool is_there(const struct update *u, const char *version)
{
	return u->version.len > 0 && version[0] != '\0' &&
	       strcmp(buf_str(&u->version), version) == 0;
}

static int say_there(struct update *u)
{
	short_fail(&u->job, "nothing to do: %s is borg %s already",
	    buf_str(&u->path), buf_str(&u->version));
	return -1;
}

static int check_url(struct update *u)
{
	struct url_link link;
	const char *why;
	if (url_parse_link(&link, u->url, &why) == 0)
		return 0;
	/* It is not repeated: a password may be in it. */
	short_fail(&u->job, "download_url cannot be used: %s", why);
	return -1;
}

/* Is binary_path the one that jobs would use, and ours to write? */
static int check_place(struct update *u)
{
	struct buf why = BUF_INIT(4 * KIB), owner = BUF_INIT(KIB);
	int rc = -1;
	const char *fixed = u->config->borg_path;
	if (borg_place_check(u->place, &why) != 0)
		short_fail(&u->job, "%s", buf_str(&why));
	else if (fixed != NULL && strcmp(fixed, u->place) != 0)
		short_fail(&u->job,
		    "this host's borg is [borg] path = %s, and not %s: it is "
		    "left as it is",
		    fixed, u->place);
	else if (access(u->place, F_OK) == 0 &&
		 package_owns(u->job.worker, u->place, &owner))
		short_fail(&u->job,
		    "%s belongs to a package (%s): it is left to the package "
		    "manager",
		    u->place, buf_str(&owner));
	else
		rc = 0;
	buf_release(&why);
	buf_release(&owner);
	return rc;
}

static int make_dir(struct update *u)
{
	struct buf why = BUF_INIT(4 * KIB);
	u->dir = borg_try_dir(u->paths->state, u->place, &why);
	if (u->dir == NULL)
		short_fail(&u->job, "%s", buf_str(&why));
	buf_release(&why);
	return u->dir != NULL ? 0 : -1;
}

/* One run of the new borg, listening to the supervisor meanwhile. */
static int run_new(void *ctx, struct borgproof_run *run, struct buf *why)
{
	struct child c;
	child_init(&c, ctx);
	c.argv = run->argv;
	c.env = run->env;
	c.cwd = run->cwd;
	c.out = CHILD_COLLECT;
	c.timeout_ms = BORGPROOF_STEP_MS;
	int rc = child_run(&c, why);
	const struct buf *said =
	    c.exit_code != 0 && c.errors.len > 0 ? &c.errors : &c.output;
	run->timed_out = c.timed_out;
	run->code = c.stopped && c.exit_code == 0 ? -1 : c.exit_code;
	buf_add(&run->said, said->data, said->len);
	child_release(&c);
	return rc;
}

static int prove(struct update *u, const char *file, struct buf *version)
{
	struct short_job *s = &u->job;
	struct buf why = BUF_INIT(4 * KIB);
	text_copy(s->progress.message, sizeof(s->progress.message),
	    "Trying the new borg");
	worker_progress(s->worker, &s->progress);
	int rc = borgproof(file, u->dir, run_new, s->worker, version, &why);
	if (rc != 0)
		short_fail(s, "%s", buf_str(&why));
	buf_release(&why);
	return rc;
}

/* Is a version that works here the one that was meant? */
static int check_version(struct update *u, const char *version)
{
	if (u->target != NULL && strcmp(u->target, version) != 0) {
		short_fail(&u->job,
		    "what came is borg %s, and the server announced %s: it is "
		    "not installed",
		    version, u->target);
		return -1;
	}
	return is_there(u, version) ? say_there(u) : 0;
}

/* The source is what the server said it is; it is asked for it again. */
static void keep_source(struct update *u)
{
	bool known = u->source != NULL && (strcmp(u->source, "official") == 0 ||
					      strcmp(u->source, "server") == 0);
	const char *source = known ? u->source : "unknown";
	struct buf text = BUF_INIT(64);
	buf_addf(&text, "%s\n", source);
	if (file_write(u->paths->borg_source, text.data, text.len, 0644) != 0)
		log_warning("cannot write %s: %s", u->paths->borg_source,
		    strerror(errno));
	buf_release(&text);
}

static void say_done(struct update *u, const char *how)
{
	keep_source(u);
	buf_addf(&u->job.output, "borg %s %s", buf_str(&u->version), how);
	log_info("%s", buf_str(&u->job.output));
	worker_renew(u->job.worker);
}

/* In its place, and used from there; else all is as it was. */
static int install(struct update *u, const char *from, const char *version,
    bool verified, const char *hex)
{
	struct buf why = BUF_INIT(4 * KIB), how = BUF_INIT(4 * KIB);
	char before[64];
	bool had_old;
	int rc = borg_install(from, u->place, &had_old, &why);
	text_copy(before, sizeof(before), buf_str(&u->version));
	if (rc != 0) {
		short_fail(&u->job, "%s", buf_str(&why));
		goto out;
	}
	look(u);
	if (strcmp(buf_str(&u->path), u->place) != 0 || !is_there(u, version)) {
		borg_uninstall(u->place, had_old);
		short_fail(&u->job,
		    "%s would not be used: this host's borg is %s. It was "
		    "taken back",
		    u->place,
		    u->path.len > 0 ? buf_str(&u->path) : "not to be found");
		rc = -1;
		goto out;
	}
	buf_addf(&how, "installed as %s", u->place);
	if (before[0] != '\0')
		buf_addf(&how, " (before: %s)", before);
	if (had_old)
		buf_addf(&how, "; the old one is %s.bak", u->place);
	buf_addf(&how, "; SHA-256 %s, %s", hex,
	    verified ? "as in SHA256SUMS" : "not known from elsewhere");
	say_done(u, buf_str(&how));
out:
	buf_release(&why);
	buf_release(&how);
	return rc;
}

static void update_binary(struct update *u)
{
	struct borg_file file;
	struct buf version = BUF_INIT(4 * KIB);
	if (check_url(u) != 0 || check_place(u) != 0 || make_dir(u) != 0)
		goto out;
	if (borg_fetch(&u->job, u->url, u->dir, &file) != 0 ||
	    prove(u, file.path, &version) != 0 ||
	    check_version(u, buf_str(&version)) != 0)
		goto out;
	/* The last moment at which a cancel changes nothing. */
	worker_listen(u->job.worker);
	if (u->job.worker->stop != STOP_NONE)
		short_fail(&u->job, "stopped");
	else
		install(
		    u, file.path, buf_str(&version), file.verified, file.hex);
out:
	buf_release(&version);
}

static void update_package(struct update *u)
{
	char before[64];
	text_copy(before, sizeof(before), buf_str(&u->version));
	if (package_install(&u->job) != 0)
		return;
	look(u);
	if (u->version.len == 0) {
		short_fail(&u->job,
		    "the package was installed, and there is no borg that "
		    "works: %s",
		    u->path.len > 0 ? buf_str(&u->path) : "none was found");
	} else if (strcmp(before, buf_str(&u->version)) == 0) {
		short_fail(&u->job,
		    "the package manager has nothing newer than borg %s",
		    before);
	} else {
		if (u->job.output.len > 0)
			buf_addc(&u->job.output, '\n');
		say_done(u, "installed by the package manager");
	}
}

/* Whatever says that there is nothing to do here. 0: there is. */
static int refuse(struct update *u)
{
	struct short_job *s = &u->job;
	bool package = u->config->borg_update == BORG_UPDATE_PACKAGE;
	if (u->method != NULL && strcmp(u->method, "skip") == 0) {
		buf_adds(
		    &s->output, "Skipped - no compatible binary for this host");
	} else if (on_nixos()) {
		buf_adds(&s->output,
		    "Skipped - borg on NixOS is managed through nixpkgs");
	} else if (u->config->borg_update == BORG_UPDATE_NO) {
		short_fail(s, "borg is managed by hand on this host ([borg] "
			      "update = no)");
	} else if (u->url == NULL && !package) {
		short_fail(s,
		    "not possible here: the server has no borg binary for this "
		    "host, pip is never used, and the distribution's package "
		    "manager only with [borg] update = package");
	} else {
		return 0;
	}
	return -1;
}

void borg_update_run(struct worker *w)
{
	struct update u = {.config = w->config, .paths = w->paths};
	buf_init(&u.path, PATH_MAX);
	buf_init(&u.version, 256);
	short_begin(&u.job, w);
	if (decode(&u, w->task->details) == 0 && refuse(&u) == 0) {
		look(&u);
		if (u.target != NULL && is_there(&u, u.target))
			say_there(&u);
		else if (u.url != NULL)
			update_binary(&u);
		else
			update_package(&u);
	}
	if (u.dir != NULL && file_remove_tree(u.dir) != 0)
		log_warning("cannot remove %s: %s", u.dir, strerror(errno));
	short_end(&u.job);
	free(u.url);
	free(u.target);
	free(u.method);
	free(u.place);
	free(u.source);
	free(u.dir);
	buf_release(&u.path);
	buf_release(&u.version);
}
