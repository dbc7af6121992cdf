/*
 * Programs run for a job, with real ones: what they say, how they end, how
 * they are ended, and that nothing of what they do holds the worker up.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/frame.h"
#include "base/limits.h"
#include "base/pack.h"
#include "base/proc.h"
#include "base/text.h"
#include "fixture.h"
#include "job/child.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct config config;
static struct worker worker;
static struct frame_link supervisor;
static struct child child;
static struct buf why;

static int setup(void **state)
{
	int socks[2];
	sigset_t set;
	if (fixture_setup(state) != 0 || config_init(&config) != 0 ||
	    frame_pair(socks) != 0)
		return -1;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	memset(&worker, 0, sizeof(worker));
	worker.config = &config;
	worker.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	frame_link_init(&worker.link, socks[0], 64 * KIB);
	frame_link_init(&supervisor, socks[1], 64 * KIB);
	child_init(&child, &worker);
	buf_init(&why, 4 * KIB);
	return 0;
}

static int teardown(void **state)
{
	child_release(&child);
	buf_release(&why);
	frame_link_release(&worker.link);
	frame_link_release(&supervisor);
	close(worker.signals);
	config_release(&config);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		continue;
	return fixture_teardown(state);
}

/* argv of a shell that runs the text. */
static const char *const *shell(const char *text)
{
	static const char *argv[4][4];
	static unsigned turn;
	const char **a = argv[turn++ % 4];
	a[0] = "/bin/sh";
	a[1] = "-c";
	a[2] = text;
	a[3] = NULL;
	return a;
}

/* Runs it; how many milliseconds that took. */
static uint64_t run(const char *text)
{
	uint64_t began = clock_ms();
	if (text != NULL)
		child.argv = shell(text);
	if (child_run(&child, &why) != 0)
		fail_msg("not started: %s", buf_str(&why));
	return clock_ms() - began;
}

/* Is the process of that pid file there, and no zombie? */
static bool lives(const char *name)
{
	struct buf text = BUF_INIT(64), stat = BUF_INIT(4 * KIB);
	char path[64];
	bool found = false;
	assert_int_equal(file_read(fixture_path("%s", name), &text), 0);
	assert_true(text.len > 1);
	text.data[text.len - 1] = '\0';
	snprintf(path, sizeof(path), "/proc/%.20s/stat", text.data);
	if (file_read(path, &stat) == 0)
		found = strstr(buf_str(&stat), ") Z") == NULL;
	buf_release(&text);
	buf_release(&stat);
	return found;
}

static void kill_it(const char *name)
{
	struct buf text = BUF_INIT(64);
	uint64_t pid;
	assert_int_equal(file_read(fixture_path("%s", name), &text), 0);
	text.data[text.len - 1] = '\0';
	assert_int_equal(text_to_u64(text.data, 2, 1 << 30, &pid), 0);
	kill((pid_t)pid, SIGKILL);
	waitpid((pid_t)pid, NULL, 0);
	buf_release(&text);
}

static void ends_and_is_told(void **state)
{
	(void)state;
	child.out = CHILD_COLLECT;
	assert_true(run("echo out; echo err >&2; exit 3") < 1500);
	assert_string_equal(buf_str(&child.output), "out\n");
	assert_string_equal(buf_str(&child.errors), "err\n");
	assert_int_equal(child.exit_code, 3);
	assert_false(child.stopped || child.timed_out);
	/* The supervisor knew its group, and then of none. */
	struct frame f;
	uint64_t groups[2];
	assert_int_equal(frame_fill(&supervisor), 1);
	for (int i = 0; i < 2; i++) {
		struct unpack u;
		assert_int_equal(frame_next(&supervisor, &f), 1);
		assert_int_equal(f.type, MESSAGE_CHILD);
		unpack_init(&u, f.data, f.len);
		groups[i] = unpack_u64(&u);
	}
	assert_true(groups[0] > 1);
	assert_int_equal(groups[1], 0);
}

static void has_the_given_input_environment_and_place(void **state)
{
	static const char *const env[] = {"PATH=/bin:/usr/bin", "X=y", NULL};
	(void)state;
	fixture_file(fixture_path("in"), "hello", 0600);
	child.in = open(fixture_path("in"), O_RDONLY | O_CLOEXEC);
	child.env = env;
	child.cwd = fixture_dir;
	child.out = CHILD_COLLECT;
	run("cat; echo \" $X ${HOME-none}\"; ls");
	assert_string_equal(buf_str(&child.output), "hello y none\nin\n");
	close(child.in);
}

static void output_beyond_the_cap_is_read_and_dropped(void **state)
{
	(void)state;
	child.out = CHILD_COLLECT;
	child.output.max = 1000;
	run("head -c 300000 /dev/zero | tr '\\0' x");
	assert_int_equal(child.output.len, 1000);
	assert_int_equal(child.output_cut, 299000);
	assert_int_equal(child.exit_code, 0);
}

