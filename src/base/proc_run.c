/*
 * A child run to its end, in one poll loop over its output, its errors, its
 * death and a wish to stop. Nothing that a child does can make this wait for
 * ever: each state has an end of its own.
 */
#include "base/clock.h"
#include "base/limits.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum state {
	RUNNING,  /* until the time is up or the stop comes */
	LEFTOVER, /* dead, but a child of its holds the pipes */
	TERMED,	  /* asked to end */
	KILLED,	  /* told to end; even that may take time in the kernel */
	DONE
};

struct run {
	struct proc proc;
	int pipe[2]; /* of its output and errors, -1 at their end */
	struct buf *to[2];
	int death; /* a descriptor that becomes readable when it dies, or -1 */
	bool dead;
	int status;
	enum state state;
	uint64_t until; /* the end of the state */
	bool ours;	/* ended by us */
	bool asked;	/* because stop_fd said so */
};

static void run_enter(struct run *r, enum state state, int ms)
{
	r->state = state;
	r->until = ms < 0 ? CLOCK_NEVER : clock_ms() + (uint64_t)ms;
}

static void run_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void run_read(struct run *r, int i)
{
	char chunk[16 * KIB];
	ssize_t n = read(r->pipe[i], chunk, sizeof(chunk));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		run_close(&r->pipe[i]);
		return;
	}
	size_t room = r->to[i]->max - r->to[i]->len;
	buf_add(r->to[i], chunk, (size_t)n < room ? (size_t)n : room);
	mem_wipe(chunk, (size_t)n);
}

static void run_terminate(struct run *r)
{
	r->ours = true;
	proc_signal_group(&r->proc, SIGTERM);
	/* What is stopped gets a signal only when it goes on. */
	proc_signal_group(&r->proc, SIGCONT);
	run_enter(r, TERMED, PROC_TERM_MS);
}

static void run_kill(struct run *r)
{
	proc_signal_group(&r->proc, SIGKILL);
	run_enter(r, KILLED, PROC_KILL_MS);
}

/* What the state's end means. */
static void run_time_up(struct run *r)
{
	if (r->state == RUNNING)
		run_terminate(r);
	else if (r->state == KILLED)
		r->state = DONE;
	else
		run_kill(r);
}

static void run_advance(struct run *r, bool stop)
{
	int rc = r->dead ? 0 : proc_poll(&r->proc, &r->status);
	if (rc != 0)
		r->dead = true;
	if (rc < 0) /* somebody else took its status: not a success */
		r->status = PROC_STATUS_LOST;
	if (r->dead && r->pipe[0] < 0 && r->pipe[1] < 0) {
		r->state = DONE;
	} else if (r->dead && r->state == RUNNING) {
		run_enter(r, LEFTOVER, PROC_LEFTOVER_MS);
	} else if (stop && r->state == RUNNING) {
		r->asked = true;
		run_terminate(r);
	} else if (clock_ms() >= r->until) {
		run_time_up(r);
	}
}

static void run_loop(struct run *r, int stop_fd)
{
	while (r->state != DONE) {
		struct pollfd p[4] = {{r->pipe[0], POLLIN, 0},
		    {r->pipe[1], POLLIN, 0},
		    {r->dead ? -1 : r->death, POLLIN, 0},
		    {r->state == RUNNING ? stop_fd : -1, POLLIN, 0}};
		/* Without a descriptor for its death it is asked for. */
		int most = r->death >= 0 || r->dead ? -1 : PROC_POLL_MS;
		int wait = clock_wait(clock_ms(), r->until, most);
		if (poll(p, 4, wait) < 0)
			continue;
		for (int i = 0; i < 2; i++)
			if (p[i].revents != 0)
				run_read(r, i);
		run_advance(r, p[3].revents != 0);
	}
}

static int run_open_death(pid_t pid)
{
#ifdef SYS_pidfd_open
	return (int)syscall(SYS_pidfd_open, pid, 0);
#else
	(void)pid;
	return -1;
#endif
}

/* Makes the pipes that are wanted; theirs goes into the copy of the spec. */
static int run_pipes(struct run *r, struct proc_spec *spec)
{
	int *end[2] = {&spec->out, &spec->err};
	for (int i = 0; i < 2; i++) {
		int fds[2];
		if (r->to[i] == NULL)
			continue;
		if (i == 1 && r->to[0] == r->to[1]) {
			spec->err = spec->out;
			continue;
		}
		if (pipe2(fds, O_CLOEXEC) != 0)
			return -1;
		r->pipe[i] = fds[0];
		*end[i] = fds[1];
	}
	return 0;
}

/* Only when we ended it: what was it, and is it really gone? */
static int run_finish(
    struct run *r, const char *name, int timeout_ms, struct buf *why)
{
	if (!r->ours)
		return 0;
	/* Its children may have closed the pipes and ignored the rest. */
	proc_signal_group(&r->proc, SIGKILL);
	if (!r->dead) {
		r->status = SIGKILL;
		buf_addf(why, "%s does not end, not even when killed", name);
	} else if (r->asked) {
		buf_addf(why, "%s was stopped", name);
	} else {
		buf_addf(why, "%s was stopped: it did not end within %d s",
		    name, (timeout_ms + 999) / 1000);
	}
	return 1;
}

int proc_run(const struct proc_spec *spec, int timeout_ms, int stop_fd,
    struct buf *out, struct buf *err, int *status, struct buf *why)
{
	struct run r = {.pipe = {-1, -1}, .to = {out, err}, .death = -1};
	struct proc_spec theirs = *spec;
	int rc = -1;
	if (run_pipes(&r, &theirs) != 0)
		buf_addf(
		    why, "cannot start %s: %s", spec->argv[0], strerror(errno));
	else
		rc = proc_spawn(&r.proc, &theirs, why);
	if (theirs.err != spec->err && theirs.err != theirs.out)
		close(theirs.err);
	if (theirs.out != spec->out)
		close(theirs.out);
	if (rc == 0) {
		r.death = run_open_death(r.proc.pid);
		run_enter(&r, RUNNING, timeout_ms);
		run_loop(&r, stop_fd);
		rc = run_finish(&r, spec->argv[0], timeout_ms, why);
	}
	*status = r.status;
	run_close(&r.pipe[0]);
	run_close(&r.pipe[1]);
	run_close(&r.death);
	return rc;
}
