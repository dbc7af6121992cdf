/* Time: asks the kernel, keeps nothing, and knows no time zones. */
#include "base/clock.h"

#include <limits.h>
#include <sys/timerfd.h>
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

int clock_alarm_new(void)
{
	return timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
}

void clock_alarm_set(int alarm, uint64_t when)
{
	/* All zero would turn it off, and so it does for never. */
	uint64_t at = when == CLOCK_NEVER ? 0 : when;
	struct itimerspec spec = {.it_value = {.tv_sec = (time_t)(at / 1000),
				      .tv_nsec = (long)(at % 1000) * 1000000}};
	if (alarm >= 0)
		timerfd_settime(alarm, TFD_TIMER_ABSTIME, &spec, NULL);
}
