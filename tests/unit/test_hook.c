/*
 * Hooks without a server: their configuration, what is owed after a crash,
 * what is kept of it, and the clean-up behind a backup.
 */
#include "base/file.h"
#include "base/frame.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "fixture.h"
#include "job/hook.h"
#include "job/hook_env.h"
#include "job/hook_log.h"
#include "job/hookconfig.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct config config;
static struct paths paths;
static struct task task;
static struct worker worker;
static struct frame_link supervisor;
static struct buf outcome;

static int setup(void **state)
{
	int socks[2];
	sigset_t set;
	const char *failed;
	if (fixture_setup(state) != 0 || config_init(&config) != 0 ||
	    frame_pair(socks) != 0 ||
	    paths_init(&paths, fixture_dir, NULL) != 0 ||
	    paths_make(&paths, &failed) != 0)
		return -1;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	memset(&worker, 0, sizeof(worker));
	memset(&task, 0, sizeof(task));
	task.job_id = 7;
	worker.config = &config;
	worker.paths = &paths;
	worker.task = &task;
	worker.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	frame_link_init(&worker.link, socks[0], 64 * KIB);
	frame_link_init(&supervisor, socks[1], 64 * KIB);
	buf_init(&outcome, 64 * KIB);
	return 0;
}

static int teardown(void **state)
{
	buf_release(&outcome);
	frame_link_release(&worker.link);
	frame_link_release(&supervisor);
	close(worker.signals);
	config_release(&config);
	paths_release(&paths);
	return fixture_teardown(state);
}

static void expect_timeout(const char *text, uint64_t wanted)
{
	struct hookconfig h;
	struct buf why = BUF_INIT(KIB);
	assert_int_equal(hookconfig_decode(&h, text, &why), 0);
	assert_int_equal(h.timeout_s, wanted);
	assert_null(h.pre);
	assert_false(h.expose_passphrase || h.deferred);
	hookconfig_release(&h);
	buf_release(&why);
}

static void configurations(void **state)
{
	struct hookconfig h;
	struct buf why = BUF_INIT(KIB);
	(void)state;
	expect_timeout("{}", 300);
	expect_timeout("[]", 300);
	expect_timeout("{\"timeout\":\"60\",\"pre_script\":\" \\r\\n\"}", 60);
	expect_timeout("{\"timeout\":0}", 300);
	expect_timeout("{\"timeout\":-5}", 300);
	expect_timeout("{\"timeout\":\"soon\"}", 300);
	expect_timeout("{\"timeout\":99999999999}", 86400);
	assert_int_equal(
	    hookconfig_decode(&h,
		"{\"pre_script\":\"/a b\",\"post_script\":\"/c\",\"timeout\":"
		"1,\"post_script_timing\":\"repo_jobs\","
		"\"expose_passphrase\":\"1\"}",
		&why),
	    0);
	assert_string_equal(h.pre, "/a b");
	assert_string_equal(h.post, "/c");
	assert_true(h.deferred && h.expose_passphrase);
	hookconfig_release(&h);
	assert_int_equal(hookconfig_decode(&h, "{", &why), -1);
	assert_true(why.len > 0);
	hookconfig_release(&h);
	buf_release(&why);
}

/* What a crash left of a script that is owed. */
static int owed(const char *body, const char *more)
{
	char text[4096];
	fixture_file(fixture_path("post"), body, 0755);
	snprintf(text, sizeof(text),
	    "{\"job_id\":7,\"script\":\"%s a\",\"timeout\":2,\"env\":{"
	    "\"BBS_BACKUP_STATUS\":\"failed\",\"BBS_DIRECTORIES\":\"/a\\r\\n"
	    "/b\",\"LD_PRELOAD\":\"/x\"}%s}",
	    fixture_path("post"), more);
	buf_reset(&outcome);
	return hook_run_owed(&worker, text, &outcome);
}

static void what_is_owed_runs(void **state)
{
	struct buf kept = BUF_INIT(MIB);
	(void)state;
	assert_int_equal(owed("#!/bin/sh\necho \"$1 $BBS_BACKUP_STATUS "
			      "$BBS_DIRECTORIES ${LD_PRELOAD-none}\"\n",
			     ""),
	    0);
	assert_non_null(strstr(buf_str(&outcome),
	    "post a completed (exit 0): a failed /a\n/b none"));
	assert_int_equal(owed("#!/bin/sh\nexit 3\n", ""), 0);
	assert_non_null(strstr(buf_str(&outcome), "post a failed (exit 3)"));
	assert_int_equal(owed("#!/bin/sh\nsleep 100\n", ""), 0);
	assert_non_null(strstr(buf_str(&outcome), "timed out after 2 s"));
	assert_int_equal(owed("x", ""), 0);
	assert_non_null(strstr(buf_str(&outcome), "cannot start"));
	/* All of that is kept. */
	assert_int_equal(file_read(paths.hooks, &kept), 0);
	struct json j;
	fixture_parse(&j, buf_str(&kept), kept.len);
	assert_int_equal(json_count(&j, 0), 4);
	json_release(&j);
	buf_release(&kept);
}

static void what_cannot_be_read_is_settled(void **state)
{
	static const char *const texts[] = {"", "{", "[]", "{}", "\"x\""};
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		buf_reset(&outcome);
		assert_int_equal(hook_run_owed(&worker, texts[i], &outcome), 0);
		assert_true(outcome.len > 0);
	}
}

static void the_policy_holds_for_it_too(void **state)
{
	(void)state;
	free(config.hooks);
	config.hooks = strdup("no");
	assert_int_equal(owed("#!/bin/sh\ntouch \"$0-ran\"\n", ""), 0);
	assert_non_null(strstr(buf_str(&outcome), "[policy] hooks = no"));
	assert_int_not_equal(access(fixture_path("post-ran"), F_OK), 0);
}

