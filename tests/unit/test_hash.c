/* SHA-256 of a file, and the lines of SHA256SUMS in all their forms. */
#include "base/hash.h"
#include "fixture.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Of "abc", from FIPS 180. */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABC_BIG                            \
	"BA7816BF8F01CFEA414140DE5DAE2223" \
	"B00361A396177A9CB410FF61F20015AD"
#define OTHER "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void of_a_file(void **state)
{
	(void)state;
	const char *path = fixture_file(fixture_path("abc"), "abc", 0600);
	char hex[HASH_HEX];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(lseek(fd, 2, SEEK_SET), 2);
	assert_int_equal(hash_file(fd, hex), 0);
	assert_string_equal(hex, ABC);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 2);
	close(fd);
	assert_int_equal(hash_file(-1, hex), -1);
}

static void found(void **state)
{
	(void)state;
	static const char *const sums[] = {
	    ABC "  borg",
	    ABC " *borg\n",
	    OTHER "  other\r\n" ABC_BIG "  ./borg\r\n",
	    "# a remark\n\n" OTHER "  borg2\n" ABC "  borg\n" OTHER "  borg\n",
	    "SHA256 (other) = " OTHER "\nSHA256 (borg) = " ABC "\n",
	};
	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
		char hex[HASH_HEX] = "";
		if (hash_find(sums[i], "borg", hex) != 1)
			fail_msg("%s", sums[i]);
		assert_string_equal(hex, ABC);
	}
}

static void not_found(void **state)
{
	(void)state;
	static const char *const sums[] = {
	    "",
	    "\n\n",
	    ABC,
	    ABC " borg",
	    ABC "  borg ",
	    ABC "  x/borg",
	    ABC "  bor",
	    "g" ABC "  borg",
	    "SHA256 (borg) = ",
	    "SHA256 (borg) " ABC,
	    "SHA256 (borg",
	    "<html>404</html>",
	    "za7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	    "  borg",
	};
	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
		char hex[HASH_HEX];
		if (hash_find(sums[i], "borg", hex) != 0)
			fail_msg("%s", sums[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(of_a_file),
	    cmocka_unit_test(found),
	    cmocka_unit_test(not_found),
	};
	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
