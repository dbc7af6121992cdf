/*
 * See http.h. A kept connection may have been closed by the server at any
 * moment, so it is looked at before it is used, and when it breaks before a
 * byte of the answer came the request is sent once more on a new one: every
 * request of the protocol may be repeated.
 */
#include "net/http.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "net/http_text.h"
#include <string.h>

/* One pass over the wire. */
struct http_pass {
	struct http *h;
	const struct net_request *r;
	struct httpmsg *msg;
	struct fault *fault;
	uint64_t deadline; /* of the whole exchange */
	size_t received;
	uint64_t pace_end; /* the present time for pace_bytes ends; 0: none */
	size_t pace_from;  /* received when it began */
	bool broke;	   /* the connection, not a deadline or the answer */
	bool early; /* the answer came before the request was sent whole */
};

int http_init(
    struct http *h, const struct net_config *config, struct fault *fault)
{
	const char *why;

	memset(h, 0, sizeof(*h));
	h->config = config;
	h->conn = (struct conn)CONN_INIT;
	if (trust_open(&h->store, config->anchors) != 0)
		return fault_set(fault, NET_BROKEN,
		    "the file of CA certificates cannot be mapped");
	h->policy = (struct trust_policy){.host = config->host,
	    .verify = config->verify,
	    .pin_count = config->pin_count,
	    .ca_name = config->ca_name,
	    .store = &h->store};
	memcpy(h->policy.pins, config->pins, sizeof(h->policy.pins));
	if (config->proxy == NULL ||
	    (config->no_proxy != NULL &&
		url_listed(config->no_proxy, config->host)))
		return 0;
	h->by_proxy = true;
	if (url_parse_proxy(&h->proxy, config->proxy, &why) != 0)
		return fault_set(fault, NET_PROXY,
		    "the address of the proxy cannot be used: %s", why);
	return 0;
}

void http_release(struct http *h)
{
	conn_close(&h->conn);
	tls_free(h->tls);
	trust_close(&h->store);
	mem_wipe(&h->proxy, sizeof(h->proxy));
}

/* Looks at the pace of a download; -1 when it is too slow. */
static int http_pace(struct http_pass *p)
{
	uint64_t now = clock_ms();

	if (p->r->pace_bytes == 0 || !p->msg->head_done)
		return 0;
	if (p->pace_end != 0 && now < p->pace_end)
		return 0;
	if (p->pace_end != 0 && p->received - p->pace_from < p->r->pace_bytes)
		return http_say_slow(p->fault, p->h, p->r);
	p->pace_end = now + p->r->pace_ms;
	p->pace_from = p->received;
	return 0;
}

/* Until when the next bytes are waited for. */
static uint64_t http_limit(const struct http_pass *p, uint64_t first_byte)
{
	uint64_t limit = p->deadline;

	if (!p->msg->head_done && first_byte < limit)
		limit = first_byte;
	if (p->pace_end != 0 && p->pace_end < limit)
		limit = p->pace_end;
	return limit;
}

/* Receives until the answer is complete, or its head for CONNECT. */
static int http_receive(struct http_pass *p, uint64_t first_byte)
{
	char bytes[4096];
	struct httpmsg *msg = p->msg;

	while (!msg->done) {
		uint64_t limit = http_limit(p, first_byte);
		long n = conn_read(&p->h->conn, bytes, sizeof(bytes), limit);
		long used;
		if (n == TLS_TIMEOUT && limit == p->pace_end)
			return http_say_slow(p->fault, p->h, p->r);
		if (n == TLS_TIMEOUT)
			return http_say_timeout(p->fault, p->h, p->r,
			    msg->head_done || p->deadline <= first_byte);
		if (n <= 0) {
			p->broke = true;
			if (httpmsg_end(msg, n == TLS_END) == 0)
				return 0;
			return http_say_cut(p->fault, p->h, msg, p->received);
		}
		p->received += (size_t)n;
		used = httpmsg_feed(msg, bytes, (size_t)n);
		if (used < 0)
			return http_say_bad(
			    p->fault, p->h, msg, bytes, (size_t)n);
		mem_wipe(bytes, (size_t)n);
		if (used < n)
			msg->keep_alive = false;
		if (!msg->done && http_pace(p) != 0)
			return -1;
	}
	if (p->h->conn.tls != NULL && tls_pending(p->h->conn.tls))
		msg->keep_alive = false;
	return 0;
}

/* Sends what is asked for; an answer that comes early ends it as well. */
static int http_send(struct http_pass *p, const struct buf *head,
    const char *body, size_t body_len)
{
	int rc = conn_write(
	    &p->h->conn, head->data, head->len, body_len > 0, p->deadline);

	if (rc == 0 && body_len > 0)
		rc =
		    conn_write(&p->h->conn, body, body_len, false, p->deadline);
	if (rc == TLS_EARLY) {
		p->early = true;
		return 0;
	}
	if (rc == TLS_TIMEOUT)
		return http_say_timeout(p->fault, p->h, p->r, true);
	p->broke = rc != 0;
	return rc == 0 ? 0 : http_say_unsent(p->fault, p->h, body_len);
}

