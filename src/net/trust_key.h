/* A certificate's public key as BearSSL takes it. */
#ifndef NET_TRUST_KEY_H
#define NET_TRUST_KEY_H

#include "net/cert.h"
#include <bearssl.h>

/* BearSSL's structures point to bytes without const, which it never writes. */
static inline unsigned char *trust_bytes(const unsigned char *p)
{
	return (unsigned char *)(uintptr_t)p;
}

/* The key points into the certificate, which must be cert_key_usable. */
static inline void trust_key(const struct cert *c, br_x509_pkey *key)
{
	if (c->key == CERT_KEY_RSA) {
		key->key_type = BR_KEYTYPE_RSA;
		key->key.rsa.n = trust_bytes(c->modulus.p);
		key->key.rsa.nlen = c->modulus.len;
		key->key.rsa.e = trust_bytes(c->exponent.p);
		key->key.rsa.elen = c->exponent.len;
	} else {
		key->key_type = BR_KEYTYPE_EC;
		key->key.ec.curve = c->curve;
		key->key.ec.q = trust_bytes(c->point.p);
		key->key.ec.qlen = c->point.len;
	}
}

#endif
