/*
 * The judge: gathers the chain that the TLS engine hands over piece by piece,
 * decides at its end, and puts a refusal into words for whoever has to mend
 * it. The order of the questions is the order in which an administrator would
 * ask them: is it the right server, is its certificate in date, who signed it.
 */
#include "base/version.h"
#include "net/date.h"
#include "net/fault.h"
#include "net/names.h"
#include "net/trust.h"
#include "net/trust_key.h"
#include "net/trust_path.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct trust_judge {
	const br_x509_class *vtable; /* first: the engine's view of us */
	const struct trust_policy *policy;
	struct buf der; /* all certificates, one behind the other */
	size_t ends[TRUST_CHAIN_MAX];
	int count;
	bool overflow;
	struct cert certs[TRUST_CHAIN_MAX];
	br_x509_pkey key;
	unsigned usages;
	bool parsed, accepted;
	struct buf why;
};

static struct trust_judge *trust_self(const br_x509_class **ctx)
{
	return (struct trust_judge *)(void *)ctx;
}

static void trust_start_chain(const br_x509_class **ctx, const char *name)
{
	struct trust_judge *j = trust_self(ctx);

	(void)name;
	buf_reset(&j->der);
	buf_reset(&j->why);
	j->count = 0;
	j->overflow = j->parsed = j->accepted = false;
}

static void trust_start_cert(const br_x509_class **ctx, uint32_t len)
{
	struct trust_judge *j = trust_self(ctx);

	if (j->count == TRUST_CHAIN_MAX ||
	    len > TRUST_CHAIN_BYTES_MAX - j->der.len)
		j->overflow = true;
}

static void trust_append(
    const br_x509_class **ctx, const unsigned char *bytes, size_t len)
{
	struct trust_judge *j = trust_self(ctx);

	if (!j->overflow && buf_add(&j->der, bytes, len) != 0)
		j->overflow = true;
}

static void trust_end_cert(const br_x509_class **ctx)
{
	struct trust_judge *j = trust_self(ctx);

	if (!j->overflow)
		j->ends[j->count++] = j->der.len;
}

/* Begins a sentence about the certificate. */
static struct buf *trust_say(struct trust_judge *j)
{
	buf_reset(&j->why);
	buf_addf(&j->why, "the certificate of %s ", j->policy->host);
	return &j->why;
}

static bool trust_say_key(struct trust_judge *j)
{
	unsigned bits = cert_rsa_bits(&j->certs[0]);

	if (bits > 0)
		buf_addf(trust_say(j),
		    "has an RSA key of %u bits; 2048 to 4096 are accepted: "
		    "give the server another one",
		    bits);
	else
		buf_adds(trust_say(j),
		    "has a kind of key that is not supported (RSA, and ECDSA "
		    "with P-256, P-384 or P-521, are): give the server "
		    "another one");
	return false;
}

static bool trust_say_dates(struct trust_judge *j, int64_t now)
{
	const struct cert *leaf = &j->certs[0];
	char limit[DATE_TEXT], clock[DATE_TEXT];

	date_text(clock, now);
	if (now > leaf->not_after)
		buf_addf(trust_say(j),
		    "expired on %s (this host's clock says %s): renew it on "
		    "the server",
		    date_text(limit, leaf->not_after), clock);
	else if (now < BBS_RELEASED)
		buf_addf(trust_say(j),
		    "cannot be judged: this host's clock says %s, which is "
		    "before this program was made: set the clock",
		    clock);
	else
		buf_addf(trust_say(j),
		    "is valid only from %s on, and this host's clock says %s: "
		    "set the clock",
		    date_text(limit, leaf->not_before), clock);
	return false;
}

static bool trust_say_name(struct trust_judge *j)
{
	struct buf *why = trust_say(j);

	buf_adds(why, "is not made out to it but to ");
	names_list(why, &j->certs[0]);
	buf_adds(why,
	    ": set [server] url to a name that it has, or give the server a "
	    "certificate for this one; a name that nobody here knows may be "
	    "that of a network's login page (captive portal)");
	return false;
}

/* Questions about the server's certificate alone. */
static bool trust_leaf_check(struct trust_judge *j, int64_t now)
{
	const struct cert *leaf = &j->certs[0];

	if (now < leaf->not_before || now > leaf->not_after)
		return trust_say_dates(j, now);
	if (!names_check(leaf, j->policy->host))
		return trust_say_name(j);
	if (leaf->has_eku && !leaf->server_auth) {
		buf_adds(trust_say(j),
		    "is not made for TLS servers (its extended key usage "
		    "lacks serverAuth): give the server another one");
		return false;
	}
	if (leaf->bad_serial) {
		buf_adds(trust_say(j), "has a negative serial number: give "
				       "the server another one");
		return false;
	}
	return true;
}

