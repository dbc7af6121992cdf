/*
 * The loop around one borg. borg flushes each log line, and a reader that
 * wakes for each makes borg switch context as often, which costs a third of
 * a backup's time. So after a read the pipe is left alone for a moment, with
 * a large pipe as the cushion; the timer, borg's end and the supervisor's
 * word wake the loop, whatever the pipe holds.
 */
#include "job/borg.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "job/ssh.h"
#include "job/stall.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* How long the pipe is left alone after a read. */
#define REST_MS 20
/* on_tick comes at least this often. */
#define TICK_MS 1000
/* borg that says nothing for this long is called silent. */
#define SILENT_MS 10000
/* Reads of borg's stdout before its log has its turn again; more than a pipe
 * holds. */
#define OUTPUT_READS 16
/* From SIGTERM to SIGKILL. */
#define GRACE_MS 10000
/* What stays of the group after borg's own end gets this long to go. */
#define LEFTOVER_MS 2000

struct loop {
	struct borg_run *run;
	struct proc borg;
	int log;	  /* read end of borg's stderr, -1 at its end */
	int out;	  /* read end of borg's stdout, -1 at its end */
	bool cut;	  /* it said more there than is kept */
	size_t pipe_size; /* what the kernel granted */
	struct buf lines;
	bool skipping; /* in the rest of a line that is too long */
	struct json json;
	uint64_t started_at, read_at, heard_at, tick_at;
	uint64_t stopped_at; /* SIGTERM was sent; 0: not */
	uint64_t killed_at;  /* SIGKILL was */
	struct stall stall;
	int status;
	bool ended, stuck;
};

void borg_run_init(struct borg_run *r, struct worker *w)
{
	memset(r, 0, sizeof(*r));
	r->worker = w;
	excerpt_init(&r->errors);
	excerpt_init(&r->all);
	buf_init(&r->summary, BORG_SUMMARY_MAX);
}

void borg_run_release(struct borg_run *r)
{
	excerpt_release(&r->errors);
	excerpt_release(&r->all);
	buf_release(&r->summary);
}

static void take_message(
    struct borg_run *r, const char *text, size_t len, bool is_warning)
{
	unsigned marks = borglog_lock_marks(text);
	r->lock_marks |= marks;
	r->other_errors += !is_warning && marks == 0;
	excerpt_add(&r->all, text, len);
	/* Only of a warning is it known that borg went on. */
	if (is_warning && borglog_is_routine(text)) {
		log_debug("borg: %s", text);
		return;
	}
	excerpt_add(&r->errors, text, len);
	if (is_warning) {
		r->warnings++;
		log_warning("borg: %s", text);
	} else {
		log_error("borg: %s", text);
	}
}

static void take_text(struct borg_run *r, const char *line, size_t len)
{
	struct buf text = BUF_INIT(BORG_LINE_MAX + 1);
	buf_add(&text, line, len);
	if (borglog_text_matters(buf_str(&text)))
		take_message(r, buf_str(&text), text.len, false);
	else
		log_debug("borg: %s", buf_str(&text));
	buf_release(&text);
}

static void take_line(struct loop *l, const char *line, size_t len)
{
	struct borg_run *r = l->run;
	struct borglog_event e;
	borglog_decode(&l->json, line, len, &e);
	if (e.kind != BORGLOG_FILE && e.kind != BORGLOG_LISTED)
		ssh_notice(r->worker, line, len);
	if (e.kind == BORGLOG_TEXT) {
		take_text(r, line, len);
		return;
	}
	if (e.kind == BORGLOG_MESSAGE) {
		struct buf text = BUF_INIT(BORG_LINE_MAX);
		if (json_text(&l->json, e.message, &text) == 0)
			take_message(r, buf_str(&text), text.len,
			    e.level == BORGLOG_WARNING);
		buf_release(&text);
	}
	if (r->on_event != NULL)
		r->on_event(r->ctx, &l->json, &e);
}

/* Hands out the whole lines of the buffer; keeps the rest. */
static void take_lines(struct loop *l)
{
	char *start = l->lines.data;
	size_t left = l->lines.len;
	char *end;
	while (left > 0 && (end = memchr(start, '\n', left)) != NULL) {
		size_t len = (size_t)(end - start);
		if (!l->skipping) {
			size_t text = len;
			*end = '\0';
			while (text > 0 && start[text - 1] == '\r')
				text--;
			take_line(l, start, text);
		}
		l->skipping = false;
		start = end + 1;
		left -= len + 1;
	}
	if (left >= BORG_LINE_MAX) {
		if (!l->skipping)
			take_line(l, start, BORG_LINE_MAX);
		l->skipping = true;
		left = 0;
	}
	buf_consume(&l->lines, l->lines.len - left);
}

