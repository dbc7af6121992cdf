/*
 * Frames over a local stream socket. The head's length says with its top bit
 * whether a descriptor comes along. Refused, and the link is then broken: a
 * frame beyond the largest, a descriptor that no frame announced, a frame
 * whose announced descriptor did not come.
 */
#include "base/frame.h"
#include "base/clock.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

struct head {
	uint32_t len; /* of the payload, and HEAD_FD */
	uint32_t type;
};
#define HEAD_FD 0x80000000u

/* Room for one descriptor, aligned as the kernel wants it. */
union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int frame_pair(int socks[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks);
}

void frame_link_init(struct frame_link *l, int sock, size_t max)
{
	*l = (struct frame_link){.sock = sock, .fd_in = -1};
	buf_init(&l->in, sizeof(struct head) + max + FRAME_READ);
	/* One of the largest and as much again of small ones. */
	buf_init(&l->out, 2 * (sizeof(struct head) + max));
	int flags = fcntl(sock, F_GETFL);
	if (flags >= 0)
		fcntl(sock, F_SETFL, flags | O_NONBLOCK);
}

void frame_link_release(struct frame_link *l)
{
	buf_wipe(&l->in);
	buf_wipe(&l->out);
	l->taken = 0;
	if (l->fd_in >= 0)
		close(l->fd_in);
	l->fd_in = -1;
	if (l->sock >= 0)
		close(l->sock);
	l->sock = -1;
}

static size_t frame_max(const struct frame_link *l)
{
	return l->in.max - sizeof(struct head) - FRAME_READ;
}

/* Drops the first n bytes. They may have been secrets, so nothing of them
 * stays behind; an empty buffer that grew large is given back. */
static void frame_drop(struct buf *b, size_t n)
{
	buf_consume(b, n);
	if (n > 0)
		mem_wipe(b->data + b->len, n);
	if (b->len == 0 && b->cap > FRAME_KEEP)
		buf_wipe(b);
}

static ssize_t frame_sendmsg(int sock, struct iovec *part, size_t parts, int fd)
{
	struct msghdr msg = {.msg_iov = part, .msg_iovlen = parts};
	union control control = {0};
	if (fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	ssize_t n;
	do {
		n = sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n;
}

int frame_flush(struct frame_link *l)
{
	size_t sent = 0;
	int rc = 0;
	while (sent < l->out.len) {
		struct iovec part = {l->out.data + sent, l->out.len - sent};
		ssize_t n = frame_sendmsg(l->sock, &part, 1, -1);
		if (n < 0) {
			rc = errno == EAGAIN ? 1 : -1;
			break;
		}
		sent += (size_t)n;
	}
	frame_drop(&l->out, sent);
	return rc;
}

int frame_send(
    struct frame_link *l, uint32_t type, const void *data, size_t len, int fd)
{
	struct head head = {(uint32_t)len | (fd >= 0 ? HEAD_FD : 0), type};
	size_t whole = sizeof(head) + len, sent = 0;
	if (len > frame_max(l) || whole > l->out.max - l->out.len) {
		errno = ENOBUFS;
		return -1;
	}
	int left = frame_flush(l);
	if (left < 0)
		return -1;
	if (left == 0) {
		char *bytes = (char *)(uintptr_t)data;
		struct iovec part[2] = {{&head, sizeof(head)}, {bytes, len}};
		ssize_t n = frame_sendmsg(l->sock, part, 2, fd);
		if (n < 0 && (errno != EAGAIN || fd >= 0))
			return -1;
		sent = n > 0 ? (size_t)n : 0;
	} else if (fd >= 0) {
		errno = EAGAIN;
		return -1;
	}
	if (sent == whole)
		return 0;
	if (buf_space(&l->out, whole - sent) == NULL) {
		/* With a part of the frame sent the peer waits for ever. */
		if (sent > 0)
			shutdown(l->sock, SHUT_RDWR);
		l->out.failed = false;
		errno = ENOMEM;
		return -1;
	}
	size_t of_head = sent < sizeof(head) ? sent : sizeof(head);
	buf_add(&l->out, (char *)&head + of_head, sizeof(head) - of_head);
	size_t of_data = sent - of_head;
	if (len > 0)
		buf_add(&l->out, (const char *)data + of_data, len - of_data);
	return 0;
}

/* Waits for events on the socket until `end`: poll's answer. */
static int frame_poll(const struct frame_link *l, short events, uint64_t end)
{
	struct pollfd p = {.fd = l->sock, .events = events};
	int n;
	do {
		n = poll(&p, 1, clock_wait(clock_ms(), end, -1));
	} while (n < 0 && errno == EINTR);
	return n;
}

static uint64_t frame_end(int timeout_ms)
{
	return timeout_ms < 0 ? CLOCK_NEVER : clock_ms() + (uint64_t)timeout_ms;
}

int frame_drain(struct frame_link *l, int timeout_ms)
{
	uint64_t end = frame_end(timeout_ms);
	for (;;) {
		int rc = frame_flush(l);
		if (rc <= 0)
			return rc;
		if (frame_poll(l, POLLOUT, end) <= 0)
			return -1;
	}
}

/* The head of the next frame: 1, 0 when it is not whole yet, -1. */
static int frame_head(const struct frame_link *l, struct head *head)
{
	if (l->in.len - l->taken < sizeof(*head))
		return 0;
	memcpy(head, l->in.data + l->taken, sizeof(*head));
	return (head->len & ~HEAD_FD) <= frame_max(l) ? 1 : -1;
}

/* Bytes that the next frame still lacks, as far as its head is known; -1 when
 * the link is broken, and stays so. */
static ssize_t frame_missing(const struct frame_link *l)
{
	struct head head = {0};
	size_t have = l->in.len - l->taken;
	int rc = frame_head(l, &head);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return (ssize_t)(sizeof(head) - have);
	size_t whole = sizeof(head) + (head.len & ~HEAD_FD);
	if (whole > have)
		return (ssize_t)(whole - have);
	/* It comes with the frame, unless we may open no more files. */
	return (head.len & HEAD_FD) != 0 && l->fd_in < 0 ? -1 : 0;
}

/* Keeps the descriptor that came with a message; 0, or -1 when it is one too
 * many. */
static int frame_keep_fd(struct frame_link *l, struct msghdr *msg)
{
	int rc = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
	     c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (l->fd_in < 0) {
				l->fd_in = fd;
				continue;
			}
			close(fd);
			rc = -1;
		}
	}
	return rc;
}

