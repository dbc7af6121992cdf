/* Waiting times for poll(2) at their edges. */
#include "base/clock.h"
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void waits(void **state)
{
	(void)state;
	assert_int_equal(clock_wait(10, 10, -1), 0);
	assert_int_equal(clock_wait(10, 9, 500), 0);
	assert_int_equal(clock_wait(10, 40, 500), 30);
	assert_int_equal(clock_wait(10, 40, -1), 30);
	assert_int_equal(clock_wait(10, 40, 20), 20);
	assert_int_equal(clock_wait(10, 40, 0), 0);
	assert_int_equal(clock_wait(10, CLOCK_NEVER, -1), -1);
	assert_int_equal(clock_wait(10, CLOCK_NEVER, 20), 20);
	assert_int_equal(clock_wait(10, CLOCK_NEVER - 1, -1), INT_MAX);
	assert_int_equal(clock_wait(10, CLOCK_NEVER - 1, 20), 20);
}

static void runs_forward(void **state)
{
	(void)state;
	uint64_t before = clock_ms();
	assert_true(before > 0);
	assert_true(clock_ms() >= before);
	/* 2020 to 2200: a clock in seconds. */
	assert_in_range(clock_wall(), 1577836800, 7258118400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(waits),
	    cmocka_unit_test(runs_forward),
	};
	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
