/*
 * The parser of HTTP/1.x answers: fed with bytes as they come, in pieces of
 * any size, it does no input or output of its own. It is strict where two
 * readings of the same bytes are possible: lines end in CR LF, no folded
 * lines, no blank before a colon, no NUL; a length is said once and in digits
 * only, never beside Transfer-Encoding, and that is exactly "chunked".
 */
#ifndef NET_HTTPMSG_H
#define NET_HTTPMSG_H

#include "base/buf.h"
#include "base/limits.h"
#include <stdbool.h>
#include <stdint.h>

enum httpmsg_error {
	HTTPMSG_FINE,
	HTTPMSG_BAD,	  /* no valid answer; why says what */
	HTTPMSG_HEAD_BIG, /* the head is over HTTP_HEAD_MAX */
	HTTPMSG_BODY_BIG, /* the body is over body_max */
	HTTPMSG_CUT,	  /* the stream ended before the answer did */
	HTTPMSG_NO_MEMORY,
	HTTPMSG_SINK /* the sink did not take it */
};

/* Takes bytes of a body: 0 or -1. */
typedef int httpmsg_sink(void *ctx, const char *data, size_t len);

struct httpmsg {
	/* Set by httpmsg_init */
	uint32_t body_max;
	int64_t now;   /* seconds since 1970, for Retry-After as a date */
	bool tunnel;   /* set after it: the answer to CONNECT, no body on 2xx */
	bool bodiless; /* set after it: the answer to HEAD */
	/* Set after it, NULL: none. The body of a 200 goes there and not into
	 * `body`, which then has room for a page that says what is wrong. */
	httpmsg_sink *sink;
	void *sink_ctx;

	/* Valid once head_done */
	int status;
	bool head_done;
	int fields;			 /* header lines, trailers apart */
	bool keep_alive;		 /* may the connection be used again? */
	uint32_t retry_after;		 /* seconds, 0: not said */
	int64_t date;			 /* the sender's clock, 0: not said */
	char location[URL_LINK_MAX + 1]; /* cut; "" when not said */
	bool location_cut;

	/* Valid once done */
	bool done;
	bool body_cut; /* an error page beyond body_max: its first part */
	struct buf body;

	enum httpmsg_error error;
	const char *why; /* a fragment, such as "two lengths" */

	/* Inside */
	int state;
	struct buf line;
	size_t head_bytes, trailer_bytes;
	uint32_t sunk; /* bytes that went to the sink */
	uint64_t left; /* bytes of the body or of this chunk to come */
	int interim, minor;
	bool has_length, has_coding, chunked, close_framed, said_close,
	    said_keep;
};

/* now: the wall clock. Nothing is allocated before bytes come. */
void httpmsg_init(struct httpmsg *m, uint32_t body_max, int64_t now);
void httpmsg_release(struct httpmsg *m);
/* Takes bytes: how many were used (all but those behind the answer's end), or
 * -1 with m->error and m->why set. */
long httpmsg_feed(struct httpmsg *m, const char *data, size_t len);
/* The stream ended. 0 when the answer is complete by that (clean says that
 * the end can be trusted: TLS said good-bye, or there is no TLS), else -1. */
int httpmsg_end(struct httpmsg *m, bool clean);

#endif
