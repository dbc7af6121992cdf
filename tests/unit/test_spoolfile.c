/* The spool's files: in order, whole, and nobody else's. */
#include "base/limits.h"
#include "bbs/spoolfile.h"
#include "fixture.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int count_files(void)
{
	int n = 0;
	DIR *d = opendir(fixture_dir);
	struct dirent *e;
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void write_report(int64_t job)
{
	char body[64];
	int n =
	    snprintf(body, sizeof(body), "{\"job_id\":%lld}", (long long)job);
	assert_int_equal(spoolfile_write(fixture_dir, job, body, (size_t)n), 0);
	usleep(50); /* names have microseconds */
}

static void oldest_first(void **state)
{
	(void)state;
	static const int64_t jobs[] = {5, 30, 4, 9007199254740993, 1, 30};
	char name[SPOOLFILE_NAME_MAX], after[SPOOLFILE_NAME_MAX];
	int64_t job;
	struct stat st;
	assert_int_equal(
	    spoolfile_next(fixture_dir, NULL, name, sizeof(name), &job), 0);
	for (size_t i = 0; i < 6; i++)
		write_report(jobs[i]);
	assert_int_equal(count_files(), 6);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(
		    spoolfile_next(fixture_dir, i > 0 ? after : NULL, name,
			sizeof(name), &job),
		    1);
		assert_true(job == jobs[i]);
		assert_int_equal(stat(fixture_path("%s", name), &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
		memcpy(after, name, sizeof(after));
	}
	assert_int_equal(
	    spoolfile_next(fixture_dir, after, name, sizeof(name), &job), 0);
}

static void what_was_written_is_read(void **state)
{
	(void)state;
	char name[SPOOLFILE_NAME_MAX];
	int64_t job;
	struct buf body = BUF_INIT(REPORT_BODY_MAX);
	write_report(12);
	assert_int_equal(
	    spoolfile_next(fixture_dir, NULL, name, sizeof(name), &job), 1);
	assert_int_equal(spoolfile_read(fixture_dir, name, &body), 0);
	assert_string_equal(buf_str(&body), "{\"job_id\":12}");
	buf_release(&body);
	/* What is gone is no endless loop. */
	assert_int_equal(spoolfile_remove(fixture_dir, name), 0);
	assert_int_equal(spoolfile_remove(fixture_dir, name), -1);
	assert_int_equal(spoolfile_read(fixture_dir, name, &body), -1);
	assert_int_equal(
	    spoolfile_next(fixture_dir, NULL, name, sizeof(name), &job), 0);
	buf_release(&body);
	assert_int_equal(
	    spoolfile_next("/nonexistent", NULL, name, sizeof(name), &job), -1);
	assert_int_equal(spoolfile_write("/nonexistent", 1, "{}", 2), -1);
}

static void foreign_files_are_left_alone(void **state)
{
	(void)state;
	static const char *const names[] = {"notes.txt", "12.json",
	    "0006438c2b7a1c00-12.json.bad", "0006438c2b7a1c00-12.json.tmp",
	    "0006438c2b7a1c00-.json", "0006438c2b7a1c00-0.json",
	    "0006438c2b7a1c00--5.json", "0006438c2b7a1c00-12x.json",
	    "0006438c2b7a1c00-9223372036854775808.json",
	    "0006438c2b7a1c00-99999999999999999999999999.json",
	    "0006438C2B7A1C00-12.json", "6438c2b7a1c00-12.json",
	    "00006438c2b7a1c00-12.json", "0006438c2b7a1c00-12.JSON",
	    "0006438c2b7a1c00-12.json ", ".0006438c2b7a1c00-12.json",
	    "0006438c2b7a1c00-12", "0006438c2b7a1c00.json"};
	char name[SPOOLFILE_NAME_MAX];
	int64_t job;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		fixture_file(fixture_path("%s", names[i]), "{}", 0600);
	int before = count_files();
	if (spoolfile_next(fixture_dir, NULL, name, sizeof(name), &job) != 0)
		fail_msg("%s is taken for a report", name);
	assert_int_equal(count_files(), before);
	assert_false(spoolfile_has(fixture_dir, 12));
	assert_false(spoolfile_has("/nonexistent", 12));
	assert_true(spoolfile_has("/dev/null", 12));
	write_report(3);
	assert_int_equal(
	    spoolfile_next(fixture_dir, NULL, name, sizeof(name), &job), 1);
	assert_true(job == 3);
	assert_true(spoolfile_has(fixture_dir, 3));
	assert_false(spoolfile_has(fixture_dir, 33));
}

static void broken_reports_are_set_aside(void **state)
{
	(void)state;
	static const char *const bodies[] = {"", "{\"job_id\":12,\"resu",
	    "{\"job_id\":12", "[]", "null", "{\"a\":\"\xff\"}", "{}x", " {}",
	    "{'a':1}"};
	char name[SPOOLFILE_NAME_MAX];
	int64_t job;
	struct buf body = BUF_INIT(REPORT_BODY_MAX);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		snprintf(name, sizeof(name), "%016x-%d.json", (unsigned)i + 1,
		    (int)i + 1);
		fixture_file(fixture_path("%s", name), bodies[i], 0600);
	}
	int before = count_files();
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		assert_int_equal(
		    spoolfile_next(fixture_dir, NULL, name, sizeof(name), &job),
		    1);
		assert_true(job == (int64_t)i + 1);
		buf_reset(&body);
		if (spoolfile_read(fixture_dir, name, &body) == 0)
			fail_msg("%s is taken for a report", bodies[i]);
		assert_int_equal(spoolfile_set_aside(fixture_dir, name), 0);
		assert_int_equal(access(fixture_path("%s.bad", name), F_OK), 0);
	}
	assert_int_equal(
	    spoolfile_next(fixture_dir, NULL, name, sizeof(name), &job), 0);
	assert_int_equal(count_files(), before);
	assert_int_equal(spoolfile_set_aside(fixture_dir, "none"), -1);
	buf_release(&body);
}

int main(void)
{
#define TEST(test) \
	cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(oldest_first),
	    TEST(what_was_written_is_read),
	    TEST(foreign_files_are_left_alone),
	    TEST(broken_reports_are_set_aside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
