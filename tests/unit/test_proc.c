/*
 * Real children: what they inherit, how they end, why they do not start, and
 * that nothing they do makes the agent wait for ever.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/proc.h"
#include "base/proc_why.h"
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static struct buf out, err, why;
static int status;

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/bbs-proc-XXXXXX");
	buf_init(&out, 64 * KIB);
	buf_init(&err, 64 * KIB);
	buf_init(&why, 4096);
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	buf_release(&out);
	buf_release(&err);
	buf_release(&why);
	return file_remove_tree(dir);
}

static const char *in(const char *name)
{
	static char path[4][512];
	static int next;
	next = (next + 1) % 4;
	snprintf(path[next], sizeof(path[next]), "%s/%s", dir, name);
	return path[next];
}

/* A shell script of the test's; the agent itself never uses a shell. */
static struct proc_spec shell(const char *script)
{
	static const char *argv[4];
	argv[0] = "/bin/sh";
	argv[1] = "-c";
	argv[2] = script;
	argv[3] = NULL;
	return (struct proc_spec){
	    .argv = argv, .in = PROC_NULL, .out = PROC_NULL, .err = PROC_NULL};
}

static int run(const char *script, int timeout_ms)
{
	struct proc_spec spec = shell(script);
	buf_reset(&out);
	buf_reset(&err);
	buf_reset(&why);
	return proc_run(&spec, timeout_ms, -1, &out, &err, &status, &why);
}

static void collects_output(void **state)
{
	(void)state;
	assert_int_equal(run("echo to out; echo to err >&2; exit 7", 10000), 0);
	assert_string_equal(buf_str(&out), "to out\n");
	assert_string_equal(buf_str(&err), "to err\n");
	assert_int_equal(proc_exit_code(status), 7);
	assert_int_equal(run("kill -9 $$", 10000), 0);
	assert_int_equal(proc_exit_code(status), 137);
	assert_int_equal(run("cat; exec >&- 2>&-; sleep 0.1; exit 3", -1), 0);
	assert_int_equal(proc_exit_code(status), 3);
	struct proc_spec spec = shell("echo a; echo b >&2; echo c");
	buf_reset(&out);
	assert_int_equal(
	    proc_run(&spec, 9000, -1, &out, &out, &status, &why), 0);
	assert_string_equal(buf_str(&out), "a\nb\nc\n");
	assert_int_equal(
	    proc_run(&spec, 9000, -1, NULL, NULL, &status, &why), 0);
	assert_string_equal(buf_str(&why), "");
}

/* 5 MB on each pipe, in both orders; what is over the cap is dropped. */
static void never_blocks_on_a_full_pipe(void **state)
{
	(void)state;
	static const char *const scripts[] = {
	    "head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2",
	    "head -c 5000000 /dev/zero >&2; head -c 5000000 /dev/zero"};
	for (int i = 0; i < 2; i++) {
		assert_int_equal(run(scripts[i], 30000), 0);
		assert_int_equal(status, 0);
		assert_int_equal(out.len, out.max);
		assert_int_equal(err.len, err.max);
		assert_false(out.failed);
	}
}

static void ends_what_takes_too_long(void **state)
{
	(void)state;
	uint64_t before = clock_ms();
	assert_int_equal(run("echo begun; exec sleep 60", 300), 1);
	assert_in_range(clock_ms() - before, 290, PROC_TERM_MS - 100);
	assert_string_equal(buf_str(&out), "begun\n");
	assert_int_equal(proc_exit_code(status), 128 + SIGTERM);
	assert_string_equal(
	    buf_str(&why), "/bin/sh was stopped: it did not end within 1 s");
	/* One that will not hear, and has a child that will not either. */
	before = clock_ms();
	assert_int_equal(
	    run("trap '' TERM; sleep 60 & sleep 60; sleep 60", 100), 1);
	assert_in_range(
	    clock_ms() - before, PROC_TERM_MS, PROC_TERM_MS + PROC_KILL_MS);
	assert_int_equal(proc_exit_code(status), 128 + SIGKILL);
}

static void stops_when_asked(void **state)
{
	(void)state;
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	struct proc_spec spec = shell("sleep 60");
	assert_int_equal(write(fds[1], "x", 1), 1);
	uint64_t before = clock_ms();
	assert_int_equal(
	    proc_run(&spec, 60000, fds[0], &out, &err, &status, &why), 1);
	assert_true(clock_ms() - before < PROC_TERM_MS);
	assert_string_equal(buf_str(&why), "/bin/sh was stopped");
	close(fds[0]);
	close(fds[1]);
}

