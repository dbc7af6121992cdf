/*
 * One loop around one program, or two of which the second reads the first's
 * output. It waits for their ends, their output, the supervisor and the
 * clock at once, and for none of them for ever.
 */
#include "job/child.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "job/stall.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define TICK_MS 1000
/* After its end something may still hold its pipes: read for this long. */
#define LEFTOVER_MS 2000
/* What was killed is waited for, for this long: a dead mount may hold it. */
#define GONE_MS 2000

struct stage {
	struct proc proc;
	bool ended;
	int status;
};

struct loop {
	struct child *child;
	struct stage stages[2];
	int count;
	int output, errors; /* read ends, -1 */
	int feed;	    /* the filter's input, for last_words; -1 */
	uint64_t started_at, tick_at;
	uint64_t stopped_at; /* SIGTERM was sent; 0: not */
	uint64_t killed_at;  /* SIGKILL was */
	struct stall stall;
	uint64_t ended_at; /* all have ended; 0: not yet */
};

void child_init(struct child *c, struct worker *w)
{
	memset(c, 0, sizeof(*c));
	c->worker = w;
	c->in = c->out = PROC_NULL;
	c->grace_ms = CHILD_GRACE_MS;
	buf_init(&c->output, CHILD_OUTPUT_MAX);
	buf_init(&c->errors, CHILD_ERRORS_MAX);
}

void child_release(struct child *c)
{
	buf_wipe(&c->output);
	buf_wipe(&c->errors);
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static size_t at_most(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Keeps the head, a quarter, and the tail: what explains a failure stands in
 * one of them. Returns how many bytes were dropped. */
static size_t keep_ends(struct buf *b, const char *bytes, size_t len)
{
	size_t head = b->max / 4, tail = b->max - head, dropped = 0;
	if (b->len < head) {
		size_t n = at_most(len, head - b->len);
		buf_add(b, bytes, n);
		bytes += n;
		len -= n;
	}
	if (len > tail) {
		dropped = len - tail;
		bytes += dropped;
		len = tail;
	}
	if (len > b->max - b->len) {
		/* Half of the tail goes at once, not a byte for a byte. */
		size_t keep = at_most(tail - len, tail / 2);
		size_t old = b->len - head;
		memmove(b->data + head, b->data + b->len - keep, keep);
		b->len = head + keep;
		b->data[b->len] = '\0';
		dropped += old - keep;
	}
	buf_add(b, bytes, len);
	return dropped;
}

static size_t keep_head(struct buf *b, const char *bytes, size_t len)
{
	size_t n = at_most(len, b->max - b->len);
	buf_add(b, bytes, n);
	return len - n;
}

static void take(int *fd, struct buf *to, uint64_t *cut, bool ends)
{
	char chunk[16 * KIB];
	ssize_t n = read(*fd, chunk, sizeof(chunk));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		close_end(fd);
		return;
	}
	*cut += (ends ? keep_ends : keep_head)(to, chunk, (size_t)n);
	mem_wipe(chunk, (size_t)n);
}

static int start_stage(struct loop *l, const char *const *argv, int in, int out,
    int err, struct buf *why)
{
	const struct child *c = l->child;
	const struct config *config = c->worker->config;
	struct proc_spec spec = {.argv = argv,
	    .env = c->env,
	    .cwd = c->cwd,
	    .in = in,
	    .out = out,
	    .err = err,
	    .nice = c->bulk ? config->nice : 0,
	    .ioprio_class = c->bulk ? config->ionice_class : 0,
	    .ioprio_level = config->ionice_level};
	if (proc_spawn(&l->stages[l->count].proc, &spec, why) != 0)
		return -1;
	l->count++;
	return 0;
}

static int start_stages(struct loop *l, int out, int err, struct buf *why)
{
	const struct child *c = l->child;
	int between[2] = {-1, -1};
	if (c->filter == NULL)
		return start_stage(l, c->argv, c->in, out, err, why);
	if (pipe2(between, O_CLOEXEC) != 0) {
		buf_addf(
		    why, "cannot start %s: %s", c->argv[0], strerror(errno));
		return -1;
	}
	int rc = start_stage(l, c->argv, c->in, between[1], err, why);
	if (rc == 0)
		rc = start_stage(l, c->filter, between[0], out, err, why);
	close(between[0]);
	if (rc == 0 && c->last_words != NULL)
		l->feed = between[1];
	else
		close(between[1]);
	return rc;
}

/* A pipe whose reading end is put into *fd; returns the other one. */
static int open_pipe(int *fd)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	*fd = ends[0];
	return ends[1];
}

