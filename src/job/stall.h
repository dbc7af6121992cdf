/* Does what a job runs still do anything? */
#ifndef JOB_STALL_H
#define JOB_STALL_H

#include <stdbool.h>
#include <stdint.h>

struct stall {
	uint64_t activity, looked_at;
	uint64_t idle; /* ms without CPU and I/O */
};

void stall_init(struct stall *s, uint64_t now);
/* Is it time to look at what it used? Once a minute: that reads all of /proc.
 */
bool stall_is_due(const struct stall *s, uint64_t now);
/* activity: CPU and I/O that were used so far (proc_group_activity). True
 * when it did not change for STALL_MS. */
bool stall_look(struct stall *s, uint64_t activity, uint64_t now);

#endif
