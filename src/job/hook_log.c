/*
 * Reads what is there, drops the oldest, adds one, and writes it anew. A file
 * that cannot be read as such an array is begun again: it is a help for
 * people, and nothing depends on it.
 */
#include "job/hook_log.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include <errno.h>
#include <string.h>

/* Each text may be escaped to six times its length. */
#define FILE_MAX (HOOK_OUTCOMES_MAX * (6 * HOOK_OUTCOME_TEXT_MAX + KIB))

/* The newest of what was kept so far, one place left free. */
static void copy_old(struct json_writer *w, const struct buf *text)
{
	struct json j = JSON_INIT;
	if (json_check(buf_str(text), text->len, JSON_DEPTH_MAX, NULL, NULL) ==
		0 &&
	    json_parse(&j, buf_str(text), text->len) == 0 &&
	    json_type(&j, 0) == JSON_ARRAY) {
		int skip = json_count(&j, 0) - (HOOK_OUTCOMES_MAX - 1);
		for (int e = json_first(&j, 0); e != JSON_NONE;
		     e = json_next(&j, 0, e)) {
			size_t len = 0;
			const char *raw = json_raw(&j, e, &len);
			if (skip-- <= 0 && json_type(&j, e) == JSON_OBJECT)
				json_put_raw(w, NULL, raw, len);
		}
	}
	json_release(&j);
}

void hook_log_add(
    const struct paths *p, int64_t job_id, bool ok, const char *text)
{
	struct buf old = BUF_INIT(FILE_MAX), new = BUF_INIT(2 * FILE_MAX);
	struct json_writer w = {&new, false};
	size_t len = text_cut(text, strlen(text), HOOK_OUTCOME_TEXT_MAX);
	json_open(&w, NULL, '[');
	if (file_read(p->hooks, &old) == 0)
		copy_old(&w, &old);
	json_open(&w, NULL, '{');
	json_put_int(&w, "time", clock_wall());
	json_put_int(&w, "job_id", job_id);
	json_put_bool(&w, "ok", ok);
	json_put_n(&w, "text", text, len);
	json_close(&w, '}');
	json_close(&w, ']');
	if (new.failed || file_write(p->hooks, new.data, new.len, 0600) != 0)
		log_warning("cannot keep the outcome of a script in %s: %s",
		    p->hooks, strerror(errno));
	buf_release(&old);
	buf_release(&new);
}