/* Reads until the pipe is nearly dry, at most `most` bytes. Returns what came;
 * closes the pipe at its end. */
static size_t drain(struct loop *l, size_t most)
{
	size_t total = 0;
	while (l->log >= 0 && total < most) {
		char *space = buf_space(&l->lines, BORG_READ_MAX);
		ssize_t n = read(l->log, space, BORG_READ_MAX);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			if (l->lines.len > 0)
				buf_addc(&l->lines, '\n');
			take_lines(l);
			close(l->log);
			l->log = -1;
			break;
		}
		buf_grow(&l->lines, (size_t)n);
		total += (size_t)n;
		take_lines(l);
		if ((size_t)n < BORG_READ_MAX / 2)
			break;
	}
	return total;
}

static void read_log(struct loop *l, uint64_t now)
{
	size_t half = l->pipe_size / 2;
	size_t n = drain(l, l->pipe_size);
	if (n > 0)
		l->heard_at = now;
	/* A pipe that fills this fast is read again at once. */
	l->read_at = n >= half ? now : now + REST_MS;
}

static void tick(struct loop *l, uint64_t now)
{
	l->tick_at = now + TICK_MS;
	if (l->run->on_tick != NULL)
		l->run->on_tick(
		    l->run->ctx, now, now - l->heard_at >= SILENT_MS);
}

static void watch_activity(struct loop *l, uint64_t now)
{
	struct worker *w = l->run->worker;
	int hours = w->config->max_hours;
	if (!stall_is_due(&l->stall, now))
		return;
	bool hangs =
	    stall_look(&l->stall, proc_group_activity(l->borg.pid), now);
	if (hangs && w->stop == STOP_NONE)
		w->stop = STOP_STALLED;
	if (hours > 0 && w->stop == STOP_NONE &&
	    now - l->started_at >= (uint64_t)hours * 3600u * 1000u)
		w->stop = STOP_TOO_LONG;
}

/* borg itself first, so that it releases its locks; then all of it. */
static void stop_borg(struct loop *l, uint64_t now)
{
	if (l->run->worker->stop == STOP_NONE)
		return;
	if (l->stopped_at == 0) {
		log_info("stopping borg (%s)",
		    worker_stop_sentence(l->run->worker->stop));
		proc_signal(&l->borg, SIGTERM);
		l->run->stopped = true;
		l->stopped_at = now;
	} else if (l->killed_at == 0 && now - l->stopped_at >= GRACE_MS) {
		log_warning("borg did not end within 10 s: killing it");
		proc_signal_group(&l->borg, SIGKILL);
		l->killed_at = now;
	} else if (l->killed_at != 0 && now - l->killed_at >= CHILD_GONE_MS) {
		worker_stuck(l->run->worker, &l->borg);
		l->stuck = true;
	}
}

/* What borg says on its stdout, as far as it is kept. */
static void take_output(struct loop *l)
{
	struct buf *to = &l->run->summary;
	char chunk[16 * KIB];
	for (int i = 0; l->out >= 0 && i < OUTPUT_READS; i++) {
		ssize_t n = read(l->out, chunk, sizeof(chunk));
		size_t room = to->max - to->len;
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			return;
		if (n <= 0) {
			close(l->out);
			l->out = -1;
			return;
		}
		if ((size_t)n > room && !l->cut) {
			log_warning("borg prints more than %u bytes: the rest "
				    "is dropped",
			    BORG_SUMMARY_MAX);
			l->cut = true;
		}
		buf_add(to, chunk, (size_t)n < room ? (size_t)n : room);
	}
}

/* A pipe for borg's stdout; the end to write to is put into *write_end. */
static int open_output(struct loop *l, int *write_end)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	l->out = ends[0];
	*write_end = ends[1];
	return 0;
}

