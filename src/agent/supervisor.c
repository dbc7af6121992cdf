/*
 * The supervisor: one loop that owns all state, never blocks, and never reads
 * a byte from the network.
 *
 * The walk of one task through the house: a timer fires and calls.c asks
 * `net` for tasks (net/net.c hands it to the network process); answers.c
 * takes the answer: bbs/task.c decodes each task, policy.c judges it, jobs.c
 * has the table. When its turn comes (runner_schedule), calls.c notes the job
 * in the journal (bbs/journal.c) and announces it; the server's yes makes
 * runner.c fork its worker. There job/worker.c looks up which code does it:
 * job/backup.c runs the plugins (job/plugin.c), then borg through job/borg.c,
 * whose log feeds progress and the catalogue. Progress comes back over a
 * socket and goes out by calls.c. The worker writes the final report into the
 * spool and says FINAL; spool.c sends it by a second `net` until the server
 * acknowledges it; then post-scripts run (job/hook_owed.c), and the journal
 * goes. Jobs without a repository (browsing, a plugin's test) begin at once,
 * beside another, and are not announced.
 *
 * Beside that walk: helpers.c asks about this host, fetch.c downloads for a
 * job by a third `net`, recovery.c does at the start what a crash left undone,
 * and update.c goes over to another version of this program, and back.
 *
 * It refuses to be the second agent on one root, and it ends only when it is
 * told to.
 */
#include "agent/supervisor.h"
#include "agent/agent.h"
#include "agent/done.h"
#include "agent/notify.h"
#include "agent/notify_status.h"
#include "agent/recovery.h"
#include "agent/statusfile.h"
#include "agent/update.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/signals.h"
#include "base/text.h"
#include "base/version.h"
#include "setup/lockfile.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A service manager kills after 15 s at the latest; borg gets 10. */
#define STOP_MS 14000
/* A worker that outlived an earlier agent has written its report by then. */
#define SPOOL_WATCH_MS 120000u
/* How long processes that were killed may take to go. */
#define REAP_MS 500
/* Jobs whose sockets are polled; the rest is read when a child ends. */
#define POLLED_JOBS_MAX 56
/* --once gives up on a report after this many failures in a row. */
#define ONCE_FAILURES_MAX 3

