/*
 * Restores of databases, read top to bottom: the order is understood, the
 * server is asked what it has, borg extracts the dumps, each is imported.
 * Nothing is imported that this job's own extract did not bring, and what an
 * import replaces is dumped first.
 */
#include "job/database.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "job/allowed.h"
#include "job/borgenv.h"
#include "job/database_order.h"
#include "job/dump.h"
#include "job/outcome.h"
#include "job/short.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct restore {
	struct short_job job;
	struct worker *worker;
	struct database_order order;
	size_t failed;
	struct words there; /* what the server has */
	char *path;	    /* of the dumps, below the task's cwd */
	struct dumpdir dir;
	time_t since; /* when the extract began */
	uint64_t extracted;
	int exit_code;	    /* borg's */
	struct buf extract; /* what borg warned of */
	struct buf told;    /* "a -> a, b -> b_copy" */
};

/* Something that is worth a warning beside what was restored. */
static void warn(struct restore *r, const char *who, const char *sentence)
{
	struct buf *e = &r->job.error;
	struct buf line = BUF_INIT(8 * KIB);
	buf_addc(&line, '"');
	text_add_escaped(&line, who, strnlen(who, 200));
	buf_adds(&line, "\": ");
	text_add_utf8(
	    &line, sentence, text_cut(sentence, strlen(sentence), 4000));
	if (e->len > 0)
		buf_addc(e, '\n');
	buf_adds(e, buf_str(&line));
	log_warning("%s", buf_str(&line));
	r->job.had_warnings = true;
	buf_release(&line);
}

static void fail(struct restore *r, const char *who, const char *sentence)
{
	warn(r, who, sentence);
	r->failed++;
}

/* ---- the extract ----------------------------------------------------------
 */

static void on_event(
    void *ctx, const struct json *j, const struct borglog_event *e)
{
	struct restore *r = ctx;
	struct progress *p = &r->job.progress;
	(void)j;
	if (e->kind == BORGLOG_LISTED) {
		p->files_processed = (int64_t)++r->extracted;
	} else if (e->kind == BORGLOG_PERCENT && e->is_extract &&
		   e->current >= 0 && e->total > 0) {
		p->bytes_processed = e->current;
		p->bytes_total = e->total;
	}
}

static void on_tick(void *ctx, uint64_t now, bool silent)
{
	struct restore *r = ctx;
	(void)now;
	(void)silent;
	worker_progress(r->worker, &r->job.progress);
}

static void look(const char *path, struct database_mark *m)
{
	m->there = lstat(path, &m->st) == 0;
}

static bool is_same(
    const struct database_mark *a, const struct database_mark *b)
{
	return a->st.st_dev == b->st.st_dev && a->st.st_ino == b->st.st_ino &&
	       a->st.st_ctim.tv_sec == b->st.st_ctim.tv_sec &&
	       a->st.st_ctim.tv_nsec == b->st.st_ctim.tv_nsec;
}

static void mark_dumps(struct restore *r)
{
	r->since = time(NULL);
	for (size_t i = 0; i < r->order.count; i++) {
		for (int k = 0; k < 2; k++) {
			struct database_item *item = &r->order.items[i];
			char *path =
			    file_join(r->path, buf_str(&item->names[k]));
			if (path != NULL)
				look(path, &item->marks[k]);
			free(path);
		}
	}
}

/* 0: borg extracted what it could; whether that is enough shows later. */
static int judge_extract(
    struct restore *r, const struct borg_run *run, struct buf *why)
{
	struct outcome o = outcome_of(run, OUTCOME_RESTORE);
	bool had_warnings;
	if (run->stopped) {
		buf_adds(why, worker_stop_sentence(r->worker->stop));
		return -1;
	}
	o.extracted = r->extracted;
	r->exit_code = run->exit_code;
	bool warned = outcome_is_warning(run->exit_code);
	excerpt_write(&run->errors, &r->extract);
	if (warned && r->extracted > 0)
		return 0;
	enum report_result result = outcome_judge(&o, &had_warnings);
	if (result == REPORT_COMPLETED)
		return 0;
	outcome_explain(&o, run, result, had_warnings, why);
	return -1;
}

static int extract(struct restore *r, struct buf *why)
{
	struct borg_command command = {0};
	struct borg_run run;
	int rc = -1;
	borg_run_init(&run, r->worker);
	if (allowed_enter(r->worker->config, r->worker->task, why) != 0)
		goto out;
	if (borg_command_build(&command, r->worker, why) != 0)
		goto out;
	run.argv = command.argv;
	run.env = (const char *const *)command.env;
	run.on_event = on_event;
	run.on_tick = on_tick;
	run.ctx = r;
	if (borg_run(&run, why) == 0)
		rc = judge_extract(r, &run, why);
out:
	borg_command_release(&command);
	borg_run_release(&run);
	return rc;
}

/* ---- the imports ----------------------------------------------------------
 */

