/* The job table: never a job twice, never one for ever. */
#include "agent/jobs.h"
#include "base/limits.h"
#include "fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct jobs jobs;

static struct job *add(int64_t id, enum task_kind kind)
{
	struct task t = {.kind = kind, .job_id = id};
	t.archive_name = strdup("first");
	struct job *job = jobs_add(&jobs, &t);
	/* Taken over: nothing is left to be freed twice. */
	if (job != NULL)
		assert_null(t.archive_name);
	task_release(&t);
	return job;
}

static int take_log(struct job *job, struct buf *level, struct buf *text)
{
	uint64_t number = job_peek_log(job, level, text);
	/* Another number than the oldest one's does nothing. */
	job_drop_log(job, number + 1);
	job_drop_log(job, number);
	return number != 0;
}

static int teardown(void **state)
{
	(void)state;
	jobs_release(&jobs);
	assert_null(jobs.first);
	assert_int_equal(jobs.count, 0);
	memset(&jobs, 0, sizeof(jobs));
	return 0;
}

static void holds_what_came_in_its_order(void **state)
{
	(void)state;
	assert_null(jobs_find(&jobs, 1));
	assert_null(jobs_next_waiting(&jobs, true));
	struct job *a = add(1, TASK_BACKUP), *b = add(2, TASK_BACKUP);
	struct job *c = add(INT64_MAX, TASK_RESTORE);
	assert_ptr_equal(jobs_find(&jobs, 1), a);
	assert_ptr_equal(jobs_find(&jobs, 2), b);
	assert_ptr_equal(jobs_find(&jobs, INT64_MAX), c);
	assert_null(jobs_find(&jobs, 3));
	assert_int_equal(a->state, JOB_WAITING);
	assert_int_equal(a->progress.files_total, -1);
	assert_string_equal(a->task.archive_name, "first");
	assert_ptr_equal(jobs_next_waiting(&jobs, true), a);
	a->state = JOB_REPORTING;
	assert_ptr_equal(jobs_next_waiting(&jobs, true), b);
	jobs_remove(&jobs, b);
	assert_null(jobs_find(&jobs, 2));
	assert_ptr_equal(jobs_next_waiting(&jobs, true), c);
	jobs_remove(&jobs, c);
	jobs_remove(&jobs, a);
	assert_int_equal(jobs.count, 0);
}

/* A job that is handed out again is found, in whatever state it is. */
static void knows_a_redelivery(void **state)
{
	(void)state;
	struct job *job = add(7, TASK_BACKUP);
	for (int s = JOB_WAITING; s <= JOB_REPORTING; s++) {
		job->state = (enum job_state)s;
		assert_ptr_equal(jobs_find(&jobs, 7), job);
	}
	jobs_mark_done(&jobs, 7, 1000);
	jobs_remove(&jobs, job);
	assert_null(jobs_find(&jobs, 7));
	assert_true(jobs_was_done(&jobs, 7, 1000));
}

static void remembers_a_day(void **state)
{
	(void)state;
	const uint64_t day = 24ull * 3600 * 1000;
	assert_false(jobs_was_done(&jobs, 0, 5));
	assert_false(jobs_was_done(&jobs, 7, 5));
	jobs_mark_done(&jobs, 7, 1000);
	assert_true(jobs_was_done(&jobs, 7, 1000));
	assert_true(jobs_was_done(&jobs, 7, 1000 + day - 1));
	assert_false(jobs_was_done(&jobs, 7, 1000 + day));
	assert_false(jobs_was_done(&jobs, 8, 1000));
	/* Acknowledged once more: the newer time counts. */
	jobs_mark_done(&jobs, 7, 5000);
	assert_true(jobs_was_done(&jobs, 7, 4999 + day));
	/* The oldest make room. */
	for (int i = 0; i < JOBS_DONE_MAX; i++)
		jobs_mark_done(&jobs, 1000 + i, 6000);
	assert_false(jobs_was_done(&jobs, 7, 6000));
	for (int i = 0; i < JOBS_DONE_MAX; i++)
		assert_true(jobs_was_done(&jobs, 1000 + i, 6000));
	assert_false(jobs_was_done(&jobs, 0, 6000));
}

