/*
 * Splitting by the rules of POSIX: nothing is special between single quotes;
 * between double quotes a backslash covers only $ ` " \ and the end of the
 * line; elsewhere it covers whatever comes next. A line that a shell would
 * wait to see the rest of is refused.
 */
#include "base/shellwords.h"
#include <string.h>

#define BLANKS " \t\r\n"

/* Both take what stands behind the opening quote, and return what stands
 * behind the closing one; NULL when there is none. */
static const char *take_single(struct buf *word, const char *p)
{
	const char *end = strchr(p, '\'');
	if (end == NULL)
		return NULL;
	buf_add(word, p, (size_t)(end - p));
	return end + 1;
}

static const char *take_double(struct buf *word, const char *p)
{
	for (; *p != '"'; p++) {
		if (*p == '\0')
			return NULL;
		if (*p == '\\' && p[1] == '\n') {
			p++;
			continue;
		}
		if (*p == '\\' && p[1] != '\0' && strchr("$`\"\\", p[1]))
			p++;
		buf_addc(word, *p);
	}
	return p + 1;
}

/* One word, which is not empty unless quoted; returns what follows it. */
static const char *take_word(struct buf *word, const char *p, const char **why)
{
	while (*p != '\0' && strchr(BLANKS, *p) == NULL) {
		if (*p == '\'' || *p == '"') {
			p = *p == '"' ? take_double(word, p + 1)
				      : take_single(word, p + 1);
			if (p == NULL) {
				*why = "a quote is not closed";
				return NULL;
			}
			continue;
		}
		if (*p == '\\' && p[1] == '\n') {
			p += 2;
			continue;
		}
		if (*p == '\\' && *++p == '\0') {
			*why = "it ends in a backslash";
			return NULL;
		}
		buf_addc(word, *p++);
	}
	return p;
}

int shellwords_split(struct words *out, const char *line, const char **why)
{
	struct buf word = BUF_INIT(strlen(line));
	const char *p = line;
	int rc = 0;
	while (rc == 0 && p != NULL) {
		/* A backslash joins two lines. */
		while (*p != '\0' && (strchr(BLANKS, *p) != NULL ||
					 (*p == '\\' && p[1] == '\n')))
			p += *p == '\\' ? 2 : 1;
		if (*p == '\0')
			break;
		buf_reset(&word);
		p = take_word(&word, p, why);
		if (p == NULL)
			rc = -1;
		else if (word.failed ||
			 words_add_n(out, buf_str(&word), word.len) != 0) {
			*why = "out of memory";
			rc = -1;
		}
	}
	buf_wipe(&word);
	return rc;
}

void shellwords_quote(struct buf *out, const char *word)
{
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	    "@%_+=:,./-";
	if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
		buf_adds(out, word);
		return;
	}
	buf_addc(out, '\'');
	for (; *word != '\0'; word++) {
		if (*word == '\'')
			buf_adds(out, "'\\''");
		else
			buf_addc(out, *word);
	}
	buf_addc(out, '\'');
}
