/* See fault.h. */
#include "net/fault.h"
#include "base/limits.h"
#include "base/text.h"
#include <string.h>

void fault_init(struct fault *f)
{
	*f = (struct fault){.result = NET_OK};
	buf_init(&f->text, NET_WHY_MAX);
}

void fault_release(struct fault *f)
{
	buf_release(&f->text);
}

void fault_reset(struct fault *f)
{
	f->result = NET_OK;
	buf_reset(&f->text);
}

int fault_set(struct fault *f, enum net_result result, const char *fmt, ...)
{
	va_list ap;

	f->result = result;
	buf_reset(&f->text);
	va_start(ap, fmt);
	buf_addv(&f->text, fmt, ap);
	va_end(ap);
	return -1;
}

void fault_fact(struct fault *f, char fact, const char *fmt, ...)
{
	va_list ap;

	if (f->facts == NULL)
		return;
	buf_addc(f->facts, fact);
	va_start(ap, fmt);
	buf_addv(f->facts, fmt, ap);
	va_end(ap);
	buf_addc(f->facts, '\n');
}

/* Replaces each place where the secret stands. */
static void fault_hide(struct buf *text, const char *secret)
{
	size_t len = secret != NULL ? strlen(secret) : 0;
	char *at = text->data;

	while (len >= 4 && at != NULL &&
	       (at = memmem(at, text->len - (size_t)(at - text->data), secret,
		    len)) != NULL) {
		memmove(at + 3, at + len,
		    text->len - (size_t)(at - text->data) - len + 1);
		memcpy(at, "***", 3);
		text->len -= len - 3;
	}
}

void fault_quote(struct fault *f, const char *bytes, size_t len, size_t max)
{
	struct buf text = BUF_INIT(4 * NET_WHY_MAX);
	/* A secret that the cut would split must be seen whole. */
	size_t seen = max + NET_WHY_MAX;
	size_t cut;

	text_add_utf8(&text, bytes, len < seen ? len : seen);
	for (int i = 0; i < FAULT_SECRETS; i++)
		fault_hide(&text, f->secrets[i]);
	cut = text_cut(buf_str(&text), text.len, max);
	text_add_escaped(&f->text, buf_str(&text), cut);
	buf_adds(&f->text, cut < text.len ? "…" : "");
	buf_wipe(&text);
}
