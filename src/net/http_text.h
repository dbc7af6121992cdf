/*
 * What http.c says: to the server (the heads of requests) and to the
 * administrator (the sentences). Each http_say_… sets the fault and returns
 * -1; http_remark returns 0.
 */
#ifndef NET_HTTP_TEXT_H
#define NET_HTTP_TEXT_H

#include "net/http.h"

void http_request_head(
    struct buf *out, const struct http *h, const struct net_request *r);
void http_connect_head(struct buf *out, const struct http *h);
/* Can the configuration's texts stand in a head? */
bool http_text_check(const char *text);

/* whole: the exchange's deadline passed, else that of the first byte. */
int http_say_timeout(struct fault *f, const struct http *h,
    const struct net_request *r, bool whole);
int http_say_cut(struct fault *f, const struct http *h,
    const struct httpmsg *msg, size_t received);
/* bytes: the piece in which the fault was found. */
int http_say_bad(struct fault *f, const struct http *h,
    const struct httpmsg *msg, const char *bytes, size_t len);
/* Over TLS or not, this is no pace. */
int http_say_slow(
    struct fault *f, const struct http *h, const struct net_request *r);
int http_say_unsent(struct fault *f, const struct http *h, size_t body_len);
int http_say_proxy(struct fault *f, const struct http *h, int status);
/* Turns a fault of dialling the proxy into the proxy's. */
int http_say_no_proxy(struct fault *f);
int http_say_json(struct fault *f, const struct http *h, const struct buf *body,
    const char *why, size_t at);
/* Puts a sentence beside an answer that is not 2xx: where a redirect leads,
 * what a well-known error page means. */
int http_remark(struct fault *f, const struct http *h,
    const struct net_request *r, const struct httpmsg *msg);

#endif
