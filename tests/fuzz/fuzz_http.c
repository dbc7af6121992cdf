/* HTTP answers: heads, lengths, chunks, trailers. However they are cut, the
 * outcome is the same. */
#include "fuzz.h"
#include "net/httpmsg.h"
#include <string.h>

#define BODY_MAX 4096

/* The method is in the first byte; the answer behind it. */
static void feed(
    struct httpmsg *m, const uint8_t *data, size_t len, size_t step)
{
	httpmsg_init(m, BODY_MAX, 1767225600);
	m->tunnel = data[0] == 'C';
	m->bodiless = data[0] == 'H';
	for (size_t at = 1; at < len && !m->done;) {
		size_t n = len - at < step ? len - at : step;
		long used = httpmsg_feed(m, (const char *)data + at, n);
		if (used < 0)
			break;
		FUZZ_HOLDS((size_t)used <= n);
		FUZZ_HOLDS((size_t)used == n || m->done);
		at += (size_t)used;
	}
	if (m->error == HTTPMSG_FINE && !m->done)
		httpmsg_end(m, true);
	FUZZ_HOLDS(m->body.len <= BODY_MAX);
	FUZZ_HOLDS(!m->done || (m->status >= 200 && m->status <= 599) ||
		   m->error != HTTPMSG_FINE || m->tunnel);
	FUZZ_HOLDS(m->error == HTTPMSG_FINE || m->why != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct httpmsg whole, bytes;
	if (len == 0)
		return 0;
	feed(&whole, data, len, len);
	feed(&bytes, data, len, 1);
	FUZZ_HOLDS(whole.done == bytes.done && whole.error == bytes.error);
	if (whole.done) {
		FUZZ_HOLDS(whole.status == bytes.status);
		FUZZ_HOLDS(whole.body.len == bytes.body.len);
		FUZZ_HOLDS(whole.body.len == 0 ||
			   memcmp(whole.body.data, bytes.body.data,
			       whole.body.len) == 0);
	}
	httpmsg_release(&whole);
	httpmsg_release(&bytes);
	return 0;
}
