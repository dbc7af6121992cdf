/* Locks of the dead in borg's cache, and what borg is started with. */
#include "base/file.h"
#include "base/proc.h"
#include "fixture.h"
#include "job/borgenv.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char host[256];
static pid_t dead;
static struct config config;
static struct paths paths;
static struct worker worker;

static int setup(void **state)
{
	int status;
	if (fixture_setup(state) != 0)
		return -1;
	gethostname(host, sizeof(host) - 1);
	dead = fork();
	if (dead == 0)
		_exit(0);
	memset(&worker, 0, sizeof(worker));
	worker.config = &config;
	worker.paths = &paths;
	worker.link.sock = -1;
	return waitpid(dead, &status, 0) == dead && config_init(&config) == 0 &&
		       paths_init(&paths, fixture_dir, NULL) == 0
		   ? 0
		   : -1;
}

static int teardown(void **state)
{
	config_release(&config);
	paths_release(&paths);
	return fixture_teardown(state);
}

static const char *owner(const char *repo, const char *name)
{
	return fixture_file(
	    fixture_path("cache/%s/lock.exclusive/%s", repo, name), "", 0600);
}

static const char *holder(const char *on, pid_t pid)
{
	static char names[4][512];
	static unsigned turn;
	char *name = names[turn++ % 4];
	snprintf(
	    name, sizeof(names[0]), "%s@140737488355328.%d-0", on, (int)pid);
	return name;
}

static int clear(void)
{
	char entry[512];
	snprintf(entry, sizeof(entry), "BORG_CACHE_DIR=%s/cache", fixture_dir);
	char *env[] = {entry, NULL};
	return borgenv_clear_locks(env);
}

static bool there(const char *path)
{
	return access(path, F_OK) == 0;
}

static void the_dead_lose_their_locks(void **state)
{
	(void)state;
	char full[300];
	snprintf(full, sizeof(full), "%s.example.org", host);
	const char *a = owner("aa", holder(host, dead));
	const char *b = owner("bb", holder(full, dead));
	fixture_file(fixture_path("cache/aa/config"), "x", 0600);
	assert_int_equal(clear(), 2);
	assert_false(there(a));
	assert_false(there(b));
	assert_false(there(fixture_path("cache/aa/lock.exclusive")));
	assert_true(there(fixture_path("cache/aa/config")));
	assert_int_equal(clear(), 0);
}

static void the_living_keep_theirs(void **state)
{
	(void)state;
	const char *mine = owner("aa", holder(host, getpid()));
	const char *init = owner("bb", holder(host, 1));
	const char *foreign = owner("cc", holder("elsewhere", dead));
	char longer[300];
	snprintf(longer, sizeof(longer), "%sx", host);
	const char *similar = owner("dd", holder(longer, dead));
	/* One that lives beside one that is dead. */
	const char *both = owner("ee", holder(host, getpid()));
	const char *gone = owner("ee", holder(host, dead));
	assert_int_equal(clear(), 0);
	assert_true(there(mine));
	assert_true(there(init));
	assert_true(there(foreign));
	assert_true(there(similar));
	assert_true(there(both));
	assert_false(there(gone));
}

/* Runs `sleep` under this name. */
static pid_t sleeper(const char *name)
{
	pid_t pid = fork();
	if (pid == 0) {
		execl("/bin/sleep", name, "60", (char *)NULL);
		_exit(127);
	}
	usleep(100000);
	return pid;
}

/* A number that another process got since: after a restart of the host. */
static void a_stranger_does_not_keep_it(void **state)
{
	(void)state;
	pid_t other = sleeper("sleep"), borg = sleeper("/usr/bin/borg");
	const char *old = owner("aa", holder(host, other));
	const char *fresh = owner("bb", holder(host, other));
	const char *kept = owner("cc", holder(host, borg));
	struct timespec times[2];
	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[0].tv_sec -= 3600;
	times[1] = times[0];
	assert_int_equal(utimensat(AT_FDCWD, old, times, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, kept, times, 0), 0);
	assert_int_equal(clear(), 1);
	assert_false(there(old));
	assert_true(there(fresh));
	assert_true(there(kept));
	kill(other, SIGKILL);
	kill(borg, SIGKILL);
	waitpid(other, NULL, 0);
	waitpid(borg, NULL, 0);
}

