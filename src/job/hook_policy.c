/*
 * The judge of scripts. With a directory in [policy] hooks the file that is
 * executed is the resolved one, so that what was judged is what runs.
 */
#include "job/hook_policy.h"
#include "base/limits.h"
#include "base/proc_why.h"
#include "base/shellwords.h"
#include "base/text.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RULE "is refused by this host's policy ([policy] hooks = "

static int refuse(const struct config *c, const char *program, struct buf *why)
{
	buf_adds(why, "the script \"");
	text_add_escaped(why, program, strnlen(program, 300));
	buf_addf(why, "\" " RULE "%s)", c->hooks);
	return -1;
}

static bool is_anywhere(const struct config *c)
{
	return strcmp(c->hooks, "yes") == 0;
}

/* Does a part of the path lead upwards? */
static bool has_dots(const char *path)
{
	return strstr(path, "/../") != NULL || text_ends(path, "/..");
}

int hook_policy_words(const struct config *c, const char *line,
    struct words *words, struct buf *why)
{
	const char *reason = "it is empty";
	*words = (struct words)WORDS_INIT;
	if (strcmp(c->hooks, "no") == 0)
		return refuse(c, line, why);
	if (shellwords_split(words, line, &reason) != 0 || words->count == 0) {
		buf_adds(why, "the script \"");
		text_add_escaped(why, line, strnlen(line, 300));
		buf_addf(why, "\" cannot be run: %s", reason);
		return -1;
	}
	const char *program = words->list[0];
	if (!is_anywhere(c) && (program[0] != '/' || has_dots(program)))
		return refuse(c, program, why);
	/* Relative to what? A name without any slash is searched in PATH. */
	if (program[0] != '/' && strchr(program, '/') != NULL) {
		buf_adds(why, "the script \"");
		text_add_escaped(why, program, strnlen(program, 300));
		buf_adds(why, "\" is not an absolute path");
		return -1;
	}
	return 0;
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);
	while (n > 0 && dir[n - 1] == '/')
		n--;
	return strncmp(path, dir, n) == 0 && path[n] == '/';
}

int hook_policy_file(const struct config *c, const char *program, char **file,
    bool *missing, struct buf *why)
{
	int rc = 0;
	*missing = false;
	*file = NULL;
	if (is_anywhere(c)) {
		*file = strdup(program);
		if (*file == NULL)
			buf_adds(why, "out of memory");
		return *file != NULL ? 0 : -1;
	}
	char *found = realpath(program, NULL);
	if (found == NULL) {
		int error = errno;
		*missing = true;
		buf_addf(why, "cannot start %s: ", program);
		proc_why(why, program, error);
		return -1;
	}
	char *dir = realpath(c->hooks, NULL);
	if (dir == NULL || !is_below(found, dir)) {
		rc = refuse(c, program, why);
		free(found);
	} else {
		*file = found;
	}
	free(dir);
	return rc;
}
