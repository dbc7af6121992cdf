/*
 * The catalogue's channel: ssh, what it has not taken yet, and when it is
 * given up. A broken channel costs the catalogue, never the backup.
 */
#include "job/catalog.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "job/ssh.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* A batch is written when it holds this much, or when the moment says so. */
#define BATCH_BYTES (64u * KIB)
#define BATCH_MAX (BATCH_BYTES + 256u * KIB)
/* What moves from the spill file to ssh at once, and how often before borg's
 * log has its turn again. */
#define SPILL_STEP (64u * KIB)
#define SPILL_STEPS 16
/* ssh that takes nothing for this long is given up. */
#define PATIENCE_MS 120000
#define WAIT_STEP_MS 1000

static void give_up(struct catalog *c, const char *reason)
{
	if (c->broken.len > 0)
		return;
	buf_adds(&c->broken, reason);
	/* A job that is being stopped has ended its ssh itself. */
	log_at(
	    c->worker->stop != STOP_NONE ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
	    "the file catalogue is not sent any more: %s", reason);
	if (c->pipe >= 0)
		close(c->pipe);
	c->pipe = -1;
	if (c->spill >= 0)
		close(c->spill);
	c->spill = -1;
	buf_reset(&c->batch);
}

/* Why ssh ended: what it said, or its code. */
static void give_up_ended(struct catalog *c)
{
	struct buf said = BUF_INIT(16 * KIB), text = BUF_INIT(64 * KIB);
	buf_addf(&text, "ssh ended with code %d", c->exit_code);
	if (c->errors >= 0 && lseek(c->errors, 0, SEEK_SET) == 0 &&
	    file_read_fd(c->errors, &said) == 0 && said.len > 0) {
		while (said.len > 0 &&
		       strchr("\r\n", said.data[said.len - 1]) != NULL)
			said.data[--said.len] = '\0';
		struct buf clean = BUF_INIT(64 * KIB);
		text_add_utf8(&clean, buf_str(&said), said.len);
		ssh_notice(c->worker, buf_str(&clean), clean.len);
		buf_adds(&text, ": ");
		text_add_escaped(&text, buf_str(&clean),
		    text_cut(buf_str(&clean), clean.len, 300));
		buf_release(&clean);
	}
	give_up(c, buf_str(&text));
	buf_release(&said);
	buf_release(&text);
}

static bool reap(struct catalog *c)
{
	int status = PROC_STATUS_LOST;
	if (c->reaped || c->ssh.pid == 0)
		return true;
	if (proc_poll(&c->ssh, &status) == 0)
		return false;
	c->reaped = true;
	c->exit_code = proc_exit_code(status);
	return true;
}

static int start_ssh(struct catalog *c, struct buf *why)
{
	struct ssh_command command;
	struct buf remote = BUF_INIT(64);
	int ends[2] = {-1, -1}, rc = -1;
	buf_addf(
	    &remote, "catalog-write %lld", (long long)c->worker->task->job_id);
	if (ssh_command_build(
		&command, c->worker, buf_str(&remote), false, why) != 0)
		goto out;
	c->errors = file_unnamed(c->worker->paths->state);
	if (c->errors < 0 || pipe2(ends, O_CLOEXEC) != 0) {
		buf_addf(why, "no pipe to ssh: %s", strerror(errno));
		goto out;
	}
	for (size_t size = PIPE_SIZE; size > 64 * KIB; size /= 2) {
		if (fcntl(ends[1], F_SETPIPE_SZ, (int)size) >= 0)
			break;
	}
	struct proc_spec spec = {.argv = command.argv,
	    .in = ends[0],
	    .out = PROC_NULL,
	    .err = c->errors};
	rc = proc_spawn(&c->ssh, &spec, why);
	close(ends[0]);
	if (rc != 0) {
		close(ends[1]);
		goto out;
	}
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	c->pipe = ends[1];
out:
	ssh_command_release(&command);
	buf_release(&remote);
	return rc;
}

void catalog_open(struct catalog *c, struct worker *w)
{
	struct buf why = BUF_INIT(4 * KIB);
	memset(c, 0, sizeof(*c));
	c->worker = w;
	c->pipe = c->errors = c->spill = -1;
	c->moved_at = clock_ms();
	buf_init(&c->batch, BATCH_MAX);
	buf_init(&c->broken, 4 * KIB);
	catalog_lines_init(&c->lines);
	if (start_ssh(c, &why) != 0)
		give_up(c, buf_str(&why));
	buf_release(&why);
}

/* Bytes that ssh took (0: none now), -1 when the channel is gone. */
static ssize_t offer(struct catalog *c, const void *p, size_t len)
{
	ssize_t n = write(c->pipe, p, len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0)
		c->moved_at = clock_ms();
	return n;
}

/* The file first: what is in it is older than the batch. Returns 1 when it
 * is empty, 0 when ssh had its share of this turn, -1 when the channel broke.
 */
static int pump_spill(struct catalog *c)
{
	char step[SPILL_STEP];
	for (int i = 0; c->spill_read < c->spill_written; i++) {
		if (i == SPILL_STEPS)
			return 0;
		uint64_t left = c->spill_written - c->spill_read;
		size_t want = left < sizeof(step) ? (size_t)left : sizeof(step);
		ssize_t have =
		    pread(c->spill, step, want, (off_t)c->spill_read);
		if (have <= 0)
			return -1;
		ssize_t n = offer(c, step, (size_t)have);
		if (n < 0)
			return -1;
		c->spill_read += (uint64_t)n;
		if (n < have)
			return 0;
	}
	if (c->spill_written > 0 && ftruncate(c->spill, 0) == 0)
		c->spill_read = c->spill_written = 0;
	return 1;
}

