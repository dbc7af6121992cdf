/*
 * Text: UTF-8 made valid, cut at characters, numbers parsed strictly, and
 * amounts written for people. Nothing here depends on the locale.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/buf.h"
#include <stdint.h>

/* Length of the character (1..4 bytes) that s begins with; 0 when its first
 * byte begins none. */
size_t text_utf8_at(const char *s, size_t len);
/* Is this strictly valid UTF-8 (no surrogates, no overlong forms)? */
bool text_is_utf8(const char *s, size_t len);
/* Appends s with each byte that is not UTF-8 replaced by U+FFFD. */
int text_add_utf8(struct buf *out, const char *s, size_t len);
/* The largest n <= max at which s can be cut without splitting a character
 * (s is valid UTF-8). */
size_t text_cut(const char *s, size_t len, size_t max);
/* Appends s for one line of a log: control characters (those of Unicode too)
 * as \n, \r, \t, \xHH, and so bytes that are not UTF-8. */
int text_add_escaped(struct buf *out, const char *s, size_t len);
/* Copies s cut at a character to fit dst (size bytes with the NUL). */
void text_copy(char *dst, size_t size, const char *s);

/* Decimal number, digits only, min..max; 0, or -1 and *out unchanged. */
int text_to_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out);

/* "1,204" / "1,204 files" / "3.1 GB" (powers of 1000) / "2 min 4 s" into a
 * caller's buffer of TEXT_AMOUNT bytes; each returns dst. */
#define TEXT_AMOUNT 40
const char *text_count(char *dst, uint64_t n);
const char *text_files(char *dst, uint64_t n);
const char *text_size(char *dst, uint64_t bytes);
const char *text_duration(char *dst, uint64_t seconds);

/* Does s begin with prefix / end with suffix? */
bool text_starts(const char *s, const char *prefix);
bool text_ends(const char *s, const char *suffix);

#endif
