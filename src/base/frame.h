/*
 * Frames over a local stream socket: u32 length, u32 type, payload. A frame
 * may carry one descriptor. A link never blocks: what the peer does not take
 * is queued (the queue is capped), what is half there is kept.
 */
#ifndef BASE_FRAME_H
#define BASE_FRAME_H

#include "base/buf.h"
#include <stdint.h>

struct frame {
	uint32_t type;
	const char *data; /* valid until the next call on the link */
	size_t len;
	int fd; /* -1, or a descriptor that is now the caller's */
};

struct frame_link {
	int sock; /* owned: closed by frame_link_release */
	struct buf in, out;
	size_t taken; /* bytes of `in` that were handed out */
	int fd_in;    /* received and not yet handed out, or -1 */
};

/* A connected pair: both close-on-exec. 0 or -1 (errno). */
int frame_pair(int socks[2]);
/* Takes over sock and makes it non-blocking. max: largest payload each way */
void frame_link_init(struct frame_link *l, int sock, size_t max);
void frame_link_release(struct frame_link *l);

/* Queues and tries to send. fd is sent with it when >= 0 (and stays the
 * caller's); that needs an empty queue. 0, or -1 when the queue is full or
 * the peer is gone. */
int frame_send(
    struct frame_link *l, uint32_t type, const void *data, size_t len, int fd);
/* Sends what is queued: 0 all gone, 1 some left (poll for POLLOUT), -1. */
int frame_flush(struct frame_link *l);
/* Blocks until the queue is empty or timeout_ms passed: 0 or -1. */
int frame_drain(struct frame_link *l, int timeout_ms);
/* Reads what is there: 1 something came, 0 nothing, -1 the peer is gone or
 * sent a frame beyond max. Call frame_next until it says 0. */
int frame_fill(struct frame_link *l);
/* The next whole frame: 1 with *f, 0 none yet, -1 broken. */
int frame_next(struct frame_link *l, struct frame *f);
/* Blocks for the next frame up to timeout_ms (-1: for ever): 1, 0 time-out,
 * -1 gone. */
int frame_wait(struct frame_link *l, struct frame *f, int timeout_ms);

#endif
