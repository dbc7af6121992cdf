/* Which report is sent next: one that waits for what the server is to be told
 * before holds up no other job's. The network process is never started. */
#include "agent/agent.h"
#include "base/clock.h"
#include "base/limits.h"
#include "bbs/spoolfile.h"
#include "fixture.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct agent a;
static struct paths paths;
static uint64_t now;

static int setup(void **state)
{
	const char *failed;
	struct net_config config = {.host = "192.0.2.1",
	    .base_path = "",
	    .api_key = "k",
	    .user_agent = "u",
	    .ca_name = "",
	    .anchors = -1};
	if (fixture_setup(state) != 0 ||
	    paths_init(&paths, fixture_dir, NULL) != 0 ||
	    paths_make(&paths, &failed) != 0)
		return -1;
	memset(&a, 0, sizeof(a));
	a.paths = &paths;
	a.reports = net_new(-1, &config);
	a.spool.pending = true;
	now = clock_ms();
	return 0;
}

static int teardown(void **state)
{
	while (a.spool.memory != NULL) {
		struct memory_report *m = a.spool.memory;
		a.spool.memory = m->next;
		buf_release(&m->body);
		free(m);
	}
	history_release(&a.history);
	net_free(a.reports);
	jobs_release(&a.jobs);
	paths_release(&paths);
	return fixture_teardown(state);
}

static struct job *add(int64_t id)
{
	struct task t = {.kind = TASK_BACKUP, .job_id = id};
	struct job *job = jobs_add(&a.jobs, &t);
	job->state = JOB_REPORTING;
	job->final_at = now;
	return job;
}

static void write_file(int64_t id, const char *text)
{
	assert_int_equal(
	    spoolfile_write(paths.spool, id, text, strlen(text)), 0);
	usleep(2000); /* the names hold the time */
}

/* Whose report goes out now, 0: none. */
static int64_t next(void)
{
	a.spool.sending = 0;
	a.spool.trouble.hold_until = 0;
	spool_begin(&a, now);
	net_cancel(a.reports);
	return a.spool.sending;
}

static void others_pass(void **state)
{
	(void)state;
	struct job *slow = add(5);
	job_add_log(slow, "info", "a line");
	write_file(5, "{\"job_id\":5}");
	write_file(6, "{\"job_id\":6}");
	assert_int_equal(next(), 6);
	assert_int_equal(spoolfile_remove(paths.spool, a.spool.name), 0);
	/* Nothing else is there, and it is looked at again soon. */
	assert_int_equal(next(), 0);
	assert_true(a.spool.pending);
	assert_true(spool_due(&a) <= clock_ms() + 100);
	job_drop_log(slow, 1);
	assert_int_equal(next(), 5);
}

static void it_waits_for_ten_seconds(void **state)
{
	(void)state;
	job_add_log(add(5), "info", "a line");
	write_file(5, "{\"job_id\":5}");
	now += 9999;
	assert_int_equal(next(), 0);
	now++;
	assert_int_equal(next(), 5);
}

/* The file of a worker that has not said FINAL yet: its lines may still be
 * on their way. */
static void not_before_its_worker_says_so(void **state)
{
	(void)state;
	struct job *job = add(5);
	job->state = JOB_RUNNING;
	job->pid = 1;
	job->final_at = 0;
	write_file(5, "{\"job_id\":5}");
	write_file(7, "{\"job_id\":7}");
	assert_int_equal(next(), 7);
	assert_int_equal(spoolfile_remove(paths.spool, a.spool.name), 0);
	assert_int_equal(next(), 0);
	job->final_at = now;
	assert_int_equal(next(), 5);
	job->pid = 0;
}

static void the_same_in_memory(void **state)
{
	(void)state;
	struct job *slow = add(5);
	job_add_log(slow, "info", "a line");
	a.spool.pending = false;
	spool_add(&a, 5, "{\"first\":1}", 11);
	spool_add(&a, 5, "{\"second\":1}", 12);
	spool_add(&a, 6, "{}", 2);
	assert_int_equal(next(), 6);
	assert_int_equal(a.spool.memory->job_id, 6);
	/* Those of one job keep their order. */
	job_drop_log(slow, 1);
	a.spool.memory->job_id = 5;
	assert_string_equal(
	    buf_str(&a.spool.memory->next->body), "{\"first\":1}");
	assert_string_equal(
	    buf_str(&a.spool.memory->next->next->body), "{\"second\":1}");
}

/* Given up is a report that the server fails over often enough, and for a day
 * or when it is older than three months: after a restart, that forgets how
 * long, too. */
static void what_is_given_up(void **state)
{
	(void)state;
	struct refusals r = {0};
	const uint64_t day = REPORT_REFUSED_MS;
	for (int i = 1; i < REPORT_REFUSED_MIN; i++)
		assert_false(refusals_add(&r, 5, 0, now));
	assert_false(refusals_add(&r, 5, REPORT_AGE_MAX_S - 1, now + day - 1));
	assert_true(refusals_add(&r, 5, 0, now + day));
	/* However old: not at the first stumble. */
	for (int i = 1; i < REPORT_REFUSED_MIN; i++)
		assert_false(
		    refusals_add(&r, 6, REPORT_AGE_MAX_S, now + 2 * day));
	assert_true(refusals_add(&r, 6, REPORT_AGE_MAX_S, now + 2 * day));
	refusals_forget(&r, 6);
	assert_false(refusals_add(&r, 6, REPORT_AGE_MAX_S, now + 2 * day));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(others_pass, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		it_waits_for_ten_seconds, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		not_before_its_worker_says_so, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		the_same_in_memory, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_given_up, setup, teardown),
	};
	return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
