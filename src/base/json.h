/*
 * JSON: a strict validator (RFC 8259) of our own, typed reads over jsmn, and
 * a writer. The only file that knows jsmn is json.c.
 *
 * Reading never fails loudly: a missing key, a null and a value of another
 * type all read as "absent" (JSON_NONE), and the typed reads return -1. PHP
 * writes an empty map as [] and numbers as strings: both are read as meant.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"
#include <stdint.h>

/* Is text one JSON value, strictly, at most `depth` deep, in valid UTF-8?
 * Returns 0, or -1 with *why (a static sentence fragment such as "a string
 * that does not end") and *at (byte offset). Either pointer may be NULL.
 * Lone surrogate escapes are accepted here; reading makes them U+FFFD. */
int json_check(
    const char *text, size_t len, int depth, const char **why, size_t *at);

#define JSON_NONE (-1)
enum json_type {
	JSON_ABSENT,
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT
};

/* An index over a text that it does not own; the text must outlive it. The
 * token store is kept between parses, so that one struct serves many lines. */
struct json {
	const char *text;
	void *tokens;
	int count;
	int room;
};

#define JSON_INIT                \
	{                        \
		NULL, NULL, 0, 0 \
	}
/* Any bytes may be given, unchecked ones too. 0; -1 when they do not form one
 * value: a tree of named members, elements and proper scalars (but a stray
 * comma or a byte that is not UTF-8 is let through; json_check is the strict
 * judge), or when there are over JSON_TOKENS_MAX tokens. Node 0 is the root;
 * of two members of one name the first is found. */
int json_parse(struct json *j, const char *text, size_t len);
void json_release(struct json *j);

enum json_type json_type(const struct json *j, int node);
/* Elements of an array, members of an object, 0 for anything else. */
int json_count(const struct json *j, int node);
/* Member of an object by name (plain ASCII), JSON_NONE when absent. */
int json_get(const struct json *j, int object, const char *name);
/* Walk: first element (array) or first name (object), then the next one;
 * JSON_NONE at the end. For objects json_value gives the name's value. */
int json_first(const struct json *j, int node);
int json_next(const struct json *j, int parent, int node);
int json_value(const struct json *j, int name);
/* The raw bytes of a node; a string without its quotes, still escaped. */
const char *json_raw(const struct json *j, int node, size_t *len);

/* Appends the decoded string (valid UTF-8; lone surrogates become U+FFFD).
 * A number or a boolean is taken as its text. 0, or -1 when absent, null, a
 * container, or the buffer failed. NUL (\u0000) becomes U+FFFD. */
int json_text(const struct json *j, int node, struct buf *out);
/* The same into a new string, NULL when absent; the caller frees it. */
char *json_strdup(const struct json *j, int node);
/* Integer from a number or a string of digits with optional sign; a fraction
 * is cut. 0, or -1 when absent or out of range. */
int json_int(const struct json *j, int node, int64_t *out);
/* true, 1, "1", "true", "yes", "on" in any case, and the opposites; anything
 * else, and absent, is `otherwise`. */
bool json_bool(const struct json *j, int node, bool otherwise);
/* Does the string equal text (escapes decoded)? */
bool json_is(const struct json *j, int node, const char *text);

/* Appends the decoded bytes of raw JSON string text, surrogate pairs joined;
 * a lone surrogate escape \udc80..\udcff becomes the byte 0x80..0xff (what
 * Python means by it) when `bytes`, else U+FFFD. */
int json_unescape(struct buf *out, const char *raw, size_t len, bool bytes);

/* Writer: appends to out. The name is NULL inside an array and at the top. */
struct json_writer {
	struct buf *out;
	bool comma;
};
void json_open(struct json_writer *w, const char *name, char bracket);
void json_close(struct json_writer *w, char bracket);
/* A NULL text is written as null. */
void json_put(struct json_writer *w, const char *name, const char *text);
void json_put_n(
    struct json_writer *w, const char *name, const char *text, size_t len);
void json_put_int(struct json_writer *w, const char *name, int64_t value);
void json_put_bool(struct json_writer *w, const char *name, bool value);
void json_put_null(struct json_writer *w, const char *name);
void json_put_raw(
    struct json_writer *w, const char *name, const char *json, size_t len);
/* Appends text escaped for a JSON string, without quotes; what is not UTF-8
 * becomes U+FFFD. */
int json_escape(struct buf *out, const char *text, size_t len);

#endif