static void what_is_no_lock_stays(void **state)
{
	(void)state;
	static const char *const names[] = {"", "@1.5-0", ".5-0", "x", "%s",
	    "%s@1", "%s@1.", "%s@1.-0", "%s@1.5", "%s@1.x-0", "%s@1.-5-0",
	    "%s@1.99999999999999999999-0", "%s@1.0-0", "%s@1.4294967296-0"};
	char name[512];
	for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++) {
		char repo[16];
		snprintf(repo, sizeof(repo), "r%zu", i);
		const char *at = strstr(names[i], "%s");
		snprintf(name, sizeof(name), "%s%s", at != NULL ? host : "",
		    at != NULL ? names[i] + 2 : names[i]);
		const char *path = owner(repo, name);
		assert_int_equal(clear(), 0);
		if (!there(path))
			fail_msg("%s was removed", name);
	}
	/* A link is not followed, a file is not a lock. */
	const char *far =
	    fixture_file(fixture_path("far/%s", holder(host, dead)), "", 0600);
	fixture_mkdir(fixture_path("cache/link"));
	assert_int_equal(symlink(fixture_path("far"),
			     fixture_path("cache/link/lock.exclusive")),
	    0);
	fixture_file(fixture_path("cache/file/lock.exclusive"), "", 0600);
	fixture_file(fixture_path("cache/CACHEDIR.TAG"), "", 0600);
	assert_int_equal(clear(), 0);
	assert_true(there(far));
}

static void where_the_cache_lies(void **state)
{
	(void)state;
	static const struct {
		const char *name, *value, *dir;
	} places[] = {
	    {"BORG_CACHE_DIR", "%s/1", "1"},
	    {"BORG_BASE_DIR", "%s/2", "2/.cache/borg"},
	    {"XDG_CACHE_HOME", "%s/3", "3/borg"},
	    {"HOME", "%s/4", "4/.cache/borg"},
	};
	/* Each alone, then the first wins over those behind it. */
	for (size_t i = 0; i < 4; i++) {
		char entries[4][512];
		char *env[5];
		size_t n = 0;
		for (size_t k = 0; k < 4; k++)
			fixture_file(fixture_path("%s/r/lock.exclusive/%s",
					 places[k].dir, holder(host, dead)),
			    "", 0600);
		for (size_t k = i; k < 4; k++) {
			snprintf(entries[n], sizeof(entries[n]), "%s=%s%s",
			    places[k].name, fixture_dir, places[k].value + 2);
			env[n] = entries[n];
			n++;
		}
		env[n] = NULL;
		assert_int_equal(borgenv_clear_locks(env), 1);
		assert_false(
		    there(fixture_path("%s/r/lock.exclusive", places[i].dir)));
	}
	char *none[] = {NULL};
	assert_int_equal(borgenv_clear_locks(none), 0);
	char relative[] = "BORG_CACHE_DIR=cache";
	char *only[] = {relative, NULL};
	assert_int_equal(borgenv_clear_locks(only), 0);
}

/* ---- the command ----------------------------------------------------------
 */

static struct task task;

static void decode(const char *text)
{
	struct json j;
	struct buf why = BUF_INIT(1000);
	task_release(&task);
	fixture_parse(&j, text, strlen(text));
	assert_int_equal(task_decode(&task, &j, 0, &why), 0);
	worker.task = &task;
	json_release(&j);
	buf_release(&why);
}

static void build(struct borg_command *c)
{
	struct buf why = BUF_INIT(1000);
	char home[512];
	snprintf(home, sizeof(home), "%s/home", fixture_dir);
	setenv("HOME", home, 1);
	if (borg_command_build(c, &worker, &why) != 0)
		fail_msg("%s", buf_str(&why));
	buf_release(&why);
}

static void expect_env(
    const struct borg_command *c, const char *name, const char *value)
{
	const char *found = proc_env_get(c->env, name);
	if (value == NULL)
		assert_null(found);
	else if (found == NULL || strcmp(found, value) != 0)
		fail_msg("%s is %s", name, found ? found : "absent");
}

