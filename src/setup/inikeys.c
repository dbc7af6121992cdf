/*
 * One key set in an INI text, by the reader's own idea of a line (base/ini):
 * which section it is in, whether it begins a key or continues one. It judges
 * nothing; the result is given to the reader afterwards.
 */
#include "setup/inikeys.h"
#include <string.h>
#include <strings.h>

/* What a pass over the lines knows. */
struct walk {
	const struct inikey *key;
	struct buf *out;
	bool in_section; /* the one that is looked for */
	bool in_key, ours;
	size_t indent; /* of the key that the line may continue */
	bool done;
};

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static bool is_word(const char *p, size_t len, const char *word)
{
	while (len > 0 && blank(*p)) {
		p++;
		len--;
	}
	while (len > 0 && blank(p[len - 1]))
		len--;
	return strlen(word) == len && strncasecmp(p, word, len) == 0;
}

static void put_key(struct walk *w)
{
	buf_addf(w->out, "%s = %s\n", w->key->name, w->key->value);
	w->done = true;
}

/* A line that begins a section. */
static void take_section(struct walk *w, const char *p, size_t len)
{
	const char *end = memchr(p, ']', len);
	w->in_key = false;
	w->in_section = end != NULL &&
			is_word(p + 1, (size_t)(end - p - 1), w->key->section);
}

/* A line that begins a key; true when it is to be kept. */
static bool take_key(struct walk *w, const char *p, size_t len, size_t indent)
{
	size_t n = 0;
	while (n < len && p[n] != '=' && p[n] != ':')
		n++;
	w->in_key = true;
	w->indent = indent;
	w->ours = w->in_section && is_word(p, n, w->key->name);
	if (w->ours && !w->done)
		put_key(w);
	return !w->ours;
}

static void take_line(struct walk *w, const char *line, size_t len)
{
	while (len > 0 && line[len - 1] == '\r')
		len--;
	size_t indent = 0;
	while (indent < len && blank(line[indent]))
		indent++;
	const char *p = line + indent;
	size_t left = len - indent;
	bool keep = true;
	if (left == 0 || *p == '#' || *p == ';')
		keep = true;
	else if (w->in_key && indent > w->indent)
		keep = !w->ours;
	else if (*p == '[')
		take_section(w, p, left);
	else
		keep = take_key(w, p, left, indent);
	if (keep) {
		buf_add(w->out, line, len);
		buf_addc(w->out, '\n');
	}
}

/* Where a new key of the section goes: behind the last line of its first
 * part that is neither blank nor a comment. 0: there is no such section. */
static size_t end_of_section(
    const struct inikey *key, const char *text, size_t len)
{
	struct walk w = {.key = key};
	size_t found = 0;
	for (size_t at = 0; at < len;) {
		const char *line = text + at;
		const char *stop = memchr(line, '\n', len - at);
		size_t n = stop != NULL ? (size_t)(stop - line) : len - at;
		size_t skip = 0;
		while (skip < n && blank(line[skip]))
			skip++;
		at += n + (stop != NULL);
		if (skip == n || line[skip] == '#' || line[skip] == ';')
			continue;
		if (line[skip] == '[') {
			if (found > 0)
				break;
			take_section(&w, line + skip, n - skip);
		}
		if (w.in_section)
			found = at;
	}
	return found;
}

static int add_key(const struct inikey *key, struct buf *out)
{
	struct buf whole = BUF_INIT(out->max);
	size_t at = end_of_section(key, buf_str(out), out->len);
	buf_add(&whole, buf_str(out), at > 0 ? at : out->len);
	if (at == 0)
		buf_addf(
		    &whole, "%s[%s]\n", out->len > 0 ? "\n" : "", key->section);
	buf_addf(&whole, "%s = %s\n", key->name, key->value);
	if (at > 0)
		buf_add(&whole, buf_str(out) + at, out->len - at);
	struct buf old = *out;
	*out = whole;
	buf_wipe(&old);
	return out->failed ? -1 : 0;
}

int inikeys_set(
    const char *text, size_t len, const struct inikey *key, struct buf *out)
{
	struct walk w = {.key = key, .out = out};
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	while (len > 0) {
		const char *stop = memchr(text, '\n', len);
		size_t n = stop != NULL ? (size_t)(stop - text) : len;
		take_line(&w, text, n);
		n += stop != NULL;
		text += n;
		len -= n;
	}
	if (out->failed)
		return -1;
	return w.done ? 0 : add_key(key, out);
}
