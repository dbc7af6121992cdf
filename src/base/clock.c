/* Time: asks the kernel, keeps nothing, and knows no time zones. */
#include "base/clock.h"

#include <limits.h>
#include <time.h>

uint64_t clock_ms(void)
{
	struct timespec ts = {0};
	if (clock_gettime(CLOCK_BOOTTIME, &ts) != 0)
		clock_gettime(CLOCK_MONOTONIC, &ts);
	uint64_t ms =
	    (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	return ms > 0 ? ms : 1;
}

int64_t clock_wall(void)
{
	struct timespec ts = {0};
	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}

int clock_wait(uint64_t now, uint64_t when, int most)
{
	if (when == CLOCK_NEVER)
		return most;
	if (when <= now)
		return 0;
	uint64_t limit = most >= 0 ? (uint64_t)most : INT_MAX;
	return (int)(when - now < limit ? when - now : limit);
}