static int open_lock(struct agent *a)
{
	a->lock = update_inherit_lock(a);
	if (a->lock < 0)
		a->lock = open(a->paths->lock,
		    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	const char *wrong = a->lock < 0 ? strerror(errno) : file_flaw(a->lock);
	if (wrong == NULL)
		return 0;
	bool odd = a->lock >= 0 || errno == ELOOP || errno == EISDIR;
	log_error("cannot use the lock %s: %s%s", a->paths->lock, wrong,
	    odd ? "; remove it" : "");
	return -1;
}

/* One agent at a time: the spool's directory is closed to others. */
static int take_lock(struct agent *a)
{
	struct lockfile other;
	int gate = open(a->paths->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (gate >= 0)
		(void)flock(gate, LOCK_EX);
	int rc = open_lock(a);
	if (rc == 0 && lockfile_take(a->paths->lock, &a->lock) != 0) {
		lockfile_read(a->paths->lock, &other);
		log_error(
		    "another agent (pid %d) runs here already: %s is locked",
		    other.pid, a->paths->lock);
		rc = -1;
	}
	if (rc == 0 && lockfile_write(a->lock, false) != 0)
		log_debug("cannot write the lock: %s", strerror(errno));
	if (gate >= 0)
		close(gate);
	return rc;
}

static int open_signals(void)
{
	static const int wanted[] = {
	    SIGTERM, SIGINT, SIGCHLD, SIGHUP, SIGUSR1, SIGUSR2};
	return signals_open(wanted, sizeof(wanted) / sizeof(wanted[0]));
}

static int open_dirs(const struct paths *p)
{
	const char *failed = NULL;
	if (paths_make(p, &failed) != 0) {
		log_error("cannot make the directory %s: %s", failed,
		    strerror(errno));
		return -1;
	}
	struct buf why = BUF_INIT(8 * KIB);
	int rc = paths_close(p, &why);
	if (rc != 0)
		log_error("%s", buf_str(&why));
	buf_release(&why);
	return rc;
}

static int open_agent(struct agent *a, char **argv)
{
	if (open_dirs(a->paths) != 0 || take_lock(a) != 0)
		return -1;
	update_open(a, argv);
	a->signals = open_signals();
	if (a->signals < 0) {
		log_error("cannot receive signals: %s", strerror(errno));
		return -1;
	}
	a->alarm = clock_alarm_new();
	/* Reports of an earlier life. */
	a->spool.pending = true;
	a->spool.watch_until = clock_ms() + SPOOL_WATCH_MS;
	struct buf why = BUF_INIT(4 * KIB);
	int rc = nets_open(a, a->config, &why);
	if (rc != 0)
		log_error("%s", buf_str(&why));
	buf_release(&why);
	if (rc != 0)
		return -1;
	done_load(&a->jobs, a->paths);
	statusfile_open(a);
	recovery_open(a, clock_ms());
	return 0;
}

/* Waits for those that were just killed, so that no zombie is left to
 * whoever started us. A worker that still stops its borg is not waited for. */
static void reap_killed(void)
{
	uint64_t until = clock_ms() + REAP_MS;
	pid_t pid;
	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0 && clock_ms() < until) {
		if (pid == 0)
			poll(NULL, 0, 1);
	}
}

static void close_agent(struct agent *a)
{
	helpers_dismiss(&a->sysinfo);
	helpers_dismiss(&a->ssh_test);
	recovery_close(a);
	statusfile_close(a);
	jobs_release(&a->jobs);
	nets_close(a);
	reap_killed();
	spool_keep(a);
	buf_release(&a->host);
	buf_release(&a->early);
	json_release(&a->answer);
	if (a->signals >= 0)
		close(a->signals);
	if (a->alarm >= 0)
		close(a->alarm);
}

static void begin_stop(struct agent *a, uint64_t now)
{
	if (a->stopping)
		return;
	log_info("stopping");
	notify_send("STOPPING=1\nSTATUS=stopping");
	a->stopping = true;
	a->stop_at = now + STOP_MS;
	helpers_dismiss(&a->sysinfo);
	helpers_dismiss(&a->ssh_test);
	for (struct job *job = a->jobs.first; job != NULL; job = job->next)
		runner_stop_job(job, STOP_SERVICE);
	recovery_stop(a);
}

static void reap_children(struct agent *a, uint64_t now)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (WIFSIGNALED(status))
			a->unswept = true;
		if (!net_reap(a->polls, pid, status) &&
		    !net_reap(a->reports, pid, status) &&
		    !fetch_reap(a, pid, status))
			runner_reap(a, pid, status, now);
	}
}

static void take_signals(struct agent *a, uint64_t now)
{
	struct signalfd_siginfo info;
	while (read(a->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGTERM:
		case SIGINT:
			begin_stop(a, now);
			break;
		case SIGUSR1:
			/* Somebody wants it now, trouble or not, and not
			 * what the server said before. */
			a->poll_at = now;
			a->poll_again = a->call == CALL_TASKS;
			a->trouble.hold_until = 0;
			break;
		case SIGUSR2:
			update_wanted(a, 0);
			break;
		case SIGHUP:
			reload_config(a, now);
			break;
		default:
			break;
		}
	}
	reap_children(a, now);
}

static bool has_workers(const struct agent *a)
{
	if (a->sysinfo.pid != 0 || a->ssh_test.pid != 0 || recovery_runs(a))
		return true;
	for (const struct job *job = a->jobs.first; job != NULL;
	     job = job->next) {
		if (job->pid != 0 && !job->stuck)
			return true;
	}
	return false;
}

/* Is the server just being told that a job begins? It counts as running from
 * then on, so the answer is wanted, to report that it does not. */