static void say(struct restore *r, const char *what, const char *database)
{
	struct progress *p = &r->job.progress;
	struct buf text = BUF_INIT(KIB);
	buf_addf(&text, "%s ", what);
	text_add_escaped(&text, database, strnlen(database, 200));
	buf_adds(&text, "...");
	text_copy(p->message, sizeof(p->message), buf_str(&text));
	worker_progress(r->worker, p);
	buf_release(&text);
}

/* Did borg warn of this file? */
static bool is_named(const struct buf *warnings, const char *name)
{
	struct buf part = BUF_INIT(KIB);
	buf_addf(&part, "/%s", name);
	bool named = strstr(buf_str(warnings), buf_str(&part)) != NULL;
	buf_release(&part);
	return named;
}

/* The dump of this item that the extract brought: 0 or 1, or -1. */
static int find_dump(
    struct restore *r, const struct database_item *item, struct buf *why)
{
	bool old = false;
	for (int k = 0; k < 2; k++) {
		const char *name = buf_str(&item->names[k]);
		struct database_mark now;
		look(name, &now);
		if (!now.there)
			continue;
		if (item->marks[k].there && is_same(&now, &item->marks[k])) {
			old = true;
			continue;
		}
		if (item->marks[k].there && dumpdir_has_old(name, r->since)) {
			buf_addf(why,
			    "%s/%s holds more than the archive brought: move "
			    "it away first",
			    r->path, name);
			return -1;
		}
		if (!is_named(&r->extract, name))
			return k;
		buf_addf(why, "borg could not extract %s whole: %s", name,
		    buf_str(&r->extract));
		return -1;
	}
	buf_addf(why, "the archive holds no dump %s/%s", r->path,
	    buf_str(&item->names[0]));
	if (old)
		buf_adds(why, " (an older file of that name lies there and was "
			      "left alone)");
	return -1;
}

/*
 * A dump of what is about to be replaced. 1: its name is in `name`; 0: there
 * is nothing to lose; -1: it could not be made, a sentence in why.
 */
static int make_safe(struct restore *r, const struct database_item *item,
    struct buf *name, struct buf *why)
{
	struct dump_config c = r->order.config;
	const struct words *all = NULL;
	const char *label = r->order.together ? DUMP_TOGETHER : item->target;
	c.compress = true;
	if (r->order.together)
		all = &r->there;
	else if (!words_has(&r->there, item->target))
		return 0;
	say(r, "Making a safety dump of", label);
	bool apart = r->order.engine->directories;
	/* A directory would be taken for a database of that name. */
	if (apart && (mkdir(DUMP_SAFETY, 0700) == 0 || errno == EEXIST))
		buf_adds(name, DUMP_SAFETY "/");
	if (dump_name(r->order.engine, label, apart ? "" : DUMP_SAFETY, true,
		name, why) != 0 ||
	    dump_make(r->worker, r->order.engine, &c, &r->dir,
		r->order.together ? NULL : item->target, all, buf_str(name),
		why) != 0)
		return -1;
	return 1;
}

/* The import itself; what can be lost is safe or the order says replace. */
static int import(struct restore *r, const struct database_item *item,
    const char *dump, struct buf *why)
{
	struct buf safety = BUF_INIT(KIB), src = BUF_INIT(KIB);
	struct buf reason = BUF_INIT(64 * KIB);
	int rc = -1;
	int safe = make_safe(r, item, &safety, &reason);
	if (r->worker->stop != STOP_NONE)
		goto out;
	if (safe < 0 && item->rename) {
		buf_addf(why,
		    "\"%s\" exists already and cannot be dumped first, so it "
		    "is left alone: %s",
		    item->target, buf_str(&reason));
		goto out;
	}
	if (safe < 0) {
		buf_addf(why, "no safety dump could be made first: %s",
		    buf_str(&reason));
		warn(r, r->order.together ? DUMP_TOGETHER : item->target,
		    buf_str(why));
		buf_reset(why);
	}
	bool replace = safe > 0 || (safe < 0 && !r->order.engine->imports_over);
	say(r, "Importing", item->target);
	buf_addf(&src, "./%s", dump);
	rc = r->order.engine->import(r->worker, &r->order.config, buf_str(&src),
	    r->order.together ? NULL : item->target, replace, why);
	/* A cancelled job's report says only that. */
	if (rc != 0 && safe > 0 && r->worker->stop != STOP_NONE) {
		const char *what =
		    r->order.together ? DUMP_TOGETHER : item->target;
		log_warning("stopped while importing into \"%s\": what was "
			    "there before lies in %s/%s",
		    what, r->path, buf_str(&safety));
		buf_addf(&r->job.output,
		    "What \"%s\" held before lies in %s/%s\n", what, r->path,
		    buf_str(&safety));
	}
	if (rc != 0 && safe > 0)
		buf_addf(why, " (what was there before lies in %s/%s)", r->path,
		    buf_str(&safety));
out:
	buf_release(&safety);
	buf_release(&src);
	buf_wipe(&reason);
	return rc;
}

