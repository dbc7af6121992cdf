/*
 * One table names each value once, and is walked to write, to read and to
 * free. Names stand in it as characters, not pointers: the program is loaded
 * anywhere, and each pointer would be patched at every start.
 */
#include "bbs/statusfile.h"
#include "base/digits.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum kind { TEXT, NUMBER, TIME, FLAG, GROUP, LIST };
/* The objects of the file. */
enum shape_name {
	FILE_WHOLE,
	FILE_HISTORY,
	SERVER,
	SSH,
	BORG,
	REPORTS,
	POLICY,
	SANDBOX,
	JOB,
	PAST,
	KEPT
};

struct member {
	char name[16];
	unsigned char kind, shape;
	unsigned short offset;
};

#define AT(member) offsetof(struct status, member)
#define JOB_AT(member) offsetof(struct status_job, member)
#define PAST_AT(member) offsetof(struct status_past, member)

static const struct member members[] = {
    /* FILE_WHOLE */
    {"version", TEXT, 0, AT(version)},
    {"pid", NUMBER, 0, AT(pid)},
    {"pid_start", NUMBER, 0, AT(pid_start)},
    {"started", TIME, 0, AT(started)},
    {"written", TIME, 0, AT(written)},
    {"stopping", FLAG, 0, AT(stopping)},
    {"server", GROUP, SERVER, 0},
    {"poll_interval", NUMBER, 0, AT(poll_interval)},
    {"next_poll", TIME, 0, AT(next_poll)},
    {"ssh", GROUP, SSH, 0},
    {"borg", GROUP, BORG, 0},
    {"reports", GROUP, REPORTS, 0},
    {"policy", GROUP, POLICY, 0},
    {"sandbox", GROUP, SANDBOX, 0},
    {"update", TEXT, 0, AT(update)},
    {"jobs_waiting", NUMBER, 0, AT(jobs_waiting)},
    {"jobs", LIST, JOB, AT(job)},
    {"history", LIST, PAST, AT(past)},
    /* FILE_HISTORY, which nobody but root reads */
    {"history", LIST, KEPT, AT(past)},
    /* SERVER */
    {"url", TEXT, 0, AT(url)},
    {"answered", TIME, 0, AT(answered)},
    {"failing_since", TIME, 0, AT(failing_since)},
    {"failures", NUMBER, 0, AT(failures)},
    {"reason", TEXT, 0, AT(failing)},
    /* SSH */
    {"state", TEXT, 0, AT(ssh_state)},
    {"text", TEXT, 0, AT(ssh_text)},
    {"checked", TIME, 0, AT(ssh_checked)},
    /* BORG */
    {"version", TEXT, 0, AT(borg_version)},
    {"path", TEXT, 0, AT(borg_path)},
    {"reason", TEXT, 0, AT(borg_failing)},
    /* REPORTS */
    {"waiting", NUMBER, 0, AT(reports)},
    {"reason", TEXT, 0, AT(reports_failing)},
    /* POLICY */
    {"tasks", TEXT, 0, AT(tasks)},
    {"commands", TEXT, 0, AT(commands)},
    {"hooks", TEXT, 0, AT(hooks)},
    {"restore_to", TEXT, 0, AT(restore_to)},
    {"browse", TEXT, 0, AT(browse)},
    {"backup_from", TEXT, 0, AT(backup_from)},
    /* SANDBOX */
    {"layers", TEXT, 0, AT(layers)},
    {"missing", TEXT, 0, AT(missing)},
    {"note", TEXT, 0, AT(sandbox_note)},
    /* JOB */
    {"job_id", NUMBER, 0, JOB_AT(id)},
    {"type", TEXT, 0, JOB_AT(type)},
    {"archive", TEXT, 0, JOB_AT(archive)},
    {"state", TEXT, 0, JOB_AT(state)},
    {"message", TEXT, 0, JOB_AT(message)},
    {"started", TIME, 0, JOB_AT(started)},
    {"files", NUMBER, 0, JOB_AT(files)},
    {"files_total", NUMBER, 0, JOB_AT(files_total)},
    {"bytes", NUMBER, 0, JOB_AT(bytes)},
    {"bytes_total", NUMBER, 0, JOB_AT(bytes_total)},
    {"bytes_per_s", NUMBER, 0, JOB_AT(rate)},
    {"seconds_left", NUMBER, 0, JOB_AT(left)},
    /* PAST; KEPT, with one more */
    {"job_id", NUMBER, 0, PAST_AT(id)},
    {"type", TEXT, 0, PAST_AT(type)},
    {"archive", TEXT, 0, PAST_AT(archive)},
    {"result", TEXT, 0, PAST_AT(result)},
    {"had_warnings", FLAG, 0, PAST_AT(warnings)},
    {"reason", TEXT, 0, PAST_AT(reason)},
    {"repository", TEXT, 0, PAST_AT(repository)},
    {"started", TIME, 0, PAST_AT(started)},
    {"ended", TIME, 0, PAST_AT(ended)},
    {"files", NUMBER, 0, PAST_AT(files)},
    {"bytes", NUMBER, 0, PAST_AT(bytes)},
    {"stored_bytes", NUMBER, 0, PAST_AT(stored)},
    {"error", TEXT, 0, PAST_AT(error)},
};

