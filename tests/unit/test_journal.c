/* The journal: what is written is read, cut off anywhere or damaged. */
#include "base/file.h"
#include "bbs/journal.h"
#include "fixture.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct paths paths;
static const char script[] =
    "{\"script\":\"/x \\\"y\\\"\",\"env\":{\"A\":\"1\"}}";

static int setup(void **state)
{
	const char *failed;
	if (fixture_setup(state) != 0)
		return -1;
	return paths_init(&paths, fixture_dir, NULL) == 0 &&
		       paths_make(&paths, &failed) == 0
		   ? 0
		   : -1;
}

static int teardown(void **state)
{
	paths_release(&paths);
	return fixture_teardown(state);
}

static const char *file_of(const char *name)
{
	return fixture_path("var/lib/bbs-agent/journal/%s", name);
}

static void add(const char *name, const char *text)
{
	FILE *f = fopen(file_of(name), "a");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void keeps_what_is_told(void **state)
{
	(void)state;
	struct journal j;
	struct stat st;
	struct proc group = {4242, 777};
	char boot[BOOT_ID_SIZE];
	journal_boot_id(boot);
	assert_int_equal(strlen(boot), 36);
	assert_int_equal(journal_begin(&paths, 12, "backup", "a \"b\"\n"), 0);
	assert_int_equal(stat(file_of("12.log"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(journal_read(&paths, 12, &j), 0);
	assert_string_equal(j.type, "backup");
	assert_string_equal(j.boot, boot);
	assert_int_equal(j.worker.pid, 0);
	assert_false(j.reported);
	journal_release(&j);
	assert_int_equal(journal_worker(&paths, 12), 0);
	assert_int_equal(journal_group(&paths, 12, &group), 0);
	assert_int_equal(journal_owe(&paths, 12, "a", script), 0);
	assert_int_equal(journal_owe(&paths, 12, "b", "{}"), 0);
	assert_int_equal(journal_owe(&paths, 12, "c", "{\"n\":3}"), 0);
	assert_int_equal(journal_tried(&paths, 12, "c"), 0);
	assert_int_equal(journal_tried(&paths, 12, "c"), 0);
	assert_int_equal(journal_owe(&paths, 12, "b", "{\"n\":2}"), 0);
	assert_int_equal(journal_paid(&paths, 12, "a"), 0);
	assert_int_equal(journal_paid(&paths, 12, "unknown"), 0);
	assert_int_equal(journal_reported(&paths, 12), 0);
	assert_int_equal(journal_read(&paths, 12, &j), 0);
	assert_int_equal(j.worker.pid, getpid());
	assert_true(j.worker.start == proc_start_time(getpid()));
	assert_int_equal(j.group.pid, 4242);
	assert_true(j.group.start == 777);
	assert_true(j.reported);
	assert_int_equal(j.owed_count, 2);
	assert_string_equal(j.owed[0].key, "b");
	assert_string_equal(j.owed[0].script, "{\"n\":2}");
	assert_string_equal(j.owed[1].key, "c");
	assert_int_equal(j.owed[1].tries, 2);
	journal_release(&j);
	/* A later worker does not inherit what an earlier one ran. */
	assert_int_equal(journal_worker(&paths, 12), 0);
	assert_int_equal(journal_read(&paths, 12, &j), 0);
	assert_int_equal(j.group.pid, 0);
	journal_release(&j);
	assert_int_equal(journal_remove(&paths, 12), 0);
	assert_int_equal(journal_read(&paths, 12, &j), -1);
	assert_int_equal(errno, ENOENT);
}

static void owed_without_a_beginning(void **state)
{
	(void)state;
	struct journal j;
	assert_int_equal(journal_owe(&paths, 9, "k", script), 0);
	assert_int_equal(journal_read(&paths, 9, &j), 0);
	assert_int_equal(j.owed_count, 1);
	assert_string_equal(j.owed[0].script, script);
	journal_release(&j);
}

/* Cut off after any byte: whole lines count, nothing else does, and the next
 * record stands on a line of its own. */
static void cut_at_each_byte(void **state)
{
	(void)state;
	struct buf whole = BUF_INIT(64 * KIB);
	struct journal j;
	struct proc group = {4242, 777};
	journal_begin(&paths, 5, "restore", NULL);
	journal_worker(&paths, 5);
	journal_group(&paths, 5, &group);
	journal_owe(&paths, 5, "a", script);
	journal_paid(&paths, 5, "a");
	journal_reported(&paths, 5);
	assert_int_equal(file_read(file_of("5.log"), &whole), 0);
	const char *first = strchr(buf_str(&whole), '\n');
	for (size_t n = 0; n < whole.len; n++) {
		assert_int_equal(
		    file_write(file_of("5.log"), whole.data, n, 0600), 0);
		bool any = n > (size_t)(first - whole.data);
		assert_int_equal(journal_read(&paths, 5, &j), any ? 0 : 1);
		assert_string_equal(j.type, any ? "restore" : "");
		assert_false(j.reported);
		journal_release(&j);
		assert_int_equal(journal_owe(&paths, 5, "z", "{}"), 0);
		assert_int_equal(journal_read(&paths, 5, &j), 0);
		assert_true(j.owed_count > 0);
		assert_string_equal(j.owed[j.owed_count - 1].key, "z");
		journal_release(&j);
	}
	buf_release(&whole);
}

static void damaged(void **state)
{
	(void)state;
	static const char *const bad[] = {"\n", "no\n", "[]\n", "{\"a\":}\n",
	    "{\"owed\":\"x\"}\n", "{\"owed\":\"x\",\"script\":3}\n",
	    "\xff\xfe\n", "{} {}\n"};
	struct journal j;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(journal_begin(&paths, 3, "backup", NULL), 0);
		add("3.log", bad[i]);
		add("3.log", "{\"reported\":true}\n");
		assert_int_equal(journal_read(&paths, 3, &j), 1);
		/* What stood before it can be used. */
		assert_string_equal(j.type, "backup");
		assert_false(j.reported);
		journal_release(&j);
	}
	assert_int_equal(journal_set_aside(&paths, 3), 0);
	assert_int_equal(access(file_of("3.log.bad"), F_OK), 0);
	assert_int_equal(access(file_of("3.log"), F_OK), -1);
	/* NULs, as a power cut may leave them. */
	char zeros[100] = "";
	assert_int_equal(
	    file_write(file_of("4.log"), zeros, sizeof(zeros), 0600), 0);
	assert_int_equal(journal_read(&paths, 4, &j), 1);
	journal_release(&j);
}

/* A later version may write more, and nonsense kills nobody. */
static void tolerates(void **state)
{
	(void)state;
	struct journal j;
	add("7.log",
	    "{\"journal\":99,\"new\":{\"a\":[1]},\"type\":\"backup\"}\n"
	    "{\"something\":\"else\"}\n{\"worker\":1,\"start\":5}\n"
	    "{\"group\":-5,\"start\":5}\n");
	assert_int_equal(journal_read(&paths, 7, &j), 0);
	assert_int_equal(j.worker.pid, 0);
	assert_int_equal(j.group.pid, 0);
	journal_release(&j);
	add("7.log", "{\"group\":99999999999,\"start\":5}\n"
		     "{\"worker\":77}\n");
	assert_int_equal(journal_read(&paths, 7, &j), 0);
	assert_int_equal(j.worker.pid, 0);
	assert_int_equal(j.group.pid, 0);
	journal_release(&j);
}

/* Only an announcement of this version's form leaves it open whether the job
 * began: whatever else stands there says that it did. */
static void begun(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool begun;
	} cases[] = {{"{\"journal\":1,\"job_id\":5,\"new\":[1]}\n", false},
	    {"{\"journal\":1}\n{\"worker\":7,\"start\":9}\n", true},
	    {"{\"journal\":1}\n{\"step\":1}\n", true},
	    {"{\"journal\":2}\n", true}, {"{\"type\":\"x\"}\n", true}};
	struct journal j;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    journal_decode(&j, cases[i].text, strlen(cases[i].text)),
		    0);
		assert_int_equal(j.begun, cases[i].begun);
		journal_release(&j);
	}
}

