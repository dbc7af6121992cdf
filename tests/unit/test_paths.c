/* The agent's own files: below --root, and absolute in any case. */
#include "bbs/paths.h"
#include "fixture.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void expect(const char *root, const char *base)
{
	struct paths p;
	char want[1024];
	assert_int_equal(paths_init(&p, root, NULL), 0);
	const char *const all[][2] = {
	    {p.config, "/etc/bbs-agent/config.ini"},
	    {p.ssh_key, "/etc/bbs-agent/ssh_key"},
	    {p.ssh_info, "/etc/bbs-agent/ssh_info.json"},
	    {p.known_hosts, "/etc/bbs-agent/known_hosts"},
	    {p.borg_source, "/etc/bbs-agent/borg_source"},
	    {p.state, "/var/lib/bbs-agent"},
	    {p.spool, "/var/lib/bbs-agent/spool"},
	    {p.journal, "/var/lib/bbs-agent/journal"},
	    {p.done, "/var/lib/bbs-agent/done"},
	    {p.hooks, "/var/lib/bbs-agent/hooks.json"},
	    {p.run, "/run/bbs-agent"},
	    {p.lock, "/run/bbs-agent/lock"},
	};
	assert_string_equal(p.root, base);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(want, sizeof(want), "%s%s", base, all[i][1]);
		assert_string_equal(all[i][0], want);
	}
	paths_release(&p);
	assert_null(p.config);
}

static void roots(void **state)
{
	(void)state;
	char here[512];
	expect(NULL, "");
	expect("", "");
	expect("/", "");
	expect("///", "");
	expect("/opt/x", "/opt/x");
	expect("/opt/x//", "/opt/x");
	assert_int_equal(chdir(fixture_dir), 0);
	snprintf(here, sizeof(here), "%s/sub/dir", fixture_dir);
	expect("sub/dir/", here);
	assert_int_equal(chdir("/"), 0);
	expect("sub", "/sub");
}

static void a_config_of_its_own(void **state)
{
	(void)state;
	struct paths p;
	assert_int_equal(paths_init(&p, "/opt", "conf/my.ini"), 0);
	assert_string_equal(p.config, "conf/my.ini");
	assert_string_equal(p.ssh_key, "/opt/etc/bbs-agent/ssh_key");
	paths_release(&p);
}

static void makes_its_directories(void **state)
{
	(void)state;
	struct paths p;
	struct stat st;
	const char *failed = NULL;
	assert_int_equal(paths_init(&p, fixture_dir, NULL), 0);
	assert_int_equal(paths_make(&p, &failed), 0);
	assert_int_equal(stat(p.spool, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(p.state, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(p.run, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	/* Again, with what is there. */
	assert_int_equal(paths_make(&p, &failed), 0);
	assert_int_equal(rmdir(p.run), 0);
	fixture_file(p.run, "a file", 0644);
	assert_int_equal(paths_make(&p, &failed), -1);
	assert_string_equal(failed, p.run);
	paths_release(&p);
}

static mode_t mode_of(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void closes_them_to_others(void **state)
{
	(void)state;
	struct paths p;
	const char *failed = NULL;
	struct buf why = BUF_INIT(4096);
	assert_int_equal(paths_init(&p, fixture_path("closed"), NULL), 0);
	assert_int_equal(paths_make(&p, &failed), 0);
	assert_int_equal(chmod(p.run, 01777), 0);
	assert_int_equal(chmod(p.spool, 0755), 0);
	assert_int_equal(chmod(p.etc, 0700), 0);
	assert_int_equal(paths_close(&p, &why), 0);
	assert_int_equal(mode_of(p.run), 01755);
	assert_int_equal(mode_of(p.spool), 0700);
	assert_int_equal(mode_of(p.etc), 0700);
	if (geteuid() == 0) {
		assert_int_equal(chown(p.journal, 65534, 65534), 0);
		assert_int_equal(paths_close(&p, &why), -1);
		assert_non_null(strstr(buf_str(&why), p.journal));
		assert_non_null(strstr(buf_str(&why), "chown"));
		assert_int_equal(chown(p.journal, 0, 0), 0);
	}
	buf_reset(&why);
	assert_int_equal(rmdir(p.run), 0);
	assert_int_equal(paths_close(&p, &why), -1);
	assert_non_null(strstr(buf_str(&why), "cannot open the directory"));
	buf_release(&why);
	paths_release(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(roots),
	    cmocka_unit_test(a_config_of_its_own),
	    cmocka_unit_test(makes_its_directories),
	    cmocka_unit_test(closes_them_to_others),
	};
	umask(022);
	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
