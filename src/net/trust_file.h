/*
 * The file of anchors, as trust_load writes it and trust_open maps it (the
 * same binary on both sides): the head, `count` entries in ascending order of
 * hash, then the certificates. Looking up one name touches the entries and
 * one certificate, so that the rest of the file costs the process nothing.
 */
#ifndef NET_TRUST_FILE_H
#define NET_TRUST_FILE_H

#include "net/der.h"
#include <stdint.h>

#define TRUST_MAGIC 0x42425341u

struct trust_head {
	uint32_t magic;
	uint32_t count;
	uint32_t exact;
	uint32_t spare;
};

struct trust_entry {
	uint64_t hash;	 /* trust_hash of the subject */
	uint32_t offset; /* of the certificate, from the start of the file */
	uint32_t len;
};

/* FNV-1a: only finds the place, the names themselves are compared. */
static inline uint64_t trust_hash(const struct der *name)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < name->len; i++)
		hash = (hash ^ name->p[i]) * 0x100000001b3u;
	return hash;
}

#endif
