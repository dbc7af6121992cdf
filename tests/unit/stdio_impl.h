/* What vendor/musl/src/stdio/vfprintf.c takes of musl's header of this name,
 * over a plain array: for test_printf.c, which includes both. */
#ifndef STDIO_IMPL_H
#define STDIO_IMPL_H

#include <stdarg.h>
#include <stddef.h>

#undef F_ERR
#define F_ERR 32
#define FLOCK(f) (void)(f)
#define FUNLOCK(f) (void)(f)

struct stream {
	unsigned flags;
	unsigned char *wpos, *wbase, *wend, *buf;
	size_t buf_size;
	size_t (*write)(struct stream *, const unsigned char *, size_t);
	char text[400];
	size_t len;
};

size_t __fwritex(const unsigned char *bytes, size_t len, struct stream *f);
int __towrite(struct stream *f);
int own_vfprintf(struct stream *f, const char *format, va_list ap);

#define FILE struct stream
#define vfprintf own_vfprintf

#endif
