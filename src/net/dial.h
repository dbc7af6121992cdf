/*
 * From a name to a connected TCP socket: DNS, then one address after the
 * other until one answers. The address that answered last is tried first the
 * next time, so that a host with one dead address is slow only once.
 */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include "net/fault.h"
#include <stdint.h>
#include <sys/socket.h>

struct dial {
	struct sockaddr_storage last;
	socklen_t last_len; /* 0: none yet */
};

/* deadline: of the whole, as clock_ms. Returns a non-blocking, close-on-exec
 * socket, or -1 with the fault set (NET_DNS, NET_CONNECT, NET_TIMEOUT). The
 * resolver blocks; should it pass its time, SIGALRM ends the process. */
int dial_host(struct dial *d, const char *host, uint16_t port,
    uint64_t deadline, struct fault *fault);
/* Waits for poll(2) events: 1, 0 the deadline passed, -1 (errno). */
int dial_wait(int fd, short events, uint64_t deadline);

#endif
