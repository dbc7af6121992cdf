/* JSON: what the strict judge accepts can be indexed, walked, written again,
 * and is accepted then too. */
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "fuzz.h"

static void walk(const struct json *j, int node, int depth)
{
	struct buf text = BUF_INIT(MIB), again = BUF_INIT(8 * MIB);
	const char *why;
	int64_t number;
	size_t at, len;
	FUZZ_HOLDS(depth <= JSON_DEPTH_MAX);
	json_raw(j, node, &len);
	json_int(j, node, &number);
	json_bool(j, node, false);
	if (json_text(j, node, &text) == 0) {
		FUZZ_HOLDS(text_is_utf8(buf_str(&text), text.len));
		buf_addc(&again, '"');
		json_escape(&again, buf_str(&text), text.len);
		buf_addc(&again, '"');
		FUZZ_HOLDS(again.failed || json_check(again.data, again.len, 1,
					       &why, &at) == 0);
	}
	buf_release(&text);
	buf_release(&again);
	bool object = json_type(j, node) == JSON_OBJECT;
	for (int e = json_first(j, node); e != JSON_NONE;
	     e = json_next(j, node, e))
		walk(j, object ? json_value(j, e) : e, depth + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct json j = JSON_INIT;
	const char *text = (const char *)data, *why = NULL;
	size_t at = 0;
	struct buf out = BUF_INIT(MIB);
	if (json_check(text, len, JSON_DEPTH_MAX, &why, &at) == 0) {
		FUZZ_HOLDS(text_is_utf8(text, len));
		FUZZ_HOLDS(json_parse(&j, text, len) == 0);
		walk(&j, 0, 0);
		json_get(&j, 0, "status");
	} else {
		FUZZ_HOLDS(why != NULL && at <= len);
		/* borg's log is indexed without the judge. */
		if (json_parse(&j, text, len) == 0 && j.count > 0)
			json_get(&j, 0, "type");
	}
	json_release(&j);
	json_unescape(&out, text, len, false);
	buf_reset(&out);
	json_unescape(&out, text, len, true);
	buf_release(&out);
	return 0;
}
