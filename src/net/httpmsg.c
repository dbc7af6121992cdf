/*
 * A machine with one state for each kind of line and of body. Lines are
 * gathered in m->line up to their cap; bodies go to m->body without a detour.
 */
#include "net/httpmsg.h"
#include "base/text.h"
#include "net/date.h"
#include <string.h>
#include <strings.h>

enum {
	STATE_STATUS,
	STATE_HEADER,
	STATE_BODY, /* m->left bytes */
	STATE_UNTIL_CLOSE,
	STATE_CHUNK_SIZE,
	STATE_CHUNK,
	STATE_CHUNK_END,
	STATE_TRAILER,
	STATE_DONE
};

void httpmsg_init(struct httpmsg *m, uint32_t body_max, int64_t now)
{
	memset(m, 0, sizeof(*m));
	m->body_max = body_max;
	m->now = now;
	buf_init(&m->line, HTTP_HEAD_MAX);
	buf_init(&m->body, body_max);
}

void httpmsg_release(struct httpmsg *m)
{
	buf_release(&m->line);
	buf_release(&m->body);
}

static int httpmsg_fail(
    struct httpmsg *m, enum httpmsg_error error, const char *why)
{
	m->error = error;
	m->why = why;
	return -1;
}

static int httpmsg_bad(struct httpmsg *m, const char *why)
{
	return httpmsg_fail(m, HTTPMSG_BAD, why);
}

/* "HTTP/1.1 200 OK"; the reason may be missing. */
static int httpmsg_status_line(struct httpmsg *m)
{
	const char *s = buf_str(&m->line);

	if (m->line.len < 12 || memcmp(s, "HTTP/", 5) != 0)
		return httpmsg_bad(m, "it is not HTTP");
	if (memcmp(s, "HTTP/1.", 7) != 0 || (s[7] != '0' && s[7] != '1') ||
	    s[8] != ' ')
		return httpmsg_bad(m, "the HTTP version is unknown");
	m->minor = s[7] - '0';
	m->status = 0;
	for (int i = 9; i < 12; i++) {
		if (s[i] < '0' || s[i] > '9')
			return httpmsg_bad(m, "the status is no number");
		m->status = m->status * 10 + s[i] - '0';
	}
	if (m->status < 100 || m->status > 599 ||
	    (s[12] != ' ' && s[12] != '\0'))
		return httpmsg_bad(m, "the status is not one of HTTP");
	m->state = STATE_HEADER;
	return 0;
}

static bool httpmsg_token(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c <= ' ' || c >= 0x7f ||
		    strchr("()<>@,;:\\\"/[]?={}", c) != NULL)
			return false;
	}
	return len > 0;
}

static int httpmsg_length(struct httpmsg *m, const char *value)
{
	uint64_t length;

	if (m->has_length)
		return httpmsg_bad(m, "it has two lengths");
	if (text_to_u64(value, 0, INT64_MAX, &length) != 0)
		return httpmsg_bad(m, "its length is no number");
	m->has_length = true;
	m->left = length;
	return 0;
}

/* Goes through a comma list of connection options. */
static void httpmsg_connection(struct httpmsg *m, const char *value)
{
	while (*value != '\0') {
		value += strspn(value, ", \t");
		size_t len = strcspn(value, ", \t");
		if (len == 5 && strncasecmp(value, "close", 5) == 0)
			m->said_close = true;
		if (len == 10 && strncasecmp(value, "keep-alive", 10) == 0)
			m->said_keep = true;
		value += len;
	}
}

static void httpmsg_retry_after(struct httpmsg *m, const char *value)
{
	uint64_t seconds;
	int64_t when;

	if (text_to_u64(value, 0, UINT32_MAX, &seconds) == 0)
		m->retry_after = (uint32_t)seconds;
	else if (date_http(value, &when) == 0 && when > m->now &&
		 when - m->now <= UINT32_MAX)
		m->retry_after = (uint32_t)(when - m->now);
}

static int httpmsg_field(struct httpmsg *m, const char *name, const char *value)
{
	if (strcasecmp(name, "content-length") == 0)
		return httpmsg_length(m, value);
	if (strcasecmp(name, "transfer-encoding") == 0) {
		if (m->has_coding || strcasecmp(value, "chunked") != 0)
			return httpmsg_bad(
			    m, "its transfer coding is not plain chunked");
		m->has_coding = true;
		m->chunked = true;
	} else if (strcasecmp(name, "connection") == 0) {
		httpmsg_connection(m, value);
	} else if (strcasecmp(name, "retry-after") == 0) {
		httpmsg_retry_after(m, value);
	} else if (strcasecmp(name, "date") == 0) {
		if (date_http(value, &m->date) != 0)
			m->date = 0;
	} else if (strcasecmp(name, "location") == 0) {
		text_copy(m->location, sizeof(m->location), value);
		m->location_cut = strlen(value) > URL_LINK_MAX;
	}
	return 0;
}

