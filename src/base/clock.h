/* Time: one clock that never jumps back and counts suspend, one for people. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since boot, suspend included (CLOCK_BOOTTIME, or
 * CLOCK_MONOTONIC on kernels without it). Never 0. */
uint64_t clock_ms(void);
/* Seconds since 1970. */
int64_t clock_wall(void);
/* Milliseconds from now until `when`, for poll(2): 0 when past, at most
 * `most` (and -1 only when most is -1 and when is CLOCK_NEVER). */
#define CLOCK_NEVER UINT64_MAX
int clock_wait(uint64_t now, uint64_t when, int most);

/* A descriptor that is readable from the time on that was set last, also when
 * the host slept past it: a timeout of poll(2) does not count suspend. -1 on
 * kernels without it (before 3.15), where setting it does nothing. */
int clock_alarm_new(void);
void clock_alarm_set(int alarm, uint64_t when);

#endif
