/* What a process of the agent that was taken over can say to another one: the
 * frames over the socket, and the fields in each of them. */
#include "base/frame.h"
#include "base/limits.h"
#include "base/pack.h"
#include "fuzz.h"
#include "job/message.h"
#include "net/net_wire.h"
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SMALL (4 * KIB)

static void fields(const struct frame *f)
{
	struct net_reply reply;
	struct net_request request;
	struct net_config config;
	struct unpack u;
	if (wire_get_reply(&reply, f->data, f->len) == 0) {
		FUZZ_HOLDS(reply.result <= NET_BROKEN && reply.status >= 0);
		FUZZ_HOLDS(reply.body_len <= f->len);
		FUZZ_HOLDS(strlen(reply.text) <= f->len);
	}
	if (wire_get_request(&request, f->data, f->len) == 0)
		FUZZ_HOLDS(strlen(request.method) <= f->len);
	if (wire_get_config(&config, f->data, f->len) == 0)
		FUZZ_HOLDS(config.pin_count <= 2);
	unpack_init(&u, f->data, f->len);
	while (unpack_end(&u) != 0 && !u.failed) {
		size_t n;
		const char *bytes = unpack_bytes(&u, &n);
		FUZZ_HOLDS(bytes == NULL || bytes[n] == '\0');
	}
}

/* The first byte: how it comes, in how many pieces and with descriptors. */
static void deliver(int sock, const uint8_t *data, size_t len)
{
	size_t step = (data[0] & 0x3f) + 1u;
	if (data[0] & 0x80) {
		union {
			struct cmsghdr head;
			char bytes[CMSG_SPACE(sizeof(int))];
		} control = {0};
		struct iovec part = {(void *)(uintptr_t)data, 1};
		struct msghdr msg = {.msg_iov = &part,
		    .msg_iovlen = 1,
		    .msg_control = control.bytes,
		    .msg_controllen = sizeof(control.bytes)};
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &sock, sizeof(int));
		FUZZ_HOLDS(sendmsg(sock, &msg, MSG_DONTWAIT) == 1);
	}
	for (size_t at = 1; at < len; at += step) {
		size_t n = len - at < step ? len - at : step;
		if (send(sock, data + at, n, MSG_DONTWAIT) < 0)
			break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct frame_link link;
	struct frame f;
	int socks[2], rc = 0;
	if (len == 0 || len > 2 * SMALL)
		return 0;
	FUZZ_HOLDS(frame_pair(socks) == 0);
	frame_link_init(&link, socks[0], SMALL);
	deliver(socks[1], data, len);
	close(socks[1]);
	do {
		while ((rc = frame_next(&link, &f)) > 0) {
			FUZZ_HOLDS(f.len <= SMALL);
			fields(&f);
			if (f.fd >= 0)
				close(f.fd);
		}
	} while (rc == 0 && frame_fill(&link) > 0);
	frame_link_release(&link);
	/* Nothing is left open, whatever came. */
	int next = open("/dev/null", O_RDONLY);
	FUZZ_HOLDS(next <= socks[0] || next <= socks[1]);
	close(next);
	/* And the fields alone. */
	f = (struct frame){.data = (const char *)data, .len = len, .fd = -1};
	fields(&f);
	return 0;
}
