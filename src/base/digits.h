/* What characters stand for in hexadecimal, decimal and base64. */
#ifndef BASE_DIGITS_H
#define BASE_DIGITS_H

#include "base/buf.h"

/* 0 to 15 / 0 to 63, or -1. */
int digits_hex(char c);
int digits_base64(char c);
/* The number that exactly n decimal digits stand for (n < 10), or -1. */
int digits_decimal(const char *text, int n);
/* Appends the bytes that base64 text stands for; 0, or -1 when something else
 * is in it (padding is allowed): that is passed over. */
int digits_add_base64(struct buf *out, const char *text, size_t len);
/* Appends bytes as base64, padded or not. */
void digits_put_base64(
    struct buf *out, const void *bytes, size_t len, bool padded);

#endif