static void errors_keep_head_and_tail(void **state)
{
	(void)state;
	run("echo first >&2; "
	    "head -c 500000 /dev/zero | tr '\\0' x >&2; echo last >&2");
	assert_true(child.errors.len <= CHILD_ERRORS_MAX);
	assert_true(child.errors.len >= CHILD_ERRORS_MAX / 2);
	assert_memory_equal(child.errors.data, "first\n", 6);
	assert_string_equal(
	    child.errors.data + child.errors.len - 6, "xlast\n");
	assert_int_equal(child.errors_cut + child.errors.len, 500000 + 11);
}

/* Also where one read brings more than the whole cap. */
static void joined_output_keeps_head_and_tail(void **state)
{
	struct buf all = BUF_INIT(MIB);
	(void)state;
	for (int size = 1; size < 400; size = size * 3 + 1) {
		char text[256];
		child.out = CHILD_COLLECT;
		child.join = true;
		child.output.max = 64;
		snprintf(text, sizeof(text),
		    "i=0; while [ $i -lt %d ]; do echo $i; i=$((i + 1)); "
		    "[ $((i %% 7)) = 0 ] && sleep 0; done; echo end >&2",
		    size);
		run(text);
		buf_reset(&all);
		for (int i = 0; i < size; i++)
			buf_addf(&all, "%d\n", i);
		buf_adds(&all, "end\n");
		assert_int_equal(child.output.len + child.output_cut, all.len);
		size_t head = child.output_cut > 0 ? 16 : child.output.len;
		size_t tail = child.output.len - head;
		assert_memory_equal(child.output.data, all.data, head);
		assert_memory_equal(
		    child.output.data + head, all.data + all.len - tail, tail);
		assert_true(child.output_cut == 0 || tail >= 24);
		child_release(&child);
		child_init(&child, &worker);
	}
	buf_release(&all);
}

static void one_reads_what_the_other_writes(void **state)
{
	static const char *const filter[] = {"tr", "a-z", "A-Z", NULL};
	(void)state;
	child.filter = filter;
	child.out = CHILD_COLLECT;
	run("echo hello; echo mist >&2");
	assert_string_equal(buf_str(&child.output), "HELLO\n");
	assert_string_equal(buf_str(&child.errors), "mist\n");
	assert_int_equal(child.exit_code, 0);
}

static int code_of(const char *first, const char *second)
{
	child.filter = shell(second);
	run(first);
	int code = child.exit_code;
	child_release(&child);
	child_init(&child, &worker);
	return code;
}

static void the_code_of_the_one_that_failed(void **state)
{
	(void)state;
	assert_int_equal(code_of("exit 0", "cat >/dev/null"), 0);
	assert_int_equal(code_of("exit 4", "cat >/dev/null"), 4);
	assert_int_equal(code_of("exit 0", "cat >/dev/null; exit 5"), 5);
	assert_int_equal(code_of("exit 4", "cat >/dev/null; exit 5"), 4);
	/* The second one ended first: its reason counts, not the pipe. */
	assert_int_equal(code_of("exec cat /dev/zero", "exit 6"), 6);
	assert_int_equal(
	    code_of("exec cat /dev/zero", "exit 0"), 128 + SIGPIPE);
	assert_int_equal(code_of("kill -9 $$", "cat >/dev/null"), 137);
}

static void a_timeout_ends_the_group(void **state)
{
	(void)state;
	child.timeout_ms = 300;
	child.cwd = fixture_dir;
	uint64_t took = run("sleep 100 & echo $! >pid; wait");
	assert_true(took >= 300 && took < 2500);
	assert_true(child.timed_out);
	assert_false(child.stopped);
	assert_false(lives("pid"));
}

static void who_ignores_sigterm_is_killed(void **state)
{
	(void)state;
	child.timeout_ms = 200;
	child.grace_ms = 300;
	child.cwd = fixture_dir;
	uint64_t took = run("trap '' TERM; (while :; do sleep 0.05; done) & "
			    "echo $! >pid; while :; do sleep 0.05; done");
	assert_true(took >= 500 && took < 3000);
	assert_true(child.timed_out);
	assert_int_equal(child.exit_code, 137);
	assert_false(lives("pid"));
}

static void stopped_ones_hear_sigterm(void **state)
{
	(void)state;
	child.timeout_ms = 200;
	assert_true(run("kill -STOP $$; sleep 100") < 2500);
	assert_int_equal(child.exit_code, 128 + SIGTERM);
}

/* The supervisor says it, once the program has written its pid file. */
static void say_cancel(void *ctx)
{
	static const uint64_t reason = STOP_CANCELLED;
	struct buf payload = BUF_INIT(64);
	(void)ctx;
	struct stat st;
	if (stat(fixture_path("pid"), &st) != 0 || st.st_size == 0)
		return;
	pack_u64(&payload, reason);
	frame_send(&supervisor, MESSAGE_CANCEL, payload.data, payload.len, -1);
	buf_release(&payload);
}

static void a_cancel_ends_it(void **state)
{
	(void)state;
	child.on_tick = say_cancel;
	child.cwd = fixture_dir;
	assert_true(run("sleep 100 & echo $! >pid; wait") < 2500);
	assert_true(child.stopped);
	assert_false(child.timed_out);
	assert_int_equal(worker.stop, STOP_CANCELLED);
	assert_false(lives("pid"));
}