/* Is the very certificate in the administrator's ca_file? */
static bool trust_exact(const struct trust_judge *j)
{
	const struct trust_store *store = j->policy->store;
	const struct cert *leaf = &j->certs[0];
	struct cert found;
	size_t at = 0;

	if (!store->exact || j->policy->pin_count > 0)
		return false;
	while (trust_find(store, &leaf->subject, &at, &found) > 0) {
		if (der_equal(&found.whole, &leaf->whole))
			return true;
	}
	return false;
}

static void trust_add_hash(struct buf *why, const struct cert *c)
{
	uint8_t hash[32];
	br_sha256_context sha;

	br_sha256_init(&sha);
	br_sha256_update(&sha, c->spki.p, c->spki.len);
	br_sha256_out(&sha, hash);
	for (size_t i = 0; i < sizeof(hash); i++)
		buf_addf(why, "%02x", hash[i]);
}

/* No anchor: self-signed, an intermediate missing, or an unknown CA. */
static void trust_say_anchor(struct trust_judge *j, const struct trust_chain *t)
{
	const struct cert *leaf = &j->certs[0];
	const char *file = j->policy->ca_name;
	struct buf *why = trust_say(j);
	bool self = der_equal(&leaf->subject, &leaf->issuer);

	if (self) {
		buf_adds(why, "is self-signed");
	} else {
		buf_adds(why, "is signed by ");
		cert_add_name(why, &leaf->issuer);
	}
	if (t->missing.len > 0 && !der_equal(&t->missing, &leaf->issuer)) {
		buf_adds(why, ", that by ");
		cert_add_name(why, &t->missing);
	}
	if (file != NULL)
		buf_addf(why, self ? ", and not in %s" : ", which is not in %s",
		    file);
	bool alone = file != NULL && !self && j->count == 1;
	buf_addf(why, "%s: set ca_file to %s%s",
	    alone ? " and not sent by the server" : "",
	    self ? "this certificate" : "its CA's certificate",
	    alone ? ", or give the server its full chain" : "");
	buf_adds(why, ", or set pin_sha256 to its key (");
	trust_add_hash(why, leaf);
	buf_adds(why, ", to be compared on the server)");
}

static void trust_say_chain(struct trust_judge *j, const struct trust_chain *t)
{
	static const char *const texts[] = {
	    [TRUST_CA_DATES] = "has expired or is not valid yet by this "
			       "host's clock: check the clock, then renew it",
	    [TRUST_CA_PURPOSE] = "is not allowed to sign servers' "
				 "certificates: give the server another one",
	    [TRUST_CONSTRAINTS] = "must not sign these names: give the server "
				  "a certificate of another CA",
	    [TRUST_UNKNOWN] = "has a critical extension that is not "
			      "understood: use pin_sha256",
	    [TRUST_WEAK] = "has a weak or unsupported key or signature "
			   "(SHA-1, RSA below 2048 bits): replace it",
	    [TRUST_SIGNATURE] =
		"does not verify: its signature is wrong. If its CA was made "
		"anew, set ca_file to that",
	};
	struct buf *why;

	if (t->failure == TRUST_NO_ANCHOR) {
		trust_say_anchor(j, t);
		return;
	}
	why = trust_say(j);
	if (t->failure == TRUST_NOT_PINNED) {
		buf_adds(why, "has another key than pin_sha256 says (now ");
		trust_add_hash(why, &j->certs[0]);
		buf_adds(why, "): find out on the server whether its key was "
			      "changed, then set pin_sha256");
		return;
	}
	if (t->culprit.len > 0) {
		buf_adds(why, "is signed by the CA ");
		cert_add_name(why, &t->culprit);
		buf_adds(why, ", which ");
	} else {
		buf_adds(why, "or a CA's above it ");
	}
	buf_adds(why, texts[t->failure]);
}

static bool trust_chain_check(struct trust_judge *j, int64_t now)
{
	struct trust_chain t = {.policy = j->policy,
	    .certs = j->certs,
	    .count = j->count,
	    .now = now};

	if (j->certs[0].ca || j->certs[0].signs_certs) {
		bool self =
		    der_equal(&j->certs[0].subject, &j->certs[0].issuer);
		buf_addf(trust_say(j),
		    "is %s: put exactly this certificate into ca_file, or its "
		    "key (",
		    self ? "self-signed" : "that of a CA itself");
		trust_add_hash(&j->why, &j->certs[0]);
		buf_adds(&j->why, ") into pin_sha256");
		return false;
	}
	if (trust_path(&t)) {
		j->usages = t.usages;
		return true;
	}
	if (j->policy->pin_count > 0 && t.failure < TRUST_NOT_PINNED)
		t.failure = TRUST_NOT_PINNED;
	trust_say_chain(j, &t);
	return false;
}

