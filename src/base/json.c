/*
 * JSON read: an index of tokens made by jsmn, and typed reads over it. jsmn
 * is lenient; what it made is held against the shape of a JSON text before
 * anyone walks it, so that every node of a parsed text is what it seems.
 * Nothing is copied: a node is a place in the caller's text.
 */
#include "base/json.h"
#include "base/json_scan.h"
#include "base/limits.h"
#include "base/text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define JSMN_STATIC
#define JSMN_PARENT_LINKS
#include "jsmn.h"

/* The first store of tokens. */
#define TOKENS_FIRST 32
/* jsmn's time grows with the square of the depth. Texts of this size cannot be
 * deep enough for that to matter; longer ones with more brackets than this are
 * parsed only when they are strictly valid, and so not deep. */
#define BRACKETS_MAX 512

static const jsmntok_t *json_tokens(const struct json *j)
{
	return j->tokens;
}

static const jsmntok_t *json_token(const struct json *j, int node)
{
	return node >= 0 && node < j->count ? json_tokens(j) + node : NULL;
}

static int json_more_tokens(struct json *j)
{
	size_t room = j->room > 0 ? 2 * (size_t)j->room : TOKENS_FIRST;
	if (room > JSON_TOKENS_MAX)
		return -1;
	void *tokens = realloc(j->tokens, room * sizeof(jsmntok_t));
	if (tokens == NULL)
		return -1;
	j->tokens = tokens;
	j->room = (int)room;
	return 0;
}

static bool json_may_be_deep(const char *text, size_t len)
{
	size_t open = 0;
	for (size_t i = 0; i < len; i++)
		open += text[i] == '[' || text[i] == '{';
	return open > BRACKETS_MAX;
}

/* Is the token in a place where JSON can have it? */
static bool json_placed(const struct json *j, const jsmntok_t *t)
{
	const jsmntok_t *all = json_tokens(j);
	if (t->type == JSMN_PRIMITIVE &&
	    json_scalar_end(j->text + t->start, j->text + t->end) !=
		j->text + t->end)
		return false;
	if (t->parent < 0)
		return t == all && (t->size == 0 || t->type == JSMN_ARRAY ||
				       t->type == JSMN_OBJECT);
	const jsmntok_t *parent = all + t->parent;
	switch (parent->type) {
	case JSMN_OBJECT:
		return t->type == JSMN_STRING && t->size == 1;
	case JSMN_ARRAY:
		return t->size == 0 || t->type != JSMN_STRING;
	case JSMN_STRING:
		/* The one value of a name stands right behind it. */
		return t == parent + 1 && parent->parent >= 0 &&
		       all[parent->parent].type == JSMN_OBJECT &&
		       (t->size == 0 || t->type != JSMN_STRING);
	default:
		return false;
	}
}

