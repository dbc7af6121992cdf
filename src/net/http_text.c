/*
 * See http_text.h. Heads hold what the server needs and no more: a poll is
 * sent every few seconds for years. Sentences quote the peer escaped and cut.
 */
#include "net/http_text.h"
#include "base/digits.h"
#include "base/limits.h"
#include "base/text.h"
#include <errno.h>
#include <string.h>
#include <strings.h>

static void http_add_host(struct buf *out, const char *host, uint16_t port)
{
	bool v6 = strchr(host, ':') != NULL;

	buf_adds(out, v6 ? "[" : "");
	buf_adds(out, host);
	buf_adds(out, v6 ? "]" : "");
	if (port != 0) {
		buf_addc(out, ':');
		buf_addu(out, port);
	}
}

static void http_add_login(struct buf *out, const struct http *h)
{
	if (!h->by_proxy || h->proxy.login[0] == '\0')
		return;
	buf_adds(out, "\r\nProxy-Authorization: Basic ");
	digits_put_base64(out, h->proxy.login, strlen(h->proxy.login), true);
}

bool http_text_check(const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	}
	return true;
}

void http_request_head(
    struct buf *out, const struct http *h, const struct net_request *r)
{
	const struct net_config *c = h->config;
	uint16_t port = c->port == (c->tls ? 443 : 80) ? 0 : c->port;

	buf_adds(out, r->method);
	buf_addc(out, ' ');
	if (h->by_proxy && !c->tls) {
		buf_adds(out, "http://");
		http_add_host(out, c->host, port);
	}
	buf_adds(out, c->base_path);
	buf_adds(out, r->path);
	buf_adds(out, " HTTP/1.1\r\nHost: ");
	http_add_host(out, c->host, port);
	if (c->api_key != NULL) {
		buf_adds(out, "\r\nAuthorization: Bearer ");
		buf_adds(out, c->api_key);
		buf_adds(out, "\r\nContent-Type: application/json");
	}
	buf_adds(out, "\r\nUser-Agent: ");
	buf_adds(out, c->user_agent);
	if (!c->tls)
		http_add_login(out, h);
	if (strcmp(r->method, "POST") == 0) {
		buf_adds(out, "\r\nContent-Length: ");
		buf_addu(out, r->body_len);
	}
	buf_adds(out, "\r\n\r\n");
}

void http_connect_head(struct buf *out, const struct http *h)
{
	const struct net_config *c = h->config;

	buf_adds(out, "CONNECT ");
	http_add_host(out, c->host, c->port);
	buf_adds(out, " HTTP/1.1\r\nHost: ");
	http_add_host(out, c->host, c->port);
	buf_adds(out, "\r\nUser-Agent: ");
	buf_adds(out, c->user_agent);
	http_add_login(out, h);
	buf_adds(out, "\r\n\r\n");
}

int http_say_timeout(struct fault *f, const struct http *h,
    const struct net_request *r, bool whole)
{
	if (whole)
		return fault_set(f, NET_TIMEOUT,
		    "the exchange with %s took over %u s: is the server or "
		    "the network overloaded?",
		    h->config->host, r->total_ms / 1000);
	return fault_set(f, NET_TIMEOUT,
	    "%s took the request but did not answer within %u s: is the "
	    "server overloaded?",
	    h->config->host, r->first_byte_ms / 1000);
}

int http_say_cut(struct fault *f, const struct http *h,
    const struct httpmsg *msg, size_t received)
{
	if (received == 0)
		return fault_set(f, NET_HTTP,
		    "%s closed the connection without an answer: see the "
		    "server's log",
		    h->config->host);
	return fault_set(f, NET_HTTP,
	    "%s: the answer was cut short after %zu bytes of its %s: see the "
	    "server's log",
	    h->config->host, msg->head_done ? msg->body.len : received,
	    msg->head_done ? "body" : "head");
}

/* What came is not HTTP at all. */
static int http_say_other(
    struct fault *f, const struct http *h, const char *bytes, size_t len)
{
	if (h->config->downloads)
		return fault_set(f, NET_HTTP,
		    "what came from %s port %u is not HTTP", h->config->host,
		    h->config->port);
	if (len >= 2 && bytes[0] >= 20 && bytes[0] <= 23 && bytes[1] == 3)
		return fault_set(f, NET_HTTP,
		    "port %u of %s speaks TLS: [server] url must begin with "
		    "https://",
		    h->config->port, h->config->host);
	fault_set(f, NET_HTTP, "what came from %s port %u is not HTTP (\"",
	    h->config->host, h->config->port);
	fault_quote(f, bytes, len, 40);
	buf_adds(&f->text, "\"): check the port in [server] url");
	return -1;
}

int http_say_bad(struct fault *f, const struct http *h,
    const struct httpmsg *msg, const char *bytes, size_t len)
{
	const char *host = h->config->host;

	switch (msg->error) {
	case HTTPMSG_HEAD_BIG:
		return fault_set(f, NET_TOO_BIG,
		    "the head of the answer of %s is over %u KiB", host,
		    HTTP_HEAD_MAX / KIB);
	case HTTPMSG_BODY_BIG:
		return fault_set(f, NET_TOO_BIG,
		    "the answer of %s is over %u KiB, the most that is taken "
		    "here",
		    host, msg->body_max / KIB);
	case HTTPMSG_NO_MEMORY:
		return fault_set(f, NET_BROKEN,
		    "there is no memory for the answer of %s", host);
	case HTTPMSG_SINK:
		return fault_set(f, NET_FILE,
		    "what %s sends cannot be written into a file: %s", host,
		    strerror(errno));
	default:
		break;
	}
	if (!msg->head_done && msg->status == 0 &&
	    (len < 7 || memcmp(bytes, "HTTP/1.", 7) != 0))
		return http_say_other(f, h, bytes, len);
	return fault_set(f, NET_HTTP,
	    "the answer of %s is not valid HTTP: %s%s", host, msg->why,
	    h->config->downloads ? "" : ": is it really the backup server?");
}

