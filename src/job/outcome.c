/*
 * The judge of borg's exit: pure, one table. A warning is fine for a backup
 * and a failure for everything else; a restore that restored nothing failed,
 * whatever borg's exit says.
 */
#include "job/outcome.h"
#include "base/json.h"
#include "base/limits.h"
#include <string.h>

/* borg's "modern" exit codes for warnings. */
#define WARNING_FIRST 100
#define WARNING_LAST 127
/* What a shell adds to the number of the signal that ended a program. */
#define SIGNAL_BASE 128

bool outcome_is_warning(int code)
{
	return code == 1 || (code >= WARNING_FIRST && code <= WARNING_LAST);
}

/* The archive is whole, only the cache lock could not be given back. Without
 * its totals that is believed only of a borg that ended by itself. */
static bool is_lock_only(const struct outcome *o)
{
	return o->lock_marks == (BORGLOG_NOT_LOCKED | BORGLOG_RELEASE_FAILED) &&
	       (o->has_summary ||
		   (o->other_errors == 0 && o->exit_code < SIGNAL_BASE));
}

struct outcome outcome_of(const struct borg_run *r, enum outcome_kind kind)
{
	struct outcome o = {.kind = kind,
	    .exit_code = r->exit_code,
	    .warnings = r->warnings,
	    .other_errors = r->other_errors,
	    .lock_marks = r->lock_marks};
	return o;
}

enum report_result outcome_judge(const struct outcome *o, bool *had_warnings)
{
	*had_warnings = false;
	if (o->exit_code == 0)
		return o->kind == OUTCOME_RESTORE && o->extracted == 0
			   ? REPORT_FAILED
			   : REPORT_COMPLETED;
	if (o->kind != OUTCOME_BACKUP)
		return REPORT_FAILED;
	if (outcome_is_warning(o->exit_code)) {
		*had_warnings = o->warnings > 0;
		return REPORT_COMPLETED;
	}
	if (is_lock_only(o)) {
		*had_warnings = true;
		return REPORT_COMPLETED;
	}
	return REPORT_FAILED;
}

void outcome_explain(const struct outcome *o, const struct borg_run *r,
    enum report_result result, bool had_warnings, struct buf *out)
{
	if (result == REPORT_COMPLETED) {
		if (had_warnings)
			excerpt_write(&r->errors, out);
		return;
	}
	if (o->exit_code == 0) {
		buf_adds(out, "Restore extracted nothing — the archive holds "
			      "none of the paths that were asked for");
		return;
	}
	/* A routine warning of a backup may be why a restore failed. */
	excerpt_write(r->errors.lines > 0 ? &r->errors : &r->all, out);
	if (out->len > 0)
		return;
	buf_addf(out, "borg exited with code %d", o->exit_code);
	if (o->exit_code > SIGNAL_BASE)
		buf_addf(out,
		    " (ended by signal %d: was it killed, or did "
		    "the host run out of memory?)",
		    o->exit_code - SIGNAL_BASE);
}

int outcome_totals(const struct buf *summary, struct outcome_totals *t)
{
	struct json j = JSON_INIT;
	int rc = -1;
	memset(t, 0, sizeof(*t));
	if (json_check(buf_str(summary), summary->len, JSON_DEPTH_MAX, NULL,
		NULL) == 0 &&
	    json_parse(&j, buf_str(summary), summary->len) == 0) {
		int stats = json_get(&j, json_get(&j, 0, "archive"), "stats");
		if (json_type(&j, stats) == JSON_OBJECT) {
			json_int(&j, json_get(&j, stats, "nfiles"), &t->nfiles);
			json_int(&j, json_get(&j, stats, "original_size"),
			    &t->original_size);
			json_int(&j, json_get(&j, stats, "deduplicated_size"),
			    &t->deduplicated_size);
			rc = 0;
		}
	}
	json_release(&j);
	return rc;
}
