/*
 * The log. It owns the level, the prefix and the copies of the secrets of
 * this process. It refuses to be split over lines, to show a secret, and to
 * stop the program when nobody reads it.
 */
#include "base/log.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log_file.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Shorter ones would blank out ordinary words. */
#define SECRET_MIN 4

static struct {
	enum log_level level;
	int fd;
	bool journal;
	char prefix[64];
	char *secret[LOG_SECRETS_MAX];
	unsigned next; /* the slot that is filled next, the oldest one */
} logger = {.level = LOG_LEVEL_INFO, .fd = STDERR_FILENO};

/* JOURNAL_STREAM holds device:inode of the stream that the journal reads. */
static bool log_is_journal(int fd)
{
	struct stat st;
	char ours[48];
	const char *stream = getenv("JOURNAL_STREAM");
	if (stream == NULL || fstat(fd, &st) != 0)
		return false;
	snprintf(ours, sizeof(ours), "%llu:%llu", (unsigned long long)st.st_dev,
	    (unsigned long long)st.st_ino);
	return strcmp(stream, ours) == 0;
}

void log_open(enum log_level level, int fd)
{
	logger.level = level;
	logger.fd = fd >= 0 ? fd : STDERR_FILENO;
	logger.journal = log_is_journal(logger.fd);
}

bool log_in_journal(void)
{
	return logger.journal;
}

void log_prefix(const char *prefix)
{
	text_copy(logger.prefix, sizeof(logger.prefix), prefix);
}

static void log_drop_secret(char **slot)
{
	if (*slot != NULL)
		mem_wipe(*slot, strlen(*slot));
	free(*slot);
	*slot = NULL;
}

void log_hide(const char *secret)
{
	if (secret == NULL || strlen(secret) < SECRET_MIN)
		return;
	for (unsigned i = 0; i < LOG_SECRETS_MAX; i++) {
		const char *known = logger.secret[i];
		if (known != NULL && strcmp(known, secret) == 0)
			return;
	}
	char **slot = &logger.secret[logger.next];
	log_drop_secret(slot);
	*slot = strdup(secret);
	logger.next = (logger.next + 1) % LOG_SECRETS_MAX;
}

void log_forget(void)
{
	for (unsigned i = 0; i < LOG_SECRETS_MAX; i++)
		log_drop_secret(&logger.secret[i]);
	logger.next = 0;
}

/* Length of the longest secret that text begins with, or 0. */
static size_t log_secret_at(const char *text, size_t left)
{
	size_t longest = 0;
	for (unsigned i = 0; i < LOG_SECRETS_MAX; i++) {
		const char *secret = logger.secret[i];
		if (secret == NULL || secret[0] != text[0])
			continue;
		size_t len = strlen(secret);
		if (len <= left && len > longest &&
		    memcmp(secret, text, len) == 0)
			longest = len;
	}
	return longest;
}

/* Secrets may overlap: every byte that belongs to any of them goes. */
void log_redact(struct buf *out, const char *text, size_t len)
{
	size_t until = 0;
	for (size_t i = 0; i < len; i++) {
		size_t n = log_secret_at(text + i, len - i);
		if (n > 0 && until <= i)
			buf_adds(out, "***");
		if (i + n > until && n > 0)
			until = i + n;
		if (i >= until)
			buf_addc(out, text[i]);
	}
}

static void log_add_head(struct buf *line, enum log_level level)
{
	static const char name[][6] = {"ERROR", "WARN", "INFO", "DEBUG"};
	static const char priority[] = "3467";
	if (logger.journal) {
		buf_addf(line, "<%c>", priority[level]);
		return;
	}
	struct tm tm = {0};
	time_t now = (time_t)clock_wall();
	gmtime_r(&now, &tm);
	buf_addf(line, "%04d-%02d-%02dT%02d:%02d:%02dZ %-5s ",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec, name[level]);
}

static void log_write(const char *line, size_t len)
{
	log_file_turn(logger.fd);
	while (write(logger.fd, line, len) < 0 && errno == EINTR)
		continue;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	if (level > logger.level)
		return;
	int saved = errno;
	struct buf text = BUF_INIT(LOG_TEXT_MAX);
	struct buf hidden = BUF_INIT(2 * LOG_TEXT_MAX);
	struct buf line = BUF_INIT(8 * LOG_TEXT_MAX + LOG_LINE_MAX);
	va_list ap;
	va_start(ap, fmt);
	/* Not cut before the secrets are out: half a secret is not found. */
	if (buf_addv(&text, fmt, ap) != 0) {
		buf_reset(&text);
		buf_adds(&text, "(a message too long for the log)");
	}
	va_end(ap);
	log_add_head(&line, level);
	buf_adds(&hidden, logger.prefix);
	log_redact(&hidden, buf_str(&text), text.len);
	text_add_escaped(&line, buf_str(&hidden), hidden.len);
	if (!hidden.failed && line.data != NULL) {
		size_t len = text_cut(line.data, line.len, LOG_LINE_MAX - 1);
		line.data[len] = '\n';
		log_write(line.data, len + 1);
	}
	buf_wipe(&text);
	buf_release(&hidden);
	buf_release(&line);
	errno = saved;
}