int http_say_slow(
    struct fault *f, const struct http *h, const struct net_request *r)
{
	return fault_set(f, NET_TIMEOUT,
	    "%s sends too slowly: less than %u KiB in %u s", h->config->host,
	    r->pace_bytes / KIB, r->pace_ms / 1000);
}

int http_say_unsent(struct fault *f, const struct http *h, size_t body_len)
{
	if (body_len > 512 * KIB)
		return fault_set(f, NET_HTTP,
		    "%s closed the connection while %zu KiB were sent to it: "
		    "does it accept bodies of that size?",
		    h->config->host, body_len / KIB);
	return fault_set(f, NET_HTTP,
	    "%s closed the connection while the request was sent: see the "
	    "server's log",
	    h->config->host);
}

int http_say_proxy(struct fault *f, const struct http *h, int status)
{
	/* Of a tunnel only the proxy can say this; tinyproxy has 401 for it. */
	if ((status == 407 || status == 401) && h->proxy.login[0] != '\0')
		return fault_set(f, NET_PROXY,
		    "the proxy %s refuses the user or the password that "
		    "[server] proxy has",
		    h->proxy.host);
	if (status == 407)
		return fault_set(f, NET_PROXY,
		    "the proxy %s wants a login: proxy = "
		    "http://USER:PASSWORD@%s:%u",
		    h->proxy.host, h->proxy.host, h->proxy.port);
	return fault_set(f, NET_PROXY,
	    "the proxy %s refuses the way to %s port %u (status %d): allow it "
	    "there, or set no_proxy",
	    h->proxy.host, h->config->host, h->config->port, status);
}

int http_say_no_proxy(struct fault *f)
{
	struct buf text = BUF_INIT(NET_WHY_MAX);

	buf_adds(&text, buf_str(&f->text));
	fault_set(
	    f, NET_PROXY, "the proxy cannot be reached: %s", buf_str(&text));
	buf_release(&text);
	return -1;
}

int http_say_json(struct fault *f, const struct http *h, const struct buf *body,
    const char *why, size_t at)
{
	fault_set(f, NET_JSON,
	    "the answer of %s is not what a backup server says: it begins \"",
	    h->config->host);
	fault_quote(f, buf_str(body), body->len, 80);
	if (body->data != NULL && body->data[0] == '<')
		buf_adds(&f->text,
		    "\", a web page: is [server] url in config.ini right, does "
		    "the server's log tell of an error, or is that the login "
		    "page (captive portal) of this network?");
	else
		buf_addf(&f->text,
		    "\" (JSON: %s, byte %zu): check [server] url and the "
		    "server's log",
		    why, at);
	return -1;
}

/* Where the redirect leads, as [server] url would have it. */
static int http_remark_redirect(struct fault *f, const struct http *h,
    const struct net_request *r, const struct httpmsg *msg)
{
	size_t len = strlen(msg->location);
	const char *host = h->config->host;

	if (len == 0) {
		fault_set(f, NET_OK,
		    "%s answers with a redirect (status %d) to nowhere: check "
		    "[server] url",
		    host, msg->status);
		return 0;
	}
	fault_set(f, NET_OK, "%s answers with a redirect to ", host);
	fault_quote(f, msg->location, len, HTTP_LOCATION_MAX);
	if (strncasecmp(msg->location, "http", 4) == 0 &&
	    text_ends(msg->location, r->path)) {
		buf_adds(&f->text, ": if that is the backup server, set "
				   "[server] url = ");
		fault_quote(
		    f, msg->location, len - strlen(r->path), HTTP_LOCATION_MAX);
		buf_adds(&f->text, " in config.ini");
	} else {
		buf_adds(&f->text, ": is [server] url in config.ini right, or "
				   "is that the login page (captive portal) "
				   "of this network?");
	}
	return 0;
}

int http_remark(struct fault *f, const struct http *h,
    const struct net_request *r, const struct httpmsg *msg)
{
	/* What nginx, Apache and Go say to plain HTTP on a TLS port. */
	static const char *const plain[] = {"HTTP request was sent to HTTPS",
	    "speaking plain HTTP to an SSL", "HTTP request to an HTTPS server"};

	if (msg->status >= 300 && msg->status < 400 && !h->config->downloads)
		return http_remark_redirect(f, h, r, msg);
	for (int i = 0; i < 3 && !h->config->tls && msg->status == 400; i++) {
		if (strcasestr(buf_str(&msg->body), plain[i]) == NULL)
			continue;
		return fault_set(f, NET_HTTP,
		    "port %u of %s speaks TLS: [server] url must begin with "
		    "https://",
		    h->config->port, h->config->host);
	}
	if (msg->status == 407 && h->by_proxy && !h->config->tls)
		return http_say_proxy(f, h, msg->status);
	fault_set(f, NET_OK, "%s answered with HTTP status %d", h->config->host,
	    msg->status);
	return 0;
}
