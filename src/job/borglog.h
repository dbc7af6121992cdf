/*
 * borg's log, line by line: pure decoding and judging, no I/O.
 * PROTOCOL: "borg", its log.
 */
#ifndef JOB_BORGLOG_H
#define JOB_BORGLOG_H

#include "base/json.h"

enum borglog_kind {
	BORGLOG_TEXT,	 /* not JSON: tracebacks, usage, ssh's messages */
	BORGLOG_FILE,	 /* file_status */
	BORGLOG_ARCHIVE, /* archive_progress */
	BORGLOG_PERCENT, /* progress_percent */
	BORGLOG_PHASE,	 /* progress_message */
	BORGLOG_MESSAGE, /* log_message, WARNING and above */
	BORGLOG_LISTED,	 /* log_message of borg.output.list: one item */
	BORGLOG_OTHER
};

enum borglog_level { BORGLOG_WARNING, BORGLOG_ERROR, BORGLOG_CRITICAL };

struct borglog_event {
	enum borglog_kind kind;
	/* FILE; the texts are still escaped and point into the line */
	char status;
	const char *path, *path_b64; /* path_b64: NULL mostly */
	size_t path_len, path_b64_len;
	/* ARCHIVE; -1 when not said */
	int64_t nfiles, original_size;
	/* PERCENT; -1 when not said */
	int64_t current, total;
	bool finished;	 /* ARCHIVE, PERCENT */
	bool is_extract; /* PERCENT: of an extraction, in bytes */
	/* MESSAGE: node of the text in the struct json */
	enum borglog_level level;
	int message;
};

/* Decodes one line (no newline). j is scratch that is kept between lines. */
void borglog_decode(
    struct json *j, const char *line, size_t len, struct borglog_event *e);
/* A warning that every busy host has and nobody can act on. */
bool borglog_is_routine(const char *message);
/* A text line that says why borg failed. */
bool borglog_text_matters(const char *line);

/* What the messages of a run add up to. */
#define BORGLOG_NOT_LOCKED 1u	  /* NotLocked was seen */
#define BORGLOG_RELEASE_FAILED 2u /* "Failed to release the lock" */
unsigned borglog_lock_marks(const char *text);

#endif
