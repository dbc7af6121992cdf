/*
 * The agent's clocks, set by a test. Linked with --wrap to the very objects of
 * the release into build/tests/bbs-agent-clock; nothing of this is in
 * build/bbs-agent, and nothing there knows of it.
 *
 * A binary NAME reads NAME.clock-of-a-test, if there is one, as shared memory
 * (struct seam below; tests/support/clock.py writes it). What it plays is the
 * kernel: `passed` moves all clocks and ends a poll(2) that waits so long;
 * `slept` is a suspend, which CLOCK_BOOTTIME counts and poll(2) does not;
 * `wall` is what somebody set the clock to. A timer of CLOCK_BOOTTIME sees a
 * suspend, as the kernel's does.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* How soon a waiting process sees that its clock was moved. */
#define SLICE_MS 5

/* Milliseconds, all of them. */
struct seam {
	volatile int64_t passed, slept, wall;
};
static const struct seam none;
/* Also what e2e/test_faults_clock.py looks for in the release. */
__attribute__((used)) static const char suffix[] = ".clock-of-a-test";
static const struct seam *seam = &none;

/* What timerfd_settime was asked for last, in the agent's own time. */
static struct {
	int fd;
	int64_t at;
} timer = {-1, 0};

int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
time_t __wrap_time(time_t *to);
int __real_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);
int __real_timerfd_settime(
    int fd, int flags, const struct itimerspec *new, struct itimerspec *old);
int __wrap_timerfd_settime(
    int fd, int flags, const struct itimerspec *new, struct itimerspec *old);

__attribute__((constructor)) static void map_seam(void)
{
	char path[512];
	ssize_t n =
	    readlink("/proc/self/exe", path, sizeof(path) - sizeof(suffix));
	if (n <= 0)
		return;
	memcpy(path + n, suffix, sizeof(suffix));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	void *at = mmap(NULL, sizeof(*seam), PROT_READ, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		seam = at;
	close(fd);
}

static int64_t offset(clockid_t clock)
{
	switch (clock) {
	case CLOCK_REALTIME:
		return seam->passed + seam->slept + seam->wall;
	case CLOCK_BOOTTIME:
		return seam->passed + seam->slept;
	case CLOCK_MONOTONIC:
		return seam->passed;
	default:
		return 0;
	}
}

static int64_t ms_of(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * 1000 + ts->tv_nsec / 1000000;
}

static struct timespec of_ms(int64_t ms)
{
	return (struct timespec){.tv_sec = (time_t)(ms / 1000),
	    .tv_nsec = (long)(ms % 1000) * 1000000};
}

static int64_t real_ms(clockid_t clock)
{
	struct timespec ts = {0};
	__real_clock_gettime(clock, &ts);
	return ms_of(&ts);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	int rc = __real_clock_gettime(clock, ts);
	if (rc == 0 && offset(clock) != 0)
		*ts = of_ms(ms_of(ts) + offset(clock));
	return rc;
}

time_t __wrap_time(time_t *to)
{
	struct timespec ts = {0};
	__wrap_clock_gettime(CLOCK_REALTIME, &ts);
	if (to != NULL)
		*to = ts.tv_sec;
	return ts.tv_sec;
}

/* The kernel's timer, set to the same moment. */
static int set_timer(void)
{
	int64_t at = timer.at - offset(CLOCK_BOOTTIME);
	struct itimerspec spec = {.it_value = of_ms(at > 1 ? at : 1)};
	return __real_timerfd_settime(timer.fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

int __wrap_timerfd_settime(
    int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	timer.at = ms_of(&new->it_value);
	timer.fd = timer.at != 0 ? fd : -1;
	if (timer.fd < 0 || (flags & TFD_TIMER_ABSTIME) == 0)
		return __real_timerfd_settime(fd, flags, new, old);
	return set_timer();
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	if (seam == &none)
		return __real_poll(fds, count, timeout);
	int64_t began = real_ms(CLOCK_MONOTONIC) + seam->passed;
	int64_t before = offset(CLOCK_BOOTTIME);
	for (;;) {
		int64_t now = real_ms(CLOCK_MONOTONIC) + seam->passed;
		int64_t left = timeout < 0 ? SLICE_MS : timeout - (now - began);
		if (timer.fd >= 0 && offset(CLOCK_BOOTTIME) != before) {
			before = offset(CLOCK_BOOTTIME);
			set_timer();
		}
		left = left < 0 ? 0 : left > SLICE_MS ? SLICE_MS : left;
		int n = __real_poll(fds, count, (int)left);
		now = real_ms(CLOCK_MONOTONIC) + seam->passed;
		if (n != 0 || (timeout >= 0 && now - began >= timeout))
			return n;
	}
}
