/* What a run of borg means for the job. PROTOCOL: "Final report". */
#ifndef JOB_OUTCOME_H
#define JOB_OUTCOME_H

#include "job/borg.h"

enum outcome_kind { OUTCOME_BACKUP, OUTCOME_RESTORE, OUTCOME_OTHER };

/* The end of a run as far as it counts; borg_run gives it. */
struct outcome {
	enum outcome_kind kind;
	int exit_code;
	uint64_t warnings;     /* not routine */
	uint64_t other_errors; /* errors that are not about the lock */
	unsigned lock_marks;
	bool has_summary;   /* borg printed its totals */
	uint64_t extracted; /* RESTORE: items */
};

/* The end of a run as borg_run left it; totals and items are the caller's. */
struct outcome outcome_of(const struct borg_run *r, enum outcome_kind kind);
/* Did borg end with a warning (1, or one of its "modern" codes)? */
bool outcome_is_warning(int exit_code);
/* The result, and whether had_warnings is to be said. */
enum report_result outcome_judge(const struct outcome *o, bool *had_warnings);
/* The error_log of a run that was judged so; appends to out, "" when there
 * is nothing to say. */
void outcome_explain(const struct outcome *o, const struct borg_run *r,
    enum report_result result, bool had_warnings, struct buf *out);

/* borg's totals from the JSON of its standard output (archive.stats). */
struct outcome_totals {
	int64_t nfiles, original_size, deduplicated_size;
};
int outcome_totals(const struct buf *summary, struct outcome_totals *t);

#endif
