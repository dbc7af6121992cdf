/*
 * See dial.h. getaddrinfo(3) cannot be given a deadline: an alarm is set
 * around it, and the supervisor knows what this signal means.
 */
#include "net/dial.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int dial_wait(int fd, short events, uint64_t deadline)
{
	struct pollfd p = {.fd = fd, .events = events};
	int rc;

	do {
		rc = poll(&p, 1, clock_wait(clock_ms(), deadline, 3600000));
	} while (rc < 0 && errno == EINTR);
	return rc;
}

/* What a failed look-up means, and where to look. */
static int dial_dns_fault(struct fault *fault, const char *host, int error)
{
	const char *why = "the resolver failed";

	if (error == EAI_NONAME)
		why = "no such name";
#ifdef EAI_NODATA
	else if (error == EAI_NODATA)
		why = "the name has no address";
#endif
	else if (error == EAI_AGAIN)
		why = "the name servers do not answer";
	else if (error == EAI_FAIL)
		why = "the name server refuses";
	else if (error == EAI_MEMORY)
		why = "out of memory";
	else if (error == EAI_SYSTEM)
		why = strerror(errno);
	return fault_set(fault, NET_DNS,
	    "cannot find the address of %s (DNS: %s): check the name, "
	    "/etc/resolv.conf and the network",
	    host, why);
}

static int dial_resolve(const char *host, uint16_t port, uint64_t deadline,
    struct addrinfo **list, struct fault *fault)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
	    .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_NUMERICSERV};
	int left = clock_wait(clock_ms(), deadline, NET_DNS_MS);
	char service[8];
	int error;

	snprintf(service, sizeof(service), "%u", port);
	alarm((unsigned)left / 1000 + 1);
	error = getaddrinfo(host, service, &hints, list);
	alarm(0);
	return error == 0 ? 0 : dial_dns_fault(fault, host, error);
}

/* "192.0.2.1", and " port 443" behind it if that is wanted. */
static void dial_add_address(
    struct buf *out, const struct addrinfo *a, bool with_port)
{
	char text[INET6_ADDRSTRLEN] = "";
	uint16_t port;

	if (a->ai_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)a->ai_addr;
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		port = ntohs(in6->sin6_port);
	} else {
		const struct sockaddr_in *in4 = (const void *)a->ai_addr;
		inet_ntop(AF_INET, &in4->sin_addr, text, sizeof(text));
		port = ntohs(in4->sin_port);
	}
	buf_adds(out, text);
	if (with_port)
		buf_addf(out, " port %u", port);
}

/* What the name stands for; host NULL: which address it was. */
static void dial_tell(
    struct fault *fault, const char *host, const struct addrinfo *a)
{
	struct buf text = BUF_INIT(NET_ADDRESSES_MAX * (INET6_ADDRSTRLEN + 2));

	if (fault->facts == NULL)
		return;
	for (; a != NULL; a = host != NULL ? a->ai_next : NULL) {
		buf_adds(&text, text.len > 0 ? ", " : "");
		dial_add_address(&text, a, host == NULL);
	}
	if (host == NULL)
		fault_fact(fault, NET_FACT_TCP, "%s", buf_str(&text));
	else
		fault_fact(fault, NET_FACT_DNS, "%s: %s", host, buf_str(&text));
	buf_release(&text);
}

static const char *dial_error(int error, char text[64])
{
	switch (error) {
	case ECONNREFUSED:
		return "connection refused";
	case ETIMEDOUT:
		return "no answer";
	case ENETUNREACH:
	case EHOSTUNREACH:
		return "unreachable";
	default:
		text_copy(text, 64, strerror(error));
		return text;
	}
}

/* Connects to one address: the socket, or -1 (errno). */
static int dial_address(const struct addrinfo *a, uint64_t deadline)
{
	uint64_t limit = clock_ms() + NET_CONNECT_MS;
	int error = 0, one = 1, unacked = NET_CONNECT_MS, rc;
	socklen_t len = sizeof(error);
	int fd = socket(a->ai_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);

	if (fd < 0)
		return -1;
	if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
		if (errno != EINPROGRESS)
			goto fail;
		rc =
		    dial_wait(fd, POLLOUT, limit < deadline ? limit : deadline);
		if (rc == 0)
			errno = ETIMEDOUT;
		if (rc <= 0 ||
		    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
			goto fail;
		errno = error;
		if (error != 0)
			goto fail;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* A kept connection that a router has forgotten shows soon. */
	setsockopt(
	    fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked, sizeof(unacked));
	return fd;
fail:
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static bool dial_is_last(const struct dial *d, const struct addrinfo *a)
{
	return d->last_len == a->ai_addrlen &&
	       memcmp(&d->last, a->ai_addr, d->last_len) == 0;
}

/* Tries the list; only the address of last time, or all but it. */
static int dial_try(struct dial *d, const struct addrinfo *list, bool last,
    uint64_t deadline, struct buf *errors, int *tried, struct fault *fault)
{
	char text[64];

	for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
		int fd;
		if ((a->ai_family != AF_INET && a->ai_family != AF_INET6) ||
		    dial_is_last(d, a) != last)
			continue;
		if (*tried == NET_ADDRESSES_MAX || clock_ms() >= deadline)
			break;
		fd = dial_address(a, deadline);
		if (fd >= 0) {
			memcpy(&d->last, a->ai_addr, a->ai_addrlen);
			d->last_len = a->ai_addrlen;
			dial_tell(fault, NULL, a);
			return fd;
		}
		if ((*tried)++ < 4) {
			buf_adds(errors, errors->len > 0 ? "; " : "");
			int error = errno;
			dial_add_address(errors, a, true);
			buf_addf(errors, ": %s", dial_error(error, text));
		}
	}
	return -1;
}

int dial_host(struct dial *d, const char *host, uint16_t port,
    uint64_t deadline, struct fault *fault)
{
	struct buf errors = BUF_INIT(KIB);
	struct addrinfo *list = NULL;
	int fd, tried = 0;

	if (dial_resolve(host, port, deadline, &list, fault) != 0)
		return -1;
	dial_tell(fault, host, list);
	fd = dial_try(d, list, true, deadline, &errors, &tried, fault);
	if (fd < 0)
		fd = dial_try(d, list, false, deadline, &errors, &tried, fault);
	if (fd < 0) {
		fault_set(fault,
		    clock_ms() >= deadline ? NET_TIMEOUT : NET_CONNECT,
		    "no connection to %s (%s): is the server running, is the "
		    "port right, does a firewall block it?",
		    host,
		    errors.len > 0 ? buf_str(&errors) : "no usable address");
		d->last_len = 0;
	}
	freeaddrinfo(list);
	buf_release(&errors);
	return fd;
}