/* Asks the proxy for a tunnel to the server. */
static int http_tunnel(struct http *h, uint64_t deadline, struct fault *fault)
{
	struct buf head = BUF_INIT(HTTP_HEAD_MAX);
	struct httpmsg msg;
	struct net_request r = {
	    .method = "CONNECT", .total_ms = NET_CONNECT_MS};
	struct http_pass p = {
	    .h = h, .r = &r, .msg = &msg, .fault = fault, .deadline = deadline};
	int rc = -1;

	httpmsg_init(&msg, ANSWER_BODY_MAX, 0);
	msg.tunnel = true;
	http_connect_head(&head, h);
	if (head.failed) {
		fault_set(fault, NET_BROKEN, "out of memory");
		goto out;
	}
	rc = http_send(&p, &head, NULL, 0);
	if (rc == 0)
		rc = http_receive(&p, clock_ms() + 2 * NET_CONNECT_MS);
	if (rc != 0)
		fault->result = NET_PROXY;
	else if (msg.status / 100 != 2)
		rc = http_say_proxy(fault, h, msg.status);
	else if (!msg.keep_alive)
		rc = fault_set(fault, NET_PROXY,
		    "the proxy %s sends more than it was asked for",
		    h->proxy.host);
out:
	buf_wipe(&head);
	httpmsg_release(&msg);
	return rc;
}

static int http_open_tls(struct http *h, uint64_t deadline, struct fault *fault)
{
	uint64_t limit = clock_ms() + NET_CONNECT_MS;

	if (h->tls == NULL)
		h->tls = tls_new(&h->policy);
	if (h->tls == NULL)
		return fault_set(fault, NET_BROKEN, "out of memory");
	if (tls_start(h->tls, h->conn.fd, h->config->port,
		limit < deadline ? limit : deadline, fault) != 0)
		return -1;
	h->conn.tls = h->tls;
	return 0;
}

static int http_open(struct http *h, uint64_t deadline, struct fault *fault)
{
	h->conn.tls = NULL;
	if (h->by_proxy) {
		h->conn.fd = dial_host(
		    &h->dial, h->proxy.host, h->proxy.port, deadline, fault);
		if (h->conn.fd < 0)
			return http_say_no_proxy(fault);
		if (h->config->tls && http_tunnel(h, deadline, fault) != 0)
			return -1;
		fault_fact(fault, NET_FACT_PROXY, "%s port %u", h->proxy.host,
		    h->proxy.port);
	} else {
		h->conn.fd = dial_host(&h->dial, h->config->host,
		    h->config->port, deadline, fault);
		if (h->conn.fd < 0)
			return -1;
	}
	return h->config->tls ? http_open_tls(h, deadline, fault) : 0;
}

/* One try on the connection as it stands, opened if there is none. */
static int http_try(struct http_pass *p)
{
	struct http *h = p->h;
	struct buf head = BUF_INIT(HTTP_HEAD_MAX);
	int rc = -1;

	if (h->conn.fd < 0 && http_open(h, p->deadline, p->fault) != 0)
		goto out;
	http_request_head(&head, h, p->r);
	if (head.failed) {
		fault_set(p->fault, NET_BROKEN, "the request is too large");
		goto out;
	}
	rc = http_send(p, &head, p->r->body, p->r->body_len);
	if (rc == 0)
		rc = http_receive(p, clock_ms() + p->r->first_byte_ms);
out:
	buf_wipe(&head);
	if (rc != 0 || !p->msg->keep_alive || p->early)
		conn_close(&h->conn);
	return rc;
}

/* Is a 2xx answer what every answer of the server must be? */
static int http_check(struct http_pass *p)
{
	const struct buf *body = &p->msg->body;
	const char *why = "it is empty";
	size_t at = 0, first;

	if (p->msg->status < 200 || p->msg->status > 299)
		return http_remark(p->fault, p->h, p->r, p->msg);
	first = strspn(buf_str(body), " \t\r\n");
	if (body->len == first ||
	    json_check(body->data, body->len, JSON_DEPTH_MAX, &why, &at) != 0)
		return http_say_json(p->fault, p->h, body, why, at);
	if (body->data[first] != '{')
		return http_say_json(
		    p->fault, p->h, body, "it is no object", first);
	return 0;
}

int http_exchange(struct http *h, const struct net_request *r,
    struct httpmsg *msg, struct fault *fault)
{
	struct http_pass p = {.h = h,
	    .r = r,
	    .msg = msg,
	    .fault = fault,
	    .deadline = clock_ms() + r->total_ms};
	bool kept = h->conn.fd >= 0;
	bool stale = clock_ms() - h->used_at > HTTP_KEPT_MS;

	if (kept && (stale || !conn_quiet(&h->conn))) {
		conn_close(&h->conn);
		kept = false;
	}
	httpmsg_init(msg, r->body_max, clock_wall());
	int rc = http_try(&p);
	if (rc != 0 && kept && p.broke && p.received == 0) {
		httpmsg_release(msg);
		httpmsg_init(msg, r->body_max, clock_wall());
		fault_reset(fault);
		p.broke = false;
		rc = http_try(&p);
	}
	h->used_at = clock_ms();
	if (rc != 0)
		return -1;
	if (msg->date != 0)
		fault_fact(fault, NET_FACT_DATE, "%lld", (long long)msg->date);
	return http_check(&p);
}

int http_fetch(struct http *h, const struct net_request *r, httpmsg_sink *sink,
    void *ctx, struct httpmsg *msg, struct fault *fault)
{
	struct http_pass p = {.h = h,
	    .r = r,
	    .msg = msg,
	    .fault = fault,
	    .deadline = clock_ms() + r->total_ms};

	httpmsg_init(msg, r->body_max, clock_wall());
	msg->body.max = ANSWER_BODY_MAX;
	msg->sink = sink;
	msg->sink_ctx = ctx;
	if (http_try(&p) != 0)
		return -1;
	return msg->status == 200 ? 0 : http_remark(fault, h, r, msg);
}
