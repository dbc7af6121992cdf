/*
 * Keeps the first and the last messages of a run. A cause is mostly at the
 * one end, its consequence at the other.
 */
#include "job/excerpt.h"
#include "base/limits.h"
#include "base/text.h"
#include <string.h>

#define HEAD_MAX (ERROR_LOG_MAX * 4 / 10)
#define TAIL_MAX (ERROR_LOG_MAX / 2)
/* Together with the line that says what was dropped: below ERROR_LOG_MAX. */
#define MESSAGE_MAX (ERROR_LOG_MAX / 4)

void excerpt_init(struct excerpt *x)
{
	memset(x, 0, sizeof(*x));
	buf_init(&x->head, HEAD_MAX + MESSAGE_MAX);
	buf_init(&x->tail, TAIL_MAX + 2 * MESSAGE_MAX);
}

void excerpt_release(struct excerpt *x)
{
	buf_release(&x->head);
	buf_release(&x->tail);
}

static void drop_oldest(struct excerpt *x)
{
	while (x->tail.len > TAIL_MAX) {
		const char *end = memchr(x->tail.data, '\n', x->tail.len);
		if (end == NULL)
			return;
		buf_consume(&x->tail, (size_t)(end - x->tail.data) + 1);
		x->dropped++;
	}
}

void excerpt_add(struct excerpt *x, const char *text, size_t len)
{
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	if (len == 0)
		return;
	if (len > MESSAGE_MAX - 1)
		len = text_cut(text, len, MESSAGE_MAX - 1);
	x->lines++;
	bool in_head = x->tail.len == 0 && x->dropped == 0 &&
		       x->head.len + len + 1 <= HEAD_MAX;
	struct buf *b = in_head ? &x->head : &x->tail;
	buf_add(b, text, len);
	buf_addc(b, '\n');
	drop_oldest(x);
}

void excerpt_write(const struct excerpt *x, struct buf *out)
{
	buf_add(out, buf_str(&x->head), x->head.len);
	if (x->dropped > 0)
		buf_addf(out, "(%llu lines left out)\n",
		    (unsigned long long)x->dropped);
	buf_add(out, buf_str(&x->tail), x->tail.len);
	while (out->len > 0 && out->data[out->len - 1] == '\n')
		out->data[--out->len] = '\0';
}
