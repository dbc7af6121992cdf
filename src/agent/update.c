/*
 * An update has put another program into our place (bbs/update_state.h). The
 * old version executes it when nothing runs; the new one counts its starts
 * until the server has answered a poll and it ran for a while, and when there
 * are too many it puts the old one back and executes that. Whoever it is then
 * owes the server the report of the job that began it.
 */
#include "agent/update.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc_hide.h"
#include "base/text.h"
#include "base/version.h"
#include "bbs/journal.h"
#include "bbs/spoolfile.h"
#include "bbs/update_state.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_ENV "BBS_AGENT_LOCK_FD"

int update_inherit_lock(const struct agent *a)
{
	const char *text = getenv(LOCK_ENV);
	struct stat theirs, ours;
	uint64_t fd;
	if (text == NULL || text_to_u64(text, 3, INT32_MAX, &fd) != 0)
		return -1;
	unsetenv(LOCK_ENV);
	if (fstat((int)fd, &theirs) != 0 || stat(a->paths->lock, &ours) != 0 ||
	    theirs.st_ino != ours.st_ino || theirs.st_dev != ours.st_dev ||
	    fcntl((int)fd, F_SETFD, FD_CLOEXEC) != 0)
		return -1;
	return (int)fd;
}

static void save(const struct agent *a, struct update_state *s)
{
	if (update_state_write(a->paths, s) != 0)
		log_error(
		    "cannot write %s: %s", a->paths->update, strerror(errno));
}

/* Tells the job's end; from here on the report is the spool's. */
static void report(struct agent *a, struct update_state *s,
    enum report_result result, const char *sentence)
{
	struct buf body = BUF_INIT(REPORT_BODY_MAX);
	struct report r = {.job_id = s->job_id, .result = result};
	if (result == REPORT_COMPLETED)
		r.output_log = sentence;
	else
		r.error_log = sentence;
	if (s->job_id == 0)
		return;
	report_encode(&r, &body);
	if (spoolfile_write(
		a->paths->spool, s->job_id, buf_str(&body), body.len) != 0)
		spool_add(a, s->job_id, buf_str(&body), body.len);
	a->spool.pending = true;
	buf_release(&body);
	journal_remove(a->paths, s->job_id);
	s->job_id = 0;
	a->update_job = 0;
}

static void execute(struct agent *a, const char *program, char **argv)
{
	char number[16];
	snprintf(number, sizeof(number), "%d", a->lock);
	setenv(LOCK_ENV, number, 1);
	fcntl(a->lock, F_SETFD, 0);
	/* What it starts is to have the limits that we were given. */
	proc_unlimit_cores();
	execve(program, argv, environ);
	proc_hide();
	log_error("cannot execute %s: %s", program, strerror(errno));
	fcntl(a->lock, F_SETFD, FD_CLOEXEC);
	unsetenv(LOCK_ENV);
}

/* The old program is in its place again, or all stays as it is. */
static int put_back(struct agent *a, struct update_state *s, const char *reason)
{
	struct buf why = BUF_INIT(4 * KIB);
	int rc = update_swap_back(s->program, &why);
	if (rc != 0) {
		log_error("%s", buf_str(&why));
	} else {
		log_error("bbs-agent %s is taken back: %s", s->to, reason);
		text_copy(s->reason, sizeof(s->reason), reason);
		s->phase = UPDATE_ROLLED_BACK;
		save(a, s);
	}
	buf_release(&why);
	return rc;
}

