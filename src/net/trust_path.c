/*
 * The search goes up from the server's certificate: first to an anchor with
 * the issuer's name, then to a sent certificate with it. Each candidate is
 * given to BearSSL's validator with that one anchor. What the validator does
 * not judge of a chain is judged before it is asked.
 */
#include "net/trust_path.h"
#include "net/names.h"
#include "net/trust_key.h"
#include <string.h>

bool trust_pinned(const struct trust_policy *policy, const struct cert *c)
{
	uint8_t hash[32];
	br_sha256_context sha;
	bool found = false;

	if (policy->pin_count == 0)
		return false;
	br_sha256_init(&sha);
	br_sha256_update(&sha, c->spki.p, c->spki.len);
	br_sha256_out(&sha, hash);
	for (int i = 0; i < policy->pin_count; i++)
		found |= memcmp(hash, policy->pins[i], sizeof(hash)) == 0;
	return found;
}

/* Remembers a failure if it came closer than those before. */
static bool trust_fail(struct trust_chain *t, enum trust_failure failure,
    const struct cert *culprit)
{
	if (failure >= t->failure) {
		t->failure = failure;
		if (culprit != NULL)
			t->culprit = culprit->subject;
	}
	return false;
}

/* What a CA above the server's certificate must be, beyond what the validator
 * sees. The first n of the path stand below it. */
static bool trust_ca_check(struct trust_chain *t, const struct cert *ca, int n)
{
	if (t->now < ca->not_before || t->now > ca->not_after)
		return trust_fail(t, TRUST_CA_DATES, ca);
	/* An empty sequence, two bytes, names nobody. */
	if ((ca->v3 && !ca->ca) || ca->subject.len <= 2 ||
	    (ca->has_eku && !ca->server_auth && !ca->any_eku) ||
	    (ca->has_path_len && (uint32_t)(n - 1) > ca->path_len))
		return trust_fail(t, TRUST_CA_PURPOSE, ca);
	if (ca->unknown.len > 0)
		return trust_fail(t, TRUST_UNKNOWN, ca);
	for (int i = 0; i < n && ca->constraints.len > 0; i++) {
		if (!names_allowed(&ca->constraints, &t->certs[t->path[i]]))
			return trust_fail(t, TRUST_CONSTRAINTS, ca);
	}
	return true;
}

/* Asks the validator about the first n certificates of the path below one
 * anchor: its error, 0 when good. */
static unsigned trust_validate(
    struct trust_chain *t, int n, const struct cert *anchor)
{
	br_x509_minimal_context mc;
	br_x509_trust_anchor ta = {.flags = BR_X509_TA_CA};
	const br_x509_class **xc = &mc.vtable;
	unsigned rc;

	ta.dn.data = trust_bytes(anchor->subject.p);
	ta.dn.len = anchor->subject.len;
	trust_key(anchor, &ta.pkey);
	br_x509_minimal_init(&mc, &br_sha256_vtable, &ta, 1);
	/* No SHA-1 and nothing older. */
	br_x509_minimal_set_hash(&mc, br_sha256_ID, &br_sha256_vtable);
	br_x509_minimal_set_hash(&mc, br_sha384_ID, &br_sha384_vtable);
	br_x509_minimal_set_hash(&mc, br_sha512_ID, &br_sha512_vtable);
	br_x509_minimal_set_rsa(&mc, &br_rsa_i31_pkcs1_vrfy);
	br_x509_minimal_set_ecdsa(&mc, &br_ec_all_m31, &br_ecdsa_i31_vrfy_asn1);
	br_x509_minimal_set_minrsa(&mc, 2048 / 8);
	br_x509_minimal_set_time(&mc, (uint32_t)(t->now / 86400 + 719528),
	    (uint32_t)(t->now % 86400));
	(*xc)->start_chain(xc, NULL);
	for (int i = 0; i < n; i++) {
		const struct der *der = &t->certs[t->path[i]].whole;
		(*xc)->start_cert(xc, (uint32_t)der->len);
		(*xc)->append(xc, der->p, der->len);
		(*xc)->end_cert(xc);
	}
	rc = (*xc)->end_chain(xc);
	if (rc == 0)
		(*xc)->get_pkey(xc, &t->usages);
	return rc;
}

static enum trust_failure trust_translate(unsigned error)
{
	switch (error) {
	case BR_ERR_X509_EXPIRED:
		return TRUST_CA_DATES;
	case BR_ERR_X509_NOT_CA:
	case BR_ERR_X509_FORBIDDEN_KEY_USAGE:
		return TRUST_CA_PURPOSE;
	case BR_ERR_X509_CRITICAL_EXTENSION:
		return TRUST_UNKNOWN;
	case BR_ERR_X509_WEAK_PUBLIC_KEY:
	case BR_ERR_X509_UNSUPPORTED:
		return TRUST_WEAK;
	default:
		return TRUST_SIGNATURE;
	}
}

/* Is the chain of the first n on the path good below this anchor? */
static bool trust_try(
    struct trust_chain *t, int n, const struct cert *anchor, bool pinned)
{
	unsigned error;

	if (t->policy->pin_count > 0 && !pinned)
		return trust_fail(t, TRUST_NOT_PINNED, NULL);
	if (!cert_key_usable(anchor))
		return trust_fail(t, TRUST_WEAK, anchor);
	if (!trust_ca_check(t, anchor, n))
		return false;
	for (int i = 1; i < n; i++) {
		if (!trust_ca_check(t, &t->certs[t->path[i]], i))
			return false;
	}
	error = trust_validate(t, n, anchor);
	return error == 0 || trust_fail(t, trust_translate(error), NULL);
}

static bool trust_on_path(const struct trust_chain *t, int n, int k)
{
	for (int i = 0; i < n; i++) {
		if (t->path[i] == k)
			return true;
	}
	return false;
}

/* The path has n certificates: is there a way up from the last? */
static bool trust_climb(struct trust_chain *t, int n)
{
	const struct cert *last = &t->certs[t->path[n - 1]];
	struct cert anchor;
	size_t at = 0;
	bool known = false;

	if (t->tries++ >= TRUST_TRIES_MAX)
		return false;
	while (trust_find(t->policy->store, &last->issuer, &at, &anchor) > 0) {
		known = true;
		if (trust_try(t, n, &anchor, trust_pinned(t->policy, &anchor)))
			return true;
	}
	for (int k = 1; k < t->count; k++) {
		const struct cert *next = &t->certs[k];
		if (trust_on_path(t, n, k) ||
		    !der_equal(&next->subject, &last->issuer))
			continue;
		known = true;
		if (trust_pinned(t->policy, next) &&
		    trust_try(t, n, next, true))
			return true;
		t->path[n] = k;
		if (trust_climb(t, n + 1))
			return true;
	}
	if (!known && t->missing.len == 0 &&
	    !der_equal(&last->subject, &last->issuer))
		t->missing = last->issuer;
	return false;
}

bool trust_path(struct trust_chain *t)
{
	t->tries = 0;
	t->failure = TRUST_NO_ANCHOR;
	t->culprit = t->missing = (struct der){0};
	t->path[0] = 0;
	if (t->certs[0].unknown.len > 0)
		return trust_fail(t, TRUST_UNKNOWN, NULL);
	return trust_climb(t, 1);
}