static int open_log(struct loop *l, int *write_end)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	for (size_t size = PIPE_SIZE; size > 64 * KIB; size /= 2) {
		if (fcntl(ends[0], F_SETPIPE_SZ, (int)size) >= 0)
			break;
	}
	int granted = fcntl(ends[0], F_GETPIPE_SZ);
	l->pipe_size = granted > 0 ? (size_t)granted : 64 * KIB;
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	l->log = ends[0];
	*write_end = ends[1];
	return 0;
}

static int start(struct loop *l, struct buf *why)
{
	struct borg_run *r = l->run;
	const struct config *c = r->worker->config;
	int log_end = -1, out_end = -1;
	l->log = l->out = -1;
	if (open_output(l, &out_end) != 0 || open_log(l, &log_end) != 0) {
		buf_addf(
		    why, "cannot prepare borg's output: %s", strerror(errno));
		if (out_end >= 0)
			close(out_end);
		return -1;
	}
	struct proc_spec spec = {.argv = r->argv,
	    .env = r->env,
	    .cwd = r->cwd,
	    .in = PROC_NULL,
	    .out = out_end,
	    .err = log_end,
	    .nice = c->nice,
	    .ioprio_class = c->ionice_class,
	    .ioprio_level = c->ionice_level};
	int rc = proc_spawn(&l->borg, &spec, why);
	close(log_end);
	close(out_end);
	if (rc != 0)
		return -1;
	uint64_t now = clock_ms();
	l->started_at = l->heard_at = l->tick_at = now;
	stall_init(&l->stall, now);
	worker_child(r->worker, l->borg.pid, l->borg.start);
	return 0;
}

/* One turn: sleep until something is due, then do what is due. */
static void turn(struct loop *l)
{
	struct worker *w = l->run->worker;
	uint64_t now = clock_ms();
	bool rest = l->log >= 0 && l->read_at > now;
	uint64_t wake = l->tick_at;
	if (rest && l->read_at < wake)
		wake = l->read_at;
	struct pollfd fds[4] = {{w->signals, POLLIN, 0},
	    {w->stop == STOP_ORPHANED ? -1 : w->link.sock, POLLIN, 0},
	    {rest ? -1 : l->log, POLLIN, 0}, {l->out, POLLIN, 0}};
	if (poll(fds, 4, clock_wait(now, wake, TICK_MS)) < 0 && errno != EINTR)
		log_debug("poll: %s", strerror(errno));
	if (fds[0].revents != 0 || fds[1].revents != 0)
		worker_listen(w);
	if (fds[3].revents != 0)
		take_output(l);

	now = clock_ms();
	if (l->log >= 0 && l->read_at <= now) {
		read_log(l, now);
		tick(l, now);
	} else if (l->tick_at <= now) {
		tick(l, now);
	}
	watch_activity(l, now);
	stop_borg(l, now);
	if (proc_poll(&l->borg, &l->status) != 0)
		l->ended = true;
}

/* borg has ended: take what is left in the pipe, and let nothing live on. */
static void finish(struct loop *l)
{
	struct proc group = l->borg;
	uint64_t until = clock_ms() + LEFTOVER_MS;
	drain(l, SIZE_MAX);
	while (proc_group_alive(&group) && clock_ms() < until) {
		struct pollfd fd = {l->log, POLLIN, 0};
		poll(&fd, 1, REST_MS);
		drain(l, SIZE_MAX);
		take_output(l);
	}
	proc_signal_group(&group, SIGKILL);
	drain(l, SIZE_MAX);
	take_output(l);
	worker_child(l->run->worker, 0, 0);
	l->run->exit_code = proc_exit_code(l->status);
}

int borg_run(struct borg_run *r, struct buf *why)
{
	struct loop l = {.run = r,
	    .log = -1,
	    .out = -1,
	    .json = JSON_INIT,
	    .status = PROC_STATUS_LOST};
	buf_init(&l.lines, BORG_READ_MAX + 2 * BORG_LINE_MAX);
	int rc = -1;
	/* All that it will ever need: nothing can be done about it later. */
	if (buf_space(&l.lines, l.lines.max) == NULL)
		buf_adds(why, "out of memory");
	else
		rc = start(&l, why);
	if (rc == 0) {
		while (!l.ended && !l.stuck)
			turn(&l);
		finish(&l);
	}
	if (l.log >= 0)
		close(l.log);
	if (l.out >= 0)
		close(l.out);
	json_release(&l.json);
	buf_release(&l.lines);
	return rc;
}
