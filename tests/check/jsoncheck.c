/*
 * A file before the agent's own JSON validator, for suites of cases:
 *
 * jsoncheck FILE
 *
 * Exit 0: it is JSON; 1: it is not, with the reason and the byte on standard
 * output; 2: wrong usage or no such file. What is accepted is also indexed and
 * walked, as an answer of the server would be.
 */
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include <stdio.h>

/* More than the agent takes from a server: suites nest deeper. */
#define DEPTH_MAX 2000

/* Visits every node; returns how many there are. */
static int walk(const struct json *j, int node)
{
	struct buf text = BUF_INIT(MIB);
	int count = 1;
	int64_t number;
	bool object = json_type(j, node) == JSON_OBJECT;
	json_text(j, node, &text);
	json_int(j, node, &number);
	buf_release(&text);
	for (int e = json_first(j, node); e != JSON_NONE;
	     e = json_next(j, node, e))
		count += walk(j, object ? json_value(j, e) : e);
	return count;
}

int main(int argc, char **argv)
{
	struct buf text = BUF_INIT(TASKS_BODY_MAX);
	struct json j = JSON_INIT;
	const char *why = "";
	size_t at = 0;
	if (argc != 2 || file_read(argv[1], &text) != 0) {
		fputs("usage: jsoncheck FILE\n", stderr);
		buf_release(&text);
		return 2;
	}
	int code = json_check(buf_str(&text), text.len, DEPTH_MAX, &why, &at);
	if (code != 0)
		printf("%s at byte %zu\n", why, at);
	else if (json_parse(&j, buf_str(&text), text.len) != 0)
		puts("valid, but too large to be indexed");
	else
		walk(&j, 0);
	json_release(&j);
	buf_release(&text);
	return code != 0;
}
