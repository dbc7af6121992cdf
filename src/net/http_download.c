/*
 * A file from any host, redirect after redirect. Each hop is a connection of
 * its own with its own judge: the server's origin (scheme, host and port) is
 * trusted as config.ini says and is the only one that gets the API key; every
 * other one is judged by the system's roots and ca_file, and by nothing less.
 * What was asked for over TLS never goes on in the clear.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "net/http.h"
#include <string.h>

static int download_write(void *ctx, const char *data, size_t len)
{
	const int *file = ctx;

	return file_write_all(*file, data, len);
}

static bool download_is_server(
    const struct net_config *c, const struct url_link *l)
{
	return l->tls == c->tls && l->port == c->port &&
	       strcmp(l->host, c->host) == 0;
}

/* The configuration as this hop needs it. */
static void download_config(struct net_config *hop, const struct net_config *c,
    const struct url_link *l)
{
	*hop = *c;
	hop->base_path = "";
	if (download_is_server(c, l))
		return;
	hop->host = l->host;
	hop->port = l->port;
	hop->tls = l->tls;
	hop->api_key = NULL;
	hop->verify = true;
	hop->pin_count = 0;
	hop->anchors = c->others;
	hop->ca_name = c->others_name;
}

static bool download_is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 ||
	       status == 307 || status == 308;
}

static int download_hop(const struct net_config *c, const struct url_link *l,
    const struct net_request *r, uint64_t deadline, struct httpmsg *msg,
    struct fault *fault)
{
	struct net_config config;
	struct net_request request = *r;
	struct http h;
	uint64_t now = clock_ms();
	int file = r->file, rc;

	download_config(&config, c, l);
	request.method = "GET";
	request.path = l->target;
	request.body = NULL;
	request.body_len = 0;
	request.total_ms = deadline > now ? (uint32_t)(deadline - now) : 0;
	if (http_init(&h, &config, fault) != 0)
		return -1;
	rc = http_fetch(&h, &request, download_write, &file, msg, fault);
	/* Without TLS nothing tells this end from a broken connection. */
	if (rc == 0 && msg->status == 200 && msg->close_framed && !l->tls)
		rc = fault_set(fault, NET_HTTP,
		    "%s does not say how long the file is: nobody can tell "
		    "whether it came whole",
		    l->host);
	http_release(&h);
	return rc;
}

/* To where the answer leads: l is replaced. */
static int download_follow(
    struct url_link *l, const struct httpmsg *msg, struct fault *fault)
{
	struct url_link from = *l;
	const char *why = "it does not say where to";

	if (msg->location_cut)
		why = "it is too long";
	if (msg->location[0] == '\0' || msg->location_cut ||
	    url_join(l, msg->location, &why) != 0) {
		fault_set(fault, NET_REDIRECT,
		    "%s redirects to an address that cannot be used (\"",
		    from.host);
		fault_quote(fault, msg->location, strlen(msg->location),
		    HTTP_LOCATION_MAX);
		buf_addf(&fault->text, "\"): %s", why);
		return -1;
	}
	if (from.tls && !l->tls)
		return fault_set(fault, NET_REDIRECT,
		    "%s redirects from https to http (%s): what would come "
		    "unencrypted is not taken",
		    from.host, l->host);
	return 0;
}

int http_download(const struct net_config *c, const struct net_request *r,
    struct httpmsg *msg, struct fault *fault)
{
	struct url_link link;
	const char *why;
	uint64_t deadline = clock_ms() + r->total_ms;

	if (url_parse_link(&link, r->url, &why) != 0)
		return fault_set(fault, NET_REDIRECT,
		    "the address of the file cannot be used: %s", why);
	for (int hops = 0;; hops++) {
		httpmsg_release(msg);
		if (download_hop(c, &link, r, deadline, msg, fault) != 0)
			return -1;
		if (!download_is_redirect(msg->status))
			return 0;
		if (hops == REDIRECTS_MAX)
			return fault_set(fault, NET_REDIRECT,
			    "over %d redirects, the last to %s: they lead "
			    "nowhere",
			    REDIRECTS_MAX, link.host);
		if (download_follow(&link, msg, fault) != 0)
			return -1;
		fault_reset(fault);
	}
}
