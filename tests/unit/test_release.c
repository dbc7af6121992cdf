/*
 * Releases: versions, SHA256SUMS with its first line, signatures. Keys and
 * signatures were made by openssl; the files are exactly as long as they
 * claim, so that a read beyond their end shows.
 */
#include "base/digits.h"
#include "base/limits.h"
#include "bbs/release.h"
#include "fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEM(text) \
	"-----BEGIN PUBLIC KEY-----\n" text "\n-----END PUBLIC KEY-----\n"
#define ONE                                                                   \
	PEM("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9mRbK1GG8JLvdACpkDRWlCSZb+7" \
	    "M\nx6DJuCG+GohcNWFYixTXk1N2Fm9rqwQha+2oZngGoJr6uRTh4ZcViXv2/w==")
#define TWO                                                                   \
	PEM("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEQJAaz5HkPvbANDQOog6B9nm7HrJ" \
	    "s\nm0ush1di9ogoaoisfD0om9Wi+tBh0ckVB0pYvIvUEUR3Gy/8BR+GFYy2Ag==")
#define P384                                                                  \
	PEM("MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEwwcRqrmekDJsfHvk+IvIVi7dW97dz5e" \
	    "M\nkJGdjjSphAy7Xv3o278qU1yt8Jna425KKJkBvu2N8QeQHjMFb3TqyRLe0ne7" \
	    "FLeh\niix4V1cBLffnJoSEAiqJ2qDB+EPlqayW")
#define SIG_ONE                                                            \
	"MEUCIBa9oVJvLT/LqtbvHUt6K62YJSdR0yOacLfcVy3cBGuaAiEAtxtaCU+k4uhX" \
	"zk7C1rTsS4D4hIUHa5YtvuOkncDYLiY="
#define SIG_TWO                                                            \
	"MEUCIB6zmy0nEBggZ9K7hW8HY/66U8O2N/hvGWrnGH0106IgAiEAqYmIfbYdJW2R" \
	"6Ldyl+YCJDq15Dr2uV0g0gwKJdop3PI="

#define ZEROS "00000000000000000000000000000000"
#define SUMS "# bbs-agent 3.1.0\n" ZEROS ZEROS "  bbs-agent-other\n"
#define SUM                                \
	"ba7816bf8f01cfea414140de5dae2223" \
	"b00361a396177a9cb410ff61f20015ad"

static struct buf why = BUF_INIT(4096);

static int verify(const char *keys, const void *text, size_t len,
    const unsigned char *sig, size_t sig_len)
{
	struct buf t = BUF_INIT(CHECKSUMS_MAX), s = BUF_INIT(KIB);
	buf_add(&t, text, len);
	buf_add(&s, sig, sig_len);
	buf_reset(&why);
	int rc = release_verify(keys, &t, &s, &why);
	assert_int_equal(rc == 0, why.len == 0);
	buf_release(&t);
	buf_release(&s);
	return rc;
}

static size_t decode(const char *base64, unsigned char *to)
{
	struct buf der = BUF_INIT(KIB);
	assert_int_equal(digits_add_base64(&der, base64, strlen(base64)), 0);
	size_t len = der.len;
	memcpy(to, buf_str(&der), len);
	buf_release(&der);
	return len;
}

static int verify_by(const char *keys, const char *base64)
{
	unsigned char sig[128];
	size_t len = decode(base64, sig);
	return verify(keys, SUMS, strlen(SUMS), sig, len);
}

static void signed_by_one_of_two_keys(void **state)
{
	(void)state;
	assert_int_equal(verify_by(ONE, SIG_ONE), 0);
	assert_int_equal(verify_by(TWO, SIG_TWO), 0);
	assert_int_equal(verify_by(TWO ONE, SIG_ONE), 0);
	assert_int_equal(verify_by(TWO ONE, SIG_TWO), 0);
	assert_int_equal(verify_by("# words\r\n" TWO "more\n" ONE, SIG_ONE), 0);
	/* What is no key of the right kind takes no place. */
	assert_int_equal(verify_by(P384 TWO P384 ONE, SIG_ONE), 0);
	/* Built in, without line ends. */
	char flat[sizeof(TWO ONE)];
	size_t n = 0;
	for (const char *p = TWO ONE; *p != '\0'; p++) {
		if (*p != '\n')
			flat[n++] = *p;
	}
	flat[n] = '\0';
	assert_int_equal(verify_by(flat, SIG_ONE), 0);
	/* A third key is none. */
	assert_int_equal(verify_by(TWO TWO ONE, SIG_ONE), -1);
}

static void signed_by_somebody_else(void **state)
{
	(void)state;
	assert_int_equal(verify_by(ONE, SIG_TWO), -1);
	assert_non_null(strstr(buf_str(&why), "signature"));
	assert_int_equal(verify_by(ONE, ""), -1);
	static const char *const none[] = {"", "no key", P384,
	    "-----BEGIN PUBLIC KEY-----\nMFkw",
	    "-----BEGIN PUBLIC KEY------END",
	    PEM("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"), PEM("")};
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		assert_int_equal(verify_by(none[i], SIG_ONE), -1);
		assert_non_null(strstr(buf_str(&why), "no ECDSA P-256"));
	}
}

