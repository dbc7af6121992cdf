/*
 * Small judges over raw JSON text that the parts of the JSON module share.
 * `end` points behind the last byte in all of them.
 */
#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include <stddef.h>

/* Behind the printable ASCII at p, up to a quote, a backslash, or any other
 * byte. */
const char *json_plain_end(const char *p, const char *end);
/* Behind the escape whose backslash stands before p; NULL when it is none. */
const char *json_escape_end(const char *p, const char *end);
/* Behind the number, true, false or null that begins at p, else NULL. */
const char *json_scalar_end(const char *p, const char *end);
/* Four hexadecimal digits at p, or -1. */
int json_hex4(const char *p, const char *end);

#endif