static int spill(struct catalog *c)
{
	if (c->spill < 0) {
		c->spill = file_unnamed(c->worker->paths->state);
		if (c->spill < 0)
			return -1;
	}
	if (c->spill_written + c->batch.len > CATALOG_SPILL_MAX) {
		errno = EFBIG;
		return -1;
	}
	if (lseek(c->spill, (off_t)c->spill_written, SEEK_SET) < 0 ||
	    file_write_all(c->spill, c->batch.data, c->batch.len) != 0)
		return -1;
	c->spill_written += c->batch.len;
	buf_reset(&c->batch);
	return 0;
}

void catalog_pump(struct catalog *c, uint64_t now, bool flush)
{
	if (c->pipe < 0)
		return;
	int room = pump_spill(c);
	bool due = c->batch.len >= BATCH_BYTES || (flush && c->batch.len > 0);
	if (room == 1 && due) {
		ssize_t n = offer(c, c->batch.data, c->batch.len);
		if (n > 0)
			buf_consume(&c->batch, (size_t)n);
		if (n < 0)
			room = -1;
	}
	if (room < 0) {
		/* A broken pipe: ssh is about to say why. */
		for (int i = 0; i < 50 && !reap(c); i++)
			poll(NULL, 0, 20);
		if (c->reaped)
			give_up_ended(c);
		else
			give_up(c, "ssh does not take it any more");
		return;
	}
	if (c->batch.len >= BATCH_BYTES && spill(c) != 0) {
		struct buf why = BUF_INIT(KIB);
		buf_addf(&why, "ssh is too slow and %s: %s",
		    c->worker->paths->state, strerror(errno));
		give_up(c, buf_str(&why));
		buf_release(&why);
		return;
	}
	bool waiting = c->batch.len > 0 || c->spill_written > 0;
	if (!waiting)
		c->moved_at = now;
	/* The caller's now may lie before what ssh took just now. */
	else if (now >= c->moved_at + PATIENCE_MS)
		give_up(c, "ssh took nothing for 120 s");
}

void catalog_add(struct catalog *c, const struct borglog_event *e)
{
	if (c->pipe < 0)
		return;
	int rc = catalog_line(&c->lines, e, &c->batch);
	if (rc == 1)
		return;
	if (c->batch.len >= BATCH_BYTES || rc < 0) {
		catalog_pump(c, clock_ms(), false);
		if (rc < 0 && c->pipe >= 0)
			catalog_line(&c->lines, e, &c->batch);
	}
}

/* Sleeps until ssh takes something, ends, or a second has passed. */
static void wait_a_while(struct catalog *c, void (*on_wait)(void *), void *ctx)
{
	struct worker *w = c->worker;
	struct pollfd fds[3] = {{w->signals, POLLIN, 0},
	    {w->link.sock, POLLIN, 0}, {c->pipe, POLLOUT, 0}};
	if (c->batch.len == 0 && c->spill_written == 0)
		fds[2].fd = -1;
	poll(fds, 3, WAIT_STEP_MS);
	worker_listen(w);
	if (on_wait != NULL)
		on_wait(ctx);
}

int catalog_finish(struct catalog *c, void (*on_wait)(void *), void *ctx)
{
	struct worker *w = c->worker;
	while (c->pipe >= 0 && w->stop == STOP_NONE) {
		catalog_pump(c, clock_ms(), true);
		if (c->pipe < 0 || (c->batch.len == 0 && c->spill_written == 0))
			break;
		if (reap(c)) {
			give_up_ended(c);
			break;
		}
		wait_a_while(c, on_wait, ctx);
	}
	if (c->broken.len > 0)
		return -1;
	if (c->pipe >= 0)
		close(c->pipe);
	c->pipe = -1;
	uint64_t until = clock_ms() + PATIENCE_MS;
	while (!reap(c) && w->stop == STOP_NONE && clock_ms() < until)
		wait_a_while(c, on_wait, ctx);
	if (!c->reaped)
		give_up(c,
		    w->stop != STOP_NONE
			? "the job was stopped"
			: "ssh did not end within 120 s after the last line");
	else if (c->exit_code != 0)
		give_up_ended(c);
	return c->broken.len > 0 ? -1 : 0;
}

void catalog_close(struct catalog *c)
{
	if (c->pipe >= 0)
		close(c->pipe);
	if (!reap(c)) {
		proc_signal_group(&c->ssh, SIGTERM);
		for (int i = 0; i < 50 && !reap(c); i++)
			poll(NULL, 0, 20);
	}
	proc_signal_group(&c->ssh, SIGKILL);
	uint64_t until = clock_ms() + CHILD_GONE_MS;
	while (!reap(c) && clock_ms() < until)
		poll(NULL, 0, 20);
	if (!reap(c))
		worker_stuck(c->worker, &c->ssh);
	if (c->errors >= 0)
		close(c->errors);
	if (c->spill >= 0)
		close(c->spill);
	catalog_lines_release(&c->lines);
	buf_release(&c->batch);
	buf_release(&c->broken);
}
