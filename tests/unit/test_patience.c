/*
 * What was killed and does not end keeps nothing waiting. A kill() that does
 * nothing stands in for a kernel that keeps a process in state D;
 * tests/e2e/test_stuck.py has real ones.
 */
#include "agent/agent.h"
#include "agent/notify_status.h"
#include "agent/recovery.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "bbs/journal.h"
#include "fixture.h"
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE 60000u

static struct agent a;
static struct paths paths;
static uint64_t now;
static pid_t worker; /* a process that lives */
static int signalled;

int kill(pid_t pid, int sig)
{
	if (pid == worker && sig == SIGKILL)
		signalled++;
	return 0;
}

static int setup(void **state)
{
	const char *failed;
	if (fixture_setup(state) != 0 ||
	    paths_init(&paths, fixture_dir, NULL) != 0 ||
	    paths_make(&paths, &failed) != 0)
		return -1;
	memset(&a, 0, sizeof(a));
	a.paths = &paths;
	now = clock_ms();
	signalled = 0;
	worker = fork();
	if (worker == 0) {
		pause();
		_exit(0);
	}
	fixture_log_begin();
	return 0;
}

static int teardown(void **state)
{
	fixture_log_end();
	syscall(SYS_kill, worker, SIGKILL);
	waitpid(worker, NULL, 0);
	while (a.spool.memory != NULL) {
		struct memory_report *m = a.spool.memory;
		a.spool.memory = m->next;
		buf_release(&m->body);
		free(m);
	}
	recovery_close(&a);
	history_release(&a.history);
	jobs_release(&a.jobs);
	paths_release(&paths);
	return fixture_teardown(state);
}

/* The only report that there is. */
static const char *reported(int64_t id)
{
	assert_non_null(a.spool.memory);
	assert_null(a.spool.memory->next);
	assert_int_equal(a.spool.memory->job_id, id);
	return buf_str(&a.spool.memory->body);
}

static struct job *running(pid_t pid)
{
	struct task t = {.kind = TASK_BACKUP, .job_id = 5};
	struct job *job;
	t.type = strdup("backup");
	job = jobs_add(&a.jobs, &t);
	job->state = JOB_RUNNING;
	job->pid = pid;
	frame_link_init(&job->link, -1, 4096);
	job->stop = STOP_CANCELLED;
	job->stop_by = now + GRACE;
	return job;
}

static void a_worker_that_does_not_end(void **state)
{
	(void)state;
	struct job *job = running(worker);
	assert_int_equal(runner_overdue(&a, now), now + GRACE);
	now += GRACE;
	/* Killed, and given a moment. */
	assert_int_equal(runner_overdue(&a, now), now + CHILD_GONE_MS);
	assert_int_equal(job->state, JOB_RUNNING);
	assert_int_equal(signalled, 1);
	assert_true(jobs_busy(&a.jobs));
	now += CHILD_GONE_MS;
	assert_int_equal(runner_overdue(&a, now), CLOCK_NEVER);
	assert_int_equal(job->state, JOB_REPORTING);
	assert_false(jobs_busy(&a.jobs));
	assert_non_null(strstr(reported(5), "Cancelled by user; process "));
	assert_non_null(strstr(reported(5), " does not end"));
	/* Once and not again, and it is still known when it ends at last. */
	runner_overdue(&a, now + 10 * GRACE);
	reported(5);
	runner_reap(&a, worker, 9, now);
	assert_int_equal(job->pid, 0);
	reported(5);
}

/* One that does not even wake is told to stop, as by a person. */
static void a_worker_that_hangs(void **state)
{
	(void)state;
	struct job *job = running(worker);
	uint64_t end = now + STALL_MS;
	/* It may not even have begun to wait yet. */
	assert_int_equal(syscall(SYS_kill, worker, SIGSTOP), 0);
	assert_int_equal(waitpid(worker, NULL, WUNTRACED), worker);
	job->stop = STOP_NONE;
	stall_init(&job->stall, now);
	for (; now <= end; now += 60000) {
		assert_int_equal(job->stop, STOP_NONE);
		runner_overdue(&a, now);
	}
	assert_int_equal(job->stop, STOP_NONE);
	runner_overdue(&a, now);
	assert_int_equal(job->stop, STOP_STALLED);
	runner_overdue(&a, clock_ms() + GRACE);
	assert_int_equal(signalled, 1);
	/* Behind its report, too. */
	job->stop = STOP_NONE;
	job->killed = false;
	job->state = JOB_REPORTING;
	job->final_at = now;
	stall_init(&job->stall, now);
	for (end = now + STALL_MS + 60000; now <= end; now += 60000)
		runner_overdue(&a, now);
	assert_int_equal(signalled, 2);
}

