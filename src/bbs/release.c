/*
 * The judge of a release. The form is strict on purpose: what is signed is
 * ours, and whatever looks different was not made by us.
 */
#include "bbs/release.h"
#include "base/digits.h"
#include "base/limits.h"
#include "base/text.h"
#include <bearssl.h>
#include <stdlib.h>
#include <string.h>

/* From the Makefile, see RELEASE_KEY there. */
#ifndef RELEASE_KEYS
#define RELEASE_KEYS ""
#endif
const char release_keys[] = RELEASE_KEYS;

const char release_no_key[] =
    "there is no key to verify a release with: none was built in, so set "
    "[update] public_key in config.ini to the file with the key that the "
    "releases are signed with";

/* As install.sh and the releases call it. */
#if defined(__x86_64__)
#define MACHINE "x86_64"
#elif defined(__i386__)
#define MACHINE "i686"
#elif defined(__aarch64__)
#define MACHINE "aarch64"
#elif defined(__arm__) && __ARM_ARCH >= 7 && defined(__ARM_PCS_VFP)
#define MACHINE "armv7hf"
#elif defined(__arm__)
#define MACHINE "armv5"
#elif defined(__mips__) && defined(__MIPSEB__)
#define MACHINE "mips"
#elif defined(__mips__)
#define MACHINE "mipsel"
#elif defined(__riscv)
#define MACHINE "riscv64"
#elif defined(__powerpc64__)
#define MACHINE "ppc64le"
#elif defined(__s390x__)
#define MACHINE "s390x"
#else
#define MACHINE "unknown"
#endif
const char release_program[] = "bbs-agent-" MACHINE;

#define POINT 65
/* The head of a P-256 key (RFC 5480); an uncompressed point follows. */
static const unsigned char key_head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07,
    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
    0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

/* The next key of a PEM text, decoded into der: what stands behind it, NULL
 * when there is none any more. */
static const char *next_key(const char *pem, struct buf *der)
{
	static const char begin[] = "-----BEGIN PUBLIC KEY-----";
	const char *at = strstr(pem, begin), *end = NULL;
	buf_reset(der);
	if (at != NULL) {
		at += strlen(begin);
		end = strstr(at, "-----END");
	}
	if (end == NULL)
		return NULL;
	/* Line ends are passed over. */
	digits_add_base64(der, at, (size_t)(end - at));
	return end;
}

static bool is_signed_by(
    const struct buf *der, const unsigned char *sum, const struct buf *sig)
{
	unsigned char point[POINT];
	const size_t head = sizeof(key_head);
	memcpy(point, der->data + head, POINT);
	br_ec_public_key key = {BR_EC_secp256r1, point, POINT};
	return br_ecdsa_vrfy_asn1_get_default()(br_ec_get_default(), sum,
		   HASH_BYTES, &key, sig->data, sig->len) == 1;
}

static bool is_key(const struct buf *der)
{
	return der->len == sizeof(key_head) + POINT &&
	       memcmp(der->data, key_head, sizeof(key_head)) == 0;
}

int release_verify(const char *keys, const struct buf *text,
    const struct buf *sig, struct buf *why)
{
	unsigned char sum[HASH_BYTES];
	struct buf der = BUF_INIT(KIB);
	bool good = false;
	int count = 0;
	hash_bytes(buf_str(text), text->len, sum);
	while (!good && count < RELEASE_KEYS_MAX &&
	       (keys = next_key(keys, &der)) != NULL) {
		if (!is_key(&der))
			continue;
		count++;
		good = sig->len > 0 && is_signed_by(&der, sum, sig);
	}
	buf_release(&der);
	if (good)
		return 0;
	if (count == 0)
		buf_adds(why, "the file of [update] public_key holds no ECDSA "
			      "P-256 public key in PEM");
	else
		buf_adds(why, "the signature of " RELEASE_SUMS " is wrong: "
			      "nothing is installed from there");
	return -1;
}

/* Reads one number and what must stand behind it; NULL when it does not. */
static const char *take_number(const char *text, char behind, uint64_t *value)
{
	char digits[10];
	size_t len = strspn(text, "0123456789");
	if (len == 0 || len >= sizeof(digits) || text[len] != behind ||
	    (text[0] == '0' && len > 1))
		return NULL;
	memcpy(digits, text, len);
	digits[len] = '\0';
	return text_to_u64(digits, 0, UINT32_MAX, value) == 0
		   ? text + len + (behind != '\0')
		   : NULL;
}

static bool take_version(const char *text, uint64_t value[3])
{
	for (int i = 0; i < 3 && text != NULL; i++)
		text = take_number(text, i < 2 ? '.' : '\0', &value[i]);
	return text != NULL;
}

bool release_is_version(const char *text)
{
	uint64_t value[3];
	return take_version(text, value);
}

int release_compare(const char *a, const char *b)
{
	uint64_t left[3] = {0}, right[3] = {0};
	take_version(a, left);
	take_version(b, right);
	for (int i = 0; i < 3; i++) {
		if (left[i] != right[i])
			return left[i] < right[i] ? -1 : 1;
	}
	return 0;
}

int release_parse(struct release *r, const struct buf *text, struct buf *why)
{
	static const char head[] = "# bbs-agent ";
	const char *line = text->len > 0 ? text->data : "";
	memset(r, 0, sizeof(*r));
	if (strlen(line) == text->len && text_starts(line, head)) {
		line += strlen(head);
		size_t len = strcspn(line, "\n");
		if (len < sizeof(r->version) && line[len] == '\n')
			memcpy(r->version, line, len);
		line += len;
	}
	if (!release_is_version(r->version)) {
		buf_adds(why, RELEASE_SUMS " does not begin with "
					   "\"# bbs-agent VERSION\"");
		return -1;
	}
	if (hash_find(line, release_program, r->sum) == 1)
		return 0;
	buf_addf(why,
	    "release %s has no program for this machine: " RELEASE_SUMS
	    " does not name %s",
	    r->version, release_program);
	return -1;
}
