/* The state of an update on disk, and the program's places. */
#include "base/file.h"
#include "base/limits.h"
#include "bbs/update_state.h"
#include "fixture.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct paths paths;

static int setup(void **state)
{
	const char *failed;
	int rc = fixture_setup(state);
	if (rc != 0 || paths_init(&paths, fixture_dir, NULL) != 0)
		return -1;
	return paths_make(&paths, &failed);
}

static int teardown(void **state)
{
	paths_release(&paths);
	return fixture_teardown(state);
}

static void kept(void **state)
{
	(void)state;
	struct update_state s, read;
	memset(&s, 0, sizeof(s));
	s.phase = UPDATE_ROLLED_BACK;
	s.job_id = 5000000000;
	s.starts = 3;
	snprintf(s.from, sizeof(s.from), "3.0.0");
	snprintf(s.to, sizeof(s.to), "3.1.0");
	snprintf(s.program, sizeof(s.program), "/a \"b\"/c");
	snprintf(s.reason, sizeof(s.reason), "it\ndid not");
	assert_int_equal(update_state_write(&paths, &s), 0);
	update_state_read(&paths, &read);
	assert_memory_equal(&read, &s, sizeof(s));
	assert_true(read.time > 0);
	update_state_clear(&paths);
	update_state_read(&paths, &read);
	assert_int_equal(read.phase, UPDATE_NONE);
	assert_int_not_equal(access(paths.update, F_OK), 0);
	update_state_clear(&paths);
}

#define GOOD(phase)                                                     \
	"{\"phase\":\"" phase "\",\"from\":\"3.0.0\",\"to\":\"3.1.0\"," \
	"\"program\":\"/p\",\"later\":{\"x\":[1]}}"

static void read_with_care(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum update_phase phase;
	} cases[] = {{GOOD("pending"), UPDATE_PENDING},
	    {GOOD("installed"), UPDATE_INSTALLED},
	    {GOOD("failed"), UPDATE_FAILED},
	    {"{\"phase\":\"failed\",\"to\":\"\"}", UPDATE_FAILED},
	    {GOOD("rolled_back"), UPDATE_ROLLED_BACK},
	    {GOOD("none"), UPDATE_NONE}, {GOOD("dancing"), UPDATE_NONE},
	    {"", UPDATE_NONE}, {"[]", UPDATE_NONE}, {"{", UPDATE_NONE},
	    {"{\"phase\":\"pending\"}", UPDATE_NONE},
	    {"{\"phase\":\"pending\",\"from\":\"3.0.0\",\"to\":\"latest\","
	     "\"program\":\"/p\"}",
		UPDATE_NONE},
	    {"{\"phase\":\"pending\",\"from\":\"3.0.0\",\"to\":\"3.1.0\","
	     "\"program\":\"p\"}",
		UPDATE_NONE}};
	struct update_state s;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fixture_file(paths.update, cases[i].text, 0600);
		update_state_read(&paths, &s);
		if (s.phase != cases[i].phase)
			fail_msg("%s", cases[i].text);
	}
}

static void told(void **state)
{
	(void)state;
	static const struct {
		enum update_phase phase;
		int starts;
		const char *to, *says;
	} cases[] = {{UPDATE_NONE, 0, "3.1.0", ""},
	    {UPDATE_PENDING, 0, "3.1.0",
		"3.1.0 is in its place since 2026-11-23; it takes over when no "
		"job runs"},
	    {UPDATE_PENDING, 2, "3.1.0",
		"3.1.0 is in its place since 2026-11-23; the server has not "
		"answered it yet"},
	    {UPDATE_INSTALLED, 1, "3.1.0",
		"updated from 3.0.0 to 3.1.0 on 2026-11-23"},
	    {UPDATE_FAILED, 0, "3.1.0",
		"3.1.0 was not installed on 2026-11-23: it did not"},
	    {UPDATE_FAILED, 0, "",
		"the update failed on 2026-11-23: it did not"},
	    {UPDATE_ROLLED_BACK, 3, "3.1.0",
		"3.1.0 was taken back on 2026-11-23: it did not"}};
	struct buf text = BUF_INIT(KIB);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct update_state s = {.phase = cases[i].phase,
		    .from = "3.0.0",
		    .starts = cases[i].starts,
		    .time = 1795392000 + 3600,
		    .reason = "it did not"};
		snprintf(s.to, sizeof(s.to), "%s", cases[i].to);
		buf_reset(&text);
		update_state_tell(&s, &text);
		assert_string_equal(buf_str(&text), cases[i].says);
	}
	buf_release(&text);
}

static void expect(const char *path, const char *text)
{
	struct buf is = BUF_INIT(KIB);
	assert_int_equal(file_read(path, &is), 0);
	assert_string_equal(buf_str(&is), text);
	buf_release(&is);
}

static void swapped_and_back(void **state)
{
	(void)state;
	struct buf why = BUF_INIT(4 * KIB);
	char fresh[UPDATE_NAME_MAX], old[UPDATE_NAME_MAX], p[200];
	snprintf(p, sizeof(p), "%s",
	    fixture_file(fixture_path("program"), "one", 0755));
	update_name(fresh, p, UPDATE_NEW);
	update_name(old, p, UPDATE_OLD);
	/* Nothing to put there: all stays. */
	assert_int_equal(update_swap(p, &why), -1);
	assert_non_null(strstr(buf_str(&why), p));
	expect(p, "one");
	fixture_file(fresh, "two", 0755);
	assert_int_equal(update_swap(p, &why), 0);
	expect(p, "two");
	expect(old, "one");
	assert_int_not_equal(access(fresh, F_OK), 0);
	fixture_file(fresh, "three", 0755);
	assert_int_equal(update_swap(p, &why), 0);
	expect(p, "three");
	expect(old, "two");
	assert_int_equal(update_swap_back(p, &why), 0);
	expect(p, "two");
	assert_int_not_equal(access(old, F_OK), 0);
	assert_int_equal(update_swap_back(p, &why), -1);
	expect(p, "two");
	buf_release(&why);
}

static void kept_where_there_are_no_links(void **state)
{
	(void)state;
	struct stat st;
	char path[200];
	snprintf(path, sizeof(path), "%s",
	    fixture_file(fixture_path("one"), "bytes", 0755));
	const char *name = fixture_path("two");
	assert_int_equal(file_copy(path, name), 0);
	expect(name, "bytes");
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(st.st_nlink, 1);
	/* One that is there is replaced; both names of one file stay. */
	assert_int_equal(file_keep(path, name), 0);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(file_keep(path, name), 0);
	expect(path, "bytes");
	expect(name, "bytes");
	assert_int_not_equal(access(fixture_path("two.tmp"), F_OK), 0);
	assert_int_equal(file_copy(fixture_path("none"), name), -1);
}

static void one_at_a_time(void **state)
{
	(void)state;
	int first = update_lock(&paths);
	assert_true(first >= 0);
	assert_int_equal(update_lock(&paths), -1);
	close(first);
	first = update_lock(&paths);
	assert_true(first >= 0);
	close(first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(kept, setup, teardown),
	    cmocka_unit_test_setup_teardown(read_with_care, setup, teardown),
	    cmocka_unit_test(told),
	    cmocka_unit_test_setup_teardown(swapped_and_back, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		kept_where_there_are_no_links, setup, teardown),
	    cmocka_unit_test_setup_teardown(one_at_a_time, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