static bool is_announcing(const struct agent *a)
{
	const struct job *job = jobs_find(&a->jobs, a->call_job);
	return a->call == CALL_PROGRESS && job != NULL &&
	       job->state == JOB_STARTING;
}

static bool has_open_jobs(const struct agent *a)
{
	for (const struct job *job = a->jobs.first; job != NULL;
	     job = job->next) {
		if (job->state != JOB_REPORTING ||
		    (job->pid != 0 && !job->stuck))
			return true;
	}
	return false;
}

/* --once: is everything done, or as far as it can be? */
static bool once_is_over(struct agent *a)
{
	if (a->call != CALL_NONE)
		return false;
	/* Jobs that cannot even be announced are left to the next run. */
	if (a->trouble.failures >= ONCE_FAILURES_MAX && !has_workers(a)) {
		a->once_failed = true;
		return true;
	}
	if (has_open_jobs(a) || recovery_busy(a))
		return false;
	if (a->spool.trouble.failures >= ONCE_FAILURES_MAX)
		a->once_failed = true;
	if (a->once_failed && !a->polled)
		return true;
	if (!a->polled || helpers_busy(&a->ssh_test) || a->want_ssh_test)
		return false;
	return spool_is_empty(a) ||
	       a->spool.trouble.failures >= ONCE_FAILURES_MAX;
}

/* Nothing that would be lost, or asked twice, is under way. */
static bool may_take_over(const struct agent *a)
{
	return a->take_over && !a->stopping && a->call == CALL_NONE &&
	       a->spool.sending == 0 && a->spool.memory == NULL &&
	       !has_workers(a);
}

static bool is_over(struct agent *a, uint64_t now)
{
	if (may_take_over(a))
		return true;
	if (a->stopping)
		return now >= a->stop_at ||
		       (!has_workers(a) && !is_announcing(a) &&
			   (spool_is_empty(a) ||
			       a->spool.trouble.failures > 0));
	return a->once && once_is_over(a);
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Begins whatever is due and can begin. */
static void do_what_is_due(struct agent *a)
{
	uint64_t now = clock_ms();
	if (a->unswept && !has_workers(a))
		recovery_sweep(a);
	helpers_begin(a, now);
	runner_schedule(a, now);
	calls_begin(a, now);
	fetch_begin(a, now);
	spool_begin(a, now);
	history_save(a);
	statusfile_write(a, now);
}

/* When the loop must wake, should nothing happen before. */
static uint64_t next_wake(struct agent *a, uint64_t now, uint64_t watchdog)
{
	uint64_t wake = earliest(runner_orphans(a, now), calls_due(a));
	wake = earliest(wake, recovery_watch(a, now));
	wake = earliest(wake, spool_due(a));
	wake = earliest(wake, net_deadline(a->polls));
	wake = earliest(wake, net_deadline(a->reports));
	wake = earliest(wake, fetch_due(a));
	wake = earliest(wake, statusfile_due(a));
	wake = earliest(wake, runner_overdue(a, now));
	wake = earliest(wake, helpers_overdue(a, now));
	wake = earliest(wake, notify_status(a, now));
	wake = earliest(wake, update_watch(a, now));
	if (a->stopping)
		wake = earliest(wake, a->stop_at);
	return watchdog != 0 ? earliest(wake, now + watchdog) : wake;
}

static struct pollfd watch(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};
	return p;
}

static struct pollfd watch_net(const struct net *n)
{
	short events = 0;
	int fd = n != NULL ? net_fd(n, &events) : -1;
	return watch(fd, events);
}

static bool is_net_due(
    const struct net *n, const struct pollfd *fd, uint64_t now)
{
	return fd->revents != 0 || net_deadline(n) <= now;
}

static struct pollfd watch_helper(const struct helper *h)
{
	return watch(helpers_busy(h) ? h->link.sock : -1, POLLIN);
}