static void a_cancel_ends_both_of_two(void **state)
{
	(void)state;
	child.on_tick = say_cancel;
	child.cwd = fixture_dir;
	child.filter = shell("echo $$ >pid; exec sleep 100");
	assert_true(run("exec cat /dev/zero") < 2500);
	assert_true(child.stopped);
	assert_false(lives("pid"));
}

static void what_goes_on_hears_no_cancel(void **state)
{
	(void)state;
	child.on_tick = say_cancel;
	child.goes_on = true;
	fixture_file(fixture_path("pid"), "1", 0600);
	run("sleep 0.5; exit 7");
	assert_int_equal(worker.stop, STOP_CANCELLED);
	assert_false(child.stopped);
	assert_int_equal(child.exit_code, 7);
}

/* But the supervisor's end it does. */
static void hang_up(void *ctx)
{
	(void)ctx;
	frame_link_release(&supervisor);
}

static void nothing_outlives_the_supervisor(void **state)
{
	(void)state;
	child.on_tick = hang_up;
	child.goes_on = true;
	assert_true(run("sleep 100") < 2500);
	assert_true(child.stopped);
	assert_int_equal(worker.stop, STOP_ORPHANED);
}

static void what_it_leaves_is_killed(void **state)
{
	(void)state;
	child.out = CHILD_COLLECT;
	child.cwd = fixture_dir;
	uint64_t took = run("sleep 100 & echo $! >pid; echo done");
	/* It held the pipes; that is waited for a moment only. */
	assert_true(took >= 1500 && took < 4000);
	assert_string_equal(buf_str(&child.output), "done\n");
	assert_int_equal(child.exit_code, 0);
	assert_false(lives("pid"));
}

static void what_may_stay_stays(void **state)
{
	(void)state;
	child.out = CHILD_COLLECT;
	child.join = true;
	child.may_leave = true;
	child.cwd = fixture_dir;
	child.timeout_ms = 100000;
	assert_true(run("sleep 100 & echo $! >pid; exit 2") < 4000);
	assert_int_equal(child.exit_code, 2);
	assert_true(lives("pid"));
	kill_it("pid");
}

/* Its end by itself is what counts, though its pipes are still held when the
 * time is over. */
static void no_timeout_after_the_end(void **state)
{
	(void)state;
	child.out = CHILD_COLLECT;
	child.may_leave = true;
	child.cwd = fixture_dir;
	child.timeout_ms = 500;
	run("sleep 100 & echo $! >pid; exit 0");
	assert_false(child.timed_out);
	assert_true(lives("pid"));
	kill_it("pid");
}

static void no_program(void **state)
{
	static const char *const none[] = {"/no/such/program", NULL};
	(void)state;
	child.argv = none;
	child.out = CHILD_COLLECT;
	assert_int_equal(child_run(&child, &why), -1);
	assert_non_null(strstr(buf_str(&why), "cannot start /no/such/program"));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	/* As the second one: the first does not go on. */
	buf_reset(&why);
	child.argv = shell("exec sleep 100");
	child.filter = none;
	uint64_t began = clock_ms();
	assert_int_equal(child_run(&child, &why), -1);
	assert_true(clock_ms() - began < 1500);
	assert_non_null(strstr(buf_str(&why), "cannot start /no/such/program"));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void count(void *ctx)
{
	++*(int *)ctx;
}

static void ticks(void **state)
{
	int n = 0;
	(void)state;
	child.on_tick = count;
	child.ctx = &n;
	run("sleep 1.3");
	assert_in_range(n, 2, 4);
}

/* Each must leave no descriptor behind. */
static void no_descriptor_is_lost(void **state)
{
	(void)state;
	int before = dup(0);
	close(before);
	for (int i = 0; i < 5; i++) {
		child.out = CHILD_COLLECT;
		child.join = i % 2 == 0;
		child.filter = i > 2 ? shell("cat") : NULL;
		run("echo x");
		child_release(&child);
		child_init(&child, &worker);
	}
	int after = dup(0);
	close(after);
	assert_int_equal(before, after);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(ends_and_is_told),
	    TEST(has_the_given_input_environment_and_place),
	    TEST(output_beyond_the_cap_is_read_and_dropped),
	    TEST(errors_keep_head_and_tail),
	    TEST(joined_output_keeps_head_and_tail),
	    TEST(one_reads_what_the_other_writes),
	    TEST(the_code_of_the_one_that_failed),
	    TEST(a_timeout_ends_the_group),
	    TEST(who_ignores_sigterm_is_killed),
	    TEST(stopped_ones_hear_sigterm),
	    TEST(a_cancel_ends_it),
	    TEST(a_cancel_ends_both_of_two),
	    TEST(what_goes_on_hears_no_cancel),
	    TEST(nothing_outlives_the_supervisor),
	    TEST(what_it_leaves_is_killed),
	    TEST(what_may_stay_stays),
	    TEST(no_timeout_after_the_end),
	    TEST(no_program),
	    TEST(ticks),
	    TEST(no_descriptor_is_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