/* Gone, or a zombie that init has yet to reap. */
static bool is_ended(int pid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (int i = 0; i < 100; i++) {
		struct buf text = BUF_INIT(4096);
		bool ended = file_read(path, &text) != 0 ||
			     strstr(text.data, ") Z ") != NULL;
		buf_release(&text);
		if (ended)
			return true;
		usleep(10000);
	}
	return false;
}

static void a_grandchild_cannot_hold_us(void **state)
{
	(void)state;
	uint64_t before = clock_ms();
	assert_int_equal(run("sleep 60 & echo $!; exit 5", 60000), 0);
	assert_in_range(clock_ms() - before, PROC_LEFTOVER_MS - 50,
	    PROC_LEFTOVER_MS + PROC_KILL_MS);
	assert_int_equal(proc_exit_code(status), 5);
	assert_true(is_ended(atoi(buf_str(&out))));
	/* One that left the group holds the pipe for its own time only. */
	before = clock_ms();
	assert_int_equal(run("setsid sleep 7 & exit 5", 60000), 0);
	assert_true(
	    clock_ms() - before < PROC_LEFTOVER_MS + PROC_KILL_MS + 1000);
}

static int start(struct proc *p, const struct proc_spec *spec)
{
	buf_reset(&why);
	return proc_spawn(p, spec, &why);
}

static int finish(struct proc *p)
{
	int rc = 0;
	for (int i = 0; i < 1000 && (rc = proc_poll(p, &status)) == 0; i++)
		usleep(10000);
	return rc == 1 ? proc_exit_code(status) : -1;
}

static void a_child_inherits_nothing_else(void **state)
{
	(void)state;
	int leak = dup2(open("/dev/null", O_RDONLY), 77);
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
	sigset_t all, old;
	sigaction(SIGPIPE, &ignore, &before);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	assert_int_equal(run("ls /proc/self/fd | tr '\\n' ' '; "
			     "grep -E 'Sig(Blk|Ign)' /proc/self/status; "
			     "cut -d' ' -f5 /proc/$$/stat; echo $$",
			     10000),
	    0);
	sigprocmask(SIG_SETMASK, &old, NULL);
	sigaction(SIGPIPE, &before, NULL);
	close(leak);
	/* 3 is the directory that ls reads. Signals 32 and 33 belong to the C
	 * library, which lets nobody reset them; make's children ignore them.
	 */
	static const char expected[] = "0 1 2 3 SigBlk:\t0000000000000000\n"
				       "SigIgn:\t0000000000000000\n";
	char *ignored = strstr(out.data, "SigIgn:\t00000001800");
	if (ignored != NULL)
		memcpy(ignored, "SigIgn:\t00000000000", 19);
	assert_memory_equal(out.data, expected, sizeof(expected) - 1);
	int group = 0, pid = 1;
	assert_int_equal(
	    sscanf(out.data + sizeof(expected) - 1, "%d %d", &group, &pid), 2);
	assert_int_equal(group, pid);
}

/* In a process of its own, whose descriptors 0 to 2 are mixed up first. */
static int mixed_up(void)
{
	int a = open(in("a"), O_RDWR | O_CREAT, 0600);
	int b = open(in("b"), O_RDWR | O_CREAT, 0600);
	int c = open(in("c"), O_RDWR | O_CREAT, 0600);
	if (write(c, "input", 5) != 5 || lseek(c, 0, SEEK_SET) != 0 ||
	    dup2(a, 0) < 0 || dup2(c, 1) < 0 || dup2(b, 2) < 0)
		return 1;
	struct proc_spec spec = shell("cat; echo error >&2");
	struct proc p;
	spec.in = 1;
	spec.out = 2;
	spec.err = 0;
	if (start(&p, &spec) != 0 || finish(&p) != 0)
		return 2;
	/* One of them closed, its number free to be taken by a copy. */
	close(0);
	spec = shell("cat");
	spec.in = c;
	if (lseek(c, 0, SEEK_SET) != 0 || start(&p, &spec) != 0 ||
	    finish(&p) != 0)
		return 5;
	/* And with none of them open. */
	close(1);
	close(2);
	spec = shell("test -e /proc/self/fd/0 && test -e /proc/self/fd/2");
	if (start(&p, &spec) != 0 || finish(&p) != 0)
		return 3;
	spec.argv = (const char *const[]){"/bin/missing", NULL};
	return start(&p, &spec) == -1 && why.len > 0 ? 0 : 4;
}

