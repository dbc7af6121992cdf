/* What stands in for libgcc on small processors, against this machine's own
 * instructions. */
#include "../../dist/runtime.c"
#include "fixture.h"

/* Numbers of every length, the same ones each time. */
static u64 next(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> (*state >> 32 & 63);
}

static void judge(u64 n, u64 d)
{
	u64 rest;
	int64_t sn = (int64_t)n, sd = (int64_t)d, srest;

	assert_true(__udivmoddi4(n, d, &rest) == n / d);
	assert_true(rest == n % d);
	assert_true(__udivdi3(n, d) == n / d && __umoddi3(n, d) == n % d);
	if (sn == INT64_MIN && sd == -1)
		return;
	assert_true(__divmoddi4(sn, sd, &srest) == sn / sd);
	assert_true(srest == sn % sd);
	assert_true(__divdi3(sn, sd) == sn / sd);
	assert_true(__moddi3(sn, sd) == sn % sd);
}

static void divides(void **state)
{
	static const u64 odd[] = {1, 2, 10, 60, 999, 0xffff, 0x10000, 0x10001,
	    0xffffffff, 0x100000000, 0x100000001, INT64_MAX, 1ull << 63,
	    UINT64_MAX - 1, UINT64_MAX};
	const size_t count = sizeof(odd) / sizeof(odd[0]);
	u64 seed = 88172645463325252;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		judge(0, odd[i]);
		for (size_t k = 0; k < count; k++)
			judge(odd[i], odd[k]);
	}
	for (int i = 0; i < 100000; i++) {
		u64 n = next(&seed), d = next(&seed);
		judge(n, d == 0 ? 1 : d);
	}
}

static void shifts_and_counts(void **state)
{
	u64 seed = 1181783497276652981;

	(void)state;
	assert_int_equal(__ctzdi2(1ull << 63), 63);
	for (int i = 0; i < 10000; i++) {
		u64 n = next(&seed) | 1ull << (i & 63);
		assert_true(__ashldi3(n, i & 63) == n << (i & 63));
		assert_true(__lshrdi3(n, i & 63) == n >> (i & 63));
		assert_true(
		    __ashrdi3((int64_t)n, i & 63) == (int64_t)n >> (i & 63));
		assert_true(
		    __ashrdi3((int64_t)~n, i & 63) == (int64_t)~n >> (i & 63));
		assert_int_equal(__ctzdi2(n), __builtin_ctzll(n));
		assert_int_equal(__clzdi2(n), __builtin_clzll(n));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(divides),
	    cmocka_unit_test(shifts_and_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
