/*
 * The plugins of a backup: what runs before borg, what is owed after it.
 * PROTOCOL: "Plugins". A plugin that fails does not cost the backup, unless
 * its configuration says abort_on_failure.
 */
#ifndef JOB_PLUGIN_H
#define JOB_PLUGIN_H

#include "base/words.h"
#include "job/worker.h"
#include <sys/stat.h>

struct hook_owed;

/* A file that was made, as it was then. */
struct plugin_made {
	dev_t device;
	ino_t inode;
};

/* What the plugins of one job did. */
struct plugins {
	struct worker *worker;
	struct progress *progress; /* message: told while one runs */
	int failed;
	struct buf names;   /* of those that failed, for people */
	struct buf reasons; /* and why, a line each */
	/* Objects of databases_backed_up's groups, with commas between. */
	struct buf groups;
	/* Files and directories that this run made and that are to go after
	 * a completed backup (cleanup_after): absolute paths. */
	struct words made;
	struct plugin_made *seen; /* as many as were looked at */
	size_t seen_count;
	struct hook_owed *owed; /* post-scripts (job/hook.h) */
	/* Directories that dumps were written to: "device:inode". */
	struct words dump_dirs;
};

/*
 * One kind of plugin. Both functions return 0, or -1 with a sentence in why.
 * run: before the backup; summary gets one line for the server's log (count,
 * names, size, directory). test: plugin_test; output gets what was found.
 */
struct plugin {
	const char *slug, *name; /* the name is for people */
	int (*run)(struct plugins *p, const struct task_plugin *config,
	    struct buf *summary, struct buf *why);
	int (*test)(struct worker *w, const struct task_plugin *config,
	    struct buf *output, struct buf *why);
};
extern const struct plugin plugin_mysql_dump, plugin_pg_dump, plugin_mongo_dump,
    plugin_interworx, plugin_shell_hook;

void plugins_init(
    struct plugins *p, struct worker *w, struct progress *progress);
void plugins_release(struct plugins *p);
/* Runs the task's plugins in order, telling progress before each. 0; -1 when
 * one failed that says abort_on_failure: the backup must not run then. Ends
 * early, with 0, when the job is to stop. */
int plugins_run(struct plugins *p);
/* What a plugin made in the open directory `at`, called dir, goes when the
 * backup is completed: that very file, since its name, or the directory's, may
 * belong to another one already. */
void plugins_add_made(
    struct plugins *p, int at, const char *dir, const char *name);
/* Right before the final report, and after it: removes what is to go when the
 * backup completed, and runs the post-scripts in any case. */
void plugins_announce(struct plugins *p, bool completed);
void plugins_finish(struct plugins *p, bool completed);

/* The bodies of plugin_test and plugin_post, for worker_run_task. */
void plugin_test_run(struct worker *w);
void plugin_post_run(struct worker *w);

#endif
