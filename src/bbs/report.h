/* What goes to the server: progress and the final status, as JSON. */
#ifndef BBS_REPORT_H
#define BBS_REPORT_H

#include "base/buf.h"
#include "base/limits.h"
#include "base/pack.h"

enum report_result { REPORT_COMPLETED, REPORT_FAILED, REPORT_ABANDONED };

struct report {
	int64_t job_id;
	enum report_result result;
	bool is_backup; /* adds archive_name and the two sizes */
	const char *archive_name;
	int64_t files_total, files_processed;
	int64_t bytes_total, bytes_processed;
	int64_t original_size, deduplicated_size;
	bool had_warnings;
	const char *error_log;	 /* NULL or "": left out; cut to its limit */
	const char *output_log;	 /* the same */
	bool output_whole;	 /* output_log is not cut: a tree */
	const char *task_result; /* the same, never cut */
	/* The objects of databases_backed_up's groups, commas between; NULL
	 * or "": no dumps ran. */
	const char *database_groups;
};

/* Appends the body of POST status. 0 or -1 (no room). */
int report_encode(const struct report *r, struct buf *out);
/* A final report that needs nothing but a sentence. */
int report_encode_failed(int64_t job_id, enum report_result result,
    const char *sentence, struct buf *out);
/* The least that a report may be, for when there is no memory for it. */
#define REPORT_LEAST_MAX 160
size_t report_least(
    int64_t job_id, enum report_result result, char out[REPORT_LEAST_MAX]);

/* The same report, smaller: one with a tree (a list_dir) with the tree's
 * entries halved `times` times; any other without output_log and task_result,
 * and with error_log cut.
 * Appends. 1 when it can become smaller still, 0 when not; -1, and nothing
 * appended, when body is no report. */
int report_shorten(
    const char *body, size_t len, unsigned times, struct buf *out);

/* Of an error_log what a person wants first, in one line: its first two lines;
 * of a traceback the one that names the error. Secrets that the log knows are
 * hidden. Appends. */
void report_gist(const char *error_log, struct buf *out);
/* Of a report its result, its numbers and the gist of error_log, from a worker
 * to the supervisor; of what was unpacked the rest is 0, and its text is the
 * message's. 0 or -1. */
void report_pack(const struct report *r, struct buf *out);
int report_unpack(struct report *r, struct unpack *u);

/* The state of a running job. Numbers below 0 are left out. */
struct progress {
	int64_t files_total, files_processed;
	int64_t bytes_total, bytes_processed;
	char message[STATUS_MESSAGE_MAX + 1]; /* "": left out */
};
#define PROGRESS_INIT              \
	{                          \
		-1, -1, -1, -1, "" \
	}

/* Appends the body of POST progress. log (may be NULL) is sent with level
 * "info", "warning" or "error". */
int progress_encode(const struct progress *p, int64_t job_id, const char *level,
    const char *log, struct buf *out);
void progress_pack(const struct progress *p, struct buf *out);
int progress_unpack(struct progress *p, struct unpack *u);

#endif
