/* Packed fields: there and back, and every way of being cut short. */
#include "base/pack.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void pack_all(struct buf *b)
{
	assert_int_equal(pack_u64(b, 0x0123456789abcdef), 0);
	assert_int_equal(pack_str(b, "text"), 0);
	assert_int_equal(pack_str(b, NULL), 0);
	assert_int_equal(pack_str(b, ""), 0);
	assert_int_equal(pack_bytes(b, "a\0b", 3), 0);
}

static void there_and_back(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(1000);
	struct unpack u;
	size_t len = 99;
	pack_all(&b);
	unpack_init(&u, b.data, b.len);
	assert_true(unpack_u64(&u) == 0x0123456789abcdef);
	assert_string_equal(unpack_bytes(&u, NULL), "text");
	assert_null(unpack_bytes(&u, &len));
	assert_int_equal(len, 0);
	assert_int_equal(unpack_end(&u), -1); /* there is more */
	assert_string_equal(unpack_bytes(&u, &len), "");
	assert_int_equal(len, 0);
	assert_memory_equal(unpack_bytes(&u, &len), "a\0b", 4);
	assert_int_equal(len, 3);
	assert_int_equal(unpack_end(&u), 0);
	assert_true(unpack_u64(&u) == 0);
	assert_int_equal(unpack_end(&u), -1);
	buf_release(&b);
}

static void every_cut_is_noticed(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(1000);
	pack_all(&b);
	for (size_t n = 0; n < b.len; n++) {
		/* A copy of its own, so that a byte too far is seen. */
		char *copy = malloc(n > 0 ? n : 1);
		struct unpack u;
		memcpy(copy, b.data, n);
		unpack_init(&u, copy, n);
		unpack_u64(&u);
		for (int i = 0; i < 4; i++)
			unpack_bytes(&u, NULL);
		assert_int_equal(unpack_end(&u), -1);
		free(copy);
	}
	buf_release(&b);
}

static void lies_are_noticed(void **state)
{
	(void)state;
	static const uint64_t lie[] = {4, 5, 6, 1000, UINT64_MAX - 1,
	    (uint64_t)1 << 32, (uint64_t)1 << 63};
	for (size_t i = 0; i < sizeof(lie) / sizeof(lie[0]); i++) {
		char bytes[sizeof(uint64_t) + 5] = {0};
		struct unpack u;
		memcpy(bytes, &lie[i], sizeof(lie[i]));
		memcpy(bytes + sizeof(lie[i]), "abcde", 5); /* no NUL */
		unpack_init(&u, bytes, sizeof(bytes));
		assert_null(unpack_bytes(&u, NULL));
		assert_true(u.failed);
	}
	struct buf full = BUF_INIT(10);
	assert_int_equal(pack_str(&full, "abc"), -1);
	assert_true(full.failed);
	buf_release(&full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(there_and_back),
	    cmocka_unit_test(every_cut_is_noticed),
	    cmocka_unit_test(lies_are_noticed),
	};
	return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
