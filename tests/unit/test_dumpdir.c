/* Where dumps may lie: links, other users, the system's own directories. */
#include "fixture.h"
#include "job/dumpdir.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void enter(const char *path, const char *refused)
{
	struct buf why = BUF_INIT(4096);
	struct dumpdir d;
	int rc = dumpdir_enter(&d, path, true, &why);
	if ((rc == 0) != (refused == NULL) ||
	    (refused != NULL && strstr(buf_str(&why), refused) == NULL))
		fail_msg("%s: %d %s", path, rc, buf_str(&why));
	dumpdir_leave(&d);
	buf_release(&why);
}

static void made_and_entered(void **state)
{
	(void)state;
	struct stat st;
	enter(fixture_path("a/b/dumps"), NULL);
	assert_int_equal(stat(fixture_path("a/b/dumps"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	enter(fixture_path("a/../b"), "cannot open");
	enter("relative", "cannot open");
	fixture_file(fixture_path("file"), "x", 0600);
	enter(fixture_path("file"), "Not a directory");
}

static void not_where_others_write(void **state)
{
	(void)state;
	fixture_mkdir(fixture_path("open"));
	assert_int_equal(chmod(fixture_path("open"), 0777), 0);
	enter(fixture_path("open"), "another user can write to it");
	/* A link in it may be anybody's. */
	fixture_mkdir(fixture_path("mine"));
	assert_int_equal(symlink("../mine", fixture_path("open/link")), 0);
	enter(fixture_path("open/link"), "another user can change");
	if (geteuid() == 0) {
		fixture_mkdir(fixture_path("theirs"));
		assert_int_equal(chown(fixture_path("theirs"), 65534, 0), 0);
		enter(fixture_path("theirs"), "another user can write to it");
	}
}

/* logrotate, for one, reads each file in /etc/logrotate.d. */
static void not_among_the_systems(void **state)
{
	(void)state;
	static const char *const dirs[] = {"/etc", "/etc/logrotate.d",
	    "/etc//cron.d/", "/usr/share/bash-completion/completions",
	    "/proc/self/cwd/etc", "/dev/shm/x", "/run/x", "/boot", "/lib",
	    "/bin", "/etc/no-such-directory/x"};
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		enter(dirs[i], "one of the system's directories");
	/* Wherever the path pretends to lead. */
	assert_int_equal(symlink("/etc", fixture_path("innocent")), 0);
	enter(fixture_path("innocent/skel"), "one of the system's");
	struct stat st;
	assert_int_equal(stat("/etc/no-such-directory", &st), -1);
}

/* Entered, it stays the one that was judged, whatever its name leads to. */
static void a_link_is_swapped_in(void **state)
{
	(void)state;
	struct buf why = BUF_INIT(4096);
	struct dumpdir d;
	const char *path = fixture_path("dumps");
	fixture_mkdir(fixture_path("elsewhere"));
	assert_int_equal(dumpdir_enter(&d, path, true, &why), 0);
	assert_int_equal(rename(path, fixture_path("moved")), 0);
	assert_int_equal(symlink("elsewhere", path), 0);
	int fd = open("a.sql", O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(access(fixture_path("moved/a.sql"), F_OK), 0);
	assert_int_equal(access(fixture_path("elsewhere/a.sql"), F_OK), -1);
	assert_int_equal(dumpdir_remove("a.sql"), 0);
	dumpdir_leave(&d);
	buf_release(&why);
}

int main(void)
{
#define TEST(test) \
	cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(made_and_entered),
	    TEST(not_where_others_write),
	    TEST(not_among_the_systems),
	    TEST(a_link_is_swapped_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