static void standard_descriptors_may_be_mixed_up(void **state)
{
	(void)state;
	pid_t pid = fork();
	if (pid == 0)
		_exit(mixed_up());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(proc_exit_code(status), 0);
	assert_int_equal(file_read(in("a"), &err), 0);
	assert_string_equal(buf_str(&err), "error\n");
	assert_int_equal(file_read(in("b"), &out), 0);
	assert_string_equal(buf_str(&out), "input");
}

static void obeys_its_spec(void **state)
{
	(void)state;
	static const char *const env[] = {
	    "PATH=relative:/bin:/usr/bin", "A=b c", NULL};
	static const char *const argv[] = {"sh", "-c",
	    "pwd; echo $A; nice; ionice; cat /proc/self/oom_score_adj", NULL};
	struct proc_spec spec = {.argv = argv,
	    .env = env,
	    .cwd = dir,
	    .in = PROC_NULL,
	    .out = PROC_NULL,
	    .err = PROC_NULL,
	    .nice = 7,
	    .ioprio_class = 2,
	    .ioprio_level = 6};
	char expected[200];
	int base = getpriority(PRIO_PROCESS, 0);
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	ssize_t protected = write(fd, "-100", 4); /* needs to be root */
	assert_int_equal(
	    proc_run(&spec, 10000, -1, &out, &err, &status, &why), 0);
	snprintf(expected, sizeof(expected),
	    "%s\nb c\n%d\nbest-effort: prio 6\n0\n", dir,
	    base + 7 > 19 ? 19 : base + 7);
	assert_string_equal(buf_str(&out), expected);
	if (protected < 0)
		print_message("not checked: the kernel's killer (no right)\n");
	if (protected > 0 && pwrite(fd, "0", 1, 0) != 1)
		fail();
	close(fd);
}

static void check_why(const char *name, const char *expected)
{
	const char *const argv[] = {name, NULL};
	struct proc_spec spec = {
	    .argv = argv, .in = PROC_NULL, .out = PROC_NULL, .err = PROC_NULL};
	struct proc p = {1, 1};
	assert_int_equal(start(&p, &spec), -1);
	assert_int_equal(p.pid, 0);
	if (strstr(buf_str(&why), expected) == NULL)
		fail_msg("%s, not %s", buf_str(&why), expected);
	assert_memory_equal(why.data, "cannot start ", 13);
}

static void file(const char *name, const char *content, mode_t mode)
{
	assert_int_equal(
	    file_write(in(name), content, strlen(content), mode), 0);
}

static void says_why_it_does_not_start(void **state)
{
	(void)state;
	check_why("no-such-program-here", "it is not in PATH (");
	check_why("", "it is not in PATH (");
	check_why(in("missing"), "it does not exist");
	assert_int_equal(symlink("nowhere", in("link")), 0);
	check_why(in("link"), "it is a link to nowhere, which does not exist");
	check_why(dir, "it is a directory");
	check_why("/dev/null", "it is not a file");
	file("plain", "#!/bin/sh\n", 0644);
	check_why(
	    in("plain"), "it is not executable (mode 0644): chmod +x helps");
	check_why(in("plain/x"), "/plain is not a directory");
	check_why(in("no/where/x"), "/no does not exist");
	file("empty", "", 0755);
	check_why(in("empty"), "it is empty");
	file("text", "echo hello\n", 0755);
	check_why(in("text"), "neither a program nor a script");
	file("script", "#! /no/such/sh -e\nx\n", 0755);
	check_why(in("script"), "its interpreter /no/such/sh does not exist");
	file("crlf", "#!/bin/sh\r\nexit 0\r\n", 0755);
	check_why(in("crlf"), "its lines end in CR LF, so that its "
			      "interpreter /bin/sh is not found");
	file("none", "#!\nexit 0\n", 0755);
	check_why(in("none"), "its first line names no interpreter");
	file("noexec", "#!/etc/passwd\n", 0755);
	check_why(
	    in("noexec"), "its interpreter /etc/passwd is not executable");
	struct proc_spec spec = shell("true");
	struct proc p;
	spec.cwd = in("missing");
	assert_int_equal(start(&p, &spec), -1);
	assert_non_null(strstr(buf_str(&why), "missing: No such file"));
	spec = shell("true");
	spec.out = 4711;
	assert_int_equal(start(&p, &spec), -1);
	assert_non_null(strstr(buf_str(&why), "Bad file descriptor"));
}