static void the_hosts_borg_and_its_environment(void **state)
{
	(void)state;
	struct borg_command c;
	config.borg_path =
	    strdup(fixture_file(fixture_path("bin/borg"), "#!/bin/sh\n", 0755));
	config.ssh_host_key = SSH_HOST_KEY_NO;
	unsetenv("LC_ALL");
	setenv("LANG", "de_DE.ISO-8859-1", 1);
	decode("{\"task\":\"backup\",\"job_id\":5,\"command\":[\"borg\","
	       "\"create\",\"r::a\",\"/etc\"],\"env\":{\"BORG_PASSPHRASE\":"
	       "\"p w\",\"BORG_RSH\":\"ssh -i /etc/bbs-agent/ssh_key\"}}");
	build(&c);
	assert_string_equal(c.argv[0], config.borg_path);
	assert_string_equal(c.argv[1], "create");
	assert_string_equal(c.argv[2], "r::a");
	assert_string_equal(c.argv[3], "/etc");
	assert_null(c.argv[4]);
	expect_env(&c, "BORG_PASSPHRASE", "p w");
	expect_env(&c, "BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes");
	expect_env(&c, "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes");
	expect_env(&c, "LC_ALL", "C.UTF-8");
	char rsh[512];
	snprintf(rsh, sizeof(rsh), "ssh -i %s", paths.ssh_key);
	expect_env(&c, "BORG_RSH", rsh);
	assert_null(c.remote_key);
	borg_command_release(&c);
	borg_command_release(&c);

	/* A rate for what uploads; a locale that is sound is kept. */
	config.upload_kib = 2048;
	setenv("LANG", "de_DE.utf8", 1);
	build(&c);
	assert_string_equal(c.argv[1], "create");
	assert_string_equal(c.argv[2], "--upload-ratelimit=2048");
	assert_string_equal(c.argv[3], "r::a");
	assert_null(c.argv[5]);
	expect_env(&c, "LC_ALL", NULL);
	expect_env(&c, "LANG", "de_DE.utf8");
	borg_command_release(&c);
	decode("{\"task\":\"backup\",\"job_id\":5,\"command\":[\"borg\","
	       "\"--log-json\",\"--lock-wait=6\",\"create\",\"r::a\"]}");
	build(&c);
	assert_string_equal(c.argv[3], "create");
	assert_string_equal(c.argv[4], "--upload-ratelimit=2048");
	assert_string_equal(c.argv[5], "r::a");
	borg_command_release(&c);
	decode("{\"task\":\"restore\",\"job_id\":5,\"command\":[\"borg\","
	       "\"extract\",\"r::a\"]}");
	build(&c);
	assert_string_equal(c.argv[2], "r::a");
	borg_command_release(&c);
	/* And what a borg that is gone left locked does not stop it. */
	const char *lock = owner("aa", holder(host, dead));
	char home[512];
	snprintf(home, sizeof(home), "%s/cache", fixture_dir);
	setenv("BORG_CACHE_DIR", home, 1);
	decode("{\"task\":\"x\",\"job_id\":5,\"command\":[\"borg\"]}");
	build(&c);
	unsetenv("BORG_CACHE_DIR");
	assert_null(c.argv[1]);
	assert_false(there(lock));
	borg_command_release(&c);
	task_release(&task);
}

static void the_remote_key(void **state)
{
	(void)state;
	struct borg_command c;
	struct buf text = BUF_INIT(1000);
	struct stat st;
	config.borg_path =
	    strdup(fixture_file(fixture_path("bin/borg"), "#!/bin/sh\n", 0755));
	fixture_mkdir(paths.run);
	decode("{\"task\":\"backup\",\"job_id\":7,\"command\":[\"borg\","
	       "\"create\"],\"remote_ssh_key\":\"-----BEGIN\\r\\nx\\r\\n\","
	       "\"env\":{\"BORG_RSH\":\"ssh -i /tmp/bbs-remote-ssh-key\"}}");
	build(&c);
	char rsh[1024], key[512];
	snprintf(key, sizeof(key), "%s/remote-key-7", paths.run);
	assert_string_equal(c.remote_key, key);
	snprintf(rsh, sizeof(rsh), "ssh -i %s", key);
	expect_env(&c, "BORG_RSH", rsh);
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(file_read(key, &text), 0);
	assert_string_equal(buf_str(&text), "-----BEGIN\nx\n");
	borg_command_release(&c);
	assert_false(there(key));
	task_release(&task);
	buf_release(&text);
}

static void a_borg_that_is_not_there(void **state)
{
	(void)state;
	struct borg_command c;
	struct buf why = BUF_INIT(1000);
	config.borg_path = strdup("/nonexistent/borg");
	decode("{\"task\":\"x\",\"job_id\":5,\"command\":[\"borg\",\"list\"]}");
	assert_int_equal(borg_command_build(&c, &worker, &why), -1);
	assert_non_null(strstr(buf_str(&why), "/nonexistent/borg"));
	borg_command_release(&c);
	task_release(&task);
	buf_release(&why);
}

/* A worker that was killed cannot remove it. */
static void a_key_that_was_left(void **state)
{
	(void)state;
	const char *dir = paths.run;
	char seven[600], eight[600], lock[600];
	snprintf(seven, sizeof(seven), "%s/remote-key-7", dir);
	snprintf(eight, sizeof(eight), "%s/remote-key-8", dir);
	snprintf(lock, sizeof(lock), "%s/lock", dir);
	borgenv_forget_key(&paths, 7); /* no directory at all */
	borgenv_forget_keys(&paths);
	assert_int_equal(file_mkdirs(dir, 0755), 0);
	fixture_file(seven, "secret", 0600);
	fixture_file(eight, "secret", 0600);
	fixture_file(lock, "", 0644);
	borgenv_forget_key(&paths, 7);
	assert_int_not_equal(access(seven, F_OK), 0);
	assert_int_equal(access(eight, F_OK), 0);
	borgenv_forget_keys(&paths);
	assert_int_not_equal(access(eight, F_OK), 0);
	assert_int_equal(access(lock, F_OK), 0);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(the_dead_lose_their_locks),
	    TEST(the_living_keep_theirs),
	    TEST(a_stranger_does_not_keep_it),
	    TEST(what_is_no_lock_stays),
	    TEST(where_the_cache_lies),
	    TEST(the_hosts_borg_and_its_environment),
	    TEST(the_remote_key),
	    TEST(a_key_that_was_left),
	    TEST(a_borg_that_is_not_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
