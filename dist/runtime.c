/*
 * What gcc calls where a 32-bit processor has no instruction, in place of a
 * libgcc that is made for another processor: that of Debian for MIPS takes and
 * gives floating point in registers that a router does not have.
 *
 * Numbers of 64 bits are divided here. Floating point is not done at all:
 * musl's printf names it, but no format of the agent leads there.
 */
#include <stdint.h>

typedef uint64_t u64;

u64 __udivmoddi4(u64 n, u64 d, u64 *rest);
u64 __udivdi3(u64 n, u64 d);
u64 __umoddi3(u64 n, u64 d);
int64_t __divmoddi4(int64_t n, int64_t d, int64_t *rest);
int64_t __divdi3(int64_t n, int64_t d);
int64_t __moddi3(int64_t n, int64_t d);
u64 __ashldi3(u64 n, int by);
u64 __lshrdi3(u64 n, int by);
int64_t __ashrdi3(int64_t n, int by);
int __ctzdi2(u64 n);
int __clzdi2(u64 n);

/* Digits of 16 bits, for divisors that are one: 10, 60, 1000. */
static u64 divide_short(u64 n, uint32_t d, u64 *rest)
{
	uint32_t high = (uint32_t)(n >> 32), low = (uint32_t)n;
	uint32_t a = high >> 16, b = high & 0xffff, c = low >> 16;

	b |= a % d << 16;
	c |= b % d << 16;
	low = (low & 0xffff) | c % d << 16;
	*rest = low % d;
	return (u64)(a / d << 16 | b / d) << 32 | (c / d << 16 | low / d);
}

u64 __udivmoddi4(u64 n, u64 d, u64 *rest)
{
	u64 quotient = 0, left = 0;

	if (n >> 32 == 0 && d >> 32 == 0) {
		*rest = (uint32_t)n % (uint32_t)d;
		return (uint32_t)n / (uint32_t)d;
	}
	if (d >> 16 == 0)
		return divide_short(n, (uint32_t)d, rest);
	for (int bit = 0; bit < 64; bit++) {
		int carry = left >> 63 != 0;
		left = left << 1 | n >> 63;
		n <<= 1;
		quotient <<= 1;
		if (carry || left >= d) {
			left -= d;
			quotient |= 1;
		}
	}
	*rest = left;
	return quotient;
}

u64 __udivdi3(u64 n, u64 d)
{
	u64 rest;
	return __udivmoddi4(n, d, &rest);
}

u64 __umoddi3(u64 n, u64 d)
{
	u64 rest;
	__udivmoddi4(n, d, &rest);
	return rest;
}

/* The quotient is cut towards zero, the rest has the sign of n. */
int64_t __divmoddi4(int64_t n, int64_t d, int64_t *rest)
{
	u64 left, un = n < 0 ? -(u64)n : (u64)n, ud = d < 0 ? -(u64)d : (u64)d;
	u64 quotient = __udivmoddi4(un, ud, &left);

	*rest = (int64_t)(n < 0 ? -left : left);
	return (int64_t)((n < 0) != (d < 0) ? -quotient : quotient);
}

int64_t __divdi3(int64_t n, int64_t d)
{
	int64_t rest;
	return __divmoddi4(n, d, &rest);
}

int64_t __moddi3(int64_t n, int64_t d)
{
	int64_t rest;
	__divmoddi4(n, d, &rest);
	return rest;
}

u64 __ashldi3(u64 n, int by)
{
	uint32_t high = (uint32_t)(n >> 32), low = (uint32_t)n;

	if (by == 0)
		return n;
	if (by >= 32)
		return (u64)(low << (by - 32)) << 32;
	return (u64)(high << by | low >> (32 - by)) << 32 | low << by;
}

u64 __lshrdi3(u64 n, int by)
{
	uint32_t high = (uint32_t)(n >> 32), low = (uint32_t)n;

	if (by == 0)
		return n;
	if (by >= 32)
		return high >> (by - 32);
	return (u64)(high >> by) << 32 | (low >> by | high << (32 - by));
}

int64_t __ashrdi3(int64_t n, int by)
{
	int32_t high = (int32_t)((u64)n >> 32);
	uint32_t low = (uint32_t)n;

	if (by == 0)
		return n;
	if (by >= 32)
		return high >> (by - 32);
	low = low >> by | (uint32_t)high << (32 - by);
	return (int64_t)((u64)(uint32_t)(high >> by) << 32 | low);
}

int __ctzdi2(u64 n)
{
	int count = 0;

	for (; count < 64 && (n & 1) == 0; count++)
		n >>= 1;
	return count;
}

int __clzdi2(u64 n)
{
	int count = 0;

	for (; count < 64 && n >> 63 == 0; count++)
		n <<= 1;
	return count;
}

#ifdef __mips_soft_float
#define NO_FLOAT(name)            \
	void name(void);          \
	void name(void)           \
	{                         \
		__builtin_trap(); \
	}

NO_FLOAT(__adddf3)
NO_FLOAT(__subdf3)
NO_FLOAT(__muldf3)
NO_FLOAT(__nedf2)
NO_FLOAT(__fixdfsi)
NO_FLOAT(__fixunsdfsi)
NO_FLOAT(__floatsidf)
NO_FLOAT(__floatunsidf)
#endif