static void takes_a_thousand(void **state)
{
	(void)state;
	for (int i = 1; i <= TASKS_MAX; i++)
		assert_non_null(add(i, TASK_BACKUP));
	struct task t = {.job_id = TASKS_MAX + 1};
	assert_null(jobs_add(&jobs, &t));
	jobs_remove(&jobs, jobs_find(&jobs, 500));
	assert_non_null(jobs_add(&jobs, &t));
}

static void busy_while_a_repository_is_used(void **state)
{
	(void)state;
	assert_false(jobs_busy(&jobs));
	struct job *browse = add(1, TASK_LIST_DIR), *b = add(2, TASK_BACKUP);
	assert_false(jobs_busy(&jobs));
	browse->state = JOB_STARTING;
	assert_false(jobs_busy(&jobs));
	b->state = JOB_STARTING;
	assert_true(jobs_busy(&jobs));
	b->state = JOB_RUNNING;
	b->pid = 4711;
	frame_link_init(&b->link, -1, 16);
	assert_true(jobs_busy(&jobs));
	/* Its report is made, but its worker is still there. */
	b->state = JOB_REPORTING;
	assert_true(jobs_busy(&jobs));
	b->pid = 0;
	assert_false(jobs_busy(&jobs));
}

/* Neither kind stands in the other's way. */
static void two_lines_of_jobs(void **state)
{
	(void)state;
	struct job *backup = add(1, TASK_BACKUP), *look = add(2, TASK_LIST_DIR);
	struct job *test = add(3, TASK_PLUGIN_TEST);
	struct job *restore = add(4, TASK_RESTORE);
	assert_ptr_equal(jobs_next_waiting(&jobs, true), backup);
	assert_ptr_equal(jobs_next_waiting(&jobs, false), look);
	backup->state = look->state = JOB_RUNNING;
	assert_ptr_equal(jobs_next_waiting(&jobs, true), restore);
	assert_ptr_equal(jobs_next_waiting(&jobs, false), test);
	restore->state = test->state = JOB_REPORTING;
	assert_null(jobs_next_waiting(&jobs, true));
	assert_null(jobs_next_waiting(&jobs, false));
}

static struct job *running(int64_t id, enum task_kind kind)
{
	struct job *job = add(id, kind);
	job->state = JOB_RUNNING;
	job->pid = 4711;
	frame_link_init(&job->link, -1, 16);
	return job;
}

static void few_looks_at_a_time(void **state)
{
	(void)state;
	running(1, TASK_BACKUP);
	for (int i = 0; i < SHORT_JOBS_MAX; i++) {
		assert_true(jobs_have_room(&jobs));
		running(10 + i, TASK_LIST_DIR);
	}
	assert_false(jobs_have_room(&jobs));
	/* What hangs and was given up takes no place, up to a point. */
	for (int i = 0; i < SHORT_JOBS_MAX; i++)
		jobs_find(&jobs, 10 + i)->state = JOB_REPORTING;
	for (int i = SHORT_JOBS_MAX; i < SHORT_PROCESSES_MAX; i++) {
		assert_true(jobs_have_room(&jobs));
		running(10 + i, TASK_LIST_DIR)->state = JOB_REPORTING;
	}
	assert_false(jobs_have_room(&jobs));
	jobs_find(&jobs, 10)->pid = 0;
	assert_true(jobs_have_room(&jobs));
}