int frame_fill(struct frame_link *l)
{
	frame_drop(&l->in, l->taken);
	l->taken = 0;
	ssize_t missing = frame_missing(l);
	if (missing <= 0)
		return missing < 0 ? -1 : 1;
	/* While a descriptor waits for the rest of its frame, nothing of the
	 * next frame is read: it might bring another one. Otherwise memory
	 * grows with what has come, not with what was announced. */
	size_t want = (size_t)missing;
	if (want < FRAME_READ && l->fd_in < 0)
		want = FRAME_READ;
	else if (want > FRAME_READ + l->in.len)
		want = FRAME_READ + l->in.len;
	char *to = buf_space(&l->in, want);
	if (to == NULL)
		return -1;
	union control control;
	struct iovec part = {to, want};
	struct msghdr msg = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = CMSG_LEN(sizeof(int))};
	ssize_t n;
	do {
		n = recvmsg(l->sock, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	if (frame_keep_fd(l, &msg) != 0 || n == 0)
		return -1;
	buf_grow(&l->in, (size_t)n);
	return 1;
}

int frame_next(struct frame_link *l, struct frame *f)
{
	struct head head = {0};
	ssize_t missing = frame_missing(l);
	if (missing != 0) {
		bool empty = l->taken == l->in.len;
		if (empty) {
			l->taken = 0;
			frame_drop(&l->in, l->in.len);
		}
		/* A descriptor without a frame is nobody's. */
		return missing < 0 || (empty && l->fd_in >= 0) ? -1 : 0;
	}
	frame_head(l, &head);
	*f = (struct frame){.type = head.type, .fd = -1};
	f->len = head.len & ~HEAD_FD;
	f->data = l->in.data + l->taken + sizeof(head);
	if ((head.len & HEAD_FD) != 0) {
		f->fd = l->fd_in;
		l->fd_in = -1;
	}
	l->taken += sizeof(head) + f->len;
	return 1;
}

int frame_wait(struct frame_link *l, struct frame *f, int timeout_ms)
{
	uint64_t end = frame_end(timeout_ms);
	for (;;) {
		int rc = frame_next(l, f);
		if (rc != 0)
			return rc;
		rc = frame_poll(l, POLLIN, end);
		if (rc <= 0)
			return rc;
		if (frame_fill(l) < 0)
			return -1;
	}
}
