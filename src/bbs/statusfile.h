/*
 * What a running agent tells of itself: /run/bbs-agent/status.json, written by
 * the supervisor and read by `bbs-agent status` and whoever likes, and the
 * last jobs, which outlive it in /var/lib/bbs-agent/history.json. The keys are
 * promised (README: "Status as JSON").
 *
 * Texts are the caller's in what is encoded, and the structure's own in what
 * was decoded. A number below 0, a time of 0 and a text of NULL are unknown,
 * and null in the file. Times are seconds since 1970.
 */
#ifndef BBS_STATUSFILE_H
#define BBS_STATUSFILE_H

#include "base/buf.h"
#include <stdint.h>

/* Jobs in the table that are told of; the rest only counts as waiting. */
#define STATUS_JOBS_MAX 8
/* Jobs of the past. */
#define STATUS_PAST_MAX 10

struct status_job {
	int64_t id;
	const char *type, *archive;
	const char *state; /* waiting, starting, running or reporting */
	const char *message;
	int64_t started;
	int64_t files, files_total, bytes, bytes_total;
	int64_t rate, left; /* bytes per second, seconds */
};

struct status_past {
	int64_t id;
	const char *type, *archive;
	const char *result; /* completed, failed or abandoned */
	bool warnings;
	const char *reason;	/* a sentence of the agent's own */
	const char *repository; /* repository.h: without a password */
	int64_t started, ended;
	int64_t files, bytes, stored; /* stored: after deduplication */
	const char *error; /* report_gist; for root alone, in history.json */
};

struct status {
	const char *version;
	int64_t pid, pid_start; /* clock ticks since boot, as in /proc */
	int64_t started, written;
	bool stopping;

	const char *url;
	int64_t answered;      /* the server's last good answer */
	int64_t failing_since; /* 0: it answers */
	int64_t failures;      /* in a row */
	const char *failing;   /* a sentence: why */
	int64_t poll_interval, next_poll;

	const char *ssh_state; /* works, refused, failed, missing, untested */
	const char *ssh_text;
	int64_t ssh_checked;
	const char *borg_version, *borg_path;
	const char *borg_failing; /* a sentence: why it cannot be used */
	int64_t reports;	  /* that wait for the server */
	const char *reports_failing;

	/* as in config.ini; NULL: anything */
	const char *tasks, *commands, *hooks;
	const char *restore_to, *browse, *backup_from; /* a path a line */

	const char *layers, *missing, *sandbox_note; /* of the sandbox */
	const char *update;

	struct status_job job[STATUS_JOBS_MAX];
	int job_count;
	int64_t jobs_waiting;
	struct status_past past[STATUS_PAST_MAX]; /* the newest first */
	int past_count;
};

enum status_part { STATUS_WHOLE, STATUS_HISTORY };

/* Appends one line of JSON, its end included. Secrets that the log knows are
 * hidden (log_redact). */
void status_encode(
    const struct status *s, enum status_part part, struct buf *out);
/* 0, or -1 when the text is no such file; *s is filled in both cases and
 * to be given to status_release. What is missing in it is unknown. */
int status_decode(
    struct status *s, enum status_part part, const char *text, size_t len);
void status_release(struct status *s);
/* Frees the texts of one that was decoded, or made with strdup. */
void status_past_release(struct status_past *p);

#endif
