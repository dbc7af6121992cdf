/*
 * The decoder of borg's log lines and the classifier of its messages. It
 * takes any bytes: what it does not know is BORGLOG_OTHER or BORGLOG_TEXT,
 * never an error. Two million lines a job pass through borglog_decode.
 */
#include "job/borglog.h"
#include "base/json_scan.h"
#include "base/text.h"
#include <string.h>

static bool raw_is(const struct json *j, int node, const char *text)
{
	size_t len;
	if (json_type(j, node) != JSON_STRING)
		return false;
	const char *raw = json_raw(j, node, &len);
	return strlen(text) == len && memcmp(raw, text, len) == 0;
}

static int64_t number(const struct json *j, const char *name)
{
	int64_t value;
	if (json_int(j, json_get(j, 0, name), &value) != 0 || value < 0)
		return -1;
	return value;
}

static void decode_file(const struct json *j, struct borglog_event *e)
{
	size_t len = 0;
	int status = json_get(j, 0, "status");
	int path = json_get(j, 0, "path");
	int b64 = json_get(j, 0, "path_b64");
	if (json_type(j, status) != JSON_STRING ||
	    json_type(j, path) != JSON_STRING)
		return;
	const char *raw = json_raw(j, status, &len);
	if (len != 1)
		return;
	e->kind = BORGLOG_FILE;
	e->status = raw[0];
	e->path = json_raw(j, path, &e->path_len);
	if (json_type(j, b64) == JSON_STRING)
		e->path_b64 = json_raw(j, b64, &e->path_b64_len);
}

static void decode_message(const struct json *j, struct borglog_event *e)
{
	int level = json_get(j, 0, "levelname");
	e->message = json_get(j, 0, "message");
	if (raw_is(j, level, "WARNING"))
		e->level = BORGLOG_WARNING;
	else if (raw_is(j, level, "ERROR"))
		e->level = BORGLOG_ERROR;
	else if (raw_is(j, level, "CRITICAL"))
		e->level = BORGLOG_CRITICAL;
	else {
		if (raw_is(j, json_get(j, 0, "name"), "borg.output.list"))
			e->kind = BORGLOG_LISTED;
		return;
	}
	e->kind = BORGLOG_MESSAGE;
}

#define USUAL_HEAD "{\"type\": \"file_status\", \"status\": \""
#define USUAL_MIDDLE "\", \"path\": \""
#define USUAL_TAIL "\"}"

/* The line that comes by the million, in the very form that borg gives it
 * and with nothing escaped: no parser is needed to take it apart. Whatever
 * differs is left to the parser. */
static bool decode_usual(const char *line, size_t len, struct borglog_event *e)
{
	const size_t head = sizeof(USUAL_HEAD) - 1;
	const size_t start = head + sizeof(USUAL_MIDDLE);
	const size_t tail = sizeof(USUAL_TAIL) - 1;
	if (len < start + tail || memcmp(line, USUAL_HEAD, head) != 0 ||
	    memcmp(line + head + 1, USUAL_MIDDLE, sizeof(USUAL_MIDDLE) - 1) !=
		0 ||
	    json_plain_end(line + head, line + head + 1) == line + head)
		return false;
	const char *end = line + len - tail;
	if (memcmp(end, USUAL_TAIL, tail) != 0 ||
	    json_plain_end(line + start, line + len) != end)
		return false;
	e->kind = BORGLOG_FILE;
	e->status = line[head];
	e->path = line + start;
	e->path_len = (size_t)(end - e->path);
	return true;
}

void borglog_decode(
    struct json *j, const char *line, size_t len, struct borglog_event *e)
{
	memset(e, 0, sizeof(*e));
	if (decode_usual(line, len, e)) {
		j->count = 0;
		return;
	}
	e->kind = BORGLOG_TEXT;
	if (len == 0 || line[0] != '{' || json_parse(j, line, len) != 0 ||
	    json_type(j, 0) != JSON_OBJECT)
		return;
	e->kind = BORGLOG_OTHER;
	int type = json_get(j, 0, "type");
	if (raw_is(j, type, "file_status")) {
		decode_file(j, e);
	} else if (raw_is(j, type, "archive_progress")) {
		e->kind = BORGLOG_ARCHIVE;
		e->nfiles = number(j, "nfiles");
		e->original_size = number(j, "original_size");
		e->finished = json_bool(j, json_get(j, 0, "finished"), false);
	} else if (raw_is(j, type, "progress_percent")) {
		e->kind = BORGLOG_PERCENT;
		e->current = number(j, "current");
		e->total = number(j, "total");
		e->finished = json_bool(j, json_get(j, 0, "finished"), false);
		e->is_extract = raw_is(j, json_get(j, 0, "msgid"), "extract");
	} else if (raw_is(j, type, "progress_message")) {
		e->kind = BORGLOG_PHASE;
		e->message = json_get(j, 0, "message");
		e->finished = json_bool(j, json_get(j, 0, "finished"), false);
	} else if (raw_is(j, type, "log_message")) {
		decode_message(j, e);
	}
}

bool borglog_is_routine(const char *message)
{
	static const char *const routine[] = {
	    "Permanently added",
	    "file changed while we backed it up",
	    "file vanished while we backed it up",
	    "stat: [Errno 2]",
	    "[Errno 13]",
	    "[Errno 1]",
	    "[Errno 11]",
	};
	for (size_t i = 0; i < sizeof(routine) / sizeof(routine[0]); i++) {
		if (strstr(message, routine[i]) != NULL)
			return true;
	}
	return false;
}

bool borglog_text_matters(const char *line)
{
	return strstr(line, "Error") != NULL || strstr(line, "error") != NULL ||
	       strstr(line, "NotLocked") != NULL ||
	       strstr(line, "Failed to release the lock") != NULL;
}

unsigned borglog_lock_marks(const char *text)
{
	unsigned marks = 0;
	if (strstr(text, "NotLocked") != NULL)
		marks |= BORGLOG_NOT_LOCKED;
	if (strstr(text, "Failed to release the lock") != NULL)
		marks |= BORGLOG_RELEASE_FAILED;
	return marks;
}
