/*
 * The encoder of progress and final reports. Everything that makes the
 * server fail or lose a report is mended here, once: text is made valid
 * UTF-8 and cut at a character, counts are clamped to the server's columns.
 */
#include "bbs/report.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "bbs/treecut.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of each line: three rows of a terminal. */
#define GIST_MAX 240

static int64_t clamp_files(int64_t n)
{
	if (n < 0)
		return 0;
	return n > FILES_COUNT_MAX ? FILES_COUNT_MAX : n;
}

static int64_t clamp_bytes(int64_t n)
{
	return n < 0 ? 0 : n;
}

/* A text of at most max bytes, after it was made valid. */
static void put_cut(
    struct json_writer *w, const char *name, const char *text, size_t max)
{
	if (text == NULL || text[0] == '\0')
		return;
	struct buf clean = BUF_INIT(REPORT_BODY_MAX);
	text_add_utf8(&clean, text, strlen(text));
	json_put_n(w, name, buf_str(&clean),
	    text_cut(buf_str(&clean), clean.len, max));
	buf_release(&clean);
}

/* PROTOCOL: "Final report", databases_backed_up. */
static void put_databases(struct json_writer *w, const char *groups)
{
	struct buf list = BUF_INIT(REPORT_BODY_MAX);
	if (groups == NULL || groups[0] == '\0')
		return;
	buf_addf(&list, "{\"version\":2,\"groups\":[%s]}", groups);
	json_put_raw(w, "databases_backed_up", buf_str(&list), list.len);
	buf_release(&list);
}

static const char *const results[] = {"completed", "failed", "abandoned"};

int report_encode(const struct report *r, struct buf *out)
{
	struct json_writer w = {out, false};
	json_open(&w, NULL, '{');
	json_put_int(&w, "job_id", r->job_id);
	json_put(&w, "result", results[r->result]);
	json_put_int(&w, "files_total", clamp_files(r->files_total));
	json_put_int(&w, "files_processed", clamp_files(r->files_processed));
	json_put_int(&w, "bytes_total", clamp_bytes(r->bytes_total));
	json_put_int(&w, "bytes_processed", clamp_bytes(r->bytes_processed));
	if (r->is_backup) {
		if (r->archive_name != NULL)
			json_put(&w, "archive_name", r->archive_name);
		json_put_int(
		    &w, "original_size", clamp_bytes(r->original_size));
		json_put_int(
		    &w, "deduplicated_size", clamp_bytes(r->deduplicated_size));
	}
	/* Any text here counts as true on the server, "false" too. */
	if (r->had_warnings)
		json_put_bool(&w, "had_warnings", true);
	put_cut(&w, "error_log", r->error_log, ERROR_LOG_MAX);
	put_cut(&w, "output_log", r->output_log,
	    r->output_whole ? REPORT_BODY_MAX : OUTPUT_LOG_MAX);
	put_databases(&w, r->database_groups);
	put_cut(&w, "task_result", r->task_result, REPORT_BODY_MAX);
	json_close(&w, '}');
	return out->failed ? -1 : 0;
}

int report_encode_failed(int64_t job_id, enum report_result result,
    const char *sentence, struct buf *out)
{
	struct report r;
	memset(&r, 0, sizeof(r));
	r.job_id = job_id;
	r.result = result;
	r.error_log = sentence;
	return report_encode(&r, out);
}

size_t report_least(
    int64_t job_id, enum report_result result, char out[REPORT_LEAST_MAX])
{
	return (size_t)snprintf(out, REPORT_LEAST_MAX,
	    "{\"job_id\":%lld,\"result\":\"%s\",\"had_warnings\":true,"
	    "\"error_log\":\"This host had no memory for the rest of this "
	    "report\"}",
	    (long long)job_id, results[result]);
}

#define SHORT_ERROR_MAX 500

/* The member of a report that is sent shortened. */
static void put_short(struct json_writer *w, const struct json *j,
    const char *key, int value, const struct buf *tree)
{
	size_t len;
	const char *raw = json_raw(j, value, &len);
	if (strcmp(key, "output_log") == 0 && tree->len > 0) {
		json_put_n(w, key, buf_str(tree), tree->len);
	} else if (strcmp(key, "output_log") == 0 ||
		   strcmp(key, "task_result") == 0) {
		return;
	} else if (json_type(j, value) == JSON_STRING) {
		char *text = json_strdup(j, value);
		if (text != NULL)
			put_cut(w, key, text, SHORT_ERROR_MAX);
		free(text);
	} else {
		json_put_raw(w, key, raw, len);
	}
}

/* output_log's tree with fewer entries; empty when it is none. Are any left? */
static bool shorten_tree(const struct json *j, unsigned times, struct buf *tree)
{
	struct buf whole = BUF_INIT(REPORT_BODY_MAX);
	int left = -1;
	if (json_text(j, json_get(j, 0, "output_log"), &whole) == 0)
		left = treecut_halve(buf_str(&whole), whole.len, times, tree);
	if (left < 0)
		buf_reset(tree);
	buf_release(&whole);
	return left > 0;
}

