/* The list of past jobs: what comes first in it, whose start is known, and
 * that many ends at once are one write. */
#include "agent/agent.h"
#include "base/clock.h"
#include "fixture.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct agent a;
static struct paths paths;

static int setup(void **state)
{
	const char *failed;
	if (fixture_setup(state) != 0 ||
	    paths_init(&paths, fixture_dir, NULL) != 0 ||
	    paths_make(&paths, &failed) != 0)
		return -1;
	memset(&a, 0, sizeof(a));
	a.paths = &paths;
	return 0;
}

static int teardown(void **state)
{
	history_release(&a.history);
	jobs_release(&a.jobs);
	paths_release(&paths);
	return fixture_teardown(state);
}

static void add(int64_t id)
{
	struct report r = {.result = REPORT_COMPLETED};
	history_add(&a, id, &r, NULL);
}

static const struct status_past *past(int at)
{
	assert_true(at < a.history.list.past_count);
	return &a.history.list.past[at];
}

static void the_newest_is_first(void **state)
{
	(void)state;
	for (int id = 1; id <= STATUS_PAST_MAX + 2; id++)
		add(id);
	assert_int_equal(a.history.list.past_count, STATUS_PAST_MAX);
	for (int i = 0; i < STATUS_PAST_MAX; i++)
		assert_int_equal(past(i)->id, STATUS_PAST_MAX + 2 - i);
	/* One of an earlier life has its place, or none. */
	static const char body[] = "{\"job_id\":90,\"result\":\"failed\"}";
	a.history.list.past[STATUS_PAST_MAX - 1].ended -= 1000;
	history_add_report(&a, 90, body, strlen(body), 500);
	assert_int_equal(past(STATUS_PAST_MAX - 1)->id, 90);
	history_add_report(&a, 91, body, strlen(body), 2000);
	assert_int_equal(past(STATUS_PAST_MAX - 1)->id, 90);
}

/* The clock was a year ahead, and is set right. */
static void what_is_to_come_is_not_newer(void **state)
{
	(void)state;
	for (int id = 1; id <= STATUS_PAST_MAX; id++) {
		add(id);
		a.history.list.past[0].ended += 365 * 86400;
	}
	add(50);
	add(51);
	assert_int_equal(past(0)->id, 51);
	assert_int_equal(past(1)->id, 50);
	assert_int_equal(past(2)->id, STATUS_PAST_MAX);
}

/* Its worker died between the report and its last word. */
static void a_start_is_known_while_the_job_is(void **state)
{
	(void)state;
	static const char body[] = "{\"job_id\":7,\"result\":\"completed\"}";
	struct task t = {.job_id = 7};
	struct job *job = jobs_add(&a.jobs, &t);
	job->started_at = clock_ms();
	history_add_report(&a, 7, body, strlen(body), 0);
	assert_in_range(
	    past(0)->started, past(0)->ended - 60, past(0)->ended + 1);
}

static void many_at_once_are_one_write(void **state)
{
	(void)state;
	add(1);
	add(2);
	assert_int_not_equal(access(paths.history, F_OK), 0);
	history_save(&a);
	assert_int_equal(access(paths.history, F_OK), 0);
	unlink(paths.history);
	history_save(&a);
	assert_int_not_equal(access(paths.history, F_OK), 0);
	add(3);
	history_save(&a);
	history_release(&a.history);
	history_load(&a);
	assert_int_equal(past(0)->id, 3);
	assert_int_equal(past(2)->id, 1);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(the_newest_is_first),
	    TEST(what_is_to_come_is_not_newer),
	    TEST(a_start_is_known_while_the_job_is),
	    TEST(many_at_once_are_one_write),
	};
	return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
