/*
 * Reports that the server answers with an error of its own (500) again and
 * again: how long that is waited out. Kept in memory: a restart begins anew.
 */
#ifndef AGENT_REFUSAL_H
#define AGENT_REFUSAL_H

#include <stdbool.h>
#include <stdint.h>

#define REFUSALS_MAX 32

struct refusals {
	struct {
		int64_t job_id; /* 0: free */
		uint64_t since;
		unsigned count;
	} list[REFUSALS_MAX];
};

/* One more for this report, which is age_s seconds old. True when it is to be
 * given up: REPORT_REFUSED_MIN times, over REPORT_REFUSED_MS or for a report
 * older than REPORT_AGE_MAX_S. */
bool refusals_add(
    struct refusals *r, int64_t job_id, int64_t age_s, uint64_t now);
void refusals_forget(struct refusals *r, int64_t job_id);

#endif
