/* Growable bytes: the cap, the sticky failure, the NUL behind the end. */
#include "base/buf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void adds_and_ends_with_nul(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(1000);
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(buf_adds(&b, "ab"), 0);
	assert_int_equal(buf_addc(&b, 'c'), 0);
	assert_int_equal(buf_add(&b, "\0d", 2), 0);
	assert_int_equal(buf_addu(&b, 0), 0);
	assert_int_equal(buf_addu(&b, UINT64_MAX), 0);
	assert_memory_equal(b.data, "abc\0d018446744073709551615", 27);
	assert_int_equal(b.len, 26);
	buf_release(&b);
	buf_release(&b);
	assert_null(b.data);
	assert_int_equal(b.max, 1000);
}

static void holds_exactly_max(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(100);
	char bytes[101];
	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(buf_add(&b, bytes, 101), -1);
	assert_true(b.failed);
	assert_int_equal(b.len, 0);
	/* Nothing more, although this would fit: no text with a hole. */
	assert_int_equal(buf_add(&b, bytes, 1), -1);
	buf_reset(&b);
	assert_int_equal(buf_add(&b, bytes, 100), 0);
	assert_int_equal(b.data[100], '\0');
	assert_int_equal(buf_add(&b, "", 0), 0);
	assert_int_equal(buf_addc(&b, 'x'), -1);
	assert_int_equal(b.len, 100);
	buf_release(&b);
	assert_false(b.failed);
}

static void sizes_do_not_wrap(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(UINT32_MAX);
	assert_int_equal(buf_adds(&b, "abc"), 0);
	assert_null(buf_space(&b, SIZE_MAX - 2));
	assert_true(b.failed);
	buf_reset(&b);
	assert_null(buf_space(&b, SIZE_MAX));
	buf_release(&b);
}

static void formats_across_growth(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(300);
	for (int i = 0; i < 30; i++)
		assert_int_equal(buf_addf(&b, "%09d|", i), 0);
	assert_int_equal(b.len, 300);
	assert_string_equal(b.data + 290, "000000029|");
	assert_int_equal(buf_addf(&b, "%d", 7), -1);
	assert_int_equal(strlen(b.data), 300);
	buf_release(&b);
	/* The very first addition, longer than the first allocation. */
	assert_int_equal(buf_addf(&b, "%0200d", 5), 0);
	assert_int_equal(b.len, 200);
	buf_wipe(&b);
	assert_int_equal(buf_addf(&b, "%s", ""), 0);
	assert_non_null(b.data);
	buf_release(&b);
}

static void gives_space_and_consumes(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(1 << 20);
	size_t total = 0;
	for (int i = 0; i < 100; i++) {
		char *to = buf_space(&b, 5000);
		assert_non_null(to);
		memset(to, 'a' + i % 26, 5000);
		buf_grow(&b, 5000);
		total += 5000;
	}
	assert_int_equal(b.len, total);
	buf_consume(&b, 0);
	buf_consume(&b, total - 1);
	assert_string_equal(buf_str(&b), "v");
	buf_consume(&b, 1);
	assert_string_equal(buf_str(&b), "");
	buf_reset(&b);
	assert_true(b.cap > 0);
	buf_release(&b);
}

static void wipes(void **state)
{
	(void)state;
	char secret[] = "secret";
	mem_wipe(secret, sizeof(secret));
	for (size_t i = 0; i < sizeof(secret); i++)
		assert_int_equal(secret[i], 0);
	mem_wipe(NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(adds_and_ends_with_nul),
	    cmocka_unit_test(holds_exactly_max),
	    cmocka_unit_test(sizes_do_not_wrap),
	    cmocka_unit_test(formats_across_growth),
	    cmocka_unit_test(gives_space_and_consumes),
	    cmocka_unit_test(wipes),
	};
	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
