/*
 * The reader of INI text: [section], key = value or key: value, # and ;
 * comments (whole lines only), BOM and CRLF accepted. An indented line
 * continues the value before it with a newline, as Python's configparser
 * does. Names are handed over in lower case, values trimmed.
 */
#ifndef BASE_INI_H
#define BASE_INI_H

#include <stddef.h>

/* Called for each key in order; a return of -1 ends the parse with -1. */
typedef int ini_handler(void *ctx, int line, const char *section,
    const char *key, const char *value);

/* 0; -1 when the handler said so, or on a line that is none of the above:
 * then *line is its number and why (size bytes) says what is wrong. */
int ini_parse(const char *text, size_t len, ini_handler *handler, void *ctx,
    int *line, char *why, size_t size);

#endif
