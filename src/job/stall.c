/*
 * The judge of a hang, for borg and for dumps alike. It goes by CPU time and
 * I/O, never by what a program says: one that waits for a lock or rebuilds an
 * index may be silent for hours.
 */
#include "job/stall.h"
#include "base/limits.h"

#define LOOK_EVERY_MS 60000u

void stall_init(struct stall *s, uint64_t now)
{
	*s = (struct stall){.looked_at = now};
}

bool stall_is_due(const struct stall *s, uint64_t now)
{
	return now - s->looked_at >= LOOK_EVERY_MS;
}

bool stall_look(struct stall *s, uint64_t activity, uint64_t now)
{
	uint64_t passed = now - s->looked_at;
	/* A host that slept for hours is no program that hangs. */
	if (passed > 2 * LOOK_EVERY_MS)
		passed = 0;
	s->looked_at = now;
	s->idle = activity == s->activity ? s->idle + passed : 0;
	s->activity = activity;
	return s->idle >= STALL_MS;
}
