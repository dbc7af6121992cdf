/*
 * A backup, read top to bottom in the protocol's order: plugins, target,
 * borg with the catalogue beside it, final report, and behind it what the
 * plugins still have to do (clean-up, post-scripts).
 */
#include "job/backup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "job/borgenv.h"
#include "job/catalog.h"
#include "job/outcome.h"
#include "job/plugin.h"
#include "job/precount.h"
#include <stdio.h>
#include <string.h>

struct backup {
	struct worker *worker;
	struct progress progress;
	char target[STATUS_MESSAGE_MAX + 1]; /* "Backing up N files..." */
	struct catalog catalog;
	bool moving; /* borg has said how far it is */
	struct plugins plugins;
	uint64_t started_at;
	struct report report;
	struct buf error;
};

static void say(struct backup *b, const char *message)
{
	text_copy(b->progress.message, sizeof(b->progress.message), message);
	worker_progress(b->worker, &b->progress);
}

static void still_counting(void *ctx)
{
	struct backup *b = ctx;
	worker_progress(b->worker, &b->progress);
}

static bool has_option(const struct task *t, const char *option)
{
	for (size_t i = 1; t->command[i] != NULL; i++) {
		if (strcmp(t->command[i], option) == 0)
			return true;
	}
	return false;
}

/* How many files the progress bar is to count to. */
static void set_target(struct backup *b)
{
	const struct task *t = b->worker->task;
	int64_t files = 0;
	if (t->expected_files > 0) {
		files = t->expected_files;
	} else if (t->precount_files) {
		say(b, "Counting files...");
		files = precount_files(b->worker, t->directories,
		    has_option(t, "--one-file-system"), still_counting, b);
	}
	b->progress.files_total = files;
	b->progress.files_processed = 0;
	snprintf(b->target, sizeof(b->target), "Backing up %lld files...",
	    (long long)files);
	say(b, b->target);
}

static void on_event(
    void *ctx, const struct json *j, const struct borglog_event *e)
{
	struct backup *b = ctx;
	(void)j;
	if (e->kind == BORGLOG_FILE) {
		catalog_add(&b->catalog, e);
	} else if (e->kind == BORGLOG_ARCHIVE) {
		if (e->nfiles >= 0)
			b->progress.files_processed = e->nfiles;
		if (e->original_size >= 0)
			b->progress.bytes_processed = e->original_size;
		b->moving = b->moving || e->nfiles > 0;
	}
}

static void on_tick(void *ctx, uint64_t now, bool silent)
{
	struct backup *b = ctx;
	catalog_pump(&b->catalog, now, true);
	if (silent && !b->moving)
		say(b, "Waiting for the repository (lock, cache or index)...");
	else
		say(b, b->target);
}

static void still_sending(void *ctx)
{
	struct backup *b = ctx;
	say(b, "Sending the file catalogue...");
}

/* Cuts what the report says short and adds a sentence of ours before it. */
static void prepend(struct buf *error, const char *sentence)
{
	struct buf old = *error;
	buf_init(error, old.max);
	buf_adds(error, sentence);
	if (old.len > 0) {
		buf_addc(error, '\n');
		buf_add(error, old.data, old.len);
	}
	buf_release(&old);
}

static void judge(struct backup *b, const struct borg_run *r)
{
	struct outcome_totals totals;
	struct outcome o = outcome_of(r, OUTCOME_BACKUP);
	struct report *report = &b->report;
	const struct progress *p = &b->progress;
	o.has_summary = outcome_totals(&r->summary, &totals) == 0;
	if (p->files_processed > 0)
		report->files_total = report->files_processed =
		    p->files_processed;
	if (p->bytes_processed > 0)
		report->bytes_total = report->bytes_processed =
		    p->bytes_processed;
	if (r->stopped) {
		report->result = REPORT_FAILED;
		buf_adds(&b->error, worker_stop_sentence(b->worker->stop));
		return;
	}
	report->result = outcome_judge(&o, &report->had_warnings);
	outcome_explain(&o, r, report->result, report->had_warnings, &b->error);
	if (o.has_summary) {
		report->files_total = report->files_processed = totals.nfiles;
		report->bytes_total = report->bytes_processed =
		    totals.original_size;
		report->original_size = totals.original_size;
		report->deduplicated_size = totals.deduplicated_size;
	}
}

