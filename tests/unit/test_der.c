/*
 * The reader of DER and of dates: what is valid, and every small way of not
 * being so. Each input is a copy of its own, so that a byte too far is seen.
 */
#include "net/cert.h"
#include "net/date.h"
#include "net/der.h"
#include "net/pem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned char *held;

static struct der der(const char *bytes, size_t len)
{
	free(held);
	held = malloc(len > 0 ? len : 1);
	memcpy(held, bytes, len);
	return (struct der){held, len};
}
#define DER(text) der(text, sizeof(text) - 1)

static int release(void **state)
{
	(void)state;
	free(held);
	held = NULL;
	return 0;
}

static void elements(void **state)
{
	(void)state;
	struct der d = DER("\x02\x01\x05\x04\x00\x30\x02\x05\x00"), value,
		   whole;
	unsigned tag;

	assert_int_equal(der_any(&d, &tag, &value, &whole), 0);
	assert_int_equal(tag, DER_INTEGER);
	assert_true(der_is(&value, "\x05", 1));
	assert_true(der_is(&whole, "\x02\x01\x05", 3));
	assert_int_equal(der_get(&d, DER_INTEGER, &value), -1);
	assert_int_equal(der_optional(&d, DER_INTEGER, &value), 0);
	assert_int_equal(der_optional(&d, DER_OCTETS, &value), 1);
	assert_int_equal(value.len, 0);
	assert_int_equal(der_get(&d, DER_SEQUENCE, &value), 0);
	assert_int_equal(d.len, 0);
	assert_int_equal(der_optional(&d, DER_INTEGER, &value), 0);
	assert_int_equal(der_any(&d, &tag, &value, NULL), -1);
}

static void malformed(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
	    {"\x02", 1},		     /* no length */
	    {"\x02\x01", 2},		     /* no content */
	    {"\x02\x02\x01", 3},	     /* cut content */
	    {"\x02\x80\x00\x00", 4},	     /* indefinite */
	    {"\x02\x81\x01\x05", 4},	     /* not minimal */
	    {"\x02\x82\x00\x81\x05", 5},     /* leading zero */
	    {"\x02\x81", 2},		     /* cut length */
	    {"\x02\x84\x01\x00\x00\x00", 6}, /* too long a length */
	    {"\x02\xff\x01", 3},
	    {"\x1f\x01\x00", 3}, /* long tag */
	    {"\x3f\x81\x01\x00", 4},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct der d = der(bad[i].bytes, bad[i].len), before = d, value;
		unsigned tag;
		assert_int_equal(der_any(&d, &tag, &value, NULL), -1);
		assert_true(d.p == before.p && d.len == before.len);
	}
}

static void long_lengths(void **state)
{
	(void)state;
	char bytes[70000] = "\x04\x83\x01\x00\x00";
	struct der d = der(bytes, 5 + 65536), value;

	assert_int_equal(der_get(&d, DER_OCTETS, &value), 0);
	assert_int_equal(value.len, 65536);
	d = der(bytes, 5 + 65535);
	assert_int_equal(der_get(&d, DER_OCTETS, &value), -1);
	d = der("\x04\x81\x80", 3);
	assert_int_equal(der_get(&d, DER_OCTETS, &value), -1);
}

static void values(void **state)
{
	(void)state;
	struct der v, out;
	uint32_t n;

	v = DER("\xff");
	assert_int_equal(der_boolean(&v), 1);
	v = DER("\x00");
	assert_int_equal(der_boolean(&v), 0);
	v = DER("\x01");
	assert_int_equal(der_boolean(&v), -1);
	v = DER("");
	assert_int_equal(der_boolean(&v), -1);
	assert_int_equal(der_positive(&v, &out), -1);
	v = DER("\x00\x80");
	assert_int_equal(der_positive(&v, &out), 0);
	assert_int_equal(out.len, 1);
	assert_int_equal(der_small(&v, &n), 0);
	assert_int_equal(n, 128);
	v = DER("\x80");
	assert_int_equal(der_positive(&v, &out), -1);
	v = DER("\x00\x7f");
	assert_int_equal(der_positive(&v, &out), -1);
	v = DER("\x01\x00\x00\x00\x00");
	assert_int_equal(der_small(&v, &n), -1);
	v = DER("\x00\xab");
	assert_int_equal(der_whole_bits(&v, &out), 0);
	assert_int_equal(out.len, 1);
	v = DER("\x01\xaa");
	assert_int_equal(der_whole_bits(&v, &out), -1);
	v = DER("");
	assert_int_equal(der_whole_bits(&v, &out), -1);
}

static int64_t time_of(const char *text, int tag)
{
	char bytes[40];
	int64_t seconds = -1;
	int len = snprintf(
	    bytes, sizeof(bytes), "%c%c%s", tag, (int)strlen(text), text);
	struct der d = der(bytes, (size_t)len);

	return der_time(&d, &seconds) == 0 ? seconds : -1;
}