static void it_stays_owed(void **state)
{
	char owner[128];
	(void)state;
	/* Somebody who lives owes it. */
	snprintf(owner, sizeof(owner), ",\"pid\":%d,\"start\":%llu",
	    (int)getpid(), (unsigned long long)proc_start_time(getpid()));
	worker.stop = STOP_SERVICE;
	assert_int_equal(owed("#!/bin/sh\ntouch \"$0-ran\"\n", owner), -1);
	assert_int_not_equal(access(fixture_path("post-ran"), F_OK), 0);
	/* The number belongs to another one by now. */
	snprintf(owner, sizeof(owner), ",\"pid\":%d,\"start\":%llu",
	    (int)getpid(), (unsigned long long)proc_start_time(getpid()) - 1);
	assert_int_equal(owed("#!/bin/sh\nexit 0\n", owner), 0);
	/* The supervisor goes while it runs. */
	frame_link_release(&supervisor);
	assert_int_equal(owed("#!/bin/sh\nsleep 100\n", ""), -1);
}

static void only_the_last_outcomes_are_kept(void **state)
{
	struct buf kept = BUF_INIT(MIB);
	struct json j;
	char text[4096];
	(void)state;
	memset(text, '\n', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	fixture_file(paths.hooks, "no JSON", 0600);
	for (int i = 0; i < 25; i++)
		hook_log_add(&paths, i, i % 2 == 0, i < 24 ? text : "last");
	assert_int_equal(file_read(paths.hooks, &kept), 0);
	fixture_parse(&j, buf_str(&kept), kept.len);
	assert_int_equal(json_count(&j, 0), HOOK_OUTCOMES_MAX);
	int first = json_first(&j, 0), last = first;
	for (int e = first; e != JSON_NONE; e = json_next(&j, 0, e))
		last = e;
	fixture_expect(&j, first, "job_id", "15");
	fixture_expect(&j, last, "job_id", "24");
	fixture_expect(&j, last, "ok", "true");
	fixture_expect(&j, last, "text", "last");
	json_release(&j);
	buf_release(&kept);
}

static bool there(const char *name)
{
	struct stat st;
	return lstat(fixture_path("%s", name), &st) == 0;
}

static void add_made(struct plugins *p, const char *name)
{
	int dir = open(fixture_dir, O_PATH | O_CLOEXEC);
	size_t before = p->made.count;
	plugins_add_made(p, dir, fixture_dir, name);
	assert_int_equal(p->made.count, before + 1);
	close(dir);
}

/* A file, a directory, a link, one that is replaced later, one that is gone,
 * and one that is nobody's. */
static void make_things(struct plugins *p)
{
	fixture_file(fixture_path("dump"), "x", 0600);
	fixture_file(fixture_path("dir/a/b"), "x", 0600);
	fixture_file(fixture_path("kept/file"), "x", 0600);
	fixture_file(fixture_path("other"), "x", 0600);
	fixture_file(fixture_path("gone"), "x", 0600);
	fixture_file(fixture_path("theirs"), "x", 0600);
	assert_int_equal(
	    symlink(fixture_path("kept"), fixture_path("link")), 0);
	assert_int_equal(
	    symlink(fixture_path("kept"), fixture_path("dir/link")), 0);
	add_made(p, "dump");
	add_made(p, "dir");
	add_made(p, "link");
	add_made(p, "other");
	add_made(p, "gone");
	unlink(fixture_path("gone"));
	fixture_file(fixture_path("new"), "y", 0600);
	assert_int_equal(rename(fixture_path("new"), fixture_path("other")), 0);
}

static void clean_up(void **state)
{
	struct plugins p;
	struct progress progress = PROGRESS_INIT;
	(void)state;
	for (int completed = 0; completed < 2; completed++) {
		plugins_init(&p, &worker, &progress);
		make_things(&p);
		plugins_finish(&p, completed);
		assert_int_equal(there("dump"), !completed);
		assert_int_equal(there("dir"), !completed);
		assert_int_equal(there("link"), !completed);
		assert_true(there("kept/file") && there("theirs"));
		assert_true(there("other"));
		plugins_release(&p);
		if (!completed)
			unlink(fixture_path("link"));
		if (!completed)
			file_remove_tree(fixture_path("dir"));
	}
}

static void left_passphrases(void **state)
{
	(void)state;
	fixture_file(fixture_path("run/bbs-agent/hook-passphrase-7"), "", 0600);
	fixture_file(
	    fixture_path("run/bbs-agent/.hook-passphrase-7.0a.tmp"), "", 0600);
	fixture_file(
	    fixture_path("run/bbs-agent/hook-passphrase-71"), "", 0600);
	fixture_file(fixture_path("run/bbs-agent/lock"), "", 0600);
	hook_env_forget(&paths, 7);
	assert_false(there("run/bbs-agent/hook-passphrase-7"));
	assert_false(there("run/bbs-agent/.hook-passphrase-7.0a.tmp"));
	assert_true(there("run/bbs-agent/hook-passphrase-71"));
	hook_env_forget(&paths, 0);
	assert_false(there("run/bbs-agent/hook-passphrase-71"));
	assert_true(there("run/bbs-agent/lock"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(configurations),
	    TEST(what_is_owed_runs),
	    TEST(what_cannot_be_read_is_settled),
	    TEST(the_policy_holds_for_it_too),
	    TEST(it_stays_owed),
	    TEST(only_the_last_outcomes_are_kept),
	    TEST(clean_up),
	    TEST(left_passphrases),
	};
	log_open(LOG_LEVEL_ERROR, open("/dev/null", O_WRONLY));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