/* Where in the table, and of a list: its elements and where their number is. */
static const struct shape {
	unsigned char first, count, most;
	unsigned short size, used;
} shapes[] = {
    [FILE_WHOLE] = {0, 18, 1, 0, 0},
    [FILE_HISTORY] = {18, 1, 1, 0, 0},
    [SERVER] = {19, 5, 1, 0, 0},
    [SSH] = {24, 3, 1, 0, 0},
    [BORG] = {27, 3, 1, 0, 0},
    [REPORTS] = {30, 2, 1, 0, 0},
    [POLICY] = {32, 6, 1, 0, 0},
    [SANDBOX] = {38, 3, 1, 0, 0},
    [JOB] = {41, 12, STATUS_JOBS_MAX, sizeof(struct status_job), AT(job_count)},
    [PAST] = {53, 12, STATUS_PAST_MAX, sizeof(struct status_past),
	AT(past_count)},
    [KEPT] = {53, 13, STATUS_PAST_MAX, sizeof(struct status_past),
	AT(past_count)},
};
_Static_assert(sizeof(members) / sizeof(members[0]) == 53 + 13,
    "the shapes name every member");

static const char *text_at(const void *at)
{
	const char *text;
	memcpy(&text, at, sizeof(text));
	return text;
}

static int64_t number_at(const void *at)
{
	int64_t number;
	memcpy(&number, at, sizeof(number));
	return number;
}

static int count_of(const struct shape *s, const char *base)
{
	int count;
	memcpy(&count, base + s->used, sizeof(count));
	return count;
}

/* The writer, with room for a text whose secrets are hidden. */
struct putter {
	struct json_writer w;
	struct buf clean;
};

static void put_text(struct putter *p, const char *name, const char *text)
{
	buf_reset(&p->clean);
	if (text != NULL)
		log_redact(&p->clean, text, strlen(text));
	json_put(&p->w, name, text != NULL ? buf_str(&p->clean) : NULL);
}

static void put_number(struct json_writer *w, const char *name, int64_t number)
{
	if (number < 0)
		json_put_null(w, name);
	else
		json_put_int(w, name, number);
}

static void put_time(struct json_writer *w, const char *name, int64_t seconds)
{
	struct tm tm = {0};
	time_t t = (time_t)seconds;
	char text[80];
	if (seconds <= 0 || gmtime_r(&t, &tm) == NULL) {
		json_put_null(w, name);
		return;
	}
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02dZ",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec);
	json_put(w, name, text);
}

static void put_shape(struct putter *p, const char *name, enum shape_name which,
    const char *base);

static void put_list(struct putter *p, const struct member *m, const char *base)
{
	const struct shape *s = &shapes[m->shape];
	int count = count_of(s, base);
	json_open(&p->w, m->name, '[');
	for (int i = 0; i < count; i++)
		put_shape(
		    p, NULL, m->shape, base + m->offset + (size_t)i * s->size);
	json_close(&p->w, ']');
}

static void put_member(
    struct putter *p, const struct member *m, const char *base)
{
	const char *at = base + m->offset;
	switch (m->kind) {
	case TEXT:
		put_text(p, m->name, text_at(at));
		break;
	case NUMBER:
		put_number(&p->w, m->name, number_at(at));
		break;
	case TIME:
		put_time(&p->w, m->name, number_at(at));
		break;
	case FLAG:
		json_put_bool(&p->w, m->name, *at != 0);
		break;
	case GROUP:
		put_shape(p, m->name, m->shape, base);
		break;
	default:
		put_list(p, m, base);
	}
}

static void put_shape(
    struct putter *p, const char *name, enum shape_name which, const char *base)
{
	const struct shape *s = &shapes[which];
	json_open(&p->w, name, '{');
	for (int i = 0; i < s->count; i++)
		put_member(p, &members[s->first + i], base);
	json_close(&p->w, '}');
}

