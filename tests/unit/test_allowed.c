/* Paths that lead elsewhere than their letters say. */
#include "fixture.h"
#include "job/allowed.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct config config;
static char why_text[2048];

static int judge(const char *text, bool resolve)
{
	struct json j;
	struct task t;
	struct buf why = BUF_INIT(sizeof(why_text));
	fixture_parse(&j, text, strlen(text));
	if (task_decode(&t, &j, 0, &why) != 0)
		fail_msg("%s: %s", buf_str(&why), text);
	int rc = allowed_check(&config, &t, resolve, &why);
	snprintf(why_text, sizeof(why_text), "%s", buf_str(&why));
	assert_int_equal(why.len == 0, rc == 0);
	task_release(&t);
	json_release(&j);
	buf_release(&why);
	return rc;
}

static void allow(const char *text)
{
	if (judge(text, false) != 0 || judge(text, true) != 0)
		fail_msg("refused, %s: %s", why_text, text);
}

/* By its letters it may, but not where it leads. */
static void refuse(const char *text, const char *named)
{
	if (judge(text, false) != 0)
		fail_msg("refused at once, %s: %s", why_text, text);
	if (judge(text, true) == 0)
		fail_msg("allowed: %s", text);
	if (strstr(why_text, named) == NULL)
		fail_msg("\"%s\" does not name %s", why_text, named);
}

static char task_text[4096];

static const char *restore(const char *cwd)
{
	snprintf(task_text, sizeof(task_text),
	    "{\"task\":\"restore\",\"job_id\":1,\"command\":[\"borg\","
	    "\"extract\",\"r::a\"],\"cwd\":\"%s\"}",
	    cwd);
	return task_text;
}

static const char *backup(const char *word, const char *line)
{
	snprintf(task_text, sizeof(task_text),
	    "{\"task\":\"backup\",\"job_id\":1,\"command\":[\"borg\","
	    "\"create\",\"r::a\",\"%s\"],\"directories\":\"%s\"}",
	    word, line);
	return task_text;
}

static int setup(void **state)
{
	config_init(&config);
	fixture_setup(state);
	fixture_mkdir(fixture_path("in/real"));
	fixture_mkdir(fixture_path("out/deep"));
	assert_int_equal(symlink("../out", fixture_path("in/link")), 0);
	assert_int_equal(symlink("real", fixture_path("in/fine")), 0);
	assert_int_equal(
	    symlink("/nonexistent/x", fixture_path("in/dangling")), 0);
	assert_int_equal(symlink("loop", fixture_path("in/loop")), 0);
	assert_int_equal(symlink("in", fixture_path("alias")), 0);
	return 0;
}

static int teardown(void **state)
{
	config_release(&config);
	return fixture_teardown(state);
}

static void restores(void **state)
{
	(void)state;
	config.restore_to = strdup(fixture_path("in"));
	allow(restore(fixture_path("in")));
	allow(restore(fixture_path("in/real/")));
	allow(restore(fixture_path("in/fine")));
	/* What a restore is to make. */
	allow(restore(fixture_path("in/new/and/newer")));
	allow(restore(fixture_path("in/fine/new")));
	refuse(restore(fixture_path("in/link")), "[policy] restore_to");
	refuse(restore(fixture_path("in/link")), fixture_path("out"));
	refuse(restore(fixture_path("in/link/deep/new")), "leads to");
	refuse(restore(fixture_path("in/dangling")), "cannot be told");
	refuse(restore(fixture_path("in/dangling/x")), "cannot be told");
	refuse(restore(fixture_path("in/loop/x")), "cannot be told");
	/* The rule itself may name a link, or what does not exist yet. */
	free(config.restore_to);
	config.restore_to = strdup(fixture_path("alias"));
	allow(restore(fixture_path("alias/real")));
	refuse(restore(fixture_path("alias/link")), fixture_path("out"));
	free(config.restore_to);
	config.restore_to = strdup(fixture_path("later"));
	allow(restore(fixture_path("later/x")));
	free(config.restore_to);
	config.restore_to = strdup("/");
	allow(restore(fixture_path("in/link")));
	assert_int_equal(judge(restore("relative"), false), -1);
}

static void backups(void **state)
{
	(void)state;
	config.backup_from = strdup(fixture_path("in"));
	const char *in = fixture_path("in"), *link = fixture_path("in/link");
	allow(backup(in, in));
	refuse(backup(link, in), "[policy] backup_from");
	refuse(backup(in, link), "the directory");
	allow(backup(fixture_path("in/gone"), in));
}

static void nothing_is_asked_without_a_rule(void **state)
{
	(void)state;
	allow(restore("C:\\\\x"));
	allow(backup("relative", fixture_path("in/link")));
}

/* As the worker does it: judged, and then entered. between: what somebody
 * does in that moment. */
static int enter(const char *cwd, void (*between)(void))
{
	struct json j;
	struct task t;
	struct buf why = BUF_INIT(sizeof(why_text));
	const char *text = restore(cwd);
	int here = open(".", O_PATH);
	fixture_parse(&j, text, strlen(text));
	assert_int_equal(task_decode(&t, &j, 0, &why), 0);
	assert_int_equal(allowed_check(&config, &t, true, &why), 0);
	if (between != NULL)
		between();
	int rc = allowed_enter(&config, &t, &why);
	snprintf(why_text, sizeof(why_text), "%s", buf_str(&why));
	char *now = getcwd(NULL, 0);
	assert_int_equal(fchdir(here), 0);
	close(here);
	if (rc == 0 && strcmp(now, fixture_path("in/real/new")) != 0)
		fail_msg("it stands in %s", now);
	free(now);
	task_release(&t);
	json_release(&j);
	buf_release(&why);
	return rc;
}

static void swap(void)
{
	assert_int_equal(rename(fixture_path("in/real"), fixture_path("x")), 0);
	assert_int_equal(symlink("../out", fixture_path("in/real")), 0);
}

static void a_link_that_is_swapped_in(void **state)
{
	(void)state;
	config.restore_to = strdup(fixture_path("in"));
	assert_int_equal(enter(fixture_path("in/real/new"), NULL), 0);
	assert_int_equal(enter(fixture_path("in/fine/new"), NULL), 0);
	assert_int_equal(enter(fixture_path("in/real/new"), swap), -1);
	assert_non_null(strstr(why_text, "[policy] restore_to"));
	assert_non_null(strstr(why_text, "somewhere else by now"));
}

static void open_files(void **state)
{
	(void)state;
	struct buf list = BUF_INIT(4096);
	int in = open(fixture_path("alias/real"), O_RDONLY);
	int out = open(fixture_path("in/link"), O_RDONLY);
	char lines[1000];
	snprintf(
	    lines, sizeof(lines), "\n%s/alias\n/nonexistent/y\n", fixture_dir);
	allowed_resolve(lines, &list);
	assert_true(allowed_fd(buf_str(&list), in));
	assert_false(allowed_fd(buf_str(&list), out));
	assert_false(allowed_fd("", in));
	assert_true(allowed_fd("/\n", out));
	assert_false(allowed_fd("/\n", -1));
	close(in);
	close(out);
	buf_release(&list);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(restores),
	    TEST(backups),
	    TEST(nothing_is_asked_without_a_rule),
	    TEST(a_link_that_is_swapped_in),
	    TEST(open_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
