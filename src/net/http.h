/*
 * One exchange with the server after the other: connect (through a proxy
 * where one is set), send, receive, keep the connection for the next. Blocking
 * code that is read from top to bottom; it runs in the network process only.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "net/conn.h"
#include "net/dial.h"
#include "net/fault.h"
#include "net/httpmsg.h"
#include "net/net.h"
#include "net/trust.h"
#include "net/url.h"

struct http {
	const struct net_config *config;
	struct trust_store store;
	struct trust_policy policy;
	bool by_proxy;
	struct url_proxy proxy;
	struct dial dial;
	struct conn conn;
	uint64_t used_at; /* when the connection's last exchange ended */
	struct tls *tls;  /* made when first needed; keeps the session */
};

/* config must outlive it; its anchors are mapped, and their descriptor stays
 * the caller's. 0, or -1 with the fault set. */
int http_init(
    struct http *h, const struct net_config *config, struct fault *fault);
void http_release(struct http *h);

/* 0 with msg complete (any status but a broken 2xx; fault->text may hold a
 * remark), or -1 with the fault set. msg is initialised here and released by
 * the caller in both cases. */
int http_exchange(struct http *h, const struct net_request *r,
    struct httpmsg *msg, struct fault *fault);

/* The same without a look at what came: a 200's body goes into sink. h is not
 * to be used again. http_download.c calls it, hop by hop. */
int http_fetch(struct http *h, const struct net_request *r, httpmsg_sink *sink,
    void *ctx, struct httpmsg *msg, struct fault *fault);
/* Fetches r->url into r->file over as many redirects as may be. 0 with the
 * last answer in msg, which is complete when its status is 200 (fault->text
 * may hold a remark on another one); else -1 with the fault set. msg is
 * released by the caller in both cases. */
int http_download(const struct net_config *c, const struct net_request *r,
    struct httpmsg *msg, struct fault *fault);

#endif
