/*
 * Owed post-scripts, one after the other. Each try is written down before it
 * begins: a script that takes the host down with it is not run for ever.
 */
#include "job/owed.h"
#include "base/limits.h"
#include "base/log.h"
#include "bbs/journal.h"
#include "job/hook.h"

static void settle(struct worker *w, const struct owed *o)
{
	const struct paths *p = w->paths;
	int64_t id = w->task->job_id;
	struct buf outcome = BUF_INIT(64 * KIB);
	if (o->tries >= OWED_TRIES_MAX) {
		log_error("its post-script (%s) is given up: the agent died %u "
			  "times while it ran",
		    o->key, o->tries);
		journal_paid(p, id, o->key);
		return;
	}
	journal_tried(p, id, o->key);
	if (hook_run_owed(w, o->script, &outcome) == 0)
		journal_paid(p, id, o->key);
	buf_wipe(&outcome);
}

void owed_run(struct worker *w)
{
	struct journal j;
	if (journal_read(w->paths, w->task->job_id, &j) >= 0) {
		for (size_t i = 0; i < j.owed_count && w->stop == STOP_NONE;
		     i++)
			settle(w, &j.owed[i]);
	}
	journal_release(&j);
}
