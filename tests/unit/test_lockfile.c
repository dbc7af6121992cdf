/* The lock's file, looked at in the midst of being written. */
#include "fixture.h"
#include "setup/lockfile.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The holder stops before and after each change until it was looked at. */
static int to_holder[2], to_reader[2];
static bool stops;

static void stop_here(void)
{
	char c = 's';
	if (stops &&
	    (write(to_reader[1], &c, 1) != 1 || read(to_holder[0], &c, 1) != 1))
		_exit(1);
}

/* In place of the C library's. */
int ftruncate(int fd, off_t length)
{
	stop_here();
	int rc = (int)syscall(SYS_ftruncate, fd, length);
	stop_here();
	return rc;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	stop_here();
	ssize_t rc = syscall(SYS_pwrite64, fd, data, len, at);
	stop_here();
	return rc;
}

static int hold(const char *path)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	return fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0 ? fd : -1;
}

static void holder(const char *path)
{
	int fd = hold(path);
	stop_here(); /* held, not written */
	if (fd < 0 || lockfile_write(fd, false) != 0 ||
	    lockfile_write(fd, true) != 0)
		_exit(1);
	_exit(0);
}

static void never_answered_too_early(void **state)
{
	(void)state;
	static const char *const before[] = {
	    "", "77\n", "77\nanswered\n", "1234567890\nanswered\n", "nonsense"};
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		char *path = strdup(fixture_path("lock"));
		struct lockfile lock;
		int looks = 0, answers = 0, status;
		char c;
		fixture_file(path, before[i], 0644);
		assert_int_equal(pipe(to_holder), 0);
		assert_int_equal(pipe(to_reader), 0);
		stops = true;
		pid_t pid = fork();
		if (pid == 0) {
			close(to_holder[1]);
			close(to_reader[0]);
			holder(path);
		}
		close(to_holder[0]);
		close(to_reader[1]);
		while (read(to_reader[0], &c, 1) == 1) {
			lockfile_read(path, &lock);
			assert_int_equal(lock.pid, pid);
			looks++;
			answers += lock.answered;
			assert_int_equal(write(to_holder[1], &c, 1), 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		/* At first, around three changes; the last made it so. */
		assert_int_equal(looks, 7);
		assert_int_equal(answers, 1);
		assert_true(lock.answered);
		close(to_holder[1]);
		close(to_reader[0]);
		/* Nobody holds it. */
		lockfile_read(path, &lock);
		assert_int_equal(lock.pid, 0);
		assert_false(lock.answered);
		free(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		never_answered_too_early, fixture_setup, fixture_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