static void forgets_what_the_server_took_back(void **state)
{
	(void)state;
	static const enum job_state states[] = {
	    JOB_WAITING, JOB_STARTING, JOB_RUNNING, JOB_REPORTING, JOB_WAITING};
	for (int i = 0; i < 5; i++) {
		struct job *job = add(i + 1, TASK_BACKUP);
		job->state = states[i];
		job->poll = 3;
	}
	jobs_find(&jobs, 5)->poll = 4;
	fixture_log_begin();
	jobs_forget_unnamed(&jobs, 4);
	assert_non_null(strstr(fixture_log_end(), "job 1: taken back"));
	assert_null(jobs_find(&jobs, 1));
	for (int i = 2; i <= 5; i++)
		assert_non_null(jobs_find(&jobs, i));
	jobs_forget_unnamed(&jobs, 4);
	assert_int_equal(jobs.count, 4);
}

static void lines_for_the_servers_log(void **state)
{
	(void)state;
	struct job *job = add(1, TASK_BACKUP);
	struct buf level = BUF_INIT(100), text = BUF_INIT(10000);
	assert_int_equal(take_log(job, &level, &text), 0);
	job_add_log(job, "info", "one");
	job_add_log(job, "warning", "");
	job_add_log(job, "error", "größe");
	assert_int_equal(take_log(job, &level, &text), 1);
	assert_string_equal(buf_str(&level), "info");
	assert_string_equal(buf_str(&text), "one");
	buf_reset(&level);
	buf_reset(&text);
	assert_int_equal(take_log(job, &level, &text), 1);
	assert_string_equal(buf_str(&level), "warning");
	assert_string_equal(buf_str(&text), "");
	buf_reset(&level);
	assert_int_equal(take_log(job, &level, &text), 1);
	assert_string_equal(buf_str(&text), "größe");
	assert_int_equal(take_log(job, &level, &text), 0);
	buf_release(&level);
	buf_release(&text);
}

/* An outage of hours must cost neither memory nor the newest lines. */
static void the_oldest_lines_are_dropped(void **state)
{
	(void)state;
	struct job *job = add(1, TASK_BACKUP);
	struct buf level = BUF_INIT(100), text = BUF_INIT(10000);
	char line[LOG_MESSAGE_MAX + 500];
	for (int i = 0; i < 500; i++) {
		memset(line, 'x', sizeof(line));
		line[sizeof(line) - 1] = '\0';
		int n = snprintf(line, sizeof(line), "%04d", i);
		line[n] = 'x';
		job_add_log(job, "warning", line);
		assert_int_equal(job->log_count, i < 64 ? i + 1 : 64);
	}
	for (int i = 500 - 64; i < 500; i++) {
		buf_reset(&level);
		buf_reset(&text);
		assert_int_equal(take_log(job, &level, &text), 1);
		assert_string_equal(buf_str(&level), "warning");
		assert_int_equal(text.len, LOG_MESSAGE_MAX);
		assert_int_equal(atoi(buf_str(&text)), i);
	}
	assert_int_equal(take_log(job, &level, &text), 0);
	/* And it is cut at a character. */
	memset(line, 'x', LOG_MESSAGE_MAX - 3);
	snprintf(line + LOG_MESSAGE_MAX - 3, 10, "\xf0\x9f\x98\x80yy");
	job_add_log(job, "info", line);
	buf_reset(&text);
	assert_int_equal(take_log(job, &level, &text), 1);
	assert_int_equal(text.len, LOG_MESSAGE_MAX - 3);
	buf_release(&level);
	buf_release(&text);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_teardown(test, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(holds_what_came_in_its_order),
	    TEST(knows_a_redelivery),
	    TEST(remembers_a_day),
	    TEST(takes_a_thousand),
	    TEST(busy_while_a_repository_is_used),
	    TEST(two_lines_of_jobs),
	    TEST(few_looks_at_a_time),
	    TEST(forgets_what_the_server_took_back),
	    TEST(lines_for_the_servers_log),
	    TEST(the_oldest_lines_are_dropped),
	};
	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
