/* A failed TLS handshake, in words. */
#ifndef NET_TLS_WORDS_H
#define NET_TLS_WORDS_H

#include "net/fault.h"

/* rc: what tls.h has for reads; error: BearSSL's number when rc is TLS_ERROR;
 * why: the judge's sentence or ""; first: the first bytes that came. */
void tls_words(struct fault *fault, const char *host, uint16_t port, int rc,
    int error, const char *why, const char *first, size_t first_len);

#endif