static enum shape_name shape_of(enum status_part part)
{
	return part == STATUS_WHOLE ? FILE_WHOLE : FILE_HISTORY;
}

void status_encode(
    const struct status *s, enum status_part part, struct buf *out)
{
	struct putter p = {{out, false}, BUF_INIT(STATUS_FILE_MAX)};
	put_shape(&p, NULL, shape_of(part), (const char *)s);
	buf_addc(out, '\n');
	buf_release(&p.clean);
}

/* Seconds since 1970, 0 for what is no time. */
static int64_t time_of(const char *text)
{
	static const char form[] = "0000-00-00T00:00:00Z";
	struct tm tm = {0};
	if (text == NULL || strlen(text) != sizeof(form) - 1)
		return 0;
	for (size_t i = 0; form[i] != '\0'; i++) {
		if (form[i] == '0' ? digits_decimal(text + i, 1) < 0
				   : text[i] != form[i])
			return 0;
	}
	tm.tm_year = digits_decimal(text, 4) - 1900;
	tm.tm_mon = digits_decimal(text + 5, 2) - 1;
	tm.tm_mday = digits_decimal(text + 8, 2);
	tm.tm_hour = digits_decimal(text + 11, 2);
	tm.tm_min = digits_decimal(text + 14, 2);
	tm.tm_sec = digits_decimal(text + 17, 2);
	time_t t = timegm(&tm);
	return t > 0 ? (int64_t)t : 0;
}

static void get_shape(
    const struct json *j, int node, enum shape_name which, char *base);

static void get_list(
    const struct json *j, int list, const struct member *m, char *base)
{
	const struct shape *s = &shapes[m->shape];
	int count = 0;
	for (int e = json_first(j, list); json_type(j, list) == JSON_ARRAY &&
					  e != JSON_NONE && count < s->most;
	     e = json_next(j, list, e)) {
		if (json_type(j, e) == JSON_OBJECT)
			get_shape(j, e, m->shape,
			    base + m->offset + (size_t)count++ * s->size);
	}
	memcpy(base + s->used, &count, sizeof(count));
}

static void get_member(
    const struct json *j, int object, const struct member *m, char *base)
{
	int node = json_get(j, object, m->name);
	char *at = base + m->offset, *text = NULL;
	int64_t number = -1;
	switch (m->kind) {
	case TEXT:
		text = json_strdup(j, node);
		memcpy(at, &text, sizeof(text));
		break;
	case NUMBER:
		(void)json_int(j, node, &number);
		memcpy(at, &number, sizeof(number));
		break;
	case TIME:
		text = json_strdup(j, node);
		number = time_of(text);
		memcpy(at, &number, sizeof(number));
		free(text);
		break;
	case FLAG:
		*at = json_bool(j, node, false);
		break;
	case GROUP:
		get_shape(j, node, m->shape, base);
		break;
	default:
		get_list(j, node, m, base);
	}
}

static void get_shape(
    const struct json *j, int node, enum shape_name which, char *base)
{
	const struct shape *s = &shapes[which];
	for (int i = 0; i < s->count; i++)
		get_member(j, node, &members[s->first + i], base);
}

int status_decode(
    struct status *s, enum status_part part, const char *text, size_t len)
{
	struct json j = JSON_INIT;
	int rc = -1;
	memset(s, 0, sizeof(*s));
	if (json_check(text, len, JSON_DEPTH_MAX, NULL, NULL) == 0 &&
	    json_parse(&j, text, len) == 0 && json_type(&j, 0) == JSON_OBJECT) {
		get_shape(&j, 0, shape_of(part), (char *)s);
		rc = 0;
	}
	json_release(&j);
	return rc;
}

static void free_shape(enum shape_name which, char *base)
{
	const struct shape *s = &shapes[which];
	for (int i = 0; i < s->count; i++) {
		const struct member *m = &members[s->first + i];
		enum shape_name list = m->shape == PAST ? KEPT : m->shape;
		const struct shape *of = &shapes[list];
		char *at = base + m->offset, *text;
		if (m->kind == TEXT) {
			memcpy(&text, at, sizeof(text));
			free(text);
		} else if (m->kind == GROUP) {
			free_shape(m->shape, base);
		}
		for (int e = 0; m->kind == LIST && e < count_of(of, base); e++)
			free_shape(list, at + (size_t)e * of->size);
	}
}

void status_release(struct status *s)
{
	free_shape(FILE_WHOLE, (char *)s);
	memset(s, 0, sizeof(*s));
}

void status_past_release(struct status_past *p)
{
	free_shape(KEPT, (char *)p);
	memset(p, 0, sizeof(*p));
}
