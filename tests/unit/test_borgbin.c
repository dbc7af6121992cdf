/* Which borg is run: the order of the places, and its version. */
#include "bbs/borgbin.h"
#include "fixture.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char why_text[2048];

static int find(const char *configured, char *found)
{
	struct buf path = BUF_INIT(PATH_MAX), why = BUF_INIT(2048);
	int rc = borgbin_find(configured, &path, &why);
	snprintf(found, PATH_MAX, "%s", buf_str(&path));
	snprintf(why_text, sizeof(why_text), "%s", buf_str(&why));
	if ((path.len > 0) != (rc == 0) || (why.len > 0) != (rc != 0))
		rc = -2;
	buf_release(&path);
	buf_release(&why);
	return rc;
}

static void the_configured_one_or_none(void **state)
{
	(void)state;
	char found[PATH_MAX];
	const char *borg =
	    fixture_file(fixture_path("my borg"), "#!/bin/sh\n", 0755);
	assert_int_equal(find(borg, found), 0);
	assert_string_equal(found, borg);
	/* There may be another one; it is not what was asked for. */
	const char *plain = fixture_file(fixture_path("plain"), "", 0644);
	const char *const bad[] = {plain, fixture_dir, "/nonexistent", ""};
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(find(bad[i], found), -1);
		assert_non_null(strstr(why_text, "[borg] path"));
		assert_non_null(strstr(why_text, bad[i]));
	}
}

static const char *const places[] = {"/usr/local/bin/borg", "/usr/bin/borg",
    "/home/u/.local/bin/borg", "/root/.local/bin/borg", "/opt/first/borg",
    "/opt/second/borg"};
#define PLACES (sizeof(places) / sizeof(places[0]))

/* In a process whose root is the directory: the number of the step that went
 * wrong, 0 when none did, 77 when a root of our own is not allowed here. */
static int search_below_root(void)
{
	char found[PATH_MAX];
	if (chroot(fixture_dir) != 0 || chdir("/opt") != 0)
		return 77;
	setenv("HOME", "/home/u", 1);
	setenv("PATH", "relative:/opt/nowhere::/opt/first:/opt/second:.", 1);
	for (size_t i = 0; i < PLACES; i++) {
		if (find(NULL, found) != 0 || strcmp(found, places[i]) != 0)
			return (int)i + 1;
		/* One that cannot be executed does not count. */
		chmod(places[i], 0644);
		if (find(NULL, found) == 0 && strcmp(found, places[i]) == 0)
			return (int)i + 11;
		unlink(places[i]);
		/* Nor a directory of its name. */
		mkdir(places[i], 0755);
	}
	if (find(NULL, found) != -1)
		return 21;
	if (strstr(why_text, "not installed") == NULL)
		return 22;
	setenv("PATH", "relative:.:", 1);
	if (find(NULL, found) != -1)
		return 23;
	unsetenv("PATH");
	setenv("HOME", "home/u", 1);
	if (find(NULL, found) != -1)
		return 24;
	unsetenv("HOME");
	return find(NULL, found) != -1 ? 25 : 0;
}

static void the_order_of_the_places(void **state)
{
	(void)state;
	int status = 0;
	for (size_t i = 0; i < PLACES; i++)
		fixture_file(fixture_path("%s", places[i] + 1), "x", 0755);
	fixture_file(fixture_path("opt/relative/borg"), "x", 0755);
	fixture_file(fixture_path("opt/borg"), "x", 0755);
	fixture_file(fixture_path("opt/home/u/.local/bin/borg"), "x", 0755);
	pid_t pid = fork();
	if (pid == 0)
		_exit(search_below_root());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		printf("   skipped: a root of our own needs root\n");
	else
		assert_int_equal(WEXITSTATUS(status), 0);
}

static char version_text[256];

static int version(const char *script)
{
	struct buf out = BUF_INIT(200), why = BUF_INIT(2048);
	const char *borg = fixture_path("fake borg");
	if (script != NULL)
		fixture_file(borg, script, 0755);
	else
		unlink(borg);
	int rc = borgbin_version(borg, -1, &out, &why);
	snprintf(version_text, sizeof(version_text), "%s", buf_str(&out));
	snprintf(why_text, sizeof(why_text), "%s", buf_str(&why));
	assert_int_equal(out.len > 0, rc == 0);
	assert_int_equal(why.len > 0, rc != 0);
	assert_null(strchr(why_text, '\n'));
	buf_release(&out);
	buf_release(&why);
	return rc;
}

static void versions(void **state)
{
	(void)state;
	assert_int_equal(version("#!/bin/sh\necho borg 1.4.1\n"), 0);
	assert_string_equal(version_text, "1.4.1");
	assert_int_equal(
	    version("#!/bin/sh\necho warning >&2\nprintf 'borg 2.0.0b19 x'\n"),
	    0);
	assert_string_equal(version_text, "2.0.0b19");
	assert_int_equal(version("#!/bin/sh\n[ \"$1\" = --version ] && [ $# = "
				 "1 ] && echo borg 1\n"),
	    0);
	assert_int_equal(
	    version("#!/bin/sh\nprintf 'bad\\nthing\\n' >&2\nexit 2\n"), -1);
	assert_non_null(strstr(why_text, "code 2: bad\\nthing"));
	assert_int_equal(version("#!/bin/sh\necho borg 1.4.1\nexit 1\n"), -1);
	assert_int_equal(version("#!/bin/sh\necho 1.4.1\n"), -1);
	assert_non_null(strstr(why_text, "1.4.1"));
	assert_int_equal(version("#!/bin/sh\n:\n"), -1);
	assert_int_equal(version("#!/nonexistent/interpreter\n"), -1);
	assert_non_null(strstr(why_text, "/nonexistent/interpreter"));
	assert_int_equal(version(NULL), -1);
}

static void install_methods(void **state)
{
	(void)state;
	static const char *const methods[][2] = {
	    {"/usr/local/bin/borg", "binary"}, {"/usr/bin/borg", "package"},
	    {"/home/u/.local/bin/borg", "pip"}, {"/opt/borg", "package"},
	    {"/usr/lib/python3/site-packages/borg", "pip"},
	    {"/usr/local/binx/borg", "package"}};
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		assert_string_equal(
		    borgbin_install_method(methods[i][0]), methods[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_configured_one_or_none),
	    cmocka_unit_test(the_order_of_the_places),
	    cmocka_unit_test(versions),
	    cmocka_unit_test(install_methods),
	};
	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