/* Root may enter everything: asked as nobody. */
static void says_which_directory_is_closed(void **state)
{
	int ends[2];
	char text[512];
	(void)state;
	assert_int_equal(mkdir(in("closed"), 0700), 0);
	file("closed/x", "#!/bin/sh\n", 0755);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(chmod(in("closed"), geteuid() == 0 ? 0700 : 0), 0);
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct buf b = BUF_INIT(sizeof(text));
		if (geteuid() == 0 && setuid(65534) != 0)
			_exit(1);
		proc_why(&b, in("closed/x"), EACCES);
		_exit(write(ends[1], b.data, b.len) != (ssize_t)b.len);
	}
	waitpid(pid, NULL, 0);
	ssize_t n = read(ends[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "/closed may not be entered by user "));
	assert_non_null(strstr(text, "its mode 0"));
	close(ends[0]);
	close(ends[1]);
	chmod(in("closed"), 0700);
}

/* A copy of a program of this machine with one field changed. */
static void changed_elf(const char *name, bool interpreter)
{
	struct buf b = BUF_INIT(16 * MIB);
	assert_int_equal(file_read("/proc/self/exe", &b), 0);
	if (interpreter) {
		static const char from[] = "/ld-";
		char *at = memmem(b.data, 8192, from, strlen(from));
		assert_non_null(at);
		memcpy(at, "/xx-", 4);
	} else {
		bool little = b.data[EI_DATA] == ELFDATA2LSB;
		b.data[18] = (char)(little ? EM_68K : 0);
		b.data[19] = (char)(little ? 0 : EM_68K);
	}
	assert_int_equal(file_write(in(name), b.data, b.len, 0755), 0);
	/* Cut at every place: the reader must not trust what it reads. */
	for (size_t len = 1; len < 4096; len += 61) {
		assert_int_equal(file_write(in("cut"), b.data, len, 0755), 0);
		check_why(in("cut"), ":");
	}
	buf_release(&b);
}

static void says_which_interpreter_is_missing(void **state)
{
	(void)state;
	changed_elf("other-libc", true);
	check_why(in("other-libc"), "its ELF interpreter /lib");
	assert_non_null(strstr(buf_str(&why), "/xx-"));
	assert_non_null(strstr(buf_str(&why), "does not exist"));
	changed_elf("other-machine", false);
	check_why(
	    in("other-machine"), "it is a program for another machine (m68k, ");
}

