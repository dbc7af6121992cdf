/*
 * The plugins that dump databases before a backup: one flow, whatever the
 * engine. What can be dumped is dumped; a database that fails is named, and
 * only what is whole is reported as backed up.
 */
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "job/dump.h"
#include "job/plugin.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* What is told of one failure. */
#define REASON_MAX 2000

struct run {
	struct worker *worker;
	const struct engine *engine;
	const struct task_plugin *plugin;
	struct plugins *plugins; /* NULL in a test */
	struct dump_config config;
	struct dumpdir dir;
	struct words chosen, done;
	struct buf failures;
	size_t failed;
	int64_t bytes;
};

static void run_init(
    struct run *r, struct worker *w, const struct task_plugin *plugin)
{
	memset(r, 0, sizeof(*r));
	r->worker = w;
	r->plugin = plugin;
	r->engine = engine_of_slug(plugin->slug);
	r->dir = (struct dumpdir)DUMPDIR_INIT;
	buf_init(&r->failures, 32 * KIB);
}

static void run_release(struct run *r)
{
	dumpdir_leave(&r->dir);
	dumpconfig_release(&r->config);
	words_release(&r->chosen);
	words_release(&r->done);
	buf_wipe(&r->failures);
}

static int open_config(struct run *r, struct buf *why)
{
	struct json j = JSON_INIT;
	int rc = -1;
	if (json_parse(&j, r->plugin->config, strlen(r->plugin->config)) == 0)
		rc = dump_open_config(
		    r->worker, r->engine, &j, 0, &r->config, why);
	else
		buf_adds(why, "its configuration cannot be read");
	json_release(&j);
	return rc;
}

static void fail_one(struct run *r, const char *database, const char *reason)
{
	struct buf *f = &r->failures;
	buf_addf(f, "%s\"", r->failed > 0 ? "; " : "");
	text_add_escaped(f, database, strnlen(database, 200));
	buf_adds(f, "\": ");
	text_add_utf8(f, reason, text_cut(reason, strlen(reason), REASON_MAX));
	r->failed++;
}

/* Which databases are to be dumped, of those that are there. */
static int choose(struct run *r, struct buf *why)
{
	const struct dump_config *c = &r->config;
	struct words found = WORDS_INIT;
	int rc = r->engine->list(r->worker, c, &found, why);
	for (size_t i = 0; rc == 0 && c->all && i < found.count; i++) {
		if (!words_has(&c->exclude, found.list[i]))
			words_add(&r->chosen, found.list[i]);
	}
	for (size_t i = 0; rc == 0 && !c->all && i < c->databases.count; i++) {
		const char *name = c->databases.list[i];
		if (!words_has(&found, name))
			fail_one(r, name, "there is no such database");
		else if (!words_has(&r->chosen, name))
			words_add(&r->chosen, name);
	}
	if (rc == 0 && (found.failed || r->chosen.failed)) {
		buf_adds(why, "out of memory");
		rc = -1;
	}
	words_release(&found);
	return rc;
}

/* Two configurations with one directory would overwrite each other's dumps. */
static int claim_dir(struct run *r, struct buf *why)
{
	char key[64];
	struct stat st;
	struct words *claimed = &r->plugins->dump_dirs;
	if (dumpdir_enter(&r->dir, r->config.dump_dir, true, why) != 0)
		return -1;
	if (fstat(r->dir.fd, &st) != 0) {
		buf_addf(
		    why, "cannot look at %s: %s", r->dir.path, strerror(errno));
		return -1;
	}
	snprintf(key, sizeof(key), "%llu:%llu", (unsigned long long)st.st_dev,
	    (unsigned long long)st.st_ino);
	if (!words_has(claimed, key))
		return words_add(claimed, key);
	buf_addf(why,
	    "another configuration of this backup dumps into %s, too: one "
	    "would overwrite the other's dumps, so give each a dump_dir of "
	    "its own",
	    r->dir.path);
	return -1;
}

/* One dump; what it holds is done or failed. */
static void dump(struct run *r, const char *database, const struct words *all)
{
	const struct dump_config *c = &r->config;
	struct buf name = BUF_INIT(KIB), why = BUF_INIT(64 * KIB);
	const char *label = database != NULL ? database : DUMP_TOGETHER;
	int rc = dump_name(r->engine, label, "", c->compress, &name, &why);
	if (rc == 0)
		rc = dump_make(r->worker, r->engine, c, &r->dir, database, all,
		    buf_str(&name), &why);
	if (rc != 0) {
		fail_one(r, label, buf_str(&why));
		goto out;
	}
	int64_t size = dumpdir_size(buf_str(&name));
	r->bytes += size > 0 ? size : 0;
	if (database != NULL)
		words_add(&r->done, database);
	for (size_t i = 0; all != NULL && i < all->count; i++)
		words_add(&r->done, all->list[i]);
	if (c->cleanup_after)
		plugins_add_made(
		    r->plugins, r->dir.fd, r->dir.path, buf_str(&name));
out:
	buf_release(&name);
	buf_wipe(&why);
}

