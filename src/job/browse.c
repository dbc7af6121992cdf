/*
 * A look into a directory for the server's file browser: what the task asks
 * for, clamped, and the tree as the report's output. It tells no progress,
 * since the server keeps the look's own parameters where that would go.
 */
#include "job/browse.h"
#include "base/clock.h"
#include "base/limits.h"
#include "job/allowed.h"
#include "job/browse_tree.h"
#include "job/short.h"
#include <stdlib.h>
#include <string.h>

struct look {
	struct worker *worker;
	uint64_t until;
};

/* A person waits; or the job is to stop. */
static bool is_over(void *ctx)
{
	struct look *look = ctx;
	worker_listen(look->worker);
	return look->worker->stop != STOP_NONE || clock_ms() >= look->until;
}

static int clamped(
    const struct json *j, const char *name, int least, int most, int usual)
{
	int64_t n;
	if (json_int(j, json_get(j, 0, name), &n) != 0)
		return usual;
	return n < least ? least : n > most ? most : (int)n;
}

static bool flag(const struct json *j, const char *name)
{
	return json_bool(j, json_get(j, 0, name), false);
}

static void look(struct short_job *job, const struct json *j)
{
	struct worker *w = job->worker;
	struct look look = {w, clock_ms() + BROWSE_SLOW_MS};
	struct buf allowed = BUF_INIT(MIB), why = BUF_INIT(8 * KIB);
	char *path = json_strdup(j, json_get(j, 0, "path"));
	struct browse_options o = {.path = path,
	    .depth =
		clamped(j, "depth", 0, BROWSE_DEPTH_MAX, BROWSE_DEPTH_USUAL),
	    .max_entries = (size_t)clamped(j, "max_entries", BROWSE_ENTRIES_MIN,
		BROWSE_ENTRIES_MAX, BROWSE_ENTRIES_USUAL),
	    .show_hidden = flag(j, "show_hidden"),
	    .show_all = flag(j, "show_all"),
	    .follow_symlinks = flag(j, "follow_symlinks"),
	    .is_over = is_over,
	    .ctx = &look};
	if (w->config->browse != NULL) {
		allowed_resolve(w->config->browse, &allowed);
		o.allowed = buf_str(&allowed);
	}
	if (path == NULL)
		short_fail(job, "the task names no directory to look into");
	else if (browse_tree(&o, &job->output, &why) != 0)
		short_fail(job, "%s", buf_str(&why));
	else if (w->stop != STOP_NONE)
		short_fail(job, "stopped");
	if (job->failed)
		buf_reset(&job->output);
	buf_release(&allowed);
	buf_release(&why);
	free(path);
}

void browse_run(struct worker *w)
{
	struct short_job job;
	struct json j = JSON_INIT;
	const char *details = w->task->details;
	short_begin(&job, w);
	job.output_whole = true;
	if (json_parse(&j, details, strlen(details)) == 0)
		look(&job, &j);
	else
		short_fail(&job, "the task cannot be read");
	json_release(&j);
	short_end(&job);
}