/* Sleeps until something happens or is due, and takes in what came. */
static void wait_and_take(struct agent *a, uint64_t watchdog)
{
	enum { SIGNALS, ALARM, POLLS, REPORTS, FETCH, SYSINFO, SSH_TEST, JOBS };
	struct pollfd fds[JOBS + POLLED_JOBS_MAX];
	struct job *polled[POLLED_JOBS_MAX];
	nfds_t jobs = 0;
	fds[SIGNALS] = watch(a->signals, POLLIN);
	fds[ALARM] = watch(a->alarm, POLLIN);
	fds[POLLS] = watch_net(a->polls);
	fds[REPORTS] = watch_net(a->reports);
	fds[FETCH] = watch_net(a->fetch.net);
	fds[SYSINFO] = watch_helper(&a->sysinfo);
	fds[SSH_TEST] = watch_helper(&a->ssh_test);
	for (struct job *job = a->jobs.first;
	     job != NULL && jobs < POLLED_JOBS_MAX; job = job->next) {
		if (job->pid == 0)
			continue;
		fds[JOBS + jobs] = watch(job->link.sock, POLLIN);
		polled[jobs++] = job;
	}
	uint64_t now = clock_ms();
	uint64_t wake = next_wake(a, now, watchdog);
	int timeout = clock_wait(now, wake, -1);
	clock_alarm_set(a->alarm, wake);
	if (poll(fds, JOBS + jobs, timeout) < 0) {
		if (errno == EINTR)
			return;
		log_error(
		    "cannot wait: %s; again in a second", strerror(errno));
		nanosleep(&(struct timespec){1, 0}, NULL);
		return;
	}

	now = clock_ms();
	for (nfds_t i = 0; i < jobs; i++) {
		if (fds[JOBS + i].revents != 0)
			runner_read_job(a, polled[i], now);
	}
	if (fds[SYSINFO].revents != 0)
		helpers_read(a, &a->sysinfo, now);
	if (fds[SSH_TEST].revents != 0)
		helpers_read(a, &a->ssh_test, now);
	struct net_reply reply;
	if (is_net_due(a->polls, &fds[POLLS], now) &&
	    net_take(a->polls, &reply) == 1)
		calls_reply(a, &reply, now);
	if (is_net_due(a->reports, &fds[REPORTS], now) &&
	    net_take(a->reports, &reply) == 1)
		spool_reply(a, &reply, now);
	fetch_take(a, now);
	if (fds[SIGNALS].revents != 0)
		take_signals(a, now);
}

int supervisor_run(struct config *c, const struct paths *p,
    const struct supervisor_options *options)
{
	struct agent a = {.config = c,
	    .paths = p,
	    .once = options->once,
	    .debug = options->debug,
	    .log_fd = options->log_fd,
	    .self = -1,
	    .signals = -1,
	    .alarm = -1,
	    .lock = -1,
	    .poll_interval = c->poll_interval};
	int rc = 1;
	bool taken_over = false;
	buf_init(&a.host, ANSWER_BODY_MAX);
	buf_init(&a.early, ANSWER_BODY_MAX);
	if (open_agent(&a, options->argv) != 0)
		goto out;
	log_info("bbs-agent %s started; server %s", BBS_VERSION, c->url);
	notify_send("READY=1");
	uint64_t watchdog = notify_watchdog_ms();
	for (;;) {
		do_what_is_due(&a);
		if (is_over(&a, clock_ms()))
			break;
		wait_and_take(&a, watchdog);
		if (watchdog != 0)
			notify_send("WATCHDOG=1");
	}
	rc = a.once && a.once_failed ? 1 : 0;
	taken_over = may_take_over(&a);
	if (!taken_over) {
		update_close(&a);
		log_info("ended%s",
		    spool_is_empty(&a)
			? ""
			: "; reports that were not taken wait for the next "
			  "start");
	}
out:
	close_agent(&a);
	if (taken_over) {
		update_execute(&a, options->argv);
		rc = 1;
	}
	if (a.lock >= 0)
		close(a.lock);
	return rc;
}
