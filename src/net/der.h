/*
 * A reader of DER: one element after the other from bytes that it does not
 * own. Lengths must be minimal and fit, tags must be of one byte; nothing is
 * copied, nothing recurses. Pure.
 */
#ifndef NET_DER_H
#define NET_DER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DER_BOOLEAN 0x01
#define DER_INTEGER 0x02
#define DER_BITS 0x03
#define DER_OCTETS 0x04
#define DER_OID 0x06
#define DER_UTC_TIME 0x17
#define DER_TIME 0x18
#define DER_SEQUENCE 0x30
#define DER_SET 0x31
/* Context tags: of plain values, and of constructed ones. */
#define DER_PLAIN(n) (0x80 | (n))
#define DER_CONTEXT(n) (0xa0 | (n))

/* A run of bytes: what is left to read, or what was found. */
struct der {
	const unsigned char *p;
	size_t len;
};

/* The next element of any tag: its tag, its content in *value, and when whole
 * is not NULL the element with its head. 0, or -1 when malformed or at the
 * end. Reading advances *d. */
int der_any(struct der *d, unsigned *tag, struct der *value, struct der *whole);
/* The next element if it has this tag, else -1 and *d stays. */
int der_get(struct der *d, unsigned tag, struct der *value);
/* Takes an optional element: 1 taken, 0 another or the end, -1 malformed. */
int der_optional(struct der *d, unsigned tag, struct der *value);

bool der_equal(const struct der *a, const struct der *b);
bool der_is(const struct der *a, const void *bytes, size_t len);
/* A boolean's content: 0 or 1, -1 when malformed. */
int der_boolean(const struct der *value);
/* A small non-negative integer's content: 0 or -1. */
int der_small(const struct der *value, uint32_t *out);
/* A positive integer's content without its leading zero: 0 or -1. */
int der_positive(const struct der *value, struct der *out);
/* Content of a bit string of whole bytes: 0 or -1. */
int der_whole_bits(const struct der *value, struct der *out);
/* UTCTime or GeneralizedTime as certificates have them (seconds, Z). */
int der_time(struct der *d, int64_t *seconds);

#endif
