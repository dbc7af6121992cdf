/* Counting before a backup: what borg would look at, and nothing twice. */
#include "fixture.h"
#include "job/precount.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct worker worker;
static int supervisor;
static int waits;

static void on_wait(void *ctx)
{
	(*(int *)ctx)++;
}

static int64_t count(const char *directories)
{
	return precount_files(&worker, directories, false, on_wait, &waits);
}

static int setup(void **state)
{
	int socks[2];
	memset(&worker, 0, sizeof(worker));
	worker.signals = -1;
	worker.log_fd = -1;
	assert_int_equal(frame_pair(socks), 0);
	frame_link_init(&worker.link, socks[0], 4096);
	supervisor = socks[1];
	return fixture_setup(state);
}

static int teardown(void **state)
{
	frame_link_release(&worker.link);
	close(supervisor);
	return fixture_teardown(state);
}

static void files_of_every_kind(void **state)
{
	(void)state;
	assert_int_equal(count(""), 0);
	assert_int_equal(count(NULL), 0);
	assert_int_equal(count(fixture_dir), 0);
	assert_int_equal(count("/nonexistent/directory"), 0);
	fixture_file(fixture_path("a"), "", 0644);
	fixture_file(fixture_path(".hidden"), "", 0);
	fixture_file(fixture_path("new\nline"), "", 0);
	fixture_file(fixture_path("caf\xe9"), "", 0);
	assert_int_equal(mkfifo(fixture_path("pipe"), 0600), 0);
	fixture_mkdir(fixture_path("d/e/f"));
	assert_int_equal(count(fixture_dir), 5);
	fixture_file(fixture_path("d/e/f/x"), "", 0644);
	fixture_file(fixture_path("d/y"), "", 0644);
	assert_int_equal(count(fixture_dir), 7);
	assert_int_equal(count(fixture_path("d")), 2);
	/* A file that is named itself. */
	assert_int_equal(count(fixture_path("a")), 1);
}

static void links_are_not_followed(void **state)
{
	(void)state;
	fixture_file(fixture_path("far/1"), "", 0644);
	fixture_file(fixture_path("far/2"), "", 0644);
	fixture_mkdir(fixture_path("here"));
	assert_int_equal(
	    symlink(fixture_path("far"), fixture_path("here/link")), 0);
	assert_int_equal(symlink(".", fixture_path("here/loop")), 0);
	assert_int_equal(symlink("/nonexistent", fixture_path("here/no")), 0);
	assert_int_equal(count(fixture_path("here")), 3);
	/* Not at the top either: borg stores the link. */
	assert_int_equal(count(fixture_path("here/link")), 1);
}

static void lines_of_any_kind(void **state)
{
	(void)state;
	char lines[4096], long_line[6000];
	fixture_file(fixture_path("a/1"), "", 0644);
	fixture_file(fixture_path("b c/1"), "", 0644);
	fixture_file(fixture_path("b c/2"), "", 0644);
	snprintf(lines, sizeof(lines), "%s/a\r\n%s/b c\r\n", fixture_dir,
	    fixture_dir);
	assert_int_equal(count(lines), 3);
	snprintf(lines, sizeof(lines), "\n\n%s/a\n\r\n\r%s/b c", fixture_dir,
	    fixture_dir);
	assert_int_equal(count(lines), 3);
	memset(long_line, 'x', sizeof(long_line));
	snprintf(
	    long_line + 5000, sizeof(long_line) - 5000, "\n%s/a", fixture_dir);
	long_line[0] = '/';
	assert_int_equal(count(long_line), 1);
}

static void deep_trees(void **state)
{
	(void)state;
	int fd = open(fixture_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(mkdirat(fd, "sub", 0755), 0);
		int next = openat(fd, "sub", O_RDONLY | O_CLOEXEC);
		close(fd);
		fd = next;
		close(openat(fd, "f", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	}
	close(fd);
	assert_int_equal(count(fixture_dir), 100);
	/* No descriptor is left open. */
	int free_fd = dup(0);
	assert_true(free_fd < 20);
	close(free_fd);
}

static void make_files(int n)
{
	char name[32];
	int fd = open(fixture_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		int file =
		    openat(fd, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		assert_true(file >= 0);
		close(file);
	}
	close(fd);
}

static void stops_when_told(void **state)
{
	(void)state;
	make_files(9000);
	assert_int_equal(count(fixture_dir), 9000);
	struct frame_link link;
	struct buf reason = BUF_INIT(64);
	frame_link_init(&link, dup(supervisor), 4096);
	pack_u64(&reason, STOP_CANCELLED);
	assert_int_equal(
	    frame_send(&link, MESSAGE_CANCEL, reason.data, reason.len, -1), 0);
	int64_t n = count(fixture_dir);
	assert_int_equal(worker.stop, STOP_CANCELLED);
	assert_true(n < 9000);
	buf_release(&reason);
	frame_link_release(&link);
}

static void stops_without_a_supervisor(void **state)
{
	(void)state;
	make_files(9000);
	shutdown(supervisor, SHUT_RDWR);
	assert_true(count(fixture_dir) < 9000);
	assert_int_equal(worker.stop, STOP_ORPHANED);
}

/* In a process of its own, whose mounts nobody else sees: 0 when all is as it
 * should be, 77 when mounts are not allowed here. */
static int count_across_mounts(void)
{
	if (unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", fixture_path("mnt"), "tmpfs", 0, "size=1m") != 0)
		return 77;
	int bad = 0;
	fixture_file(fixture_path("mnt/2"), "", 0644);
	fixture_file(fixture_path("mnt/3"), "", 0644);
	bad += count(fixture_dir) != 3;
	bad += precount_files(&worker, fixture_dir, true, on_wait, &waits) != 1;
	/* Named itself, it is counted. */
	bad += precount_files(
		   &worker, fixture_path("mnt"), true, on_wait, &waits) != 2;
	if (mount("proc", fixture_path("mnt"), "proc", 0, NULL) == 0)
		bad += count(fixture_dir) != 1;
	return bad;
}

static void file_systems(void **state)
{
	(void)state;
	int status = 0;
	fixture_file(fixture_path("1"), "", 0644);
	fixture_mkdir(fixture_path("mnt"));
	pid_t pid = fork();
	if (pid == 0)
		_exit(count_across_mounts());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		printf("   skipped: no mount is allowed here\n");
	else
		assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(count("/proc"), 0);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(files_of_every_kind),
	    TEST(links_are_not_followed),
	    TEST(lines_of_any_kind),
	    TEST(deep_trees),
	    TEST(stops_when_told),
	    TEST(stops_without_a_supervisor),
	    TEST(file_systems),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
