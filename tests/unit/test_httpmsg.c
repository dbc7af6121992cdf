/*
 * The HTTP parser: a table of answers, good and evil, each fed whole, byte by
 * byte, and in pieces of seven; the outcome must be the same.
 */
#include "net/httpmsg.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BODY_MAX 40
#define NOW 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */
#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

struct answer {
	const char *wire;
	size_t len; /* 0: strlen */
	bool clean; /* how the stream ends */
	enum httpmsg_error error;
	int status;
	bool keep_alive;
	const char *body;
	uint32_t retry_after;
	size_t extra; /* bytes that belong to nobody */
};

static const struct answer answers[] = {
    /* Lengths */
    {OK "Content-Length: 2\r\n\r\n{}", .status = 200, .keep_alive = true,
	.body = "{}"},
    {OK "content-LENGTH:2\r\n\r\n{}", .status = 200, .keep_alive = true,
	.body = "{}"},
    {OK "Content-Length: \t 2 \t\r\n\r\n{}", .status = 200, .keep_alive = true,
	.body = "{}"},
    {OK "Content-Length: 0\r\n\r\n", .status = 200, .keep_alive = true,
	.body = ""},
    {OK "Content-Length: 2\r\n\r\n{}HTTP/", .status = 200, .keep_alive = true,
	.body = "{}", .extra = 5},
    {OK "Connection: foo, Close\r\nContent-Length: 2\r\n\r\n{}", .status = 200,
	.body = "{}"},
    {"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", .status = 200,
	.keep_alive = true, .body = "{}"},
    {"HTTP/1.1 404 \xe4\r\nContent-Length: 1\r\n\r\nx", .status = 404,
	.keep_alive = true, .body = "x"},
    /* 1.0 */
    {"HTTP/1.0 500 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
	.status = 500, .body = ""},
    {"HTTP/1.0 200 x\r\nConnection: keep-alive\r\nContent-Length: "
     "1\r\n\r\nx",
	.status = 200, .keep_alive = true, .body = "x"},
    {"HTTP/1.0 200 x\r\n\r\nabc", .clean = true, .status = 200, .body = "abc"},
    {"HTTP/1.0 200 x\r\n\r\nabc", .clean = false, .error = HTTPMSG_CUT},
    {"HTTP/1.0 200 x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	.error = HTTPMSG_BAD},
    /* Until the end */
    {OK "\r\n", .clean = true, .status = 200, .body = ""},
    {OK "Connection: keep-alive\r\n\r\nab", .clean = true, .status = 200,
	.body = "ab"},
    /* No body */
    {"HTTP/1.1 204 No\r\n\r\n", .status = 204, .keep_alive = true, .body = ""},
    {"HTTP/1.1 304 Not\r\nContent-Length: 7\r\n\r\n", .status = 304,
	.keep_alive = true, .body = ""},
    /* Interim answers */
    {"HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\n\r\nx",
	.status = 200, .keep_alive = true, .body = "x"},
    {"HTTP/1.1 103 Hints\r\nContent-Length: 9\r\nConnection: "
     "close\r\n\r\n" CHUNKED "0\r\n\r\n",
	.status = 200, .keep_alive = true, .body = ""},
    {"HTTP/1.1 101 Switch\r\n\r\n", .error = HTTPMSG_BAD},
    /* Chunks */
    {CHUNKED "2\r\n{}\r\n0\r\n\r\n", .status = 200, .keep_alive = true,
	.body = "{}"},
    {CHUNKED "1;a=b\r\n{\r\n01 ; c\r\n}\r\n000\r\nX: y\r\n\r\n", .status = 200,
	.keep_alive = true, .body = "{}"},
    {CHUNKED "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", .status = 200,
	.keep_alive = true, .body = "01234567890123456789"},
    {CHUNKED "2\r\n{}\r\n", .clean = true, .error = HTTPMSG_CUT},
    {CHUNKED "2\r\n{}\r\n0\r\n", .clean = true, .error = HTTPMSG_CUT},
    {CHUNKED "5\r\n{}", .clean = true, .error = HTTPMSG_CUT},
    {CHUNKED "\r\n", .error = HTTPMSG_BAD},
    {CHUNKED "-1\r\n", .error = HTTPMSG_BAD},
    {CHUNKED "0x1\r\n", .error = HTTPMSG_BAD},
    {CHUNKED " 1\r\n", .error = HTTPMSG_BAD},
    {CHUNKED "1 x\r\n", .error = HTTPMSG_BAD},
    {CHUNKED "1\n{\n0\n\n", .error = HTTPMSG_BAD},
    {CHUNKED "1\r\n{}\r\n", .error = HTTPMSG_BAD},
    {CHUNKED "ffffffffffffffff\r\n", .error = HTTPMSG_BAD},
    {CHUNKED "10000000000000001\r\n", .error = HTTPMSG_BAD},
    {CHUNKED "7fffffffffffffff\r\n", .error = HTTPMSG_BODY_BIG},
    {CHUNKED "0\r\nbad trailer\r\n\r\n", .error = HTTPMSG_BAD},
    {CHUNKED "0\r\n folded: x\r\n\r\n", .error = HTTPMSG_BAD},
    /* Contradictions */
    {OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
	.error = HTTPMSG_BAD},
    {OK "Content-Length: 1, 1\r\n\r\nx", .error = HTTPMSG_BAD},
    {OK "Content-Length: -1\r\n\r\n", .error = HTTPMSG_BAD},
    {OK "Content-Length: +1\r\n\r\nx", .error = HTTPMSG_BAD},
    {OK "Content-Length: \r\n\r\n", .error = HTTPMSG_BAD},
    {OK "Content-Length: 0x1\r\n\r\nx", .error = HTTPMSG_BAD},
    {OK "Content-Length: 18446744073709551617\r\n\r\nx", .error = HTTPMSG_BAD},
    {OK "Content-Length: 9223372036854775808\r\n\r\nx", .error = HTTPMSG_BAD},
    {OK "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
	.error = HTTPMSG_BAD},
    {OK "Transfer-Encoding: gzip, chunked\r\n\r\n", .error = HTTPMSG_BAD},
    {OK "Transfer-Encoding: identity\r\n\r\n", .error = HTTPMSG_BAD},
    {OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: "
	"chunked\r\n\r\n",
	.error = HTTPMSG_BAD},
    /* Malformed heads */
    {"HTTP/2 200 OK\r\n\r\n", .error = HTTPMSG_BAD},
    {"HTTP/1.2 200 OK\r\n\r\n", .error = HTTPMSG_BAD},
    {"HTTP/1.1  200 OK\r\n\r\n", .error = HTTPMSG_BAD},
    {"HTTP/1.1 20 OK\r\n\r\n", .error = HTTPMSG_BAD},
    {"HTTP/1.1 2000 OK\r\n\r\n", .error = HTTPMSG_BAD},
    {"HTTP/1.1 999 OK\r\n\r\n", .error = HTTPMSG_BAD},
    {"HTTP/1.1 099 OK\r\n\r\n", .error = HTTPMSG_BAD},
    {"http/1.1 200 OK\r\n\r\n", .error = HTTPMSG_BAD},
    {"\r\n" OK "\r\n", .error = HTTPMSG_BAD},
    {"SSH-2.0-x\r\n", .error = HTTPMSG_BAD},
    {"\x15\x03\x03", .error = HTTPMSG_BAD},
    {"HTTP/1.1 200 OK\n\n", .error = HTTPMSG_BAD},
    {OK "X: a\rb\r\n\r\n", .error = HTTPMSG_BAD},
    {OK "X: a\nb\r\n\r\n", .error = HTTPMSG_BAD},
    {OK "X: \0\r\n\r\n", sizeof(OK) + 8, .error = HTTPMSG_BAD},
    {OK "X: \x7f\r\n\r\n", .error = HTTPMSG_BAD},
    {OK "X : y\r\n\r\n", .error = HTTPMSG_BAD},
    {OK ": y\r\n\r\n", .error = HTTPMSG_BAD},
    {OK "no colon\r\n\r\n", .error = HTTPMSG_BAD},
    {OK "X: y\r\n z\r\n\r\n", .error = HTTPMSG_BAD},
    {OK " X: y\r\n\r\n", .error = HTTPMSG_BAD},
    {OK "X(y): z\r\n\r\n", .error = HTTPMSG_BAD},
    /* Cut */
    {"", .clean = true, .error = HTTPMSG_CUT},
    {"HTTP/1.1 2", .clean = true, .error = HTTPMSG_CUT},
    {OK, .clean = true, .error = HTTPMSG_CUT},
    {OK "Content-Length: 3\r\n\r\nab", .clean = true, .error = HTTPMSG_CUT},
    /* Too big: refused when it is an answer, cut when it is an error page */
    {OK "Content-Length: 41\r\n\r\n", .error = HTTPMSG_BODY_BIG},
    {CHUNKED "29\r\n", .error = HTTPMSG_BODY_BIG},
    {OK "\r\n0123456789012345678901234567890123456789x",
	.error = HTTPMSG_BODY_BIG},
    {"HTTP/1.1 500 x\r\nContent-Length: 42\r\n\r\n"
     "0123456789012345678901234567890123456789xx",
	.status = 500, .body = "0123456789012345678901234567890123456789",
	.extra = 2},
    {"HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n29\r\n"
     "0123456789012345678901234567890123456789x",
	.status = 500, .body = "0123456789012345678901234567890123456789",
	.extra = 1},
    /* Retry-After */
    {"HTTP/1.1 429 x\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n",
	.status = 429, .keep_alive = true, .body = "", .retry_after = 120},
    {"HTTP/1.1 503 x\r\nRetry-After: Sun, 06 Nov 1994 08:50:07 "
     "GMT\r\nContent-Length: 0\r\n\r\n",
	.status = 503, .keep_alive = true, .body = "", .retry_after = 30},
    {"HTTP/1.1 503 x\r\nRetry-After: Sun, 06 Nov 1994 08:49:07 "
     "GMT\r\nContent-Length: 0\r\n\r\n",
	.status = 503, .keep_alive = true, .body = ""},
    {"HTTP/1.1 503 x\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n",
	.status = 503, .keep_alive = true, .body = ""},
};

/* Feeds pieces; each is a copy of its own, so that a byte too far is seen. */
static size_t feed(struct httpmsg *m, const char *wire, size_t len, size_t step)
{
	size_t at = 0;

	while (at < len && !m->done) {
		size_t n = len - at < step ? len - at : step;
		char *piece = malloc(n);
		long used;
		memcpy(piece, wire + at, n);
		used = httpmsg_feed(m, piece, n);
		free(piece);
		if (used < 0)
			break;
		assert_true((size_t)used == n || m->done);
		at += (size_t)used;
	}
	return at;
}

static void check(const struct answer *a, size_t step)
{
	size_t len = a->len > 0 ? a->len : strlen(a->wire);
	struct httpmsg m;
	size_t used;

	httpmsg_init(&m, BODY_MAX, NOW);
	used = feed(&m, a->wire, len, step);
	if (m.error == HTTPMSG_FINE)
		httpmsg_end(&m, a->clean);
	if (m.error != a->error)
		fail_msg("\"%s\" in steps of %zu: error %d (%s), not %d",
		    a->wire, step, m.error, m.why != NULL ? m.why : "",
		    a->error);
	if (a->error == HTTPMSG_FINE) {
		assert_true(m.done);
		assert_int_equal(m.status, a->status);
		assert_int_equal(m.keep_alive, a->keep_alive);
		assert_string_equal(buf_str(&m.body), a->body);
		assert_int_equal(m.retry_after, a->retry_after);
		assert_int_equal(len - used, a->extra);
	} else {
		assert_non_null(m.why);
		assert_int_equal(httpmsg_feed(&m, "x", 1), -1);
	}
	httpmsg_release(&m);
}

static void the_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		check(&answers[i], 100000);
		check(&answers[i], 1);
		check(&answers[i], 7);
	}
}

