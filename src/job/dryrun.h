/* The tallies of a dry run. PROTOCOL: "Final report", task_result. */
#ifndef JOB_DRYRUN_H
#define JOB_DRYRUN_H

#include "job/borglog.h"

#define DRYRUN_SAMPLE_MAX 200

struct dryrun {
	uint64_t seen; /* files, excluded ones too */
	uint64_t would_backup, excluded;
	struct buf included_sample, excluded_sample; /* JSON array elements */
	int included_listed, excluded_listed;
};

void dryrun_init(struct dryrun *d);
void dryrun_release(struct dryrun *d);
void dryrun_add(struct dryrun *d, const struct borglog_event *e);
/* Appends the JSON object that task_result holds as text. */
void dryrun_encode(const struct dryrun *d, struct buf *out);

#endif
