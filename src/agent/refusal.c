/* A small table; where it is full, the report with the fewest refusals makes
 * room: it comes back, if the server goes on refusing it. */
#include "agent/refusal.h"
#include "base/limits.h"
#include <string.h>

bool refusals_add(
    struct refusals *r, int64_t job_id, int64_t age_s, uint64_t now)
{
	int at = 0;
	for (int i = 0; i < REFUSALS_MAX; i++) {
		if (r->list[i].job_id == job_id) {
			at = i;
			break;
		}
		if (r->list[i].count < r->list[at].count)
			at = i;
	}
	if (r->list[at].job_id != job_id) {
		r->list[at].job_id = job_id;
		r->list[at].since = now;
		r->list[at].count = 0;
	}
	r->list[at].count++;
	return r->list[at].count >= REPORT_REFUSED_MIN &&
	       (now - r->list[at].since >= REPORT_REFUSED_MS ||
		   age_s >= REPORT_AGE_MAX_S);
}

void refusals_forget(struct refusals *r, int64_t job_id)
{
	for (int i = 0; i < REFUSALS_MAX; i++) {
		if (r->list[i].job_id == job_id)
			memset(&r->list[i], 0, sizeof(r->list[i]));
	}
}
