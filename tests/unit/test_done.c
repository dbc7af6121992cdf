/* What is acknowledged stays so over a restart; what is refused for ever is
 * given up one day. */
#include "agent/done.h"
#include "agent/refusal.h"
#include "base/limits.h"
#include "fixture.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOUR_MS (3600u * 1000u)
#define WALL 1800000000
static struct jobs jobs, again;

static int setup(void **state)
{
	(void)state;
	memset(&jobs, 0, sizeof(jobs));
	memset(&again, 0, sizeof(again));
	return 0;
}

static int decode(const struct buf *text, uint64_t now, int64_t wall)
{
	return done_decode(&again, buf_str(text), text->len, now, wall);
}

static void outlives_a_restart(void **state)
{
	(void)state;
	struct buf text = BUF_INIT(DONE_FILE_MAX);
	uint64_t now = 50ull * HOUR_MS;
	jobs_mark_done(&jobs, 7, now - 25ull * HOUR_MS); /* too old */
	jobs_mark_done(&jobs, 8, now - 23ull * HOUR_MS);
	jobs_mark_done(&jobs, INT64_MAX, now);
	done_encode(&jobs, now, WALL, &text);
	assert_string_equal(
	    buf_str(&text), "8 1799917200\n9223372036854775807 1800000000\n");
	/* The host was restarted: its own time begins anew. */
	assert_int_equal(decode(&text, 1000, WALL + 60), 0);
	assert_true(jobs_was_done(&again, 8, 1000));
	assert_true(jobs_was_done(&again, INT64_MAX, 1000));
	assert_false(jobs_was_done(&again, 7, 1000));
	/* An hour later the older one is a day old. */
	assert_false(jobs_was_done(&again, 8, 1000 + HOUR_MS));
	assert_true(jobs_was_done(&again, INT64_MAX, 1000 + HOUR_MS));
	buf_release(&text);
}

static void a_clock_that_was_set(void **state)
{
	(void)state;
	struct buf text = BUF_INIT(DONE_FILE_MAX);
	jobs_mark_done(&jobs, 8, 1000);
	done_encode(&jobs, 1000, WALL, &text);
	assert_int_equal(decode(&text, 1000, WALL - 365 * 86400), 0);
	assert_true(jobs_was_done(&again, 8, 1000));
	setup(NULL);
	assert_int_equal(decode(&text, 1000, WALL + 365 * 86400), 0);
	assert_false(jobs_was_done(&again, 8, 1000));
	buf_release(&text);
}

static void the_last_ones_fit(void **state)
{
	(void)state;
	struct buf text = BUF_INIT(DONE_FILE_MAX);
	for (int i = 0; i < JOBS_DONE_MAX + 100; i++)
		jobs_mark_done(&jobs, INT64_MAX - i, 1000);
	done_encode(&jobs, 1000, WALL, &text);
	assert_false(text.failed);
	assert_int_equal(decode(&text, 5000, WALL), 0);
	for (int i = 0; i < JOBS_DONE_MAX + 100; i++)
		assert_int_equal(
		    jobs_was_done(&again, INT64_MAX - i, 5000), i >= 100);
	buf_release(&text);
}

static void damaged_anywhere(void **state)
{
	(void)state;
	static const char text[] = "81 1800000000\n82 1800000000\n";
	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		setup(NULL);
		int bad = done_decode(&again, text, n, 1000, WALL);
		assert_int_equal(bad, n % 14 != 0);
		assert_int_equal(jobs_was_done(&again, 81, 1000), n >= 14);
		assert_false(jobs_was_done(&again, 82, 1000));
		assert_false(jobs_was_done(&again, 8, 1000));
	}
	static const char junk[] =
	    "x\n\n1\n-1 5\n0 5\n5 x\n5 -5\n \n1 1 1\n\0\n83 1800000000\n";
	assert_int_equal(
	    done_decode(&again, junk, sizeof(junk) - 1, 1000, WALL), 10);
	assert_true(jobs_was_done(&again, 83, 1000));
	assert_false(jobs_was_done(&again, 5, 1000));
}

static void on_disk(void **state)
{
	struct paths p;
	struct stat st;
	const char *failed;
	assert_int_equal(fixture_setup(state), 0);
	assert_int_equal(paths_init(&p, fixture_dir, NULL), 0);
	assert_int_equal(paths_make(&p, &failed), 0);
	fixture_log_begin();
	done_load(&again, &p);
	assert_string_equal(fixture_log_end(), "");
	jobs_mark_done(&jobs, 44, 1u << 30);
	done_save(&jobs, &p);
	assert_int_equal(stat(p.done, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	fixture_file(p.done, "44", 0600);
	fixture_log_begin();
	done_load(&again, &p);
	assert_non_null(strstr(fixture_log_end(), "damaged"));
	paths_release(&p);
	assert_int_equal(fixture_teardown(state), 0);
}

static void refused_for_a_day(void **state)
{
	(void)state;
	struct refusals r = {0};
	uint64_t now = 1000;
	for (int i = 0; i < 100; i++)
		assert_false(refusals_add(&r, 5, 60, now));
	assert_false(refusals_add(&r, 5, 60, now + REPORT_REFUSED_MS - 1));
	assert_false(refusals_add(&r, 6, 60, now + REPORT_REFUSED_MS));
	assert_true(refusals_add(&r, 5, 60, now + REPORT_REFUSED_MS));
	refusals_forget(&r, 5);
	assert_false(refusals_add(&r, 5, 60, now + REPORT_REFUSED_MS));
}

static void an_old_one_is_refused_sooner(void **state)
{
	(void)state;
	struct refusals r = {0};
	for (int i = 1; i < REPORT_REFUSED_MIN; i++)
		assert_false(refusals_add(&r, 5, REPORT_AGE_MAX_S, 1000));
	assert_true(refusals_add(&r, 5, REPORT_AGE_MAX_S, 1000));
}

static void many_are_refused(void **state)
{
	(void)state;
	struct refusals r = {0};
	refusals_add(&r, 1, 0, 1000);
	refusals_add(&r, 1, 0, 1000);
	for (int round = 0; round < 20; round++)
		for (int64_t id = 2; id < 3 * REFUSALS_MAX; id++)
			assert_false(refusals_add(&r, id, 0, 1000));
	for (int i = 0; i < REPORT_REFUSED_MIN; i++)
		refusals_add(&r, 1, 0, 1000);
	assert_true(refusals_add(&r, 1, 0, 1000 + REPORT_REFUSED_MS));
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup(t, setup)
	const struct CMUnitTest tests[] = {
	    TEST(outlives_a_restart),
	    TEST(a_clock_that_was_set),
	    TEST(the_last_ones_fit),
	    TEST(damaged_anywhere),
	    TEST(on_disk),
	    TEST(refused_for_a_day),
	    TEST(an_old_one_is_refused_sooner),
	    TEST(many_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