/* Splits "Name: value" in m->line, in place. */
static int httpmsg_header(struct httpmsg *m)
{
	char *name = m->line.data;
	char *end = name + m->line.len;
	char *colon = memchr(name, ':', m->line.len);
	char *value;

	if (*name == ' ' || *name == '\t')
		return httpmsg_bad(m, "a header line is folded");
	if (colon == NULL || !httpmsg_token(name, (size_t)(colon - name)))
		return httpmsg_bad(m, "a header line is malformed");
	*colon = '\0';
	value = colon + 1;
	while (*value == ' ' || *value == '\t')
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	if (m->state == STATE_TRAILER)
		return 0;
	m->fields++;
	return httpmsg_field(m, name, value);
}

static void httpmsg_finish(struct httpmsg *m)
{
	m->state = STATE_DONE;
	m->done = true;
	buf_release(&m->line);
}

/* An interim answer is over: forget it and wait for the real one. */
static int httpmsg_interim(struct httpmsg *m)
{
	if (m->status == 101)
		return httpmsg_bad(m, "it switches to another protocol");
	if (++m->interim > HTTP_INTERIM_MAX)
		return httpmsg_bad(m, "too many interim answers");
	m->has_length = m->has_coding = m->chunked = false;
	m->said_close = m->said_keep = false;
	m->retry_after = 0;
	m->date = 0;
	m->location[0] = '\0';
	m->left = 0;
	m->fields = 0;
	m->state = STATE_STATUS;
	return 0;
}

static bool httpmsg_sinks(const struct httpmsg *m)
{
	return m->sink != NULL && m->status == 200;
}

/* How much of a body may still come. */
static size_t httpmsg_room(const struct httpmsg *m)
{
	if (httpmsg_sinks(m))
		return m->body_max - m->sunk;
	return m->body.max - m->body.len;
}

/* Is a body beyond the cap cut (an error page), or refused (an answer)? */
static int httpmsg_too_big(struct httpmsg *m)
{
	if (m->status >= 200 && m->status < 300)
		return httpmsg_fail(
		    m, HTTPMSG_BODY_BIG, "the body is too large");
	m->body_cut = true;
	m->keep_alive = false;
	httpmsg_finish(m);
	return 0;
}

/* The empty line: what follows, and how long is it? */
static int httpmsg_head_end(struct httpmsg *m)
{
	if (m->status < 200)
		return httpmsg_interim(m);
	if (m->tunnel && m->status < 300) {
		m->head_done = m->keep_alive = true;
		httpmsg_finish(m);
		return 0;
	}
	if (m->has_length && m->has_coding)
		return httpmsg_bad(m, "it has a length and chunks");
	if (m->has_coding && m->minor == 0)
		return httpmsg_bad(m, "chunks in an HTTP/1.0 answer");
	m->head_done = true;
	m->keep_alive = !m->said_close && (m->minor == 1 || m->said_keep);
	if (m->status == 204 || m->status == 304 || m->bodiless ||
	    (m->has_length && m->left == 0)) {
		httpmsg_finish(m);
		return 0;
	}
	if (m->chunked) {
		m->state = STATE_CHUNK_SIZE;
	} else if (m->has_length) {
		m->state = STATE_BODY;
		if (m->left > httpmsg_room(m) && m->status >= 200 &&
		    m->status < 300)
			return httpmsg_too_big(m);
	} else {
		m->state = STATE_UNTIL_CLOSE;
		m->close_framed = true;
		m->keep_alive = false;
	}
	return 0;
}

/* "1a2b" and perhaps ";name=value". */
static int httpmsg_chunk_size(struct httpmsg *m)
{
	const char *s = buf_str(&m->line);
	uint64_t size = 0;
	size_t i;

	for (i = 0; s[i] != '\0'; i++) {
		int digit;
		if (s[i] >= '0' && s[i] <= '9')
			digit = s[i] - '0';
		else if (s[i] >= 'a' && s[i] <= 'f')
			digit = s[i] - 'a' + 10;
		else if (s[i] >= 'A' && s[i] <= 'F')
			digit = s[i] - 'A' + 10;
		else
			break;
		if (size > (uint64_t)INT64_MAX >> 4)
			return httpmsg_bad(m, "a chunk's size overflows");
		size = size << 4 | (unsigned)digit;
	}
	if (i == 0)
		return httpmsg_bad(m, "a chunk's size is no number");
	s += i + strspn(s + i, " \t");
	if (*s != '\0' && *s != ';')
		return httpmsg_bad(m, "a chunk's size is no number");
	m->left = size;
	m->state = size == 0 ? STATE_TRAILER : STATE_CHUNK;
	if (size > httpmsg_room(m) && m->status >= 200 && m->status < 300)
		return httpmsg_too_big(m);
	return 0;
}