/* The whole judgement; j->certs[0] is the server's. */
static bool trust_decide(struct trust_judge *j)
{
	const struct trust_policy *policy = j->policy;
	int64_t now = policy->now != 0 ? policy->now : (int64_t)time(NULL);

	j->usages = BR_KEYTYPE_KEYX | BR_KEYTYPE_SIGN;
	if (!cert_key_usable(&j->certs[0]))
		return trust_say_key(j);
	trust_key(&j->certs[0], &j->key);
	if (policy->pin_count > 0 ? trust_pinned(policy, &j->certs[0])
				  : !policy->verify)
		return true;
	if (!trust_leaf_check(j, now))
		return false;
	return trust_exact(j) || trust_chain_check(j, now);
}

/* Takes the gathered bytes apart. An odd certificate above the server's own
 * is left out: it may not be needed. */
static bool trust_parse(struct trust_judge *j)
{
	const char *fault;
	size_t start = 0;
	int kept = 0;

	if (j->overflow || j->count == 0) {
		buf_adds(trust_say(j),
		    j->count == 0 && !j->overflow
			? "is missing: the server sent none"
			: "comes with too many others: send its chain only");
		return false;
	}
	for (int i = 0; i < j->count; start = j->ends[i++]) {
		if (cert_parse(&j->certs[kept], j->der.data + start,
			j->ends[i] - start, &fault) == 0) {
			/* Only the server's own is worth a sentence. */
			kept += i == 0 || !j->certs[kept].bad_serial;
		} else if (i == 0) {
			buf_addf(trust_say(j), "cannot be read: %s", fault);
			return false;
		}
	}
	j->count = kept;
	return true;
}

static unsigned trust_end_chain(const br_x509_class **ctx)
{
	struct trust_judge *j = trust_self(ctx);

	j->parsed = trust_parse(j);
	j->accepted = j->parsed && trust_decide(j);
	return j->accepted ? 0 : BR_ERR_X509_NOT_TRUSTED;
}

static const br_x509_pkey *trust_get_pkey(
    const br_x509_class *const *ctx, unsigned *usages)
{
	const struct trust_judge *j = (const void *)ctx;

	if (!j->accepted)
		return NULL;
	if (usages != NULL)
		*usages = j->usages;
	return &j->key;
}

static const br_x509_class trust_class = {sizeof(struct trust_judge),
    trust_start_chain, trust_start_cert, trust_append, trust_end_cert,
    trust_end_chain, trust_get_pkey};

struct trust_judge *trust_judge_new(const struct trust_policy *policy)
{
	struct trust_judge *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return NULL;
	j->vtable = &trust_class;
	j->policy = policy;
	buf_init(&j->der, TRUST_CHAIN_BYTES_MAX);
	buf_init(&j->why, 2 * KIB);
	return j;
}

void trust_judge_rest(struct trust_judge *j)
{
	buf_release(&j->der);
	buf_release(&j->why);
	j->parsed = j->accepted = false;
	j->count = 0;
}

void trust_judge_free(struct trust_judge *j)
{
	if (j == NULL)
		return;
	trust_judge_rest(j);
	free(j);
}

const br_x509_class **trust_judge_class(struct trust_judge *j)
{
	return &j->vtable;
}

bool trust_judge_accepted(const struct trust_judge *j)
{
	return j->accepted;
}

void trust_judge_facts(const struct trust_judge *j, struct fault *fault)
{
	struct buf text = BUF_INIT(NET_FACTS_MAX / 2);
	const struct cert *leaf = &j->certs[0];

	if (!j->parsed || fault->facts == NULL)
		return;
	cert_add_name(&text, &leaf->subject);
	for (int i = 0; i < j->count; i++) {
		buf_adds(&text, i == 0 ? " signed by " : ", that by ");
		cert_add_name(&text, &j->certs[i].issuer);
	}
	buf_adds(&text, ", made out to ");
	names_list(&text, leaf);
	fault_fact(fault, NET_FACT_CHAIN, "%s", buf_str(&text));
	fault_fact(fault, NET_FACT_BEGIN, "%lld", (long long)leaf->not_before);
	fault_fact(fault, NET_FACT_END, "%lld", (long long)leaf->not_after);
	buf_release(&text);
}

const char *trust_judge_why(const struct trust_judge *j)
{
	return buf_str(&j->why);
}
