/* Lines of borg's log, and the lines of the catalogue that they become: valid
 * JSON, whatever borg prints. */
#include "base/limits.h"
#include "bbs/report.h"
#include "fuzz.h"
#include "job/catalogline.h"
#include <stdlib.h>
#include <string.h>

static void catalogue(
    struct catalog_lines *c, const struct borglog_event *e, struct buf *out)
{
	const char *why;
	size_t at;
	buf_reset(out);
	if (catalog_line(c, e, out) != 0 || out->len == 0)
		return;
	FUZZ_HOLDS(out->data[out->len - 1] == '\n');
	FUZZ_HOLDS(json_check(out->data, out->len - 1, 2, &why, &at) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct json j;
	static struct catalog_lines lines;
	static bool begun;
	struct buf out = BUF_INIT(MIB);
	struct borglog_event e;
	if (!begun)
		catalog_lines_init(&lines);
	begun = true;
	char *text = fuzz_text(data, len);
	for (char *line = text; line < text + len;) {
		size_t n = strcspn(line, "\n");
		line[n] = '\0';
		n = strlen(line);
		borglog_decode(&j, line, n, &e);
		if (e.kind == BORGLOG_FILE)
			catalogue(&lines, &e, &out);
		if (e.kind == BORGLOG_TEXT)
			borglog_text_matters(line);
		borglog_is_routine(line);
		borglog_lock_marks(line);
		line += n + 1;
	}
	free(text);
	buf_release(&out);
	return 0;
}
