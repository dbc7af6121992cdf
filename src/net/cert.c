/*
 * One pass over a certificate, in the order of its fields. Extensions that
 * matter to a client of TLS servers are taken apart; one that is critical and
 * that nobody here judges is remembered for the sentence about it.
 */
#include "net/cert.h"
#include "base/text.h"
#include <string.h>

static const unsigned char oid_rsa[] = {
    0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
static const unsigned char oid_ec[] = {
    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
static const unsigned char oid_p256[] = {
    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const unsigned char oid_p384[] = {0x2b, 0x81, 0x04, 0x00, 0x22};
static const unsigned char oid_p521[] = {0x2b, 0x81, 0x04, 0x00, 0x23};
static const unsigned char oid_server_auth[] = {
    0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01};
static const unsigned char oid_any_eku[] = {0x55, 0x1d, 0x25, 0x00};
static const unsigned char oid_common_name[] = {0x55, 0x04, 0x03};
static const unsigned char oid_organisation[] = {0x55, 0x04, 0x0a};

/* All extensions that we know lie below 2.5.29 (id-ce). */
static const unsigned char oid_id_ce[] = {0x55, 0x1d};
enum {
	CE_KEY_ID = 14,
	CE_KEY_USAGE = 15,
	CE_ALT_NAME = 17,
	CE_BASIC = 19,
	CE_CONSTRAINTS = 30,
	CE_POLICIES = 32,
	CE_EKU = 37
};

static int cert_rsa_key(struct cert *c, struct der bits)
{
	struct der seq, value;

	if (der_get(&bits, DER_SEQUENCE, &seq) != 0 || bits.len != 0 ||
	    der_get(&seq, DER_INTEGER, &value) != 0 ||
	    der_positive(&value, &c->modulus) != 0 ||
	    der_get(&seq, DER_INTEGER, &value) != 0 ||
	    der_positive(&value, &c->exponent) != 0 || seq.len != 0)
		return -1;
	c->key = CERT_KEY_RSA;
	return 0;
}

/* The content of a SubjectPublicKeyInfo. An unknown kind of key is fine. */
static int cert_key(struct cert *c, struct der spki)
{
	struct der algorithm, oid, value, bits;

	if (der_get(&spki, DER_SEQUENCE, &algorithm) != 0 ||
	    der_get(&spki, DER_BITS, &value) != 0 || spki.len != 0 ||
	    der_whole_bits(&value, &bits) != 0 ||
	    der_get(&algorithm, DER_OID, &oid) != 0)
		return -1;
	if (der_is(&oid, oid_rsa, sizeof(oid_rsa)))
		return cert_rsa_key(c, bits);
	if (!der_is(&oid, oid_ec, sizeof(oid_ec)))
		return 0;
	c->key = CERT_KEY_EC;
	c->point = bits;
	if (der_get(&algorithm, DER_OID, &oid) != 0)
		return 0;
	if (der_is(&oid, oid_p256, sizeof(oid_p256)))
		c->curve = 23;
	else if (der_is(&oid, oid_p384, sizeof(oid_p384)))
		c->curve = 24;
	else if (der_is(&oid, oid_p521, sizeof(oid_p521)))
		c->curve = 25;
	return 0;
}

static int cert_basic(struct cert *c, struct der value)
{
	struct der seq, field;
	int said;

	if (der_get(&value, DER_SEQUENCE, &seq) != 0 || value.len != 0)
		return -1;
	said = der_optional(&seq, DER_BOOLEAN, &field);
	if (said < 0 || (said > 0 && der_boolean(&field) < 0))
		return -1;
	c->ca = said > 0 && der_boolean(&field) == 1;
	said = der_optional(&seq, DER_INTEGER, &field);
	if (said < 0 || (said > 0 && der_small(&field, &c->path_len) != 0))
		return -1;
	c->has_path_len = said > 0;
	return seq.len == 0 ? 0 : -1;
}

static int cert_eku(struct cert *c, struct der value)
{
	struct der seq, oid;

	if (der_get(&value, DER_SEQUENCE, &seq) != 0 || value.len != 0 ||
	    seq.len == 0)
		return -1;
	c->has_eku = true;
	while (seq.len > 0) {
		if (der_get(&seq, DER_OID, &oid) != 0)
			return -1;
		if (der_is(&oid, oid_server_auth, sizeof(oid_server_auth)))
			c->server_auth = true;
		if (der_is(&oid, oid_any_eku, sizeof(oid_any_eku)))
			c->any_eku = true;
	}
	return 0;
}

/* Of the key's usages one matters here: may it sign certificates? */
static int cert_key_usage(struct cert *c, struct der value)
{
	struct der bits;

	if (der_get(&value, DER_BITS, &bits) != 0 || value.len != 0 ||
	    bits.len < 2)
		return -1;
	c->signs_certs = (bits.p[1] & 0x04) != 0;
	return 0;
}

/* A sequence that is taken apart later: its content. */
static int cert_sequence(struct der value, struct der *content)
{
	if (der_get(&value, DER_SEQUENCE, content) != 0 || value.len != 0 ||
	    content->len == 0)
		return -1;
	return 0;
}

static int cert_extension(
    struct cert *c, const struct der *oid, bool critical, struct der value)
{
	int kind = -1;

	if (oid->len == 3 && memcmp(oid->p, oid_id_ce, 2) == 0)
		kind = oid->p[2];
	switch (kind) {
	case CE_BASIC:
		return cert_basic(c, value);
	case CE_EKU:
		return cert_eku(c, value);
	case CE_ALT_NAME:
		return cert_sequence(value, &c->alt_names);
	case CE_CONSTRAINTS:
		return cert_sequence(value, &c->constraints);
	case CE_KEY_USAGE:
		return cert_key_usage(c, value);
	case CE_POLICIES: /* the validator's */
	case CE_KEY_ID:
		return 0;
	default:
		if (critical && c->unknown.len == 0)
			c->unknown = *oid;
		return 0;
	}
}

/* Has an extension with this OID come before `end` already? */
static bool cert_repeated(
    struct der list, const unsigned char *end, const struct der *oid)
{
	while (list.p < end) {
		struct der one, other;
		if (der_get(&list, DER_SEQUENCE, &one) != 0 ||
		    der_get(&one, DER_OID, &other) != 0)
			return true;
		if (der_equal(&other, oid))
			return true;
	}
	return false;
}

static int cert_extensions(struct cert *c, struct der outer)
{
	struct der list, all, one, oid, value;

	if (der_get(&outer, DER_SEQUENCE, &list) != 0 || outer.len != 0)
		return -1;
	all = list;
	while (list.len > 0) {
		const unsigned char *here = list.p;
		int said, critical = 0;
		if (der_get(&list, DER_SEQUENCE, &one) != 0 ||
		    der_get(&one, DER_OID, &oid) != 0)
			return -1;
		said = der_optional(&one, DER_BOOLEAN, &value);
		if (said < 0 ||
		    (said > 0 && (critical = der_boolean(&value)) < 0))
			return -1;
		if (der_get(&one, DER_OCTETS, &value) != 0 || one.len != 0 ||
		    cert_repeated(all, here, &oid) ||
		    cert_extension(c, &oid, critical == 1, value) != 0)
			return -1;
	}
	return 0;
}

/* [0] version: the optional first field. */
static int cert_version(struct cert *c, struct der *tbs)
{
	struct der outer, value;
	uint32_t version;
	int said = der_optional(tbs, DER_CONTEXT(0), &outer);

	if (said <= 0)
		return said;
	if (der_get(&outer, DER_INTEGER, &value) != 0 || outer.len != 0 ||
	    der_small(&value, &version) != 0 || version > 2)
		return -1;
	c->v3 = version == 2;
	return 0;
}

/* An element with its head, of this tag. */
static int cert_whole(struct der *d, unsigned tag, struct der *whole)
{
	struct der value;
	unsigned found;

	if (der_any(d, &found, &value, whole) != 0 || found != tag)
		return -1;
	return 0;
}

/* The signed part, without its head. */
static int cert_tbs(struct cert *c, struct der tbs)
{
	struct der skipped, dates, spki, outer, serial;
	int said;

	if (cert_version(c, &tbs) != 0 ||
	    der_get(&tbs, DER_INTEGER, &serial) != 0 ||
	    der_get(&tbs, DER_SEQUENCE, &skipped) != 0 ||
	    cert_whole(&tbs, DER_SEQUENCE, &c->issuer) != 0 ||
	    der_get(&tbs, DER_SEQUENCE, &dates) != 0 ||
	    der_time(&dates, &c->not_before) != 0 ||
	    der_time(&dates, &c->not_after) != 0 || dates.len != 0 ||
	    cert_whole(&tbs, DER_SEQUENCE, &c->subject) != 0 ||
	    cert_whole(&tbs, DER_SEQUENCE, &c->spki) != 0)
		return -1;
	c->bad_serial = serial.len == 0 || (serial.p[0] & 0x80) != 0;
	outer = c->spki;
	if (der_get(&outer, DER_SEQUENCE, &spki) != 0 || cert_key(c, spki) != 0)
		return -1;
	if (der_optional(&tbs, DER_PLAIN(1), &skipped) < 0 ||
	    der_optional(&tbs, DER_PLAIN(2), &skipped) < 0)
		return -1;
	said = der_optional(&tbs, DER_CONTEXT(3), &outer);
	if (said < 0 || (said > 0 && !c->v3))
		return -1;
	if (said > 0 && cert_extensions(c, outer) != 0)
		return -1;
	return tbs.len == 0 ? 0 : -1;
}

int cert_parse(struct cert *c, const void *der, size_t len, const char **why)
{
	struct der d = {der, len}, all, tbs, algorithm, value;

	memset(c, 0, sizeof(*c));
	c->whole = d;
	*why = "it is no certificate";
	if (der_get(&d, DER_SEQUENCE, &all) != 0 || d.len != 0 ||
	    der_get(&all, DER_SEQUENCE, &tbs) != 0 ||
	    der_get(&all, DER_SEQUENCE, &algorithm) != 0 ||
	    der_get(&all, DER_BITS, &value) != 0 || all.len != 0 ||
	    der_get(&algorithm, DER_OID, &c->sig_oid) != 0)
		return -1;
	*why = "its fields are malformed";
	return cert_tbs(c, tbs);
}

unsigned cert_rsa_bits(const struct cert *c)
{
	unsigned bits = 0;

	if (c->key != CERT_KEY_RSA || c->modulus.len == 0)
		return 0;
	for (unsigned top = c->modulus.p[0]; top != 0; top >>= 1)
		bits++;
	return bits + 8 * (unsigned)(c->modulus.len - 1);
}

bool cert_key_usable(const struct cert *c)
{
	static const size_t points[] = {65, 97, 133};

	if (c->key == CERT_KEY_RSA)
		return cert_rsa_bits(c) >= 2048 && cert_rsa_bits(c) <= 4096 &&
		       c->exponent.len <= 8;
	return c->key == CERT_KEY_EC && c->curve != 0 &&
	       c->point.len == points[c->curve - 23] && c->point.p[0] == 4;
}

/* The last attribute of a kind in a name. */
static bool cert_attribute(
    struct der name, const unsigned char *oid, struct der *found)
{
	struct der sets, set, pair, kind, value;
	unsigned tag;
	bool any = false;

	if (der_get(&name, DER_SEQUENCE, &sets) != 0)
		return false;
	while (der_get(&sets, DER_SET, &set) == 0) {
		while (der_get(&set, DER_SEQUENCE, &pair) == 0) {
			if (der_get(&pair, DER_OID, &kind) != 0 ||
			    der_any(&pair, &tag, &value, NULL) != 0)
				return any;
			if (der_is(&kind, oid, 3)) {
				*found = value;
				any = true;
			}
		}
	}
	return any;
}

void cert_add_name(struct buf *out, const struct der *name)
{
	struct buf text = BUF_INIT(256);
	struct der value;

	if (cert_attribute(*name, oid_common_name, &value) ||
	    cert_attribute(*name, oid_organisation, &value)) {
		size_t len = value.len < 64 ? value.len : 64;
		text_add_utf8(&text, (const char *)value.p, len);
		text_add_escaped(out, buf_str(&text), text.len);
	} else {
		buf_adds(out, "(no name)");
	}
	buf_release(&text);
}