/* The pipes that are wanted, then the programs. */
static int start(struct loop *l, struct buf *why)
{
	const struct child *c = l->child;
	bool collect = c->out == CHILD_COLLECT;
	bool join = c->join && collect;
	int out = collect ? open_pipe(&l->output) : c->out;
	int err = join ? out : open_pipe(&l->errors);
	int rc = -1;
	if (err < 0 || (collect && out < 0))
		buf_addf(
		    why, "cannot start %s: %s", c->argv[0], strerror(errno));
	else
		rc = start_stages(l, out, err, why);
	if (collect && out >= 0)
		close(out);
	if (!join && err >= 0)
		close(err);
	l->started_at = l->tick_at = clock_ms();
	stall_init(&l->stall, l->started_at);
	if (rc == 0)
		worker_child(
		    c->worker, l->stages[0].proc.pid, l->stages[0].proc.start);
	return rc;
}

static void signal_all(const struct loop *l, int sig)
{
	for (int i = 0; i < l->count; i++)
		proc_signal_group(&l->stages[i].proc, sig);
}

/* Is the job to stop, as far as this program goes along with that? */
static bool is_to_stop(const struct child *c)
{
	if (c->goes_on)
		return c->worker->stop == STOP_ORPHANED;
	return c->worker->stop != STOP_NONE;
}

/* Whatever of the group is left counts, and so does the filter. */
static void watch(struct loop *l, uint64_t now)
{
	uint64_t activity = 0;
	if (!l->child->watched || !stall_is_due(&l->stall, now))
		return;
	for (int i = 0; i < l->count; i++)
		activity += proc_group_activity(l->stages[i].proc.pid);
	if (stall_look(&l->stall, activity, now) &&
	    l->child->worker->stop == STOP_NONE)
		l->child->worker->stop = STOP_STALLED;
}

static void stop_if_told(struct loop *l, uint64_t now)
{
	struct child *c = l->child;
	/* It came to its end by itself: that counts. */
	if (l->ended_at != 0)
		return;
	int hours = c->worker->config->max_hours;
	if (c->bulk && hours > 0 && c->worker->stop == STOP_NONE &&
	    now - l->started_at >= (uint64_t)hours * 3600u * 1000u)
		c->worker->stop = STOP_TOO_LONG;
	if (l->stopped_at == 0) {
		c->stopped = is_to_stop(c);
		c->timed_out = !c->stopped && c->timeout_ms > 0 &&
			       now - l->started_at >= c->timeout_ms;
		if (!c->stopped && !c->timed_out)
			return;
		signal_all(l, SIGTERM);
		/* What is stopped gets a signal only when it goes on. */
		signal_all(l, SIGCONT);
		l->stopped_at = now;
	} else if (l->killed_at == 0 && now - l->stopped_at >= c->grace_ms) {
		signal_all(l, SIGKILL);
		l->killed_at = now;
	} else if (l->killed_at != 0 && now - l->killed_at >= CHILD_GONE_MS) {
		c->stuck = true;
	}
}

static void see_ends(struct loop *l, uint64_t now)
{
	bool all = true;
	for (int i = 0; i < l->count; i++) {
		struct stage *s = &l->stages[i];
		int rc = s->ended ? 1 : proc_poll(&s->proc, &s->status);
		if (rc < 0)
			s->status = PROC_STATUS_LOST;
		s->ended = rc != 0;
		all = all && s->ended;
	}
	if (all && l->ended_at == 0)
		l->ended_at = now;
}