static const char *json_blanks_end(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

/* The closing quote of the string whose opening one stands before p. */
static const char *json_string_end(const char *p, const char *end)
{
	for (;;) {
		p = json_plain_end(p, end);
		if (p == end || (unsigned char)*p < 0x20)
			return NULL;
		if (*p == '"')
			return p;
		p = *p == '\\' ? json_escape_end(p + 1, end) : p + 1;
		if (p == NULL)
			return NULL;
	}
}

/* The string or scalar at *p becomes the token *t. */
static bool json_flat_token(
    const struct json *j, const char **p, const char *end, jsmntok_t *t)
{
	const char *from = *p, *to;
	t->type = from < end && *from == '"' ? JSMN_STRING : JSMN_PRIMITIVE;
	if (t->type == JSMN_STRING)
		to = json_string_end(++from, end);
	else
		to = json_scalar_end(from, end);
	if (to == NULL)
		return false;
	t->start = (int)(from - j->text);
	t->end = (int)(to - j->text);
	*p = json_blanks_end(to + (t->type == JSMN_STRING), end);
	return true;
}

/* An object of plain members, as borg logs them by the million, is indexed
 * here in a quarter of the time that jsmn takes. The number of tokens, or 0
 * when the text is anything else. */
static int json_flat(const struct json *j, size_t len)
{
	const char *p = j->text, *end = p + len;
	jsmntok_t *all = j->tokens;
	if (len == 0 || *p != '{')
		return 0;
	int n = 1;
	do {
		p = json_blanks_end(p + 1, end);
		jsmntok_t *name = all + n, *value = name + 1;
		if (n + 2 > j->room || !json_flat_token(j, &p, end, name) ||
		    name->type != JSMN_STRING || p == end || *p != ':')
			return 0;
		p = json_blanks_end(p + 1, end);
		if (!json_flat_token(j, &p, end, value))
			return 0;
		name->size = 1;
		name->parent = 0;
		value->size = 0;
		value->parent = n;
		n += 2;
	} while (p < end && *p == ',');
	if (p == end || *p != '}' || json_blanks_end(p + 1, end) != end)
		return 0;
	all[0] = (jsmntok_t){.type = JSMN_OBJECT,
	    .start = 0,
	    .end = (int)(p + 1 - j->text),
	    .size = n / 2,
	    .parent = -1};
	return n;
}

int json_parse(struct json *j, const char *text, size_t len)
{
	j->text = text;
	j->count = 0;
	if (len > INT_MAX)
		return -1;
	if (len > BRACKETS_MAX && json_may_be_deep(text, len) &&
	    json_check(text, len, JSON_DEPTH_MAX, NULL, NULL) != 0)
		return -1;
	if (j->room == 0 && json_more_tokens(j) != 0)
		return -1;
	if ((j->count = json_flat(j, len)) > 0)
		return 0;
	jsmn_parser parser;
	jsmn_init(&parser);
	int n;
	while ((n = jsmn_parse(&parser, text, len, j->tokens,
		    (unsigned)j->room)) == JSMN_ERROR_NOMEM)
		if (json_more_tokens(j) != 0)
			return -1;
	/* jsmn stops at a NUL. */
	if (n <= 0 || (unsigned)n != parser.toknext || parser.pos != len)
		return -1;
	const jsmntok_t *all = json_tokens(j);
	for (int i = 0; i < n; i++)
		if (!json_placed(j, all + i))
			return -1;
	j->count = n;
	return 0;
}

void json_release(struct json *j)
{
	free(j->tokens);
	*j = (struct json)JSON_INIT;
}

enum json_type json_type(const struct json *j, int node)
{
	const jsmntok_t *t = json_token(j, node);
	if (t == NULL)
		return JSON_ABSENT;
	switch (t->type) {
	case JSMN_OBJECT:
		return JSON_OBJECT;
	case JSMN_ARRAY:
		return JSON_ARRAY;
	case JSMN_STRING:
		return JSON_STRING;
	default:
		break;
	}
	switch (j->text[t->start]) {
	case 'n':
		return JSON_NULL;
	case 't':
	case 'f':
		return JSON_BOOL;
	default:
		return JSON_NUMBER;
	}
}

int json_count(const struct json *j, int node)
{
	enum json_type type = json_type(j, node);
	if (type != JSON_ARRAY && type != JSON_OBJECT)
		return 0;
	return json_tokens(j)[node].size;
}

/* The node behind all that lies in this one (j->count at the end). Tokens
 * stand in the order of the text. */
static int json_behind(const struct json *j, int node)
{
	const jsmntok_t *all = json_tokens(j);
	if (all[node].size == 0)
		return node + 1;
	int low = node + 1, high = j->count;
	while (low < high) {
		int middle = low + (high - low) / 2;
		if (all[middle].start < all[node].end)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int json_get(const struct json *j, int object, const char *name)
{
	if (json_type(j, object) != JSON_OBJECT)
		return JSON_NONE;
	const jsmntok_t *all = json_tokens(j);
	size_t len = strlen(name);
	int left = all[object].size;
	for (int i = object + 1; left > 0; left--) {
		const char *own = j->text + all[i].start;
		if ((size_t)(all[i].end - all[i].start) == len &&
		    (len == 0 || *own == *name) && memcmp(own, name, len) == 0)
			return i + 1;
		i = json_behind(j, i + 1);
	}
	return JSON_NONE;
}

int json_first(const struct json *j, int node)
{
	return json_count(j, node) > 0 ? node + 1 : JSON_NONE;
}

int json_next(const struct json *j, int parent, int node)
{
	const jsmntok_t *t = json_token(j, node);
	if (t == NULL || parent < 0 || t->parent != parent)
		return JSON_NONE;
	bool name = json_tokens(j)[parent].type == JSMN_OBJECT;
	int next = json_behind(j, name ? node + 1 : node);
	t = json_token(j, next);
	return t != NULL && t->parent == parent ? next : JSON_NONE;
}

int json_value(const struct json *j, int name)
{
	const jsmntok_t *t = json_token(j, name);
	if (t == NULL || t->type != JSMN_STRING || t->size != 1)
		return JSON_NONE;
	return name + 1;
}

const char *json_raw(const struct json *j, int node, size_t *len)
{
	const jsmntok_t *t = json_token(j, node);
	if (t == NULL) {
		*len = 0;
		return "";
	}
	*len = (size_t)(t->end - t->start);
	return j->text + t->start;
}
