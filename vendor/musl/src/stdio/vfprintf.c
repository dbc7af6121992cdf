/*
 * printf in place of musl's, which is seven times as large: %d %i %u %x %X %o
 * %c %s %p %m %%, with - and 0, width, precision and the sizes of integers. No
 * floating point, no wide characters, no %n, no numbered arguments, which end
 * in EINVAL. All that prints text, in the agent and in musl, comes through
 * here.
 */
#include "stdio_impl.h"
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What stands between % and the letter. */
struct spec {
	int left, zero; /* flags */
	int width;
	int precision; /* -1: none */
	size_t size;   /* of an integer's type */
};

struct output {
	FILE *file;
	size_t len;
};

static void put(struct output *o, const char *text, size_t len)
{
	o->len += len;
	if ((o->file->flags & F_ERR) == 0)
		__fwritex((const unsigned char *)text, len, o->file);
}

static void put_many(struct output *o, char c, int n)
{
	while (n-- > 0)
		put(o, &c, 1);
}

/* A field: blanks, head, zeros, text, or the blanks last. */
static void put_field(struct output *o, const struct spec *s, const char *head,
    int zeros, const char *text, int len)
{
	int before = strlen(head);
	int blanks = s->width - before - len - (zeros > 0 ? zeros : 0);

	if (!s->left)
		put_many(o, ' ', blanks);
	put(o, head, before);
	put_many(o, '0', zeros);
	put(o, text, len);
	if (s->left)
		put_many(o, ' ', blanks);
}

static void put_integer(struct output *o, const struct spec *s,
    const char *head, uintmax_t value, char letter)
{
	unsigned base = letter == 'o' ? 8 : (letter | 0x20) == 'x' ? 16 : 10;
	char digits[3 * sizeof(value)];
	int at = sizeof(digits);
	int least = s->precision;

	for (; value > 0; value /= base) {
		char c = "0123456789ABCDEF"[value % base];
		digits[--at] = c > '9' ? c | (letter & 0x20) : c;
	}
	if (least < 0 && s->zero && !s->left)
		least = s->width - (int)strlen(head);
	if (least < 1 && s->precision != 0)
		least = 1;
	least -= sizeof(digits) - at;
	put_field(o, s, head, least, digits + at, sizeof(digits) - at);
}

/* An argument of the size, its bits above that as its sign has them. */
static uintmax_t take_integer(va_list *ap, size_t size, int is_signed)
{
	unsigned spare = 8 * (sizeof(uintmax_t) - size);
	uintmax_t value = size > sizeof(unsigned) ? va_arg(*ap, uintmax_t)
						  : va_arg(*ap, unsigned);

	value <<= spare;
	return is_signed ? (uintmax_t)((intmax_t)value >> spare)
			 : value >> spare;
}

/* 0, or -1 when the letter is not known. */
static int put_argument(
    struct output *o, const struct spec *s, char letter, va_list *ap)
{
	const char *text = 0;
	uintmax_t value;
	char c;

	switch (letter) {
	case 'd':
	case 'i':
		value = take_integer(ap, s->size, 1);
		if ((intmax_t)value < 0)
			put_integer(o, s, "-", -value, letter);
		else
			put_integer(o, s, "", value, letter);
		return 0;
	case 'u':
	case 'x':
	case 'X':
	case 'o':
		value = take_integer(ap, s->size, 0);
		put_integer(o, s, "", value, letter);
		return 0;
	case 'p':
		put_integer(o, s, "0x", (uintptr_t)va_arg(*ap, void *), 'x');
		return 0;
	case 'c':
		c = va_arg(*ap, int);
		put_field(o, s, "", 0, &c, 1);
		return 0;
	case 'm':
		text = strerror(errno);
		break;
	case 's':
		text = va_arg(*ap, char *);
		break;
	default:
		return -1;
	}
	text = text ? text : "(null)";
	put_field(o, s, "", 0, text,
	    strnlen(text, s->precision < 0 ? INT_MAX : s->precision));
	return 0;
}

static int read_number(const char **at, va_list *ap)
{
	int n = 0;

	if (**at == '*') {
		++*at;
		return va_arg(*ap, int);
	}
	for (; **at >= '0' && **at <= '9' && n < INT_MAX / 16; ++*at)
		n = 10 * n + (**at - '0');
	return n;
}

/* Reads up to the letter. */
static void read_spec(struct spec *s, const char **at, va_list *ap)
{
	*s = (struct spec){.precision = -1, .size = sizeof(int)};
	for (; **at == '-' || **at == '0'; ++*at)
		*(**at == '-' ? &s->left : &s->zero) = 1;
	s->width = read_number(at, ap);
	if (s->width < 0) {
		s->left = 1;
		s->width = -s->width;
	}
	if (**at == '.') {
		++*at;
		s->precision = read_number(at, ap);
	}
	for (;; ++*at) {
		if (**at == 'h')
			s->size = s->size > 2 ? 2 : 1;
		else if (**at == 'l')
			s->size = (*at)[-1] == 'l' ? 8 : sizeof(long);
		else if (**at == 'z' || **at == 't')
			s->size = sizeof(size_t);
		else if (**at == 'j')
			s->size = 8;
		else
			return;
	}
}

static int print(FILE *f, const char *format, va_list *ap)
{
	struct output o = {f, 0};
	struct spec s;

	for (;;) {
		size_t plain = strcspn(format, "%");
		put(&o, format, plain);
		format += plain;
		if (*format == '\0')
			break;
		format++;
		if (*format == '%') {
			put(&o, format++, 1);
			continue;
		}
		read_spec(&s, &format, ap);
		if (put_argument(&o, &s, *format, ap) != 0) {
			errno = EINVAL;
			return -1;
		}
		format++;
	}
	if (o.len <= INT_MAX)
		return o.len;
	errno = EOVERFLOW;
	return -1;
}

/* A stream without a buffer gets one as long as this lasts. */
int vfprintf(FILE *restrict f, const char *restrict format, va_list ap)
{
	unsigned char lent[80], *own = 0;
	int earlier, ret;
	va_list copy; /* a pointer to it can be passed on, whatever it is */

	va_copy(copy, ap);
	FLOCK(f);
	earlier = f->flags & F_ERR;
	f->flags &= ~F_ERR;
	if (f->buf_size == 0) {
		own = f->buf;
		f->buf = lent;
		f->buf_size = sizeof(lent);
		f->wpos = f->wbase = f->wend = 0;
	}
	ret = f->wend == 0 && __towrite(f) != 0 ? -1 : print(f, format, &copy);
	if (own != 0) {
		f->write(f, 0, 0);
		if (f->wpos == 0)
			ret = -1;
		f->buf = own;
		f->buf_size = 0;
		f->wpos = f->wbase = f->wend = 0;
	}
	if ((f->flags & F_ERR) != 0)
		ret = -1;
	f->flags |= earlier;
	FUNLOCK(f);
	va_end(copy);
	return ret;
}