static void a_failed_start_leaves_no_child(void **state)
{
	(void)state;
	check_why(in("missing"), "it does not exist");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void signals_only_its_own(void **state)
{
	(void)state;
	struct proc_spec spec = shell("sleep 60 & wait");
	struct proc p, stranger;
	assert_int_equal(start(&p, &spec), 0);
	assert_true(p.start > 0);
	assert_true(p.start == proc_start_time(p.pid));
	assert_true(proc_group_alive(&p));
	assert_int_equal(proc_poll(&p, &status), 0);
	/* The same number with another start time is somebody else. */
	stranger = (struct proc){p.pid, p.start + 1};
	proc_signal(&stranger, SIGKILL);
	proc_signal_group(&stranger, SIGKILL);
	assert_false(proc_group_alive(&stranger));
	usleep(50000);
	assert_int_equal(proc_poll(&p, &status), 0);
	pid_t session = getsid(0);
	assert_true(proc_is_alive(&p));
	assert_false(proc_is_alive(&stranger));
	assert_true(proc_group_is(&p, 1));
	assert_false(proc_group_is(&stranger, session));
	stranger.start = 0;
	assert_false(proc_group_is(&stranger, session));
	/* Its child lives on in the group. */
	proc_signal(&p, SIGKILL);
	assert_int_equal(finish(&p), 128 + SIGKILL);
	/* Without its leader a group is known by its session. */
	assert_true(proc_group_is(&p, session));
	assert_false(proc_group_is(&p, session + 1));
	assert_false(proc_group_is(&p, 0));
	assert_int_equal(proc_poll(&p, &status), -1);
	assert_true(proc_group_alive(&p));
	proc_signal_group(&p, SIGKILL);
	for (int i = 0; i < 200 && proc_group_alive(&p); i++)
		usleep(10000);
	assert_false(proc_group_alive(&p));
	assert_false(proc_group_is(&p, session));
	struct proc none = {0, 0};
	proc_signal_group(&none, SIGKILL); /* would be our own group */
	assert_false(proc_group_alive(&none));
	assert_int_equal(proc_poll(&none, &status), -1);
}

static void a_zombie_is_not_alive(void **state)
{
	(void)state;
	struct proc_spec spec = shell("exit 0");
	struct proc p;
	assert_int_equal(start(&p, &spec), 0);
	for (int i = 0; i < 200 && proc_group_alive(&p); i++)
		usleep(10000);
	assert_false(proc_group_alive(&p));
	assert_false(proc_is_alive(&p));
	assert_true(proc_start_time(p.pid) > 0); /* not yet reaped */
	assert_int_equal(finish(&p), 0);
	assert_true(proc_start_time(p.pid) == 0);
}

static void sees_activity(void **state)
{
	(void)state;
	/* A name made to confuse whoever counts fields by blanks. */
	assert_int_equal(symlink("/bin/sh", in("a) R 1 (b c")), 0);
	const char *const argv[] = {in("a) R 1 (b c"), "-c",
	    "read x; head -c 1000000 /dev/zero >/dev/null; read x", NULL};
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	struct proc_spec spec = {
	    .argv = argv, .in = fds[0], .out = PROC_NULL, .err = PROC_NULL};
	struct proc p;
	assert_int_equal(start(&p, &spec), 0);
	assert_true(proc_group_alive(&p));
	usleep(200000);
	uint64_t before = proc_group_activity(p.pid);
	usleep(50000);
	assert_true(proc_group_activity(p.pid) == before);
	assert_int_equal(write(fds[1], "\n", 1), 1);
	int i = 0;
	while (proc_group_activity(p.pid) == before && i++ < 300)
		usleep(10000);
	assert_true(proc_group_activity(p.pid) != before);
	close(fds[0]);
	close(fds[1]);
	finish(&p);
	assert_true(proc_group_activity(p.pid) == 0);
	assert_true(proc_group_activity(0) == 0);
}

static void keeps_an_environment(void **state)
{
	(void)state;
	setenv("BBS_TEST", "one", 1);
	char **env = proc_env_new();
	assert_string_equal(proc_env_get(env, "BBS_TEST"), "one");
	assert_null(proc_env_get(env, "BBS_TES"));
	assert_int_equal(proc_env_set(&env, "BBS_TEST", "two=2"), 0);
	assert_int_equal(proc_env_set(&env, "BBS_NEW", ""), 0);
	assert_string_equal(proc_env_get(env, "BBS_TEST"), "two=2");
	assert_string_equal(proc_env_get(env, "BBS_NEW"), "");
	assert_string_equal(getenv("BBS_TEST"), "one");
	assert_int_equal(proc_env_set(&env, "BBS_TEST", NULL), 0);
	assert_null(proc_env_get(env, "BBS_TEST"));
	proc_env_free(env);
	proc_env_free(NULL);
	unsetenv("BBS_TEST");
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(collects_output),
	    TEST(never_blocks_on_a_full_pipe),
	    TEST(ends_what_takes_too_long),
	    TEST(stops_when_asked),
	    TEST(a_grandchild_cannot_hold_us),
	    TEST(a_child_inherits_nothing_else),
	    TEST(standard_descriptors_may_be_mixed_up),
	    TEST(obeys_its_spec),
	    TEST(says_why_it_does_not_start),
	    TEST(says_which_directory_is_closed),
	    TEST(says_which_interpreter_is_missing),
	    TEST(a_failed_start_leaves_no_child),
	    TEST(signals_only_its_own),
	    TEST(a_zombie_is_not_alive),
	    TEST(sees_activity),
	    TEST(keeps_an_environment),
	};
	/* A session of our own: where the one we came from was begun outside
	 * this PID namespace, its number is 0 here, and tells nobody apart. */
	if (getsid(0) <= 1 && setsid() < 0)
		return 1;
	return cmocka_run_group_tests_name("proc", tests, NULL, NULL);
}
