/*
 * The widths are those of Unicode 15 in coarse ranges: what is wide on some
 * terminals only counts as wide, since a line that is too short is no harm.
 */
#include "cli/term.h"
#include "base/limits.h"
#include "base/text.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* As setlocale does: the first that is set and not empty. */
static bool is_utf8_locale(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
	const char *value = NULL;
	for (size_t i = 0; i < 3 && (value == NULL || *value == '\0'); i++)
		value = getenv(names[i]);
	const char *set = value != NULL ? strchr(value, '.') : NULL;
	return set != NULL && (strncasecmp(set, ".utf-8", 6) == 0 ||
				  strncasecmp(set, ".utf8", 5) == 0);
}

void term_look(struct term *t, int fd)
{
	struct winsize size = {0};
	const char *none = getenv("NO_COLOR"), *kind = getenv("TERM");
	t->tty = isatty(fd) != 0;
	t->moves = t->tty && kind != NULL && strcmp(kind, "dumb") != 0;
	t->colour = t->moves && (none == NULL || none[0] == '\0');
	t->utf8 = is_utf8_locale();
	if (t->tty)
		(void)ioctl(fd, TIOCGWINSZ, &size);
	t->rows = size.ws_row > 0 ? size.ws_row : TERM_ROWS;
	t->cols = size.ws_col > 0 ? size.ws_col : TERM_COLS;
}

void term_style(const struct term *t, struct buf *out, enum term_style style)
{
	static const char *const codes[] = {[TERM_PLAIN] = "\033[0m",
	    [TERM_BOLD] = "\033[1m",
	    [TERM_DIM] = "\033[2m",
	    [TERM_RED] = "\033[31m",
	    [TERM_GREEN] = "\033[32m",
	    [TERM_YELLOW] = "\033[33m"};
	if (t->colour)
		buf_adds(out, codes[style]);
}

static uint32_t code_point(const char *s, size_t len)
{
	static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t c = (unsigned char)s[0] & masks[len];
	for (size_t i = 1; i < len; i++)
		c = c << 6 | ((unsigned char)s[i] & 0x3f);
	return c;
}

int term_width(const char *s, size_t len)
{
	static const struct {
		uint32_t first, last;
		int width;
	} ranges[] = {{0x0300, 0x036f, 0}, {0x061c, 0x061c, -1},
	    {0x1100, 0x115f, 2}, {0x200b, 0x200d, 0}, {0x200e, 0x200f, -1},
	    {0x2028, 0x202e, -1}, {0x2060, 0x2064, 0}, {0x2066, 0x206f, -1},
	    {0x20d0, 0x20ff, 0}, {0x2e80, 0x303e, 2}, {0x3041, 0xa4cf, 2},
	    {0xa960, 0xa97f, 2}, {0xac00, 0xd7a3, 2}, {0xe000, 0xf8ff, -1},
	    {0xf900, 0xfaff, 2}, {0xfe00, 0xfe0f, 0}, {0xfe20, 0xfe2f, 0},
	    {0xfe30, 0xfe6f, 2}, {0xfeff, 0xfeff, 0}, {0xff01, 0xff60, 2},
	    {0xffe0, 0xffe6, 2}, {0xfff0, 0xfffb, -1}, {0x1f000, 0x1faff, 2},
	    {0x20000, 0x3fffd, 2}, {0xe0000, 0x10ffff, -1}};
	uint32_t c = code_point(s, len);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (c >= ranges[i].first && c <= ranges[i].last)
			return ranges[i].width;
	}
	return 1;
}

/* The next character of an escaped text: its bytes, and how wide it is; what
 * must not be shown, or cannot, is *odd. */
static size_t next_character(
    const struct term *t, const char *s, size_t len, unsigned *width, bool *odd)
{
	size_t n = text_utf8_at(s, len);
	int wide = term_width(s, n);
	*odd = wide < 0 || (n > 1 && !t->utf8);
	*width = *odd ? 1 : (unsigned)wide;
	return n;
}

/* The bytes of s that fit into `cells`, and in *used how many they take. */
static size_t measure(const struct term *t, const char *s, size_t len,
    unsigned cells, unsigned *used)
{
	size_t at = 0;
	*used = 0;
	while (at < len) {
		unsigned width;
		bool odd;
		size_t n = next_character(t, s + at, len - at, &width, &odd);
		if (*used + width > cells)
			break;
		*used += width;
		at += n;
	}
	return at;
}

unsigned term_add(
    const struct term *t, struct buf *out, const char *text, unsigned cells)
{
	static const char dots[] = "...";
	struct buf safe = BUF_INIT(4 * KIB * 4);
	unsigned used, room = cells, tail = 0;
	/* Longer ones are cut in any case. */
	text_add_escaped(&safe, text, strnlen(text, 4 * KIB));
	const char *s = buf_str(&safe);
	if (measure(t, s, safe.len, cells, &used) < safe.len) {
		tail = cells < 3 ? cells : 3;
		room = cells - tail;
	}
	size_t end = measure(t, s, safe.len, room, &used);
	for (size_t at = 0; at < end;) {
		unsigned width;
		bool odd;
		size_t n = next_character(t, s + at, end - at, &width, &odd);
		buf_add(out, odd ? "?" : s + at, odd ? 1 : n);
		at += n;
	}
	buf_add(out, dots, tail);
	buf_release(&safe);
	return used + tail;
}

void term_wrap(
    const struct term *t, struct buf *out, const char *text, unsigned indent)
{
	struct buf word = BUF_INIT(4 * KIB), shown = BUF_INIT(16 * KIB);
	unsigned cols = t->tty ? t->cols : TERM_WHOLE;
	unsigned width = cols > 2 * indent ? cols - indent : indent;
	for (unsigned at = 0; *text != '\0';) {
		size_t n = strcspn(text, " ");
		buf_reset(&word);
		buf_reset(&shown);
		buf_add(&word, text, n);
		unsigned cells =
		    term_add(t, &shown, buf_str(&word), TERM_WHOLE);
		if (t->tty && at > 0 && cells >= width - at) {
			buf_addf(out, "\n%*s", (int)indent, "");
			at = 0;
		} else if (at > 0) {
			buf_addc(out, ' ');
		}
		buf_adds(out, buf_str(&shown));
		at = at + cells + 1 < width ? at + cells + 1 : width;
		text += n + (text[n] == ' ');
	}
	buf_release(&word);
	buf_release(&shown);
}

void term_column(
    const struct term *t, struct buf *out, const char *text, unsigned cells)
{
	unsigned used = term_add(t, out, text, cells);
	while (used++ < cells)
		buf_addc(out, ' ');
}
