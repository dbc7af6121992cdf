/*
 * JSON written: commas and escapes are its whole work. What goes in as text
 * comes out as a valid string; only json_put_raw trusts its caller.
 */
#include "base/json.h"
#include "base/json_scan.h"
#include "base/text.h"

#include <string.h>

static int json_escape_byte(struct buf *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char from[] = "\"\\\b\f\n\r\t";
	static const char into[] = "\"\\bfnrt";
	const char *known = c != '\0' ? strchr(from, c) : NULL;
	if (known != NULL) {
		char two[2] = {'\\', into[known - from]};
		return buf_add(out, two, sizeof(two));
	}
	char six[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
	return buf_add(out, six, sizeof(six));
}

int json_escape(struct buf *out, const char *text, size_t len)
{
	const char *end = text + len;
	for (;;) {
		size_t n = (size_t)(json_plain_end(text, end) - text);
		if (buf_add(out, text, n) != 0)
			return -1;
		text += n;
		if (text == end)
			return 0;
		int rc;
		if ((unsigned char)*text < 0x80) {
			rc = json_escape_byte(out, (unsigned char)*text++);
		} else {
			n = text_utf8_at(text, (size_t)(end - text));
			n = n > 0 ? n : 1;
			/* A terminal obeys U+009B as it does ESC [. */
			unsigned char next =
			    n == 2 ? (unsigned char)text[1] : 0;
			rc = *text == '\xc2' && next < 0xa0 && n == 2
				 ? json_escape_byte(out, next)
				 : text_add_utf8(out, text, n);
			text += n;
		}
		if (rc != 0)
			return -1;
	}
}

/* The comma before a value and its name. */
static void json_lead(struct json_writer *w, const char *name)
{
	if (w->comma)
		buf_addc(w->out, ',');
	w->comma = true;
	if (name == NULL)
		return;
	buf_addc(w->out, '"');
	json_escape(w->out, name, strlen(name));
	buf_add(w->out, "\":", 2);
}

void json_open(struct json_writer *w, const char *name, char bracket)
{
	json_lead(w, name);
	buf_addc(w->out, bracket);
	w->comma = false;
}

void json_close(struct json_writer *w, char bracket)
{
	buf_addc(w->out, bracket);
	w->comma = true;
}

void json_put(struct json_writer *w, const char *name, const char *text)
{
	if (text == NULL)
		json_put_raw(w, name, "null", strlen("null"));
	else
		json_put_n(w, name, text, strlen(text));
}

void json_put_n(
    struct json_writer *w, const char *name, const char *text, size_t len)
{
	json_lead(w, name);
	buf_addc(w->out, '"');
	json_escape(w->out, text, len);
	buf_addc(w->out, '"');
}

void json_put_int(struct json_writer *w, const char *name, int64_t value)
{
	json_lead(w, name);
	if (value < 0)
		buf_addc(w->out, '-');
	uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;
	buf_addu(w->out, size);
}

void json_put_bool(struct json_writer *w, const char *name, bool value)
{
	json_lead(w, name);
	buf_adds(w->out, value ? "true" : "false");
}

void json_put_null(struct json_writer *w, const char *name)
{
	json_lead(w, name);
	buf_adds(w->out, "null");
}

void json_put_raw(
    struct json_writer *w, const char *name, const char *json, size_t len)
{
	json_lead(w, name);
	buf_add(w->out, json, len);
}