/* m->line holds a whole line without its end. */
static int httpmsg_line(struct httpmsg *m)
{
	switch (m->state) {
	case STATE_STATUS:
		return httpmsg_status_line(m);
	case STATE_HEADER:
		return m->line.len == 0 ? httpmsg_head_end(m)
					: httpmsg_header(m);
	case STATE_CHUNK_SIZE:
		return httpmsg_chunk_size(m);
	case STATE_CHUNK_END:
		if (m->line.len != 0)
			return httpmsg_bad(m, "a chunk is longer than it says");
		m->state = STATE_CHUNK_SIZE;
		return 0;
	default: /* STATE_TRAILER */
		if (m->line.len != 0)
			return httpmsg_header(m);
		httpmsg_finish(m);
		return 0;
	}
}

/* Counts len bytes of lines against the caps of their place. */
static int httpmsg_count(struct httpmsg *m, size_t len)
{
	if (m->state == STATE_STATUS || m->state == STATE_HEADER) {
		m->head_bytes += len;
		if (m->head_bytes > HTTP_HEAD_MAX)
			return httpmsg_fail(
			    m, HTTPMSG_HEAD_BIG, "the head is too large");
	} else if (m->state == STATE_TRAILER) {
		m->trailer_bytes += len;
		if (m->trailer_bytes > HTTP_TRAILERS_MAX)
			return httpmsg_bad(m, "the trailers are too large");
	} else if (m->line.len + len > HTTP_CHUNK_LINE_MAX) {
		return httpmsg_bad(m, "a chunk's size line is too long");
	}
	return 0;
}

/* Adds bytes up to a line's end; a whole line is acted upon. */
static long httpmsg_take_line(struct httpmsg *m, const char *data, size_t len)
{
	const char *lf = memchr(data, '\n', len);
	size_t used = lf != NULL ? (size_t)(lf - data) + 1 : len;
	size_t n;

	if (httpmsg_count(m, used) != 0)
		return -1;
	if (buf_add(&m->line, data, used) != 0)
		return httpmsg_fail(m, HTTPMSG_NO_MEMORY, "out of memory");
	/* Not HTTP at all shows in the first bytes, which may never be
	 * followed by the end of a line. */
	n = m->line.len < 5 ? m->line.len : 5;
	if (m->state == STATE_STATUS && memcmp(m->line.data, "HTTP/", n) != 0)
		return httpmsg_bad(m, "it is not HTTP");
	if (lf == NULL)
		return (long)used;
	n = m->line.len;
	if (n < 2 || m->line.data[n - 2] != '\r')
		return httpmsg_bad(m, "a line does not end in CR LF");
	m->line.len = n - 2;
	m->line.data[n - 2] = '\0';
	for (size_t i = 0; i < m->line.len; i++) {
		unsigned char c = (unsigned char)m->line.data[i];
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return httpmsg_bad(m, "a line has a control character");
	}
	if (httpmsg_line(m) != 0)
		return -1;
	buf_reset(&m->line);
	return (long)used;
}

static int httpmsg_keep(struct httpmsg *m, const char *data, size_t len)
{
	if (!httpmsg_sinks(m)) {
		if (buf_add(&m->body, data, len) == 0)
			return 0;
		return httpmsg_fail(m, HTTPMSG_NO_MEMORY, "out of memory");
	}
	if (m->sink(m->sink_ctx, data, len) != 0)
		return httpmsg_fail(m, HTTPMSG_SINK, "it cannot be written");
	m->sunk += (uint32_t)len;
	return 0;
}

/* Adds bytes of a body; `left` is counted down by the caller's state. */
static long httpmsg_take_body(struct httpmsg *m, const char *data, size_t len)
{
	bool framed = m->state != STATE_UNTIL_CLOSE;
	size_t used = framed && m->left < len ? (size_t)m->left : len;
	size_t room = httpmsg_room(m);

	if (used > room) {
		if (httpmsg_keep(m, data, room) != 0)
			return -1;
		return httpmsg_too_big(m) == 0 ? (long)room : -1;
	}
	if (httpmsg_keep(m, data, used) != 0)
		return -1;
	if (!framed)
		return (long)used;
	m->left -= used;
	if (m->left == 0 && m->state == STATE_CHUNK)
		m->state = STATE_CHUNK_END;
	else if (m->left == 0)
		httpmsg_finish(m);
	return (long)used;
}

long httpmsg_feed(struct httpmsg *m, const char *data, size_t len)
{
	size_t used = 0;

	if (m->error != HTTPMSG_FINE)
		return -1;
	while (used < len && !m->done) {
		bool body = m->state == STATE_BODY || m->state == STATE_CHUNK ||
			    m->state == STATE_UNTIL_CLOSE;
		long n = body ? httpmsg_take_body(m, data + used, len - used)
			      : httpmsg_take_line(m, data + used, len - used);
		if (n < 0)
			return -1;
		used += (size_t)n;
	}
	return (long)used;
}

int httpmsg_end(struct httpmsg *m, bool clean)
{
	if (m->error != HTTPMSG_FINE)
		return -1;
	if (m->done)
		return 0;
	if (m->state == STATE_UNTIL_CLOSE && clean) {
		httpmsg_finish(m);
		return 0;
	}
	return httpmsg_fail(m, HTTPMSG_CUT, "the answer was cut short");
}
