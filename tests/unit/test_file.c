/* Files on a real disk: caps, atomic replacement, links that are not
 * followed, trees that end at their mount. */
#include "base/file.h"
#include "base/limits.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/bbs-file-XXXXXX");
	umask(022);
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	umask(022);
	return file_remove_tree(dir);
}

/* A path in the test's directory, good until eight more were asked for. */
static const char *in(const char *name)
{
	static char path[8][256];
	static int next;
	next = (next + 1) % 8;
	snprintf(path[next], sizeof(path[next]), "%s/%s", dir, name);
	return path[next];
}

static int entries(const char *path)
{
	int n = -2; /* . and .. */
	DIR *d = opendir(path);
	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void check_content(const char *path, const char *expected)
{
	struct buf b = BUF_INIT(100000);
	assert_int_equal(file_read(path, &b), 0);
	assert_string_equal(buf_str(&b), expected);
	buf_release(&b);
}

static void writes_and_reads(void **state)
{
	(void)state;
	struct stat st;
	umask(0777);
	assert_int_equal(file_write(in("f"), "one", 3, 0640), 0);
	assert_int_equal(stat(in("f"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(file_write(in("f"), "", 0, 0600), 0);
	check_content(in("f"), "");
	assert_int_equal(stat(in("f"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(entries(dir), 1);
	char here[256];
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(file_write("plain", "x", 1, 0600), 0);
	assert_int_equal(chdir(here), 0);
	check_content(in("plain"), "x");
}

static void reads_up_to_the_cap(void **state)
{
	(void)state;
	char text[40000];
	memset(text, 'x', sizeof(text));
	for (size_t len = 39998; len <= 40000; len++) {
		assert_int_equal(file_write(in("f"), text, len, 0600), 0);
		struct buf b = BUF_INIT(40001);
		buf_adds(&b, "ab");
		int rc = file_read(in("f"), &b);
		assert_int_equal(rc, len <= 39999 ? 0 : -1);
		assert_int_equal(b.len, rc == 0 ? len + 2 : 2);
		if (rc != 0)
			assert_int_equal(errno, EFBIG);
		assert_memory_equal(b.data, "ab", 2);
		assert_int_equal(b.data[b.len], '\0');
		buf_release(&b);
	}
	/* /proc says size 0, and a pipe says nothing. */
	struct buf b = BUF_INIT(1 << 20);
	assert_int_equal(file_read("/proc/self/status", &b), 0);
	assert_true(b.len > 100);
	buf_reset(&b);
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text, 40000), 40000);
	close(fds[1]);
	assert_int_equal(file_read_fd(fds[0], &b), 0);
	assert_int_equal(b.len, 40000);
	close(fds[0]);
	buf_release(&b);
	assert_int_equal(file_read(in("missing"), &b), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(file_read(dir, &b), -1);
	assert_int_equal(errno, EISDIR);
	buf_release(&b);
}

/* What stands where one of our files should must not hold us up. */
static void a_pipe_without_a_writer_is_empty(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(100);
	assert_int_equal(mkfifo(in("fifo"), 0600), 0);
	assert_int_equal(file_read(in("fifo"), &b), 0);
	assert_int_equal(b.len, 0);
	/* One that somebody writes into is waited for. */
	int writer = open(in("fifo"), O_RDWR);
	pid_t pid = fork();
	if (pid == 0) {
		usleep(50000);
		_exit(write(writer, "text", 4) == 4 ? 0 : 1);
	}
	close(writer);
	assert_int_equal(file_read(in("fifo"), &b), 0);
	assert_string_equal(buf_str(&b), "text");
	buf_release(&b);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int flawed(const char *name, const char *expected)
{
	int fd = open(in(name), O_RDWR | O_NONBLOCK | O_NOFOLLOW);
	const char *flaw = file_flaw(fd);
	close(fd);
	return (flaw == NULL) != (expected == NULL) ||
	       (flaw != NULL && strstr(flaw, expected) == NULL);
}

static void what_is_not_ours_is_not_written_to(void **state)
{
	(void)state;
	struct stat st;
	assert_int_equal(file_write(in("f"), "", 0, 0622), 0);
	assert_int_equal(flawed("f", NULL), 0);
	assert_int_equal(stat(in("f"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(link(in("f"), in("second")), 0);
	assert_int_equal(flawed("f", "hard link"), 0);
	assert_int_equal(mkfifo(in("fifo"), 0600), 0);
	assert_int_equal(flawed("fifo", "no file"), 0);
	assert_int_equal(unlink(in("second")), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(in("f"), 65534, 0), 0);
		assert_int_equal(flawed("f", "another user"), 0);
	}
}

static void a_failed_write_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(file_write(in("missing/f"), "x", 1, 0600), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(mkdir(in("d"), 0700), 0);
	/* A directory cannot be replaced by a file. */
	assert_int_equal(file_write(in("d"), "x", 1, 0600), -1);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(file_write(in("d/"), "x", 1, 0600), -1);
	assert_int_equal(entries(dir), 1);
	assert_int_equal(entries(in("d")), 0);
}

static void a_link_is_replaced_not_followed(void **state)
{
	(void)state;
	struct stat st;
	assert_int_equal(file_write(in("target"), "safe", 4, 0600), 0);
	assert_int_equal(symlink("target", in("link")), 0);
	assert_int_equal(file_write(in("link"), "new", 3, 0600), 0);
	check_content(in("target"), "safe");
	check_content(in("link"), "new");
	assert_int_equal(lstat(in("link"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void a_long_name_fits(void **state)
{
	(void)state;
	char name[256];
	memset(name, 'n', 255);
	name[255] = '\0';
	char *path = file_join(dir, name);
	assert_int_equal(file_write(path, "x", 1, 0600), 0);
	check_content(path, "x");
	free(path);
}

static void check_mode(const char *path, mode_t mode)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 07777, mode);
}

static void makes_directories(void **state)
{
	(void)state;
	umask(077);
	assert_int_equal(file_mkdirs(in("a//b/c/"), 0700), 0);
	check_mode(in("a"), 0755);
	check_mode(in("a/b"), 0755);
	check_mode(in("a/b/c"), 0700);
	assert_int_equal(file_mkdirs(in("a"), 0711), 0);
	check_mode(in("a"), 0755); /* it was there */
	assert_int_equal(symlink("a", in("l")), 0);
	assert_int_equal(file_mkdirs(in("l/d"), 0750), 0);
	check_mode(in("a/d"), 0750);
	assert_int_equal(file_mkdirs("/", 0700), 0);
	assert_int_equal(file_write(in("f"), "", 0, 0600), 0);
	assert_int_equal(file_mkdirs(in("f"), 0700), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(file_mkdirs(in("f/x"), 0700), -1);
}

static void an_unnamed_file_has_no_name(void **state)
{
	(void)state;
	struct stat st;
	int fd = file_unnamed(dir);
	assert_true(fd >= 0);
	assert_int_equal(entries(dir), 0);
	assert_int_equal(file_write_all(fd, "text", 4), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	close(fd);
	assert_int_equal(file_unnamed(in("missing")), -1);
}

static void removes_a_tree_and_no_more(void **state)
{
	(void)state;
	assert_int_equal(file_mkdirs(in("keep"), 0755), 0);
	assert_int_equal(file_write(in("keep/f"), "x", 1, 0600), 0);
	assert_int_equal(file_mkdirs(in("t/a/b"), 0755), 0);
	assert_int_equal(file_mkdirs(in("t/locked"), 0000), 0);
	assert_int_equal(symlink("../keep", in("t/link")), 0);
	assert_int_equal(symlink("../../keep/f", in("t/a/link")), 0);
	assert_int_equal(mkfifo(in("t/a/fifo"), 0600), 0);
	for (int i = 0; i < 500; i++) {
		char name[40];
		snprintf(name, sizeof(name), "t/a/b/odd \n name %d", i);
		assert_int_equal(file_write(in(name), "x", 1, 0), 0);
	}
	assert_int_equal(file_remove_tree(in("t")), 0);
	assert_int_equal(entries(dir), 1);
	check_content(in("keep/f"), "x");
	assert_int_equal(symlink("keep", in("link")), 0);
	assert_int_equal(file_remove_tree(in("link")), -1);
	assert_int_equal(file_remove_tree(in("keep/f")), -1);
	assert_int_equal(file_remove_tree(in("missing")), -1);
	assert_int_equal(errno, ENOENT);
	check_content(in("keep/f"), "x");
}

static void a_tree_too_deep_is_left(void **state)
{
	(void)state;
	int top = open(dir, O_RDONLY | O_DIRECTORY);
	int at = dup(top);
	for (int i = 0; i < TREE_DEPTH_MAX + 2; i++) {
		assert_int_equal(mkdirat(at, "d", 0700), 0);
		int next = openat(at, "d", O_RDONLY | O_DIRECTORY);
		close(at);
		at = next;
	}
	close(at);
	assert_int_equal(file_remove_tree(in("d")), -1);
	assert_int_equal(errno, ELOOP);
	/* Half of it moved up: now both are shallow enough. */
	char deep[2 * TREE_DEPTH_MAX];
	for (int i = 0; i < TREE_DEPTH_MAX / 2; i++)
		memcpy(deep + 2 * i, "d/", 3);
	deep[2 * (TREE_DEPTH_MAX / 2) - 1] = '\0';
	assert_int_equal(renameat(top, deep, top, "half"), 0);
	close(top);
	assert_int_equal(file_remove_tree(in("half")), 0);
	assert_int_equal(file_remove_tree(in("d")), 0);
}

static void sweeps_what_is_half_written(void **state)
{
	(void)state;
	static const char *const gone[] = {
	    ".12.log.ffffffffffff.tmp", ".a.0123456789ab.tmp"};
	static const char *const stay[] = {"a", ".a", "a.0123456789ab.tmp",
	    ".0123456789ab.tmp", ".a.0123456789abc.tmp", ".a.0123456789aB.tmp",
	    ".a.0123456789ab.tmpx", ".tmp"};
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(file_write(in(gone[i]), "x", 1, 0600), 0);
	for (size_t i = 0; i < sizeof(stay) / sizeof(stay[0]); i++)
		assert_int_equal(file_write(in(stay[i]), "x", 1, 0600), 0);
	file_sweep_temporary(dir, "1");
	file_sweep_temporary(dir, "12");
	file_sweep_temporary(dir, "12.logs");
	assert_int_equal(access(in(gone[0]), F_OK), 0);
	file_sweep_temporary(dir, "12.log");
	assert_int_equal(access(in(gone[0]), F_OK), -1);
	assert_int_equal(access(in(gone[1]), F_OK), 0);
	file_sweep_temporary(dir, "");
	file_sweep_temporary(in("missing"), "");
	assert_int_equal(entries(dir), sizeof(stay) / sizeof(stay[0]));
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(access(in(gone[i]), F_OK), -1);
}

static void joins(void **state)
{
	(void)state;
	static const char *const c[][3] = {{"/a", "b", "/a/b"},
	    {"/a/", "b", "/a/b"}, {"/a//", "/b/c", "/a/b/c"}, {"", "/b", "/b"},
	    {"/", "b", "/b"}, {"a", "b", "a/b"}, {"", "b", "b"}};
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		char *path = file_join(c[i][0], c[i][1]);
		assert_string_equal(path, c[i][2]);
		free(path);
	}
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(writes_and_reads),
	    TEST(reads_up_to_the_cap),
	    TEST(a_pipe_without_a_writer_is_empty),
	    TEST(what_is_not_ours_is_not_written_to),
	    TEST(a_failed_write_changes_nothing),
	    TEST(a_link_is_replaced_not_followed),
	    TEST(a_long_name_fits),
	    TEST(makes_directories),
	    TEST(an_unnamed_file_has_no_name),
	    TEST(removes_a_tree_and_no_more),
	    TEST(a_tree_too_deep_is_left),
	    TEST(sweeps_what_is_half_written),
	    cmocka_unit_test(joins),
	};
	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
