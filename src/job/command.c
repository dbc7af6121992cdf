/*
 * Commands of borg other than a backup. A restore writes where it is told:
 * the directory is made when it is not there, and a restore of nothing is a
 * failure.
 */
#include "job/command.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "job/allowed.h"
#include "job/borgenv.h"
#include "job/dryrun.h"
#include "job/outcome.h"
#include <stdio.h>
#include <string.h>

struct command {
	struct worker *worker;
	struct progress progress;
	uint64_t extracted;
	struct dryrun dryrun;
	uint64_t started_at;
	struct report report;
	struct buf error, output;
};

static void on_event(
    void *ctx, const struct json *j, const struct borglog_event *e)
{
	struct command *c = ctx;
	(void)j;
	switch (e->kind) {
	case BORGLOG_LISTED:
		c->extracted++;
		c->progress.files_processed = (int64_t)c->extracted;
		break;
	case BORGLOG_PERCENT:
		/* Other percentages count chunks or steps, not bytes. */
		if (e->is_extract && e->current >= 0 && e->total > 0) {
			c->progress.bytes_processed = e->current;
			c->progress.bytes_total = e->total;
		}
		break;
	case BORGLOG_FILE:
		dryrun_add(&c->dryrun, e);
		c->progress.files_processed = (int64_t)c->dryrun.seen;
		break;
	default:
		break;
	}
}

static void on_tick(void *ctx, uint64_t now, bool silent)
{
	struct command *c = ctx;
	(void)now;
	(void)silent;
	worker_progress(c->worker, &c->progress);
}

static void judge(struct command *c, const struct borg_run *r)
{
	struct report *report = &c->report;
	enum task_kind kind = c->worker->task->kind;
	struct outcome o =
	    outcome_of(r, kind == TASK_RESTORE		? OUTCOME_RESTORE
			  : kind == TASK_BACKUP_DRY_RUN ? OUTCOME_BACKUP
							: OUTCOME_OTHER);
	o.extracted = c->extracted;
	report->files_total = report->files_processed =
	    c->progress.files_processed;
	report->bytes_total = c->progress.bytes_total;
	report->bytes_processed = c->progress.bytes_processed;
	if (r->stopped) {
		report->result = REPORT_FAILED;
		buf_adds(&c->error, worker_stop_sentence(c->worker->stop));
		return;
	}
	report->result = outcome_judge(&o, &report->had_warnings);
	outcome_explain(&o, r, report->result, report->had_warnings, &c->error);
	if (kind == TASK_COMMAND && r->summary.len > 0)
		text_add_utf8(&c->output, buf_str(&r->summary),
		    r->summary.len < OUTPUT_LOG_MAX ? r->summary.len
						    : OUTPUT_LOG_MAX);
	if (kind == TASK_BACKUP_DRY_RUN && report->result == REPORT_COMPLETED)
		dryrun_encode(&c->dryrun, &c->output);
}

static void run_borg(struct command *c)
{
	struct worker *w = c->worker;
	struct borg_command command = {0};
	struct borg_run run;
	struct buf why = BUF_INIT(8 * KIB);
	borg_run_init(&run, w);
	if (allowed_enter(w->config, w->task, &c->error) != 0)
		goto out;
	if (borg_command_build(&command, w, &why) != 0) {
		buf_adds(&c->error, buf_str(&why));
		goto out;
	}
	run.argv = command.argv;
	run.env = (const char *const *)command.env;
	run.on_event = on_event;
	run.on_tick = on_tick;
	run.ctx = c;
	if (borg_run(&run, &why) != 0)
		buf_adds(&c->error, buf_str(&why));
	else
		judge(c, &run);
out:
	borg_command_release(&command);
	borg_run_release(&run);
	buf_release(&why);
}

static void log_end(const struct command *c)
{
	char files[TEXT_AMOUNT], time[TEXT_AMOUNT];
	const char *type = c->worker->task->type;
	uint64_t n = (uint64_t)c->report.files_processed;
	text_files(files, n);
	text_duration(time, (clock_ms() - c->started_at) / 1000);
	if (c->report.result == REPORT_COMPLETED)
		log_info("%s finished: %s%s%s", type, n > 0 ? files : "",
		    n > 0 ? ", " : "", time);
	else
		log_error(
		    "%s failed after %s: %s", type, time, buf_str(&c->error));
}

void command_run(struct worker *w)
{
	struct command c = {.worker = w,
	    .progress = PROGRESS_INIT,
	    .started_at = clock_ms(),
	    .report = {.job_id = w->task->job_id, .result = REPORT_FAILED}};
	buf_init(&c.error, 4 * ERROR_LOG_MAX);
	buf_init(&c.output, REPORT_BODY_MAX);
	dryrun_init(&c.dryrun);
	log_info("%s started", w->task->type);
	c.progress.files_total = c.progress.files_processed = 0;
	snprintf(c.progress.message, sizeof(c.progress.message), "Running %s",
	    w->task->type);
	worker_progress(w, &c.progress);

	if (w->stop != STOP_NONE)
		buf_adds(&c.error, worker_stop_sentence(w->stop));
	else
		run_borg(&c);
	c.report.error_log = buf_str(&c.error);
	if (w->task->kind == TASK_BACKUP_DRY_RUN)
		c.report.task_result = buf_str(&c.output);
	else
		c.report.output_log = buf_str(&c.output);
	log_end(&c);
	worker_final(w, &c.report);
	dryrun_release(&c.dryrun);
	buf_release(&c.error);
	buf_release(&c.output);
}