static bool is_over(const struct loop *l, uint64_t now)
{
	if (l->ended_at == 0)
		return l->child->stuck;
	return (l->output < 0 && l->errors < 0) ||
	       now - l->ended_at >= LEFTOVER_MS;
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When there is something to do, should nothing happen before. */
static uint64_t next_wake(const struct loop *l)
{
	const struct child *c = l->child;
	uint64_t wake = l->tick_at;
	if (l->ended_at != 0)
		return earliest(wake, l->ended_at + LEFTOVER_MS);
	if (l->stopped_at != 0 && l->killed_at == 0)
		return earliest(wake, l->stopped_at + c->grace_ms);
	if (l->stopped_at == 0 && c->timeout_ms > 0)
		return earliest(wake, l->started_at + c->timeout_ms);
	return wake;
}

/* The filter's input ends when its feeder has, with last_words if it was
 * whole. The pipe is shared with the feeder, so that it can be made
 * non-blocking only now. */
static void say_last_words(struct loop *l)
{
	const char *words = l->child->last_words;
	if (l->feed < 0 || !l->stages[0].ended)
		return;
	if (proc_exit_code(l->stages[0].status) == 0 && l->stopped_at == 0) {
		fcntl(l->feed, F_SETFL, O_NONBLOCK);
		if (write(l->feed, words, strlen(words)) < 0 &&
		    (errno == EAGAIN || errno == EINTR))
			return;
	}
	close_end(&l->feed);
}

/* One turn: sleep until something happens, then look at everything. */
static void turn(struct loop *l)
{
	struct child *c = l->child;
	struct worker *w = c->worker;
	short link = w->link.out.len > 0 ? POLLIN | POLLOUT : POLLIN;
	struct pollfd fds[5] = {{w->signals, POLLIN, 0},
	    {w->stop == STOP_ORPHANED ? -1 : w->link.sock, link, 0},
	    {l->output, POLLIN, 0}, {l->errors, POLLIN, 0},
	    {l->stages[0].ended ? l->feed : -1, POLLOUT, 0}};
	uint64_t now = clock_ms();
	if (poll(fds, 5, clock_wait(now, next_wake(l), TICK_MS)) < 0 &&
	    errno != EINTR)
		log_debug("poll: %s", strerror(errno));
	if (fds[0].revents != 0 || fds[1].revents != 0)
		worker_listen(w);
	if (fds[2].revents != 0)
		take(&l->output, &c->output, &c->output_cut, c->join);
	if (fds[3].revents != 0)
		take(&l->errors, &c->errors, &c->errors_cut, true);
	now = clock_ms();
	if (l->tick_at <= now) {
		l->tick_at = now + TICK_MS;
		if (c->on_tick != NULL)
			c->on_tick(c->ctx);
	}
	see_ends(l, now);
	watch(l, now);
	stop_if_told(l, now);
	say_last_words(l);
}

/* The kernel needs a moment: whoever called must not find it still writing. */
static void end_groups(struct loop *l)
{
	uint64_t until = clock_ms() + GONE_MS;
	signal_all(l, SIGKILL);
	for (int i = 0; i < l->count; i++) {
		struct stage *s = &l->stages[i];
		while (clock_ms() < until) {
			if (!s->ended)
				s->ended = proc_poll(&s->proc, &s->status) != 0;
			if (s->ended && !proc_group_alive(&s->proc))
				break;
			poll(NULL, 0, PROC_POLL_MS);
		}
	}
}

static void finish(struct loop *l)
{
	struct child *c = l->child;
	if (!c->may_leave || l->stopped_at != 0)
		end_groups(l);
	for (int i = 0; i < l->count && c->stuck; i++) {
		if (!l->stages[i].ended)
			worker_stuck(c->worker, &l->stages[i].proc);
	}
	worker_child(c->worker, 0, 0);
	c->exit_code = proc_exit_code(l->stages[0].status);
	if (l->count == 1)
		return;
	/* The second one's failure ends the first by a broken pipe. */
	int second = proc_exit_code(l->stages[1].status);
	if (c->exit_code == 0 || (c->exit_code == 128 + SIGPIPE && second != 0))
		c->exit_code = second;
}

int child_run(struct child *c, struct buf *why)
{
	struct loop l = {.child = c, .output = -1, .errors = -1, .feed = -1};
	l.stages[0].status = l.stages[1].status = PROC_STATUS_LOST;
	int rc = start(&l, why);
	if (rc == 0) {
		while (!is_over(&l, clock_ms()))
			turn(&l);
		finish(&l);
	} else {
		/* The first of two may run already. */
		end_groups(&l);
	}
	close_end(&l.output);
	close_end(&l.errors);
	close_end(&l.feed);
	return rc;
}
