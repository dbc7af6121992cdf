/* Trouble with the server: the pauses, and the calm of the log. */
#include "agent/trouble.h"
#include "fixture.h"
#include <stdio.h>
#include <string.h>

static uint64_t pause_after(
    struct trouble *t, int first, uint32_t retry, uint64_t now)
{
	trouble_add(t, LOG_LEVEL_DEBUG, "no connection", first, retry, now);
	assert_true(t->hold_until > now);
	return t->hold_until - now;
}

static void pauses_double_to_a_minute(void **state)
{
	(void)state;
	static const int firsts[] = {1, 5, 30, 60, 3600};
	for (size_t i = 0; i < 5; i++) {
		struct trouble t = {.failures = 0};
		uint64_t want = (uint64_t)firsts[i] * 1000;
		for (int k = 0; k < 100; k++) {
			if (want > 60000)
				want = 60000;
			uint64_t pause = pause_after(&t, firsts[i], 0, 5000);
			assert_in_range(pause, want * 3 / 4, want * 5 / 4);
			assert_true(pause <= 60000);
			assert_int_equal(t.failures, k + 1);
			want *= 2;
		}
	}
}

static void clients_do_not_come_back_at_once(void **state)
{
	(void)state;
	uint64_t least = UINT64_MAX, most = 0;
	for (int i = 0; i < 200; i++) {
		struct trouble t = {.failures = 0};
		uint64_t pause = pause_after(&t, 20, 0, 5000);
		least = pause < least ? pause : least;
		most = pause > most ? pause : most;
	}
	assert_true(most - least > 5000);
}

static void obeys_retry_after(void **state)
{
	(void)state;
	struct trouble t = {.failures = 0};
	assert_int_equal(pause_after(&t, 1, 120, 5000), 120000);
	assert_int_equal(pause_after(&t, 1, 600, 5000), 600000);
	assert_int_equal(pause_after(&t, 1, 601, 5000), 600000);
	assert_int_equal(pause_after(&t, 1, UINT32_MAX, 5000), 600000);
	/* A shorter one does not shorten the pause. */
	assert_true(pause_after(&t, 60, 1, 5000) >= 45000);
}

static int count(const char *text, const char *word)
{
	int n = 0;
	for (; (text = strstr(text, word)) != NULL; text++)
		n++;
	return n;
}

static void says_it_once(void **state)
{
	(void)state;
	struct trouble t = {.failures = 0};
	const uint64_t hour = 3600 * 1000;
	uint64_t now = 1000;
	fixture_log_begin();
	for (int i = 0; i < 50; i++, now += 60000)
		trouble_add(&t, LOG_LEVEL_WARNING, "no connection", 30, 0, now);
	assert_int_equal(count(fixture_log_end(), "no connection"), 1);

	/* Another sentence is news, a long one too, but only once. */
	char text[2000];
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "status 500", 10);
	fixture_log_begin();
	for (int i = 0; i < 5; i++)
		trouble_add(&t, LOG_LEVEL_ERROR, text, 30, 0, now);
	assert_int_equal(count(fixture_log_end(), "status 500"), 1);
	assert_int_equal(count(fixture_log_end(), "ERROR"), 1);

	/* Once an hour it is said again. */
	fixture_log_begin();
	trouble_add(&t, LOG_LEVEL_ERROR, text, 30, 0, now + hour - 1);
	assert_int_equal(count(fixture_log_end(), "status 500"), 0);
	fixture_log_begin();
	trouble_add(&t, LOG_LEVEL_ERROR, text, 30, 0, now + hour);
	assert_int_equal(count(fixture_log_end(), "status 500"), 1);
	fixture_log_begin();
	trouble_add(&t, LOG_LEVEL_ERROR, text, 30, 0, now + hour + 1);
	assert_int_equal(count(fixture_log_end(), "status 500"), 0);
}

static void says_its_end(void **state)
{
	(void)state;
	struct trouble t = {.failures = 0};
	fixture_log_begin();
	trouble_end(&t, 5000);
	assert_string_equal(fixture_log_end(), "");
	fixture_log_begin();
	trouble_add(&t, LOG_LEVEL_WARNING, "no connection", 30, 0, 1000);
	trouble_add(&t, LOG_LEVEL_WARNING, "no connection", 30, 0, 60000);
	trouble_end(&t, 125000);
	assert_non_null(
	    strstr(fixture_log_end(), "answers again (after 2 min 4 s)"));
	assert_int_equal(t.failures, 0);
	assert_true(t.hold_until == 0);
	fixture_log_begin();
	trouble_end(&t, 130000);
	assert_string_equal(fixture_log_end(), "");
	/* The next trouble is news, and begins with the short pause. */
	fixture_log_begin();
	trouble_add(&t, LOG_LEVEL_WARNING, "no connection", 4, 0, 130001);
	assert_int_equal(count(fixture_log_end(), "no connection"), 1);
	assert_true(t.hold_until - 130001 <= 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pauses_double_to_a_minute),
	    cmocka_unit_test(clients_do_not_come_back_at_once),
	    cmocka_unit_test(obeys_retry_after),
	    cmocka_unit_test(says_it_once),
	    cmocka_unit_test(says_its_end),
	};
	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