/* Any prefix of a good answer is cut, never anything else. */
static void every_cut(void **state)
{
	(void)state;
	const char *wire = CHUNKED "1;a=b\r\n{\r\n1\r\n}\r\n0\r\nX: y\r\n\r\n";

	for (size_t len = 0; len < strlen(wire); len++) {
		struct httpmsg m;
		httpmsg_init(&m, BODY_MAX, NOW);
		feed(&m, wire, len, 3);
		assert_int_equal(m.error, HTTPMSG_FINE);
		assert_false(m.done);
		assert_int_equal(httpmsg_end(&m, true), -1);
		assert_int_equal(m.error, HTTPMSG_CUT);
		httpmsg_release(&m);
	}
}

/* Feeds `piece` again and again until the parser has enough of it. */
static enum httpmsg_error flood(
    const char *start, const char *piece, size_t *fed)
{
	struct httpmsg m;
	enum httpmsg_error error;

	httpmsg_init(&m, BODY_MAX, NOW);
	feed(&m, start, strlen(start), 1000);
	for (*fed = 0; m.error == HTTPMSG_FINE && *fed < 10 * HTTP_HEAD_MAX;)
		*fed += feed(&m, piece, strlen(piece), 1000);
	error = m.error;
	assert_true(m.line.cap <= HTTP_HEAD_MAX + 1);
	httpmsg_release(&m);
	return error;
}

