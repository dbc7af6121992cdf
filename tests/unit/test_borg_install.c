/* Where a borg may be put, how it gets there, and how it is taken back. */
#include "base/file.h"
#include "base/limits.h"
#include "bbs/borg_install.h"
#include "fixture.h"
#include "job/borg_update.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void expect(const char *path, const char *text)
{
	struct buf is = BUF_INIT(KIB);
	assert_int_equal(file_read(path, &is), 0);
	assert_string_equal(buf_str(&is), text);
	buf_release(&is);
}

static void installed(void **state)
{
	(void)state;
	const char *place = fixture_path("bin/borg");
	const char *old = fixture_path("bin/borg.bak");
	const char *from = fixture_file(fixture_path("new"), "new", 0600);
	struct buf why = BUF_INIT(KIB);
	struct stat st;
	bool had_old;
	fixture_mkdir(fixture_path("bin"));
	assert_int_equal(borg_install(from, place, &had_old, &why), 0);
	assert_false(had_old);
	expect(place, "new");
	assert_int_equal(access(old, F_OK), -1);
	assert_int_equal(stat(place, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	/* Twice more: each time the one before is kept. */
	fixture_file(from, "newer", 0600);
	assert_int_equal(borg_install(from, place, &had_old, &why), 0);
	assert_true(had_old);
	expect(old, "new");
	fixture_file(from, "newest", 0600);
	fixture_file(fixture_path("bin/borg.bbs-new"), "left", 0600);
	assert_int_equal(borg_install(from, place, &had_old, &why), 0);
	expect(place, "newest");
	expect(old, "newer");
	assert_int_equal(access(fixture_path("bin/borg.bbs-new"), F_OK), -1);
	borg_uninstall(place, had_old);
	expect(place, "newer");
	borg_uninstall(place, false);
	assert_int_equal(access(place, F_OK), -1);
	assert_int_equal(why.len, 0);
	/* Nothing to copy: nothing is changed. */
	fixture_file(place, "there", 0755);
	assert_int_equal(
	    borg_install(fixture_path("gone"), place, &had_old, &why), -1);
	expect(place, "there");
	assert_int_equal(access(fixture_path("bin/borg.bbs-new"), F_OK), -1);
	buf_release(&why);
}

static void places(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "borg", "/", "/usr/bin/borg",
	    "/usr/local/bin/", "/opt/../usr/bin/borg", "/opt//borg",
	    "/bin/borg", "/opt/./borg", "/opt/..", "/opt/b\norg", "/lib64/borg",
	    "/usr/local/../bin/borg", "/etc/borg"};
	struct buf why = BUF_INIT(4 * KIB);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		buf_reset(&why);
		if (borg_place_check(bad[i], &why) == 0)
			fail_msg("%s", bad[i]);
		assert_true(why.len > 0);
	}
	buf_reset(&why);
	assert_int_equal(borg_place_check(fixture_path("x/y/borg"), &why), 0);
	assert_int_equal(chmod(fixture_path("x/y"), 0777), 0);
	assert_int_equal(borg_place_check(fixture_path("x/y/borg"), &why), -1);
	buf_release(&why);
}

static void nixos(void **state)
{
	(void)state;
	assert_true(borg_update_is_nixos("NAME=NixOS\nID=nixos\nX=1\n"));
	assert_true(borg_update_is_nixos("ID=\"nixos\""));
	assert_false(borg_update_is_nixos("ID_LIKE=nixos\nID=debian\n"));
	assert_false(borg_update_is_nixos(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(installed),
	    cmocka_unit_test(places),
	    cmocka_unit_test(nixos),
	};
	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
