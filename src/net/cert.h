/*
 * What a certificate says (X.509 v1 and v3), cut out of its DER without
 * copying. Nothing is believed here: no signature is checked.
 */
#ifndef NET_CERT_H
#define NET_CERT_H

#include "base/buf.h"
#include "net/der.h"

enum cert_key { CERT_KEY_OTHER, CERT_KEY_RSA, CERT_KEY_EC };

struct cert {
	struct der whole;  /* the certificate */
	struct der issuer; /* both names with their heads */
	struct der subject;
	struct der spki;    /* the public key with its head */
	struct der sig_oid; /* what it was signed with */
	int64_t not_before, not_after;

	enum cert_key key;
	struct der modulus, exponent; /* RSA, without leading zeros */
	int curve;		      /* EC: 23, 24, 25 as in TLS, or 0 */
	struct der point;	      /* EC, as it stands */

	bool v3, ca, has_path_len, has_eku, server_auth, any_eku, signs_certs;
	bool bad_serial; /* negative: there are old roots like that */
	uint32_t path_len;
	struct der alt_names;	/* content of the SAN's sequence, or len 0 */
	struct der constraints; /* content of the name constraints, or len 0 */
	/* A critical extension that we do not judge: its OID, or len 0. */
	struct der unknown;
};

/* 0, or -1 with *why (a fragment) when it is no certificate. */
int cert_parse(struct cert *c, const void *der, size_t len, const char **why);
/* Bits of the RSA modulus; 0 for other keys. */
unsigned cert_rsa_bits(const struct cert *c);
/* Can its key be used here: RSA of 2048 to 4096 bits, or P-256/384/521? */
bool cert_key_usable(const struct cert *c);
/* Appends a name for people: the common name, or the organisation, escaped
 * and cut; "(no name)" when it has neither. name is issuer or subject. */
void cert_add_name(struct buf *out, const struct der *name);

#endif