static bool is_together(const struct run *r)
{
	return r->engine->kind == DUMP_MYSQL && !r->config.per_database;
}

static void add_group(const struct run *r)
{
	const struct task_plugin *t = r->plugin;
	struct buf *out = &r->plugins->groups;
	struct json_writer w = {out, out->len > 0};
	uint64_t id;
	json_open(&w, NULL, '{');
	if (t->config_id == NULL)
		json_put(&w, "config_id", NULL);
	else if (text_to_u64(t->config_id, 0, INT64_MAX, &id) == 0)
		json_put_int(&w, "config_id", (int64_t)id);
	else
		json_put(&w, "config_id", t->config_id);
	json_put(&w, "config_name", t->config_name);
	json_put(&w, "engine", r->engine->name);
	json_put(&w, "dump_dir", r->config.dump_dir);
	json_open(&w, "databases", '[');
	for (size_t i = 0; i < r->done.count; i++)
		json_put(&w, NULL, r->done.list[i]);
	json_close(&w, ']');
	json_put_bool(&w, "per_database", !is_together(r));
	json_put_bool(&w, "compress", r->config.compress);
	json_close(&w, '}');
}

static void tell(const struct run *r, struct buf *out)
{
	char size[TEXT_AMOUNT];
	buf_adds(out, "Dumped ");
	dump_tell_names(&r->done, out);
	buf_addf(out, ", %s, to %s", text_size(size, (uint64_t)r->bytes),
	    r->config.dump_dir);
}

static int run_dumps(struct run *r, struct buf *summary, struct buf *why)
{
	struct worker *w = r->worker;
	if (open_config(r, why) != 0 || choose(r, why) != 0)
		return -1;
	if (r->chosen.count > 0 && claim_dir(r, why) != 0)
		return -1;
	if (is_together(r) && r->chosen.count > 0) {
		dump(r, NULL, &r->chosen);
	} else {
		for (size_t i = 0; i < r->chosen.count; i++) {
			if (w->stop != STOP_NONE)
				break;
			dump(r, r->chosen.list[i], NULL);
		}
	}
	if (r->done.count > 0)
		add_group(r);
	if (w->stop != STOP_NONE) {
		buf_adds(why, worker_stop_sentence(w->stop));
		return -1;
	}
	if (r->failed == 0) {
		tell(r, summary);
		return 0;
	}
	buf_addf(why, "%zu failed: %s", r->failed, buf_str(&r->failures));
	if (r->done.count > 0) {
		buf_adds(why, ". ");
		tell(r, why);
	}
	return -1;
}

static int dump_run(struct plugins *p, const struct task_plugin *plugin,
    struct buf *summary, struct buf *why)
{
	struct run r;
	run_init(&r, p->worker, plugin);
	r.plugins = p;
	int rc = run_dumps(&r, summary, why);
	run_release(&r);
	return rc;
}

static int dump_test(struct worker *w, const struct task_plugin *plugin,
    struct buf *output, struct buf *why)
{
	struct run r;
	run_init(&r, w, plugin);
	int rc = -1;
	if (open_config(&r, why) == 0 && choose(&r, why) == 0) {
		buf_addf(output, "Connection successful. Found %zu database(s)",
		    r.chosen.count);
		for (size_t i = 0; i < r.chosen.count; i++) {
			buf_adds(output, i == 0 ? ": " : ", ");
			text_add_escaped(
			    output, r.chosen.list[i], strlen(r.chosen.list[i]));
		}
		if (r.failed == 0)
			rc = 0;
		else
			buf_adds(why, buf_str(&r.failures));
	}
	run_release(&r);
	return rc;
}

const struct plugin plugin_mysql_dump = {
    "mysql_dump", "MySQL dump", dump_run, dump_test};
const struct plugin plugin_pg_dump = {
    "pg_dump", "PostgreSQL dump", dump_run, dump_test};
const struct plugin plugin_mongo_dump = {
    "mongo_dump", "MongoDB dump", dump_run, dump_test};