/* What went wrong beside borg is a warning on a backup that is whole. */
static void add_side_failures(struct backup *b)
{
	struct buf text = BUF_INIT(ERROR_LOG_MAX);
	if (b->report.result != REPORT_COMPLETED)
		goto out;
	if (b->catalog.broken.len > 0) {
		buf_addf(&text,
		    "Backup completed but catalog streaming "
		    "failed — %s",
		    buf_str(&b->catalog.broken));
		prepend(&b->error, buf_str(&text));
		b->report.had_warnings = true;
	}
	if (b->plugins.failed > 0) {
		buf_reset(&text);
		buf_addf(&text,
		    "Backup completed, but %d plugin(s) failed: %s\n%s",
		    b->plugins.failed, buf_str(&b->plugins.names),
		    buf_str(&b->plugins.reasons));
		prepend(&b->error, buf_str(&text));
		b->report.had_warnings = true;
	}
out:
	buf_release(&text);
}

static int run_borg(struct backup *b)
{
	struct worker *w = b->worker;
	struct borg_command command = {0};
	struct borg_run run;
	struct buf why = BUF_INIT(8 * KIB);
	int rc = -1;
	borg_run_init(&run, w);
	if (borg_command_build(&command, w, &why) != 0)
		goto out;
	run.argv = command.argv;
	run.env = (const char *const *)command.env;
	run.cwd = "/"; /* relative paths mean the same in the catalogue */
	run.on_event = on_event;
	run.on_tick = on_tick;
	run.ctx = b;
	catalog_open(&b->catalog, w);
	rc = borg_run(&run, &why);
	if (rc == 0) {
		catalog_finish(&b->catalog, still_sending, b);
		judge(b, &run);
		add_side_failures(b);
	}
	catalog_close(&b->catalog);
out:
	if (rc != 0) {
		b->report.result = REPORT_FAILED;
		buf_adds(&b->error, buf_str(&why));
	}
	borg_command_release(&command);
	borg_run_release(&run);
	buf_release(&why);
	return rc;
}

static void log_end(const struct backup *b)
{
	char files[TEXT_AMOUNT], size[TEXT_AMOUNT], time[TEXT_AMOUNT];
	const struct report *r = &b->report;
	text_files(files, (uint64_t)r->files_processed);
	text_size(size, (uint64_t)r->bytes_processed);
	text_duration(time, (clock_ms() - b->started_at) / 1000);
	if (r->result == REPORT_COMPLETED)
		log_info("backup finished: %s, %s, %s%s%s", files, size, time,
		    r->had_warnings ? ", with warnings: " : "",
		    r->had_warnings ? buf_str(&b->error) : "");
	else
		log_error(
		    "backup failed after %s: %s", time, buf_str(&b->error));
}

void backup_run(struct worker *w)
{
	struct backup b = {.worker = w,
	    .progress = PROGRESS_INIT,
	    .started_at = clock_ms(),
	    .report = {.job_id = w->task->job_id,
		.is_backup = true,
		.archive_name = w->task->archive_name,
		.result = REPORT_FAILED}};
	plugins_init(&b.plugins, w, &b.progress);
	buf_init(&b.error, 4 * ERROR_LOG_MAX);
	log_info("backup started: %s", w->task->archive_name != NULL
					   ? w->task->archive_name
					   : "(no archive name)");

	text_copy(
	    b.progress.message, sizeof(b.progress.message), "Starting task...");
	if (plugins_run(&b.plugins) != 0) {
		buf_addf(&b.error,
		    "Backup aborted because a plugin failed: "
		    "%s\n%s",
		    buf_str(&b.plugins.names), buf_str(&b.plugins.reasons));
	} else {
		if (w->stop == STOP_NONE)
			set_target(&b);
		if (w->stop != STOP_NONE)
			buf_adds(&b.error, worker_stop_sentence(w->stop));
		else
			run_borg(&b);
	}
	bool completed = b.report.result == REPORT_COMPLETED;
	b.report.error_log = buf_str(&b.error);
	/* Dumps that are in no archive cannot be restored. */
	if (b.report.result == REPORT_COMPLETED)
		b.report.database_groups = buf_str(&b.plugins.groups);
	log_end(&b);
	plugins_announce(&b.plugins, completed);
	worker_final(w, &b.report);
	plugins_finish(&b.plugins, completed);
	plugins_release(&b.plugins);
	buf_release(&b.error);
}
