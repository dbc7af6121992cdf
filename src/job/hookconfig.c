/* The decoder of a hook's configuration, with the protocol's defaults. */
#include "job/hookconfig.h"
#include "base/json.h"
#include "base/limits.h"
#include <stdlib.h>
#include <string.h>

/* A script's command line; NULL when there is none but blanks. */
static char *line_of(const struct json *j, const char *name)
{
	char *line = json_strdup(j, json_get(j, 0, name));
	if (line != NULL && line[strspn(line, " \t\r\n")] == '\0') {
		free(line);
		line = NULL;
	}
	return line;
}

int hookconfig_decode(struct hookconfig *h, const char *text, struct buf *why)
{
	struct json j = JSON_INIT;
	int64_t timeout = 0;
	memset(h, 0, sizeof(*h));
	if (json_parse(&j, text, strlen(text)) != 0) {
		buf_adds(why, "the hook's configuration cannot be read");
		json_release(&j);
		return -1;
	}
	h->pre = line_of(&j, "pre_script");
	h->post = line_of(&j, "post_script");
	h->timeout_s = HOOK_TIMEOUT_S;
	if (json_int(&j, json_get(&j, 0, "timeout"), &timeout) == 0 &&
	    timeout > 0)
		h->timeout_s = timeout < HOOK_TIMEOUT_MAX_S
				   ? (uint64_t)timeout
				   : HOOK_TIMEOUT_MAX_S;
	h->deferred =
	    json_is(&j, json_get(&j, 0, "post_script_timing"), "repo_jobs");
	h->expose_passphrase =
	    json_bool(&j, json_get(&j, 0, "expose_passphrase"), false);
	json_release(&j);
	return 0;
}

void hookconfig_release(struct hookconfig *h)
{
	free(h->pre);
	free(h->post);
	memset(h, 0, sizeof(*h));
}