int report_shorten(
    const char *body, size_t len, unsigned times, struct buf *out)
{
	struct json j = JSON_INIT;
	struct json_writer w = {out, false};
	struct buf tree = BUF_INIT(REPORT_BODY_MAX);
	int rc = -1;
	if (json_parse(&j, body, len) != 0 || json_type(&j, 0) != JSON_OBJECT)
		goto out;
	bool more = shorten_tree(&j, times, &tree);
	json_open(&w, NULL, '{');
	for (int name = json_first(&j, 0); name != JSON_NONE;
	     name = json_next(&j, 0, name)) {
		char *key = json_strdup(&j, name);
		if (key != NULL)
			put_short(&w, &j, key, json_value(&j, name), &tree);
		free(key);
	}
	json_close(&w, '}');
	rc = out->failed ? -1 : more;
out:
	json_release(&j);
	buf_release(&tree);
	return rc;
}

int progress_encode(const struct progress *p, int64_t job_id, const char *level,
    const char *log, struct buf *out)
{
	struct json_writer w = {out, false};
	json_open(&w, NULL, '{');
	json_put_int(&w, "job_id", job_id);
	if (p->files_total >= 0)
		json_put_int(&w, "files_total", clamp_files(p->files_total));
	if (p->files_processed >= 0)
		json_put_int(
		    &w, "files_processed", clamp_files(p->files_processed));
	if (p->bytes_total >= 0)
		json_put_int(&w, "bytes_total", p->bytes_total);
	if (p->bytes_processed >= 0)
		json_put_int(&w, "bytes_processed", p->bytes_processed);
	put_cut(&w, "status_message", p->message, STATUS_MESSAGE_MAX);
	if (log != NULL && log[0] != '\0') {
		put_cut(&w, "log_message", log, LOG_MESSAGE_MAX);
		json_put(&w, "log_level", level);
	}
	json_close(&w, '}');
	return out->failed ? -1 : 0;
}

void report_gist(const char *error_log, struct buf *out)
{
	for (int lines = 0; *error_log != '\0' && lines < 2;) {
		size_t n = strcspn(error_log, "\n");
		/* The steps that led to an error are for its programmer. */
		if (n > 0 && *error_log != ' ' &&
		    !text_starts(error_log, "Traceback (")) {
			buf_adds(out, lines++ > 0 ? "; " : "");
			log_redact(
			    out, error_log, text_cut(error_log, n, GIST_MAX));
		}
		error_log += n + (error_log[n] == '\n');
	}
}

void report_pack(const struct report *r, struct buf *out)
{
	struct buf gist = BUF_INIT(4 * GIST_MAX);
	if (r->error_log != NULL)
		report_gist(r->error_log, &gist);
	pack_u64(out, (uint64_t)r->result);
	pack_u64(out, r->had_warnings);
	pack_u64(out, r->is_backup);
	pack_u64(out, (uint64_t)r->files_processed);
	pack_u64(out, (uint64_t)r->bytes_processed);
	pack_u64(out, (uint64_t)r->deduplicated_size);
	pack_str(out, buf_str(&gist));
	buf_release(&gist);
}

int report_unpack(struct report *r, struct unpack *u)
{
	memset(r, 0, sizeof(*r));
	uint64_t result = unpack_u64(u);
	r->had_warnings = unpack_u64(u) != 0;
	r->is_backup = unpack_u64(u) != 0;
	r->files_processed = (int64_t)unpack_u64(u);
	r->bytes_processed = (int64_t)unpack_u64(u);
	r->deduplicated_size = (int64_t)unpack_u64(u);
	r->error_log = unpack_bytes(u, NULL);
	if (u->failed || result > REPORT_ABANDONED)
		return -1;
	r->result = (enum report_result)result;
	return 0;
}

void progress_pack(const struct progress *p, struct buf *out)
{
	pack_u64(out, (uint64_t)p->files_total);
	pack_u64(out, (uint64_t)p->files_processed);
	pack_u64(out, (uint64_t)p->bytes_total);
	pack_u64(out, (uint64_t)p->bytes_processed);
	pack_str(out, p->message);
}

int progress_unpack(struct progress *p, struct unpack *u)
{
	p->files_total = (int64_t)unpack_u64(u);
	p->files_processed = (int64_t)unpack_u64(u);
	p->bytes_total = (int64_t)unpack_u64(u);
	p->bytes_processed = (int64_t)unpack_u64(u);
	const char *message = unpack_bytes(u, NULL);
	text_copy(
	    p->message, sizeof(p->message), message != NULL ? message : "");
	return u->failed ? -1 : 0;
}