/* We are the new version, and nobody knows yet whether it is any good. */
static void open_new(struct agent *a, struct update_state *s, char **argv)
{
	char reason[sizeof(s->reason)];
	if (s->starts >= UPDATE_STARTS_MAX) {
		snprintf(reason, sizeof(reason),
		    "it was started %d times and ended unexpectedly each time",
		    (int)s->starts);
		if (put_back(a, s, reason) == 0) {
			alarm(0);
			execute(a, s->program, argv);
			return;
		}
	}
	s->starts++;
	save(a, s);
	/* Should it hang before the loop sets its own. */
	alarm(UPDATE_HANG_S);
	a->unproven = true;
	a->unheard = s->phase == UPDATE_PENDING;
	a->update_job = s->job_id;
	a->update_at = clock_ms() + UPDATE_ROUND_MS;
	if (s->job_id != 0)
		journal_remove(a->paths, s->job_id);
	log_info("updated from %s; start %d of %d until it has proved itself",
	    s->from, (int)s->starts, UPDATE_STARTS_MAX);
}

/* We are the old one, and it went no further. */
static void drop(struct agent *a, struct update_state *s)
{
	struct buf text = BUF_INIT(KIB);
	if (s->phase == UPDATE_PENDING) {
		buf_addf(&text,
		    "the update to %s was interrupted: %s is in its place",
		    s->to, BBS_VERSION);
		log_warning("%s", buf_str(&text));
		report(a, s, REPORT_FAILED, buf_str(&text));
	}
	update_state_clear(a->paths);
	buf_release(&text);
}

static void tell_rolled_back(struct agent *a, struct update_state *s)
{
	struct buf text = BUF_INIT(KIB);
	if (s->job_id == 0)
		return;
	buf_addf(&text, "bbs-agent %s was taken back: %s. This is %s again",
	    s->to, s->reason, BBS_VERSION);
	report(a, s, REPORT_FAILED, buf_str(&text));
	save(a, s);
	buf_release(&text);
}

/* Is it about the version that runs? */
static bool is_ours(const struct update_state *s)
{
	return (s->phase == UPDATE_PENDING || s->phase == UPDATE_INSTALLED) &&
	       strcmp(s->to, BBS_VERSION) == 0;
}

/* What `status` shows. */
static void tell(struct agent *a)
{
	struct update_state s;
	struct buf text = BUF_INIT(KIB);
	update_state_read(a->paths, &s);
	update_state_tell(&s, &text);
	statusfile_update(a, text.len > 0 ? buf_str(&text) : NULL);
	buf_release(&text);
}

/* The file that we run from; replaced: another one has its name meanwhile. */
static void find_self(char path[UPDATE_NAME_MAX], bool *replaced)
{
	static const char gone[] = " (deleted)";
	ssize_t n = readlink("/proc/self/exe", path, UPDATE_NAME_MAX - 1);
	path[n > 0 ? n : 0] = '\0';
	*replaced = text_ends(path, gone);
	if (*replaced)
		path[strlen(path) - strlen(gone)] = '\0';
}

/* Nobody updates but us: what a crash has left is cleared away, and a version
 * that came into our place since we started takes over. */
static void settle(struct agent *a, struct update_state *s)
{
	char self[UPDATE_NAME_MAX], fresh[UPDATE_NAME_MAX];
	bool replaced;
	find_self(self, &replaced);
	if (self[0] != '/' || strlen(self) >= PATH_MAX)
		return;
	update_name(fresh, self, UPDATE_NEW);
	if (!replaced)
		unlink(fresh);
	if (is_ours(s))
		return;
	if (s->phase == UPDATE_PENDING && replaced &&
	    strcmp(self, s->program) == 0)
		update_wanted(a, 0);
	else if (s->phase == UPDATE_PENDING || s->phase == UPDATE_INSTALLED)
		drop(a, s);
}

/* Another process may be at it: then later. */
static void look(struct agent *a, uint64_t now)
{
	struct update_state s;
	int lock = update_lock(a->paths);
	if (lock < 0) {
		a->update_at = now + UPDATE_AGAIN_MS;
		return;
	}
	a->update_at = 0;
	update_state_read(a->paths, &s);
	settle(a, &s);
	tell(a);
	close(lock);
}

