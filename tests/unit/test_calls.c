/* When the server is asked: quickly while somebody browses, then as ever. */
#include "agent/agent.h"
#include "base/limits.h"
#include "fixture.h"

static void quick_polls_for_a_minute(void **state)
{
	(void)state;
	struct agent a = {.poll_interval = 30};
	/* Nobody ever browsed, however early it is. */
	assert_int_equal(calls_poll_every(&a, 1), 30000);
	a.browsed_at = 5000;
	assert_int_equal(calls_poll_every(&a, 5000), BROWSE_POLL_MS);
	assert_int_equal(
	    calls_poll_every(&a, 5000 + BROWSE_POLLS_MS - 1), BROWSE_POLL_MS);
	assert_int_equal(calls_poll_every(&a, 5000 + BROWSE_POLLS_MS), 30000);
	/* Never slower than the server wants it. */
	a.poll_interval = 1;
	assert_int_equal(calls_poll_every(&a, 5000), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(quick_polls_for_a_minute),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