static void times(void **state)
{
	(void)state;
	assert_int_equal(time_of("700101000000Z", DER_UTC_TIME), 0);
	assert_int_equal(time_of("491231235959Z", DER_UTC_TIME), 2524607999);
	assert_int_equal(time_of("20500101000000Z", DER_TIME), 2524608000);
	assert_int_equal(time_of("20240229120000Z", DER_TIME), 1709208000);
	assert_int_equal(time_of("20000229000000Z", DER_TIME), 951782400);
	assert_true(time_of("500101000000Z", DER_UTC_TIME) < 0);
	assert_int_equal(time_of("20230229120000Z", DER_TIME), -1);
	assert_int_equal(time_of("21000229120000Z", DER_TIME), -1);
	assert_int_equal(time_of("20241301120000Z", DER_TIME), -1);
	assert_int_equal(time_of("20240100120000Z", DER_TIME), -1);
	assert_int_equal(time_of("20240101240000Z", DER_TIME), -1);
	assert_int_equal(time_of("20240101006000Z", DER_TIME), -1);
	assert_int_equal(time_of("20240101000000+", DER_TIME), -1);
	assert_int_equal(time_of("2024010100000Z", DER_TIME), -1);
	assert_int_equal(time_of("20240101000000.0Z", DER_TIME), -1);
	assert_int_equal(time_of("2024 101000000Z", DER_TIME), -1);
	assert_int_equal(time_of("2401010000Z", DER_UTC_TIME), -1);
	assert_int_equal(time_of("240101000000Z", DER_TIME), -1);
}

/* There and back for each day of 800 years. */
static void days(void **state)
{
	(void)state;
	static const int lengths[] = {
	    31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t expected = date_seconds(1600, 1, 1, 0, 0, 0);

	assert_int_equal(expected, -11676096000);
	for (int y = 1600; y < 2400; y++) {
		for (int m = 1; m <= 12; m++) {
			bool leap =
			    (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
			int last = lengths[m - 1] + (m == 2 && leap);
			for (int d = 1; d <= last; d++) {
				char text[DATE_TEXT], want[40];
				assert_true(
				    date_seconds(y, m, d, 0, 0, 0) == expected);
				snprintf(want, sizeof(want), "%d-%02d-%02d", y,
				    m, d);
				assert_string_equal(
				    date_text(text, expected + 86399), want);
				expected += 86400;
			}
		}
	}
}

static void http_dates(void **state)
{
	(void)state;
	int64_t s = 7;

	assert_int_equal(date_http("Sun, 06 Nov 1994 08:49:37 GMT", &s), 0);
	assert_int_equal(s, 784111777);
	assert_int_equal(date_http("Sun, 06 Nov 1994 08:49:37 UTC", &s), -1);
	assert_int_equal(date_http("Sun, 06 ovD 1994 08:49:37 GMT", &s), -1);
	assert_int_equal(date_http("Sun, 32 Nov 1994 08:49:37 GMT", &s), -1);
	assert_int_equal(date_http("Sun, 06 Nov 1994 08:49:37", &s), -1);
	assert_int_equal(date_http("Sunday, 06-Nov-94 08:49:37 GMT", &s), -1);
	assert_int_equal(date_http("", &s), -1);
	assert_int_equal(s, 784111777);
}

static void pem_blocks(void **state)
{
	(void)state;
	static const char text[] =
	    "# a comment\n"
	    "-----BEGIN CERTIFICATE-----\r\naGVs\r\nbG8=\r\n"
	    "-----END CERTIFICATE-----\r\n"
	    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
	    "-----BEGIN X509 CERTIFICATE-----\n aG V\tsbG8h\n"
	    "-----END X509 CERTIFICATE-----\n"
	    "-----BEGIN CERTIFICATE-----\nab!d\n-----END CERTIFICATE-----\n"
	    "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"
	    "-----BEGIN CERTIFICATE-----\nab==cd==\n-----END CERTIFICATE-----\n"
	    "-----BEGIN CERTIFICATE-----\na===\n-----END CERTIFICATE-----\n"
	    "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"
	    "-----BEGIN CERTIFICATE-----\naGVsbG8=";
	struct buf out = BUF_INIT(1000);
	struct pem r;

	pem_init(&r, text, sizeof(text) - 1);
	assert_int_equal(pem_next(&r, &out), 1);
	assert_string_equal(buf_str(&out), "hello");
	assert_int_equal(pem_next(&r, &out), 1);
	assert_string_equal(buf_str(&out), "hello!");
	for (int i = 0; i < 6; i++)
		assert_int_equal(pem_next(&r, &out), -1);
	assert_int_equal(pem_next(&r, &out), 0);
	buf_release(&out);
}

/* Bytes that are no certificate are refused, whatever they are. */
static void no_certificates(void **state)
{
	(void)state;
	struct cert c;
	const char *why = NULL;
	unsigned seed = 1;

	assert_int_equal(cert_parse(&c, "", 0, &why), -1);
	assert_non_null(why);
	for (int i = 0; i < 20000; i++) {
		char bytes[64];
		size_t len = (size_t)i % sizeof(bytes);
		for (size_t k = 0; k < len; k++) {
			static const char tags[] = {0x30, 0x02, 0x06, 0x03, 1};
			seed = seed * 1103515245 + 12345;
			bytes[k] = k % 2 == 0 ? tags[(seed >> 16) % 5]
					      : (char)((seed >> 16) % 32);
		}
		struct der d = der(bytes, len);
		assert_int_equal(cert_parse(&c, d.p, d.len, &why), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(elements),
	    cmocka_unit_test(malformed),
	    cmocka_unit_test(long_lengths),
	    cmocka_unit_test(values),
	    cmocka_unit_test(times),
	    cmocka_unit_test(days),
	    cmocka_unit_test(http_dates),
	    cmocka_unit_test(pem_blocks),
	    cmocka_unit_test(no_certificates),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
