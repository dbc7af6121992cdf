/*
 * What a person reads on a terminal, or in a file: is colour wanted, how wide
 * is the window, and text from outside that cannot break the screen.
 */
#ifndef CLI_TERM_H
#define CLI_TERM_H

#include "base/buf.h"

struct term {
	bool tty;
	bool moves;  /* one whose screen can be drawn again: no TERM=dumb */
	bool colour; /* such a terminal, and no NO_COLOR */
	bool utf8;   /* the locale's characters are those of UTF-8 */
	unsigned rows, cols;
};

enum term_style {
	TERM_PLAIN,
	TERM_BOLD,
	TERM_DIM,
	TERM_RED,
	TERM_GREEN,
	TERM_YELLOW
};

/* The window's size where fd is not a terminal, or does not say it. */
#define TERM_ROWS 24
#define TERM_COLS 80
/* For term_add: no end. */
#define TERM_WHOLE 65535u

/* Looks at fd and the environment (NO_COLOR, TERM, LC_ALL, LC_CTYPE, LANG). */
void term_look(struct term *t, int fd);
/* Appends the switch to a style, nothing where colour is not wanted. Each
 * text in a style ends with TERM_PLAIN. */
void term_style(const struct term *t, struct buf *out, enum term_style style);
/* Appends text for one line, at most `cells` columns wide, cut with "..." when
 * it is longer. Control characters and bytes that are not UTF-8 are escaped
 * as text_add_escaped does; what would change the direction of writing becomes
 * "?", and so all that is not ASCII where the terminal has no UTF-8. Returns
 * the columns it takes. */
unsigned term_add(
    const struct term *t, struct buf *out, const char *text, unsigned cells);
/* The same, and blanks up to `cells` columns. */
void term_column(
    const struct term *t, struct buf *out, const char *text, unsigned cells);
/* Appends text over as many lines as it needs, broken at blanks, and begins
 * those behind the first with `indent` blanks. A word that is longer than a
 * line stays whole, to be copied; so does all of it where there is no
 * terminal. */
void term_wrap(
    const struct term *t, struct buf *out, const char *text, unsigned indent);
/* The columns of a character (text_utf8_at bytes at s): 0 for one that is put
 * onto the one before, 2 for a wide one, -1 for one that must not be shown. */
int term_width(const char *s, size_t len);

#endif
