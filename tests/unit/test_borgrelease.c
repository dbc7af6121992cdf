/* Which of the borg project's binaries a host gets: the newest that it can
 * run, and none rather than one that it cannot. */
#include "bbs/borgrelease.h"
#include "bbs/elf.h"
#include "fixture.h"
#include <string.h>

static const char *path_for(const char *machine, int glibc)
{
	const struct borgrelease *r = borgrelease_find(machine, glibc);
	return r != NULL ? r->path : "none";
}

static void test_the_newest_that_runs(void **state)
{
	(void)state;
	assert_string_equal(
	    path_for("x86_64", 2041), "1.4.5/borg-linux-glibc235-x86_64-gh");
	assert_string_equal(
	    path_for("x86_64", 2035), "1.4.5/borg-linux-glibc235-x86_64-gh");
	assert_string_equal(
	    path_for("x86_64", 2034), "1.4.4/borg-linux-glibc231-x86_64");
	assert_string_equal(
	    path_for("x86_64", 2030), "1.4.1/borg-linux-glibc228");
	assert_string_equal(
	    path_for("aarch64", 2036), "1.4.4/borg-linux-glibc235-arm64-gh");
}

static void test_none_rather_than_a_wrong_one(void **state)
{
	(void)state;
	assert_string_equal(path_for("x86_64", 2027), "none");
	assert_string_equal(path_for("x86_64", 0), "none");
	assert_string_equal(path_for("aarch64", 2034), "none");
	assert_string_equal(path_for("armv7l", 2036), "none");
	assert_string_equal(path_for("i686", 2036), "none");
	assert_string_equal(path_for("riscv64", 2041), "none");
}

/* A row's glibc is the one that its name speaks of. */
static void test_the_rows(void **state)
{
	static const int versions[] = {2028, 2031, 2035, 2041};
	static const char *const machines[] = {"x86_64", "aarch64"};
	(void)state;
	for (size_t i = 0; i < 8; i++) {
		const struct borgrelease *r =
		    borgrelease_find(machines[i / 4], versions[i % 4]);
		if (r == NULL)
			continue;
		assert_int_equal(elf_glibc_named(r->path), r->glibc);
		if (r->sha256 != NULL)
			assert_int_equal(strspn(r->sha256, "0123456789abcdef"),
			    strlen(r->sha256));
		if (r->sha256 != NULL)
			assert_int_equal(strlen(r->sha256), 64);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_newest_that_runs),
	    cmocka_unit_test(test_none_rather_than_a_wrong_one),
	    cmocka_unit_test(test_the_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