static void tell(struct restore *r, const struct database_item *item)
{
	buf_adds(&r->told, r->told.len > 0 ? ", " : "");
	text_add_escaped(&r->told, item->database, strlen(item->database));
	buf_adds(&r->told, " -> ");
	text_add_escaped(&r->told, item->target, strlen(item->target));
}

/* One item, or (together) the first one for them all. */
static int restore_one(struct restore *r, struct database_item *item)
{
	struct buf why = BUF_INIT(64 * KIB);
	int k = find_dump(r, item, &why), rc = -1;
	if (k >= 0)
		rc = import(r, item, buf_str(&item->names[k]), &why);
	if (rc != 0 && r->worker->stop == STOP_NONE)
		fail(r, item->database, buf_str(&why));
	else if (rc == 0)
		item->used = item->marks[k].there ? NULL : &item->names[k];
	buf_wipe(&why);
	return rc;
}

static void restore_each(struct restore *r)
{
	for (size_t i = 0; i < r->order.count; i++) {
		if (r->worker->stop != STOP_NONE)
			return;
		if (restore_one(r, &r->order.items[i]) == 0)
			tell(r, &r->order.items[i]);
	}
}

/* One dump holds them all, under their own names. */
static void restore_together(struct restore *r)
{
	struct database_item *first = NULL;
	for (size_t i = 0; i < r->order.count; i++) {
		struct database_item *item = &r->order.items[i];
		if (item->rename)
			fail(r, item->database,
			    "it was dumped together with other databases and "
			    "can only be restored in its place");
		else if (first == NULL)
			first = item;
	}
	if (first == NULL || restore_one(r, first) != 0)
		return;
	for (size_t i = 0; i < r->order.count; i++) {
		if (!r->order.items[i].rename)
			tell(r, &r->order.items[i]);
	}
}

/* What this job brought and nobody needs any more. */
static void remove_used(struct restore *r)
{
	for (size_t i = 0; i < r->order.count; i++) {
		const struct buf *name = r->order.items[i].used;
		if (name != NULL && dumpdir_remove(buf_str(name)) != 0)
			log_warning("cannot remove %s/%s: %s", r->path,
			    buf_str(name), strerror(errno));
	}
}

/* ---- the whole ------------------------------------------------------------
 */

static int locate(struct restore *r, struct buf *why)
{
	const char *cwd = r->worker->task->cwd;
	r->path = file_join(cwd != NULL && cwd[0] != '\0' ? cwd : "/",
	    r->order.config.dump_dir);
	if (r->path == NULL)
		buf_adds(why, "out of memory");
	return r->path != NULL ? 0 : -1;
}

/* The server is asked first: a wrong password need not cost an extract. */
static int prepare(struct restore *r, struct buf *why)
{
	const struct dump_config *c = &r->order.config;
	struct words found = WORDS_INIT;
	if (database_order_decode(&r->order, r->worker, why) != 0 ||
	    locate(r, why) != 0)
		return -1;
	say(r, "Connecting to", r->order.engine->label);
	int rc = r->order.engine->list(r->worker, c, &found, why);
	for (size_t i = 0; rc == 0 && i < found.count; i++) {
		/* Together: what a dump of all of them would hold. */
		if (!r->order.together ||
		    !words_has(&c->exclude, found.list[i]))
			words_add(&r->there, found.list[i]);
	}
	if (rc == 0 && (found.failed || r->there.failed)) {
		buf_adds(why, "out of memory");
		rc = -1;
	}
	words_release(&found);
	return rc;
}

static void run(struct restore *r)
{
	struct buf why = BUF_INIT(64 * KIB);
	struct short_job *job = &r->job;
	if (prepare(r, &why) != 0)
		goto failed;
	mark_dumps(r);
	snprintf(job->progress.message, sizeof(job->progress.message),
	    "Extracting dumps...");
	worker_progress(r->worker, &job->progress);
	if (r->worker->stop != STOP_NONE || extract(r, &why) != 0 ||
	    dumpdir_enter(&r->dir, r->path, false, &why) != 0)
		goto failed;
	if (r->order.together)
		restore_together(r);
	else
		restore_each(r);
	remove_used(r);
	if (r->told.len > 0)
		buf_addf(&job->output, "Imported: %s", buf_str(&r->told));
	if (r->told.len == 0 || r->worker->stop != STOP_NONE)
		job->failed = true;
	else if (r->extract.len > 0 && r->exit_code != 0)
		warn(r, "borg", buf_str(&r->extract));
	buf_wipe(&why);
	return;
failed:
	short_fail(job, "%s", buf_str(&why));
	buf_wipe(&why);
}

static void release(struct restore *r)
{
	database_order_release(&r->order);
	free(r->path);
	dumpdir_leave(&r->dir);
	words_release(&r->there);
	buf_release(&r->extract);
	buf_release(&r->told);
}

void database_run(struct worker *w)
{
	struct restore r = {.worker = w, .dir = DUMPDIR_INIT};
	buf_init(&r.extract, 2 * ERROR_LOG_MAX);
	buf_init(&r.told, 64 * KIB);
	short_begin(&r.job, w);
	run(&r);
	release(&r);
	short_end(&r.job);
}