void update_open(struct agent *a, char **argv)
{
	char self[UPDATE_NAME_MAX];
	bool replaced;
	struct update_state s;
	update_state_read(a->paths, &s);
	find_self(self, &replaced);
	if (s.phase == UPDATE_ROLLED_BACK)
		tell_rolled_back(a, &s);
	if (is_ours(&s) && strcmp(self, s.program) == 0 &&
	    (s.phase == UPDATE_PENDING || s.starts > 0)) {
		open_new(a, &s, argv);
		tell(a);
	} else {
		look(a, clock_ms());
	}
}

bool update_wanted(struct agent *a, int64_t job_id)
{
	struct update_state s;
	tell(a);
	/* A trial may have told the server another version. */
	a->info_at = clock_ms();
	update_state_read(a->paths, &s);
	if (s.phase != UPDATE_PENDING || is_ours(&s) ||
	    (job_id != 0 && s.job_id != job_id))
		return false;
	if (!a->take_over)
		log_info("bbs-agent %s is in its place: it takes over when "
			 "nothing runs",
		    s.to);
	a->take_over = true;
	a->update_job = s.job_id;
	return true;
}

bool update_has(const struct agent *a, int64_t job_id)
{
	return a->update_job != 0 && a->update_job == job_id;
}

void update_answered(struct agent *a)
{
	struct update_state s;
	struct buf text = BUF_INIT(KIB);
	if (!a->unheard)
		return;
	a->unheard = false;
	a->update_rounds = 0;
	update_state_read(a->paths, &s);
	buf_addf(
	    &text, "bbs-agent %s works: updated from %s", BBS_VERSION, s.from);
	log_info("%s", buf_str(&text));
	report(a, &s, REPORT_COMPLETED, buf_str(&text));
	s.phase = UPDATE_INSTALLED;
	save(a, &s);
	tell(a);
	buf_release(&text);
}

/* It ran long enough, or ends in good order: its starts no longer count, or
 * this one does not. */
static void prove(struct agent *a, uint64_t now)
{
	struct update_state s;
	int lock = update_lock(a->paths);
	if (lock < 0) {
		a->update_at = now + UPDATE_AGAIN_MS;
		return;
	}
	update_state_read(a->paths, &s);
	if (is_ours(&s)) {
		s.starts = a->unheard ? s.starts - 1 : 0;
		save(a, &s);
	}
	close(lock);
	a->unproven = false;
	a->update_at = 0;
	alarm(0);
}

static bool give_up(struct agent *a)
{
	struct update_state s;
	update_state_read(a->paths, &s);
	if (!is_ours(&s) || put_back(a, &s,
				"it ran for an hour without an answer from the "
				"server") != 0)
		return false;
	return a->take_over = true;
}

static void end_round(struct agent *a, uint64_t now)
{
	a->update_at = now + UPDATE_ROUND_MS;
	a->update_rounds++;
	if (!a->unheard && a->update_rounds >= UPDATE_PROVEN_ROUNDS)
		prove(a, now);
	else if (a->unheard && a->update_rounds == UPDATE_UNHEARD_ROUNDS &&
		 give_up(a))
		a->update_at = now; /* the loop turns at once */
}

uint64_t update_watch(struct agent *a, uint64_t now)
{
	bool due = a->update_at != 0 && now >= a->update_at;
	if (a->unproven)
		alarm(UPDATE_HANG_S);
	if (due && a->unproven)
		end_round(a, now);
	else if (due)
		look(a, now);
	return a->update_at != 0 ? a->update_at : CLOCK_NEVER;
}

void update_close(struct agent *a)
{
	if (a->unproven)
		prove(a, clock_ms());
}

void update_execute(struct agent *a, char **argv)
{
	struct update_state s;
	update_state_read(a->paths, &s);
	if (s.phase == UPDATE_PENDING) {
		log_info("bbs-agent %s takes over", s.to);
		/* Should it hang before it can set its own. */
		alarm(UPDATE_HANG_S);
		execute(a, s.program, argv);
		if (put_back(a, &s, "it could not be executed") != 0)
			return;
	}
	if (s.phase == UPDATE_ROLLED_BACK) {
		alarm(0);
		execute(a, s.program, argv);
	}
}
