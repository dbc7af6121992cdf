/*
 * What a release says of itself: SHA256SUMS, whose first line names the
 * version, and its signature. Nothing of it is believed before the signature
 * was verified with a key that this host has. Pure. README: "Updates".
 */
#ifndef BBS_RELEASE_H
#define BBS_RELEASE_H

#include "base/buf.h"
#include "base/hash.h"

/* The files of a release, and this machine's program among them. */
#define RELEASE_SUMS "SHA256SUMS"
#define RELEASE_SIGNATURE "SHA256SUMS.sig"
extern const char release_program[];

/* Keys that were built in (PEM, without line ends); "": none. */
extern const char release_keys[];

#define RELEASE_VERSION_MAX 32
struct release {
	char version[RELEASE_VERSION_MAX];
	char sum[HASH_HEX]; /* SHA-256 of release_program */
};

/* Is sig (DER, ECDSA) what one of the first RELEASE_KEYS_MAX P-256 keys in
 * `keys` (PEM, "PUBLIC KEY") made of text with SHA-256? 0, or -1 with one
 * sentence in why. */
int release_verify(const char *keys, const struct buf *text,
    const struct buf *sig, struct buf *why);
/* The same sentence for a host that has no key at all. */
extern const char release_no_key[];

/* Reads a SHA256SUMS that was verified. 0, or -1 with one sentence in why. */
int release_parse(struct release *r, const struct buf *text, struct buf *why);

/* Three numbers with points between, as in "3.1.0"? */
bool release_is_version(const char *text);
/* Below, equal to or above 0, as a is older, the same or newer than b. Both
 * must be versions. */
int release_compare(const char *a, const char *b);

#endif
