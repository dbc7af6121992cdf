/* See update_state.h. One object of JSON; replaced whole. */
#include "bbs/update_state.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* No pointers: no relocations. */
static const char phases[UPDATE_PHASES][12] = {[UPDATE_NONE] = "none",
    [UPDATE_PENDING] = "pending",
    [UPDATE_INSTALLED] = "installed",
    [UPDATE_FAILED] = "failed",
    [UPDATE_ROLLED_BACK] = "rolled_back"};

static void take_text(
    char *to, size_t size, const struct json *j, const char *name)
{
	struct buf text = BUF_INIT(PATH_MAX);
	if (json_text(j, json_get(j, 0, name), &text) == 0)
		text_copy(to, size, buf_str(&text));
	buf_release(&text);
}

static void decode(struct update_state *s, const struct json *j)
{
	int phase = json_get(j, 0, "phase");
	take_text(s->from, sizeof(s->from), j, "from");
	take_text(s->to, sizeof(s->to), j, "to");
	take_text(s->program, sizeof(s->program), j, "program");
	take_text(s->reason, sizeof(s->reason), j, "reason");
	json_int(j, json_get(j, 0, "job_id"), &s->job_id);
	json_int(j, json_get(j, 0, "starts"), &s->starts);
	json_int(j, json_get(j, 0, "time"), &s->time);
	bool whole = release_is_version(s->from) && release_is_version(s->to) &&
		     s->program[0] == '/';
	for (int i = 0; i < UPDATE_PHASES; i++) {
		if (json_is(j, phase, phases[i]) &&
		    (whole || i == UPDATE_FAILED))
			s->phase = (enum update_phase)i;
	}
}

void update_state_read(const struct paths *p, struct update_state *s)
{
	struct buf text = BUF_INIT(UPDATE_STATE_MAX);
	struct json j = JSON_INIT;
	memset(s, 0, sizeof(*s));
	if (file_read(p->update, &text) == 0 && text.len > 0 &&
	    json_check(text.data, text.len, JSON_DEPTH_MAX, NULL, NULL) == 0 &&
	    json_parse(&j, text.data, text.len) == 0)
		decode(s, &j);
	json_release(&j);
	buf_release(&text);
}

int update_state_write(const struct paths *p, struct update_state *s)
{
	struct buf text = BUF_INIT(UPDATE_STATE_MAX);
	struct json_writer w = {&text, false};
	s->time = clock_wall();
	json_open(&w, NULL, '{');
	json_put(&w, "phase", phases[s->phase]);
	json_put(&w, "from", s->from);
	json_put(&w, "to", s->to);
	json_put(&w, "program", s->program);
	json_put_int(&w, "job_id", s->job_id);
	json_put_int(&w, "starts", s->starts);
	json_put_int(&w, "time", s->time);
	json_put(&w, "reason", s->reason);
	json_close(&w, '}');
	buf_addc(&text, '\n');
	int rc = -1;
	errno = ENOMEM;
	if (!text.failed)
		rc = file_write(p->update, text.data, text.len, 0644);
	buf_release(&text);
	return rc;
}

void update_state_clear(const struct paths *p)
{
	unlink(p->update);
	file_sync_dir(p->update);
}

static void add_day(struct buf *out, const char *before, int64_t seconds)
{
	struct tm tm = {0};
	time_t t = (time_t)seconds;
	gmtime_r(&t, &tm);
	buf_addf(out, " %s %04d-%02d-%02d", before, tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday);
}

void update_state_tell(const struct update_state *s, struct buf *out)
{
	if (s->phase == UPDATE_NONE)
		return;
	if (s->phase == UPDATE_INSTALLED)
		buf_addf(out, "updated from %s to %s", s->from, s->to);
	else if (s->phase == UPDATE_PENDING)
		buf_addf(out, "%s is in its place", s->to);
	else if (s->phase == UPDATE_ROLLED_BACK)
		buf_addf(out, "%s was taken back", s->to);
	else if (s->to[0] != '\0')
		buf_addf(out, "%s was not installed", s->to);
	else
		buf_adds(out, "the update failed");
	add_day(out, s->phase == UPDATE_PENDING ? "since" : "on", s->time);
	if (s->phase == UPDATE_PENDING)
		buf_adds(out, s->starts == 0
				  ? "; it takes over when no job runs"
				  : "; the server has not answered it yet");
	else if (s->phase != UPDATE_INSTALLED)
		buf_addf(out, ": %s", s->reason);
}

int update_lock(const struct paths *p)
{
	int fd = open(p->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

void update_name(
    char name[UPDATE_NAME_MAX], const char *program, const char *suffix)
{
	snprintf(name, UPDATE_NAME_MAX, "%s%s", program, suffix);
}

int update_swap(const char *program, struct buf *why)
{
	char fresh[UPDATE_NAME_MAX], old[UPDATE_NAME_MAX];
	update_name(fresh, program, UPDATE_NEW);
	update_name(old, program, UPDATE_OLD);
	if (file_keep(program, old) != 0)
		buf_addf(why, "cannot keep the program that runs as %s: %s",
		    old, strerror(errno));
	else if (rename(fresh, program) != 0)
		buf_addf(
		    why, "cannot replace %s: %s", program, strerror(errno));
	else {
		file_sync_dir(program);
		return 0;
	}
	return -1;
}

int update_swap_back(const char *program, struct buf *why)
{
	char old[UPDATE_NAME_MAX];
	update_name(old, program, UPDATE_OLD);
	if (rename(old, program) != 0) {
		buf_addf(why, "cannot put %s back into its place: %s", old,
		    strerror(errno));
		return -1;
	}
	file_sync_dir(program);
	return 0;
}
