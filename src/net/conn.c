/* See conn.h. */
#include "net/conn.h"
#include "net/dial.h"
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static long conn_plain_read(int fd, char *data, size_t len, uint64_t deadline)
{
	for (;;) {
		ssize_t n = recv(fd, data, len, 0);
		if (n >= 0)
			return n;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return TLS_CUT;
		if (dial_wait(fd, POLLIN, deadline) == 0)
			return TLS_TIMEOUT;
	}
}

static int conn_plain_write(
    int fd, const char *data, size_t len, bool more, uint64_t deadline)
{
	int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);

	while (len > 0) {
		ssize_t n = send(fd, data, len, flags);
		if (n >= 0) {
			data += n;
			len -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return TLS_CUT;
		/* The peer takes no more: waiting, or answering already? */
		if (dial_wait(fd, POLLIN | POLLOUT, deadline) == 0)
			return TLS_TIMEOUT;
		if (dial_wait(fd, POLLIN, 0) > 0)
			return TLS_EARLY;
	}
	return 0;
}

long conn_read(struct conn *c, char *data, size_t len, uint64_t deadline)
{
	if (c->tls != NULL)
		return tls_read(c->tls, data, len, deadline);
	return conn_plain_read(c->fd, data, len, deadline);
}

int conn_write(
    struct conn *c, const char *data, size_t len, bool more, uint64_t deadline)
{
	if (c->tls != NULL)
		return tls_write(c->tls, data, len, more, deadline);
	return conn_plain_write(c->fd, data, len, more, deadline);
}

bool conn_quiet(const struct conn *c)
{
	return c->fd >= 0 && (c->tls == NULL || !tls_pending(c->tls)) &&
	       dial_wait(c->fd, POLLIN, 0) == 0;
}

void conn_close(struct conn *c)
{
	if (c->fd < 0)
		return;
	if (c->tls != NULL)
		tls_stop(c->tls);
	close(c->fd);
	c->fd = -1;
	c->tls = NULL;
}