static void listed_by_their_numbers(void **state)
{
	(void)state;
	int64_t id = 0;
	static const char *const none[] = {"x.log", "-3.log", "8.log.bad", "8",
	    "0.log", ".8.log.tmp", "99999999999999999999999.log", "8.logs",
	    ".log"};
	assert_int_equal(journal_next(&paths, 0, &id), 0);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		add(none[i], "{}\n");
	assert_int_equal(journal_next(&paths, 0, &id), 0);
	add("30.log", "{}\n");
	add("4.log", "{}\n");
	add("9007199254740993.log", "{}\n");
	assert_int_equal(journal_next(&paths, 0, &id), 1);
	assert_true(id == 4);
	assert_int_equal(journal_next(&paths, id, &id), 1);
	assert_true(id == 30);
	assert_int_equal(journal_next(&paths, id, &id), 1);
	assert_true(id == 9007199254740993);
	assert_int_equal(journal_next(&paths, id, &id), 0);
}

static void a_planted_link_is_not_followed(void **state)
{
	(void)state;
	struct stat st;
	const char *target = fixture_file(fixture_path("target"), "", 0644);
	assert_int_equal(symlink(target, file_of("6.log")), 0);
	assert_int_equal(journal_owe(&paths, 6, "k", "{}"), -1);
	assert_int_equal(journal_begin(&paths, 6, "backup", NULL), 0);
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_size, 0);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(keeps_what_is_told),
	    TEST(owed_without_a_beginning),
	    TEST(cut_at_each_byte),
	    TEST(damaged),
	    TEST(tolerates),
	    TEST(begun),
	    TEST(listed_by_their_numbers),
	    TEST(a_planted_link_is_not_followed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
