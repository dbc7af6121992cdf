/*
 * strtol and the like in place of musl's, which reads the text as a stream
 * that scanf could read, too: six times as large.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

/* The value of a digit; 36 and more: it is none. */
static unsigned digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 36;
}

/* At most `most`, or for a signed type one more behind a minus. */
static unsigned long long convert(const char *text, char **end, int base,
    unsigned long long most, int is_signed)
{
	const char *at = text;
	unsigned long long value = 0;
	int minus, over = 0;

	while (isspace((unsigned char)*at))
		at++;
	minus = *at == '-';
	at += *at == '-' || *at == '+';
	if ((base == 0 || base == 16) && at[0] == '0' &&
	    (at[1] | 0x20) == 'x' && digit(at[2]) < 16) {
		at += 2;
		base = 16;
	}
	if (base == 0)
		base = *at == '0' ? 8 : 10;
	if (digit(*at) < (unsigned)base)
		text = 0;
	most += is_signed && minus;
	for (unsigned d; (d = digit(*at)) < (unsigned)base; at++) {
		over |= value > (most - d) / base;
		value = base * value + d;
	}
	if (end != 0)
		*end = (char *)(text != 0 ? text : at);
	if (over) {
		errno = ERANGE;
		return most;
	}
	return minus ? -value : value;
}

unsigned long long strtoull(
    const char *restrict text, char **restrict end, int base)
{
	return convert(text, end, base, ULLONG_MAX, 0);
}

long long strtoll(const char *restrict text, char **restrict end, int base)
{
	return convert(text, end, base, LLONG_MAX, 1);
}

unsigned long strtoul(const char *restrict text, char **restrict end, int base)
{
	return convert(text, end, base, ULONG_MAX, 0);
}

long strtol(const char *restrict text, char **restrict end, int base)
{
	return convert(text, end, base, LONG_MAX, 1);
}
