/* When a program counts as hanging: by what it used, never by its silence. */
#include "base/limits.h"
#include "base/proc.h"
#include "fixture.h"
#include "job/stall.h"
#include <signal.h>
#include <unistd.h>

#define MINUTE 60000u

static struct stall s;
static uint64_t now;

/* So many minutes, in each of which this was used. */
static bool pass(unsigned minutes, uint64_t used)
{
	bool hangs = false;
	while (minutes-- > 0 && !hangs) {
		assert_false(stall_is_due(&s, now + MINUTE - 1));
		now += MINUTE;
		assert_true(stall_is_due(&s, now));
		hangs = stall_look(&s, s.activity + used, now);
	}
	return hangs;
}

static int setup(void **state)
{
	(void)state;
	now = 1000;
	stall_init(&s, now);
	return 0;
}

static void two_hours(void **state)
{
	(void)state;
	assert_false(pass(1, 5));
	assert_false(pass(119, 0));
	assert_true(pass(1, 0));
}

static void anything_counts(void **state)
{
	(void)state;
	assert_false(pass(1, 5));
	assert_false(pass(119, 0));
	assert_false(pass(1, 1));
	assert_false(pass(119, 0));
	assert_true(pass(1, 0));
}

static void sleep_is_no_hang(void **state)
{
	(void)state;
	assert_false(pass(2, 0));
	now += STALL_MS;
	assert_false(stall_look(&s, s.activity, now));
	assert_false(pass(117, 0));
	assert_true(pass(3, 0));
}

/* A real one that sleeps, and one that works. */
static void real_processes(void **state)
{
	(void)state;
	static const char *const idle[] = {"sleep", "60", NULL};
	static const char *const busy[] = {
	    "sh", "-c", "while :; do :; done", NULL};
	const char *const *argv[] = {idle, busy};
	for (int i = 0; i < 2; i++) {
		struct proc p;
		struct buf why = BUF_INIT(KIB);
		struct proc_spec spec = {.argv = argv[i],
		    .in = PROC_NULL,
		    .out = PROC_NULL,
		    .err = PROC_NULL};
		int status;
		assert_int_equal(proc_spawn(&p, &spec, &why), 0);
		usleep(300000); /* what its start used */
		uint64_t before = proc_group_activity(p.pid);
		for (int n = 0;
		     n < 100 && i == 1 && proc_group_activity(p.pid) == before;
		     n++)
			usleep(50000);
		usleep(100000);
		bool same = proc_group_activity(p.pid) == before;
		proc_signal_group(&p, SIGKILL);
		while (proc_poll(&p, &status) == 0)
			usleep(1000);
		assert_int_equal(same, i == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(two_hours, setup),
	    cmocka_unit_test_setup(anything_counts, setup),
	    cmocka_unit_test_setup(sleep_is_no_hang, setup),
	    cmocka_unit_test_setup(real_processes, setup),
	};
	return cmocka_run_group_tests_name("stall", tests, NULL, NULL);
}
