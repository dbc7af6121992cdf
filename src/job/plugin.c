/*
 * The list of plugins that a server can order, and their run before a
 * backup. A slug outside the list is passed over. Behind the backup only what
 * this very run made is removed.
 */
#include "job/plugin.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "job/dumpdir.h"
#include "job/hook.h"
#include "job/short.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How much of a plugin's failure goes into the report. */
#define REASON_MAX 2000

static const struct plugin *const plugins[] = {&plugin_mysql_dump,
    &plugin_pg_dump, &plugin_mongo_dump, &plugin_interworx, &plugin_shell_hook};

static const struct plugin *find(const char *slug)
{
	for (size_t i = 0; i < sizeof(plugins) / sizeof(plugins[0]); i++) {
		if (strcmp(plugins[i]->slug, slug) == 0)
			return plugins[i];
	}
	return NULL;
}

void plugins_init(
    struct plugins *p, struct worker *w, struct progress *progress)
{
	memset(p, 0, sizeof(*p));
	p->worker = w;
	p->progress = progress;
	buf_init(&p->names, 4 * KIB);
	buf_init(&p->reasons, ERROR_LOG_MAX / 2);
	buf_init(&p->groups, MIB);
}

void plugins_release(struct plugins *p)
{
	buf_release(&p->names);
	buf_release(&p->reasons);
	buf_release(&p->groups);
	words_release(&p->made);
	words_release(&p->dump_dirs);
	free(p->seen);
	hooks_release(p);
}

void plugins_add_made(
    struct plugins *p, int at, const char *dir, const char *name)
{
	struct stat st;
	struct plugin_made *more =
	    realloc(p->seen, (p->made.count + 1) * sizeof(*more));
	if (more != NULL)
		p->seen = more;
	if (more == NULL || fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    words_addf(&p->made, "%s/%s", dir, name) != 0)
		return;
	p->seen[p->seen_count++] = (struct plugin_made){st.st_dev, st.st_ino};
}

static void add_failure(
    struct plugins *p, const struct plugin *plugin, const struct buf *why)
{
	const char *text = buf_str(why);
	size_t len = text_cut(text, why->len, REASON_MAX);
	buf_addf(&p->names, "%s%s", p->failed > 0 ? ", " : "", plugin->name);
	/* The first ones stand when there are too many. */
	if (len + strlen(plugin->name) + 4 < p->reasons.max - p->reasons.len)
		buf_addf(&p->reasons, "%s%s: %.*s",
		    p->reasons.len > 0 ? "\n" : "", plugin->name, (int)len,
		    text);
	p->failed++;
}

/* 0, or -1 when it failed; both are told to the server. */
static int run_one(struct plugins *p, const struct plugin *plugin,
    const struct task_plugin *config)
{
	struct worker *w = p->worker;
	struct buf summary = BUF_INIT(LOG_MESSAGE_MAX + KIB);
	struct buf why = BUF_INIT(64 * KIB);
	snprintf(p->progress->message, sizeof(p->progress->message),
	    "Running plugin: %s", plugin->name);
	worker_progress(w, p->progress);
	int rc = plugin->run(p, config, &summary, &why);
	/* What a stop ended did not fail by itself; the report says so. */
	if (rc != 0 && w->stop != STOP_NONE) {
		log_info("plugin %s: ended, since the job stops: %s",
		    plugin->name, buf_str(&why));
		rc = 0;
	} else if (rc == 0) {
		if (summary.len > 0)
			worker_log(w, "info", "%s", buf_str(&summary));
		log_info("plugin %s: %s", plugin->name, buf_str(&summary));
	} else {
		worker_log(w, "error", "%s: %s", plugin->name, buf_str(&why));
		log_warning(
		    "plugin %s failed: %s", plugin->name, buf_str(&why));
		add_failure(p, plugin, &why);
	}
	buf_release(&summary);
	buf_wipe(&why);
	return rc;
}

int plugins_run(struct plugins *p)
{
	const struct task *t = p->worker->task;
	if (p->worker->stop == STOP_NONE)
		hooks_begin(p);
	for (size_t i = 0; i < t->plugin_count; i++) {
		const struct plugin *plugin = find(t->plugins[i].slug);
		if (plugin == NULL) {
			log_info("plugin \"%s\" is not the agent's: passed "
				 "over",
			    t->plugins[i].slug);
			continue;
		}
		if (p->worker->stop != STOP_NONE)
			return 0;
		if (run_one(p, plugin, &t->plugins[i]) != 0 &&
		    t->plugins[i].abort_on_failure)
			return -1;
	}
	return 0;
}

/* Below a directory that another user has a hand in, a path can mean another
 * file by now: the directory is opened as safely as it was for writing, and
 * only the very file, or directory, that was made is removed. */
static int remove_below(
    int dir, const char *name, const struct plugin_made *made)
{
	struct stat st;
	if (fchdir(dir) != 0)
		return -1;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : -1;
	if (made->inode == st.st_ino && made->device == st.st_dev)
		return dumpdir_remove(name);
	log_warning("%s is not what this job made: it stays", name);
	return 0;
}

static void remove_made(const char *path, const struct plugin_made *made)
{
	const char *slash = strrchr(path, '/');
	char *dir =
	    slash != NULL ? strndup(path, (size_t)(slash - path)) : NULL;
	int fd = dir != NULL ? dumpdir_walk(dir, false) : -1;
	int rc =
	    fd < 0 ? -(errno != ENOENT) : remove_below(fd, slash + 1, made);
	int saved = errno;
	free(dir);
	if (fd >= 0)
		close(fd);
	if (chdir("/") != 0 || rc != 0)
		log_warning("cannot remove %s: %s", path, strerror(saved));
}

void plugins_announce(struct plugins *p, bool completed)
{
	hooks_announce(p, completed);
}

void plugins_finish(struct plugins *p, bool completed)
{
	for (size_t i = 0; completed && i < p->seen_count; i++)
		remove_made(p->made.list[i], &p->seen[i]);
	hooks_settle(p, completed);
}

void plugin_test_run(struct worker *w)
{
	struct short_job job;
	const struct plugin *plugin = find(w->task->plugins[0].slug);
	short_begin(&job, w);
	if (plugin != NULL)
		job.failed = plugin->test(w, &w->task->plugins[0], &job.output,
				 &job.error) != 0;
	else
		short_fail(&job, "plugin \"%s\" is not one of this agent's",
		    w->task->plugins[0].slug);
	short_end(&job);
}

void plugin_post_run(struct worker *w)
{
	struct short_job job;
	const struct task_plugin *config = &w->task->plugins[0];
	short_begin(&job, w);
	if (strcmp(config->slug, plugin_shell_hook.slug) == 0)
		job.failed = hook_post(w, config, &job.output, &job.error) != 0;
	else
		short_fail(
		    &job, "plugin \"%s\" has no post-script", config->slug);
	short_end(&job);
}