static void floods(void **state)
{
	(void)state;
	size_t fed;

	assert_int_equal(flood(OK, "X: y\r\n", &fed), HTTPMSG_HEAD_BIG);
	assert_true(fed >= HTTP_HEAD_MAX - 100 && fed <= HTTP_HEAD_MAX);
	assert_int_equal(flood("HTTP/1.1 200 ", "x", &fed), HTTPMSG_HEAD_BIG);
	assert_int_equal(
	    flood("", "HTTP/1.1 100 C\r\n\r\n", &fed), HTTPMSG_BAD);
	assert_int_equal(fed / 18, HTTP_INTERIM_MAX);
	assert_int_equal(flood(CHUNKED "1;", "x", &fed), HTTPMSG_BAD);
	assert_true(fed < HTTP_CHUNK_LINE_MAX);
	assert_int_equal(flood(CHUNKED "0\r\n", "X: y\r\n", &fed), HTTPMSG_BAD);
	assert_true(fed <= HTTP_TRAILERS_MAX);
}

static void a_redirect_is_cut(void **state)
{
	(void)state;
	static char wire[URL_LINK_MAX + 200] =
	    "HTTP/1.1 302 F\r\nContent-Length: 0\r\nLocation: ";
	struct httpmsg m;

	memset(wire + strlen(wire), 'l', URL_LINK_MAX + 1);
	memcpy(wire + strlen(wire), "\r\n\r\n", 4);
	httpmsg_init(&m, BODY_MAX, NOW);
	feed(&m, wire, strlen(wire), 50);
	assert_true(m.done);
	assert_int_equal(strlen(m.location), URL_LINK_MAX);
	assert_true(m.location_cut);
	httpmsg_release(&m);
}

