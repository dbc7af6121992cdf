/*
 * Finding a chain from a server's certificate to an anchor, and having it
 * validated. Servers send certificates that do not belong to the chain, or in
 * a wrong order, or several ways up: all are tried, within a limit.
 */
#ifndef NET_TRUST_PATH_H
#define NET_TRUST_PATH_H

#include "base/limits.h"
#include "net/trust.h"

/* Why no chain was good: the failure that came closest to success. */
enum trust_failure {
	TRUST_NO_ANCHOR,   /* nothing at hand signed it */
	TRUST_NOT_PINNED,  /* anchors, but none with a pinned key */
	TRUST_CA_DATES,	   /* a CA has expired, or is not valid yet */
	TRUST_CA_PURPOSE,  /* not a CA, or not one for servers */
	TRUST_CONSTRAINTS, /* the names go beyond what a CA may sign */
	TRUST_UNKNOWN,	   /* a critical extension */
	TRUST_WEAK,	   /* a CA's key, or a signature with SHA-1 */
	TRUST_SIGNATURE	   /* a signature is wrong */
};

struct trust_chain {
	const struct trust_policy *policy;
	const struct cert *certs; /* as sent; the first is the server's */
	int count;
	int64_t now;
	/* The outcome */
	unsigned usages; /* BearSSL's: what the server's key may be used for */
	enum trust_failure failure;
	struct der culprit; /* subject of the CA to blame, or len 0 */
	struct der missing; /* issuer that was not found */
	/* Inside */
	int path[TRUST_CHAIN_MAX];
	int tries;
};

/* Is there a good chain? The caller fills what stands before the outcome. */
bool trust_path(struct trust_chain *t);
/* Is the SHA-256 of this public key one of the pins? */
bool trust_pinned(const struct trust_policy *policy, const struct cert *c);

#endif