static void every_bit_and_byte_counts(void **state)
{
	(void)state;
	char text[] = SUMS;
	unsigned char sig[128], *exact;
	size_t len = decode(SIG_ONE, sig);
	for (size_t i = 0; i < strlen(SUMS); i++) {
		assert_int_equal(verify(ONE, text, i, sig, len), -1);
		text[i] ^= 1;
		assert_int_equal(verify(ONE, text, strlen(SUMS), sig, len), -1);
		text[i] ^= 1;
	}
	assert_int_equal(verify(ONE, text, sizeof(text), sig, len), -1);
	for (size_t i = 0; i < len; i++) {
		exact = malloc(i + 1);
		assert_non_null(exact);
		memcpy(exact, sig, i);
		assert_int_equal(verify(ONE, text, strlen(SUMS), exact, i), -1);
		free(exact);
		for (int bit = 0; bit < 8; bit++) {
			sig[i] ^= (unsigned char)(1 << bit);
			assert_int_equal(
			    verify(ONE, text, strlen(SUMS), sig, len), -1);
			sig[i] ^= (unsigned char)(1 << bit);
		}
	}
	assert_int_equal(verify(ONE, text, strlen(SUMS), sig, len), 0);
}

static void versions(void **state)
{
	(void)state;
	static const char *const order[] = {"0.0.0", "0.0.1", "0.1.0", "2.9.10",
	    "2.10.9", "3.0.0", "3.0.1", "3.0.10", "3.1.0", "10.0.0",
	    "999999999.0.0"};
	static const char *const bad[] = {"", "3", "3.0", "3.0.0.0", "3.0.",
	    ".3.0.0", "3..0", "v3.0.0", "3.0.0 ", " 3.0.0", "3.0.0-rc1",
	    "3.0.x", "-3.0.0", "03.0.0", "3.00.0", "1234567890.0.0", "3,0,0"};
	const size_t count = sizeof(order) / sizeof(order[0]);
	for (size_t i = 0; i < count; i++) {
		assert_true(release_is_version(order[i]));
		for (size_t j = 0; j < count; j++) {
			int is = release_compare(order[i], order[j]);
			assert_int_equal(is < 0, i < j);
			assert_int_equal(is > 0, i > j);
		}
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (release_is_version(bad[i]))
			fail_msg("\"%s\"", bad[i]);
	}
}

static int parse(struct release *r, const char *text, size_t len)
{
	struct buf t = BUF_INIT(CHECKSUMS_MAX);
	buf_add(&t, text, len);
	buf_reset(&why);
	int rc = release_parse(r, &t, &why);
	assert_int_equal(rc == 0, why.len == 0);
	buf_release(&t);
	return rc;
}

static void lists(void **state)
{
	(void)state;
	struct release r;
	char text[1024];
	size_t len = (size_t)snprintf(text, sizeof(text),
	    SUMS SUM "  %s\n" ZEROS ZEROS "  bbs-agent\n", release_program);
	assert_int_equal(parse(&r, text, len), 0);
	assert_string_equal(r.version, "3.1.0");
	assert_string_equal(r.sum, SUM);
	/* Cut anywhere it has no sum of ours, unless it stands there whole. */
	size_t whole = strlen(SUMS SUM "  ") + strlen(release_program);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(parse(&r, text, i), i >= whole ? 0 : -1);
	assert_int_equal(parse(&r, SUMS, strlen(SUMS)), -1);
	assert_non_null(strstr(buf_str(&why), release_program));
	assert_non_null(strstr(buf_str(&why), "3.1.0"));
}

static void lists_of_another_form(void **state)
{
	(void)state;
	static const char *const heads[] = {"", "\n", "# bbs-agent\n",
	    "# bbs-agent \n", "# bbs-agent 3.1\n", "# bbs-agent 3.1.0",
	    "# bbs-agent 3.1.0\r\n", "# bbs-agent  3.1.0\n",
	    " # bbs-agent 3.1.0\n", "# borg 3.1.0\n", "# BBS-AGENT 3.1.0\n",
	    "\n# bbs-agent 3.1.0\n", "# bbs-agent 3.1.0 final\n",
	    "# bbs-agent 3333333333333333333333333333333333.1.0\n"};
	struct release r;
	char text[1024];
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		int n = snprintf(text, sizeof(text), "%s" SUM "  %s\n",
		    heads[i], release_program);
		if (parse(&r, text, (size_t)n) == 0)
			fail_msg("\"%s\"", heads[i]);
		assert_non_null(strstr(buf_str(&why), "does not begin"));
	}
	/* A NUL ends texts, but not files. */
	size_t len = (size_t)snprintf(text, sizeof(text),
	    "# bbs-agent 3.1.0\n" SUM "  %s\n", release_program);
	assert_int_equal(parse(&r, text, len + 1), -1);
	assert_int_equal(parse(&r, text, len), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(signed_by_one_of_two_keys),
	    cmocka_unit_test(signed_by_somebody_else),
	    cmocka_unit_test(every_bit_and_byte_counts),
	    cmocka_unit_test(versions),
	    cmocka_unit_test(lists),
	    cmocka_unit_test(lists_of_another_form),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	buf_release(&why);
	return rc;
}