static char sunk[200];
static size_t sunk_room;

static int sink(void *ctx, const char *data, size_t len)
{
	assert_ptr_equal(ctx, sunk);
	if (strlen(sunk) + len > sunk_room)
		return -1;
	strncat(sunk, data, len);
	return 0;
}

/* Feeds an answer whose body may have 10 bytes, its page 4. */
static void feed_sink(struct httpmsg *m, const char *wire, size_t room)
{
	memset(sunk, 0, sizeof(sunk));
	sunk_room = room;
	httpmsg_init(m, 10, NOW);
	m->body.max = 4;
	m->sink = sink;
	m->sink_ctx = sunk;
	feed(m, wire, strlen(wire), 3);
}

#define TEN "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"

static void a_sink_takes_the_body(void **state)
{
	(void)state;
	struct httpmsg m;

	feed_sink(&m, TEN, 100);
	assert_true(m.done);
	assert_string_equal(sunk, "0123456789");
	assert_int_equal(m.body.len, 0);
	httpmsg_release(&m);
	feed_sink(&m, CHUNKED "3\r\nabc\r\n7\r\n0123456\r\n0\r\n\r\n", 100);
	assert_true(m.done);
	assert_string_equal(sunk, "abc0123456");
	httpmsg_release(&m);
	feed_sink(&m, CHUNKED "3\r\nabc\r\n8\r\n", 100);
	assert_int_equal(m.error, HTTPMSG_BODY_BIG);
	httpmsg_release(&m);
	/* It is full. */
	feed_sink(&m, TEN, 5);
	assert_int_equal(m.error, HTTPMSG_SINK);
	httpmsg_release(&m);
	/* What is no file goes into the body. */
	feed_sink(&m, "HTTP/1.1 404 N\r\nContent-Length: 6\r\n\r\nabcdef", 100);
	assert_true(m.done && m.body_cut);
	assert_string_equal(buf_str(&m.body), "abcd");
	assert_string_equal(sunk, "");
	httpmsg_release(&m);
}

static void a_tunnel_has_no_body(void **state)
{
	(void)state;
	const char *wire =
	    "HTTP/1.0 200 Ok\r\nContent-Length: 9\r\n\r\n\x16\x03";
	struct httpmsg m;

	httpmsg_init(&m, BODY_MAX, NOW);
	m.tunnel = true;
	assert_int_equal(feed(&m, wire, strlen(wire), 1000), strlen(wire) - 2);
	assert_true(m.done && m.keep_alive);
	httpmsg_release(&m);
	httpmsg_init(&m, BODY_MAX, NOW);
	m.tunnel = true;
	wire = "HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno";
	feed(&m, wire, strlen(wire), 1000);
	assert_true(m.done);
	assert_int_equal(m.status, 407);
	assert_string_equal(buf_str(&m.body), "no");
	httpmsg_release(&m);
}

/* The sender's clock, for doctor: of the answer itself, and only if it is a
 * date. */
static void the_date(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		int64_t date;
	} cases[] = {
	    {"HTTP/1.1 204 x\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
		784111777},
	    {"HTTP/1.1 204 x\r\nDate: yesterday\r\n\r\n", 0},
	    {"HTTP/1.1 103 x\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
	     "HTTP/1.1 204 x\r\n\r\n",
		0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct httpmsg m;
		size_t len = strlen(cases[i].bytes);
		httpmsg_init(&m, 1000, 0);
		assert_int_equal(
		    httpmsg_feed(&m, cases[i].bytes, len), (long)len);
		assert_int_equal(m.date, cases[i].date);
		httpmsg_release(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_date),
	    cmocka_unit_test(the_table),
	    cmocka_unit_test(every_cut),
	    cmocka_unit_test(floods),
	    cmocka_unit_test(a_redirect_is_cut),
	    cmocka_unit_test(a_sink_takes_the_body),
	    cmocka_unit_test(a_tunnel_has_no_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
