/*
 * The log: one line an event. On stderr with a time stamp, or with a syslog
 * priority prefix (<6>) in its place when the service manager's journal reads
 * it (JOURNAL_STREAM names our stderr), or to a file. Lines are written with
 * one write(2); control characters are escaped; registered secrets are
 * replaced by ***. A process that cannot write its log goes on.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* fd -1 means stderr. The descriptor stays the caller's. */
void log_open(enum log_level level, int fd);
/* Does the journal read it, and so the priority before each line? */
bool log_in_journal(void);
/* A text put before each message of this process ("job 12: "), or "". */
void log_prefix(const char *prefix);
/* Hides a secret of 4 characters or more from now on (a copy is kept, wiped
 * by log_forget). Over LOG_SECRETS_MAX the oldest is replaced. */
void log_hide(const char *secret);
void log_forget(void);
/* Appends the text with the registered secrets replaced, for what is told to
 * others than the log. */
void log_redact(struct buf *out, const char *text, size_t len);

void log_at(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
