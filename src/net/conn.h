/*
 * One connection: plain TCP or TLS over it, read and written up to a deadline
 * in the same way.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "net/tls.h"

struct conn {
	int fd;		 /* -1: none */
	struct tls *tls; /* NULL: plain */
};

#define CONN_INIT        \
	{                \
		-1, NULL \
	}

/* As tls_read and tls_write, with their codes. The end of a plain stream is
 * TLS_END. */
long conn_read(struct conn *c, char *data, size_t len, uint64_t deadline);
int conn_write(
    struct conn *c, const char *data, size_t len, bool more, uint64_t deadline);
/* Is a connection that was left idle still good? Nothing may have come. */
bool conn_quiet(const struct conn *c);
void conn_close(struct conn *c);

#endif
