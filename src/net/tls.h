/*
 * TLS 1.2 over a connected, non-blocking socket: BearSSL's engine, driven by
 * poll(2). One connection at a time; the session is kept in memory and
 * resumed. Only ECDHE with AEAD ciphers is offered.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "net/fault.h"
#include "net/trust.h"
#include <stdint.h>

struct tls;

/* What reads and writes say besides a count of bytes. */
enum {
	TLS_END = 0,	  /* the peer said good-bye */
	TLS_TIMEOUT = -1, /* the deadline passed */
	TLS_CUT = -2,	  /* the connection broke */
	TLS_ERROR = -3,	  /* the peer broke the protocol */
	TLS_EARLY = -4	  /* writing: an answer is there already */
};

/* The policy must outlive it. NULL: no memory. */
struct tls *tls_new(const struct trust_policy *policy);
void tls_free(struct tls *t);

/* The handshake on fd, which stays the caller's. port is for the sentences.
 * 0, or -1 with the fault set (NET_TLS, NET_TIMEOUT). */
int tls_start(struct tls *t, int fd, uint16_t port, uint64_t deadline,
    struct fault *fault);
/* Up to len bytes: their number, or one of the above. */
long tls_read(struct tls *t, char *data, size_t len, uint64_t deadline);
/* All of len; `more` follows at once (no record is closed yet). 0 or one of
 * the above. */
int tls_write(
    struct tls *t, const char *data, size_t len, bool more, uint64_t deadline);
/* Has something come that was not read? */
bool tls_pending(const struct tls *t);
/* Says good-bye as far as that is possible without waiting. */
void tls_stop(struct tls *t);

#endif
