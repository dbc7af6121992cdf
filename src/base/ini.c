/*
 * INI text, line by line, with the rules of Python's configparser as far as
 * a configuration of the stock agent can meet them. It judges the form only;
 * what a key means is the handler's matter.
 */
#include "base/ini.h"
#include "base/buf.h"
#include "base/text.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

struct ini {
	ini_handler *handler;
	void *ctx;
	int line;
	struct buf section, key, value;
	bool in_section, in_key;
	int key_line;
	size_t key_indent;
	int blank_lines; /* since the value's last line */
};

struct span {
	const char *p;
	size_t len;
};

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static struct span trim(const char *p, size_t len)
{
	while (len > 0 && blank(*p)) {
		p++;
		len--;
	}
	while (len > 0 && blank(p[len - 1]))
		len--;
	return (struct span){p, len};
}

static int set(struct buf *b, struct span s, bool lower)
{
	buf_reset(b);
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		if (lower && c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		buf_addc(b, c);
	}
	return b->failed ? -1 : 0;
}

/* Hands over the key whose value is now known to be whole. */
static int ini_deliver(struct ini *i)
{
	if (!i->in_key)
		return 0;
	i->in_key = false;
	return i->handler(i->ctx, i->key_line, buf_str(&i->section),
	    buf_str(&i->key), buf_str(&i->value));
}

static const char *ini_section(struct ini *i, struct span s)
{
	const char *end = memchr(s.p, ']', s.len);
	if (end == NULL)
		return "a section without its closing bracket";
	struct span name = trim(s.p + 1, (size_t)(end - s.p - 1));
	struct span rest = trim(end + 1, s.len - (size_t)(end + 1 - s.p));
	if (name.len == 0)
		return "a section without a name";
	if (rest.len > 0 && *rest.p != '#' && *rest.p != ';')
		return "text behind the name of a section";
	i->in_section = true;
	return set(&i->section, name, true) != 0 ? "out of memory" : NULL;
}

static const char *ini_key(struct ini *i, struct span s, size_t indent)
{
	size_t n = 0;
	while (n < s.len && s.p[n] != '=' && s.p[n] != ':')
		n++;
	struct span name = trim(s.p, n);
	if (n == s.len)
		return "neither a section nor \"key = value\"";
	if (name.len == 0)
		return "a value without a key";
	if (!i->in_section)
		return "a key before the first section";
	i->in_key = true;
	i->key_line = i->line;
	i->key_indent = indent;
	if (set(&i->key, name, true) != 0 ||
	    set(&i->value, trim(s.p + n + 1, s.len - n - 1), false) != 0)
		return "out of memory";
	return NULL;
}

static const char *ini_continue(struct ini *i, struct span s)
{
	for (; i->blank_lines > 0; i->blank_lines--)
		buf_addc(&i->value, '\n');
	buf_addc(&i->value, '\n');
	buf_add(&i->value, s.p, s.len);
	return i->value.failed ? "out of memory" : NULL;
}

/* One line without its newline: NULL, or what is wrong with it. *rc is -1
 * when the handler refused the key before it. */
static const char *ini_line(struct ini *i, const char *p, size_t len, int *rc)
{
	struct span s = trim(p, len);
	size_t indent = (size_t)(s.p - p);
	if (s.len == 0) {
		i->blank_lines += i->blank_lines < INT_MAX;
		return NULL;
	}
	if (*s.p == '#' || *s.p == ';')
		return NULL;
	if (memchr(s.p, '\0', s.len) != NULL)
		return "a NUL byte";
	if (!text_is_utf8(s.p, s.len))
		return "text that is not UTF-8";
	if (i->in_key && indent > i->key_indent)
		return ini_continue(i, s);
	i->blank_lines = 0;
	if ((*rc = ini_deliver(i)) != 0)
		return NULL;
	return *s.p == '[' ? ini_section(i, s) : ini_key(i, s, indent);
}

static int ini_lines(
    struct ini *i, const char *text, size_t len, const char **wrong)
{
	const char *end = text + len;
	int rc = 0;
	for (i->line = 1; text < end; i->line++) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		stop = stop != NULL ? stop : end;
		*wrong = ini_line(i, text, (size_t)(stop - text), &rc);
		if (*wrong != NULL || rc != 0)
			return -1;
		text = stop < end ? stop + 1 : end;
	}
	return ini_deliver(i);
}

int ini_parse(const char *text, size_t len, ini_handler *handler, void *ctx,
    int *line, char *why, size_t size)
{
	struct ini i = {.handler = handler, .ctx = ctx};
	const char *wrong = NULL;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	buf_init(&i.section, len);
	buf_init(&i.key, len);
	/* Blank lines and line ends inside a value are bytes of the text. */
	buf_init(&i.value, len);
	int rc = ini_lines(&i, text, len, &wrong);
	if (wrong != NULL) {
		*line = i.line;
		snprintf(why, size, "%s", wrong);
	}
	buf_release(&i.section);
	buf_wipe(&i.key);
	buf_wipe(&i.value);
	return rc;
}