static void one_that_wakes_does_not(void **state)
{
	(void)state;
	struct job *job = running(getpid());
	job->stop = STOP_NONE;
	stall_init(&job->stall, now);
	for (int i = 0; i < 3 * 120; i++) {
		poll(NULL, 0, 1);
		now += 60000;
		assert_int_equal(runner_overdue(&a, now), CLOCK_NEVER);
	}
	assert_int_equal(job->stop, STOP_NONE);
	/* Nor one of which nothing can be read. */
	job->pid = INT32_MAX;
	for (int i = 0; i < 3 * 120; i++)
		runner_overdue(&a, now += 60000);
	assert_int_equal(job->stop, STOP_NONE);
	job->pid = 0;
}

static void write_journal(int64_t id)
{
	struct buf text = BUF_INIT(4 * KIB);
	char boot[BOOT_ID_SIZE];
	journal_boot_id(boot);
	buf_addf(&text,
	    "{\"journal\":1,\"job_id\":%d,\"type\":\"backup\",\"boot\":\"%s\","
	    "\"time\":1}\n{\"worker\":%d,\"start\":%llu,\"boot\":\"%s\"}\n",
	    (int)id, boot, (int)worker,
	    (unsigned long long)proc_start_time(worker), boot);
	assert_int_equal(file_write(fixture_path("var/lib/bbs-agent/journal/"
						 "%d.log",
					(int)id),
			     text.data, text.len, 0600),
	    0);
	buf_release(&text);
}

static void a_worker_of_an_earlier_start(void **state)
{
	(void)state;
	const uint64_t outlives = 10u * 60u * 1000u;
	write_journal(7);
	recovery_open(&a, now);
	assert_true(recovery_busy(&a));
	recovery_watch(&a, now + outlives - 1);
	assert_null(strstr(fixture_log_end(), "killing it"));
	fixture_log_begin();
	now += outlives;
	recovery_watch(&a, now);
	assert_int_equal(signalled, 1);
	assert_true(recovery_busy(&a));
	recovery_watch(&a, now + ORPHAN_GONE_MS - 1);
	assert_null(a.spool.memory);
	recovery_watch(&a, now + ORPHAN_GONE_MS);
	assert_false(recovery_busy(&a));
	assert_non_null(strstr(reported(7), "Interrupted: the agent ended"));
	assert_non_null(strstr(fixture_log_end(), "goes on without it"));
	fixture_log_begin();
}

/* What the service manager shows never holds a second line. */
static void the_status_is_one_line(void **state)
{
	(void)state;
	struct buf text = BUF_INIT(4 * KIB);
	struct job *job = running(0);
	job->stop = STOP_NONE;
	job->progress.files_total = 3;
	job->progress.files_processed = 2;
	notify_status_text(&a, &text);
	assert_string_equal(buf_str(&text), "job 5: backup 66 %, 2 files");
	job->progress.bytes_total = INT64_MAX;
	job->progress.bytes_processed = INT64_MAX / 2;
	buf_reset(&text);
	notify_status_text(&a, &text);
	assert_string_equal(buf_str(&text), "job 5: backup 50 %, 2 files");
	a.trouble.failures = 1;
	a.trouble.since = clock_ms();
	strcpy(a.trouble.text, "x\nMAINPID=1");
	buf_reset(&text);
	notify_status_text(&a, &text);
	assert_null(strchr(buf_str(&text), '\n'));
	assert_non_null(strstr(buf_str(&text), "x\\nMAINPID=1"));
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		a_worker_that_does_not_end, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_worker_that_hangs, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		one_that_wakes_does_not, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_worker_of_an_earlier_start, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		the_status_is_one_line, setup, teardown),
	};
	return cmocka_run_group_tests_name("patience", tests, NULL, NULL);
}
