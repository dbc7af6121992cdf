/*
 * The worker's process: forked, cut loose from everything of the supervisor
 * but one socket and the log, and bound to end when the supervisor does. Which
 * code does a kind of task stands here, in `bodies`.
 */
#include "job/worker.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/text.h"
#include "bbs/borgbin.h"
#include "bbs/journal.h"
#include "bbs/spoolfile.h"
#include "bbs/sysinfo.h"
#include "job/agent_update.h"
#include "job/allowed.h"
#include "job/backup.h"
#include "job/borg_update.h"
#include "job/browse.h"
#include "job/command.h"
#include "job/database.h"
#include "job/inhibit.h"
#include "job/plugin.h"
#include "job/ssh.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* A worker may not be held up by a supervisor that does not read. */
#define SEND_TIMEOUT_MS 10000
#define PROGRESS_EVERY_MS 1000

/* Everything but 0..2, the socket and the log: a copy of another socket of
 * the supervisor would hide its death from whoever reads that socket. */
static void close_others(int sock, int log_fd)
{
	int low = sock < log_fd || log_fd < 3 ? sock : log_fd;
	int high = sock > log_fd ? sock : log_fd;
	proc_close_range(3, low - 1);
	proc_close_range(low + 1, high - 1);
	proc_close_range(high + 1, INT_MAX);
}

static int open_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_SETMASK, &set, NULL) != 0)
		return -1;
	static const int reset[] = {SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT};
	for (size_t i = 0; i < sizeof(reset) / sizeof(reset[0]); i++)
		signal(reset[i], SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void become_worker(struct worker *w, int sock, pid_t parent)
{
	close_others(sock, w->log_fd);
	setsid();
	/* No PDEATHSIG: a worker that dies with the supervisor would leave
	 * borg behind. It sees the death on its socket and stops borg. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_NAME, "bbs-agent-job");
	w->signals = open_signals();
	if (getppid() != parent || w->signals < 0)
		_exit(1);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		close(null);
	}
	frame_link_init(&w->link, sock, REPORT_BODY_MAX + 4096);
}

pid_t worker_start(const struct config *c, const struct paths *p,
    const struct task *task, int log_fd, worker_main *body, int *sock)
{
	int socks[2];
	if (frame_pair(socks) != 0)
		return -1;
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid == 0) {
		struct worker w = {.config = c,
		    .paths = p,
		    .task = task,
		    .log_fd = log_fd,
		    .sent = PROGRESS_INIT};
		close(socks[0]);
		become_worker(&w, socks[1], parent);
		char prefix[40] = "";
		if (task != NULL)
			snprintf(prefix, sizeof(prefix),
			    "job %lld: ", (long long)task->job_id);
		log_prefix(prefix);
		if (task != NULL && journal_worker(p, task->job_id) != 0)
			log_debug("the journal does not take the worker: %s",
			    strerror(errno));
		body(&w);
		frame_drain(&w.link, SEND_TIMEOUT_MS);
		_exit(0);
	}
	int saved = errno;
	close(socks[1]);
	if (pid < 0) {
		close(socks[0]);
		errno = saved;
		return -1;
	}
	*sock = socks[0];
	return pid;
}

static void take_fetched(struct worker *w, struct unpack *u)
{
	struct fetched *f = w->fetched;
	bool done = unpack_u64(u) != 0;
	int status = (int)unpack_u64(u);
	const char *text = unpack_bytes(u, NULL);
	if (f == NULL || unpack_end(u) != 0 || text == NULL)
		return;
	f->answered = true;
	f->done = done;
	f->status = status;
	text_copy(f->text, sizeof(f->text), text);
	w->fetched = NULL;
}

void worker_listen(struct worker *w)
{
	struct frame f;
	struct signalfd_siginfo info;
	while (read(w->signals, &info, sizeof(info)) > 0) {
		/* A service manager may signal the whole control group. */
		if (info.ssi_signo == SIGTERM && w->stop == STOP_NONE)
			w->stop = STOP_SERVICE;
	}
	if (w->stop == STOP_ORPHANED)
		return;
	if (frame_flush(&w->link) < 0 || frame_fill(&w->link) < 0) {
		w->stop = STOP_ORPHANED;
		return;
	}
	while (frame_next(&w->link, &f) == 1) {
		if (f.fd >= 0)
			close(f.fd);
		if (f.type == MESSAGE_DELIVERED)
			w->delivered = true;
		struct unpack u;
		unpack_init(&u, f.data, f.len);
		if (f.type == MESSAGE_FETCHED) {
			take_fetched(w, &u);
			continue;
		}
		uint64_t reason = unpack_u64(&u);
		if (f.type == MESSAGE_CANCEL && unpack_end(&u) == 0 &&
		    w->stop == STOP_NONE && reason > STOP_NONE &&
		    reason <= STOP_GIVEN_UP)
			w->stop = (enum stop_reason)reason;
	}
}

static void send_message(
    struct worker *w, enum message type, const struct buf *payload)
{
	if (payload->failed ||
	    frame_send(&w->link, type, buf_str(payload), payload->len, -1) != 0)
		log_debug("the supervisor did not take message %d", type);
}

void worker_progress(struct worker *w, const struct progress *p)
{
	uint64_t now = clock_ms();
	bool said = strcmp(p->message, w->sent.message) == 0;
	if (said && now - w->sent_at < PROGRESS_EVERY_MS && w->sent_at != 0)
		return;
	if (said && memcmp(p, &w->sent, sizeof(*p)) == 0)
		return;
	struct buf payload = BUF_INIT(KIB);
	progress_pack(p, &payload);
	send_message(w, MESSAGE_PROGRESS, &payload);
	buf_release(&payload);
	w->sent = *p;
	w->sent_at = now;
}

/* What the job's programs said goes to the server without the secrets that
 * they were given: it stands in a spool, in a log, on a page. */
static const char *redacted(const char *text, struct buf *out)
{
	if (text == NULL)
		return NULL;
	log_redact(out, text, strlen(text));
	return buf_str(out);
}

void worker_log(struct worker *w, const char *level, const char *fmt, ...)
{
	struct buf text = BUF_INIT(64 * KIB), payload = BUF_INIT(128 * KIB);
	struct buf clean = BUF_INIT(64 * KIB);
	va_list ap;
	va_start(ap, fmt);
	buf_addv(&text, fmt, ap);
	va_end(ap);
	pack_str(&payload, level);
	pack_str(&payload, redacted(buf_str(&text), &clean));
	send_message(w, MESSAGE_LOG, &payload);
	buf_release(&text);
	buf_release(&clean);
	buf_release(&payload);
}

void worker_child(struct worker *w, pid_t group, uint64_t start)
{
	struct buf payload = BUF_INIT(64);
	pack_u64(&payload, (uint64_t)group);
	pack_u64(&payload, start);
	send_message(w, MESSAGE_CHILD, &payload);
	/* What has ended is told from a stranger by its start time. */
	struct proc proc = {group, start};
	if (group != 0 && w->task != NULL && w->paths != NULL)
		journal_group(w->paths, w->task->job_id, &proc);
	buf_release(&payload);
}

void worker_stuck(struct worker *w, const struct proc *p)
{
	struct buf text = BUF_INIT(sizeof(w->stuck)), payload = BUF_INIT(64);
	proc_describe_stuck(p, &text);
	text_copy(w->stuck, sizeof(w->stuck), buf_str(&text));
	log_error("%s", w->stuck);
	worker_log(w, "error", "%s", w->stuck);
	pack_u64(&payload, (uint64_t)p->pid);
	pack_u64(&payload, p->start);
	send_message(w, MESSAGE_STUCK, &payload);
	buf_release(&text);
	buf_release(&payload);
}

void worker_after(struct worker *w, uint64_t ms)
{
	struct buf payload = BUF_INIT(64);
	pack_u64(&payload, ms);
	send_message(w, MESSAGE_AFTER, &payload);
	buf_release(&payload);
}

void worker_await_delivery(struct worker *w)
{
	uint64_t began = clock_ms(), now = began;
	for (;;) {
		uint64_t most = w->stop == STOP_SERVICE
				    ? HOOK_DELIVERY_STOPPING_MS
				    : HOOK_DELIVERY_MS;
		if (w->delivered || w->stop == STOP_ORPHANED ||
		    now - began >= most)
			return;
		short link = w->link.out.len > 0 ? POLLIN | POLLOUT : POLLIN;
		struct pollfd fds[2] = {
		    {w->signals, POLLIN, 0}, {w->link.sock, link, 0}};
		poll(fds, 2, clock_wait(now, began + most, -1));
		worker_listen(w);
		now = clock_ms();
	}
}

int worker_fetch(struct worker *w, const char *url, uint64_t most, int file,
    struct fetched *f)
{
	struct buf payload = BUF_INIT(2 * URL_LINK_MAX);
	memset(f, 0, sizeof(*f));
	pack_u64(&payload, most);
	pack_str(&payload, url);
	int rc = -1;
	/* A descriptor goes only behind an empty queue. */
	if (!payload.failed && frame_drain(&w->link, SEND_TIMEOUT_MS) == 0)
		rc = frame_send(
		    &w->link, MESSAGE_FETCH, payload.data, payload.len, file);
	if (rc == 0)
		w->fetched = f;
	buf_release(&payload);
	return rc;
}

void worker_renew(struct worker *w)
{
	struct buf nothing = BUF_INIT(1);
	send_message(w, MESSAGE_RENEW, &nothing);
	buf_release(&nothing);
}

/* What of a failure the job itself could not say: what to do about another
 * host key comes first, a process that does not end comes last. */
static void add_words(
    struct worker *w, struct report *r, const char *words, struct buf *error)
{
	if (r->result != REPORT_FAILED || (!w->host_changed && !w->stuck[0]))
		return;
	if (w->host_changed) {
		ssh_say_other_host(w, error);
		log_error("%s", buf_str(error));
	}
	if (words != NULL)
		buf_addf(error, "%s%s", error->len > 0 ? "\n" : "", words);
	if (w->stuck[0] != '\0')
		buf_addf(error, "; %s", w->stuck);
	r->error_log = buf_str(error);
}

void worker_final(struct worker *w, const struct report *r)
{
	struct buf body = BUF_INIT(REPORT_BODY_MAX);
	struct buf payload = BUF_INIT(REPORT_BODY_MAX + 2 * KIB);
	struct buf error = BUF_INIT(REPORT_BODY_MAX);
	struct buf clean = BUF_INIT(REPORT_BODY_MAX);
	struct buf output = BUF_INIT(REPORT_BODY_MAX);
	struct report whole = *r;
	add_words(w, &whole, r->error_log, &error);
	whole.error_log = redacted(whole.error_log, &clean);
	/* A tree of names is large, and comes of no program. */
	if (w->task->kind != TASK_LIST_DIR)
		whole.output_log = redacted(r->output_log, &output);
	if (report_encode(&whole, &body) != 0) {
		buf_reset(&body);
		report_encode_failed(r->job_id, REPORT_FAILED,
		    "the report was too large", &body);
	}
	char least[REPORT_LEAST_MAX];
	const char *text = buf_str(&body);
	size_t len = body.len;
	if (body.failed) {
		text = least;
		len = report_least(r->job_id, r->result, least);
	}
	bool kept = spoolfile_write(w->paths->spool, r->job_id, text, len) == 0;
	if (!kept)
		log_warning("cannot keep the report in %s: %s; it is kept in "
			    "memory",
		    w->paths->spool, strerror(errno));
	else
		journal_reported(w->paths, r->job_id);
	pack_u64(&payload, w->key_refused);
	pack_u64(&payload, kept);
	report_pack(&whole, &payload);
	if (!kept)
		pack_bytes(&payload, text, len);
	send_message(w, MESSAGE_FINAL, &payload);
	buf_release(&error);
	buf_release(&clean);
	buf_release(&output);
	buf_release(&body);
	buf_release(&payload);
}

const char *worker_stop_sentence(enum stop_reason reason)
{
	switch (reason) {
	case STOP_CANCELLED:
		return "Cancelled by user";
	case STOP_SERVICE:
		return "Interrupted: the agent was stopped while the job ran";
	case STOP_ORPHANED:
		return "Interrupted: the agent ended while the job ran";
	case STOP_GIVEN_UP:
		return "Stopped: the server called the job stalled";
	case STOP_STALLED:
		return "Stopped: nothing moved in the job, neither CPU nor "
		       "I/O, for 120 minutes";
	case STOP_TOO_LONG:
		return "Stopped: the job ran longer than [borg] max_hours "
		       "allows";
	case STOP_NONE:
		break;
	}
	return "";
}

/* The task's passphrases stay out of the log. */
static void hide_secrets(const struct task *t)
{
	for (size_t i = 0; i < t->env_count; i++) {
		if (strstr(t->env[i].name, "PASS") != NULL)
			log_hide(t->env[i].value);
	}
}

bool worker_can(const struct task *t, struct buf *why)
{
	/* C:\ is where jobs for Windows run. */
	if (t->cwd != NULL && t->cwd[0] != '\0' && t->cwd[0] != '/') {
		buf_adds(why, "the directory \"");
		text_add_escaped(why, t->cwd, strnlen(t->cwd, 200));
		buf_adds(why, "\" is not one of this host (it must begin with "
			      "/)");
		return false;
	}
	return true;
}

/* Which code does a kind of task. */
static worker_main *const bodies[] = {
    [TASK_BACKUP] = backup_run,
    [TASK_BACKUP_DRY_RUN] = command_run,
    [TASK_RESTORE] = command_run,
    [TASK_RESTORE_DATABASE] = database_run,
    [TASK_UPDATE_BORG] = borg_update_run,
    [TASK_UPDATE_AGENT] = agent_update_run,
    [TASK_LIST_DIR] = browse_run,
    [TASK_PLUGIN_TEST] = plugin_test_run,
    [TASK_PLUGIN_POST] = plugin_post_run,
    [TASK_COMMAND] = command_run,
};

/* With links resolved, which may wait for a mount, and so only here. */
static bool is_allowed(struct worker *w)
{
	struct buf why = BUF_INIT(4 * KIB);
	if (allowed_check(w->config, w->task, true, &why) == 0)
		return true;
	log_error("refused: %s", buf_str(&why));
	struct report r = {.job_id = w->task->job_id,
	    .result = REPORT_FAILED,
	    .error_log = buf_str(&why)};
	worker_final(w, &r);
	buf_release(&why);
	return false;
}

void worker_run_task(struct worker *w)
{
	struct inhibit inhibit = {.hold = -1};
	hide_secrets(w->task);
	if (!is_allowed(w))
		return;
	if (task_is_exclusive(w->task))
		inhibit_begin(&inhibit, w);
	bodies[w->task->kind](w);
	inhibit_end(&inhibit);
}

void worker_run_sysinfo(struct worker *w)
{
	struct buf body = BUF_INIT(32 * KIB), payload = BUF_INIT(64 * KIB);
	struct buf why = BUF_INIT(KIB);
	/* borg may lie where nothing answers, or hang. */
	sysinfo_encode(w->config, w->paths, -1, NULL, &body);
	pack_bytes(&payload, body.data, body.len);
	send_message(w, MESSAGE_HOST, &payload);
	buf_reset(&body);
	buf_reset(&payload);
	/* Before, so that a change meanwhile is seen the next time. */
	pack_u64(&payload, borgbin_stamp(w->config->borg_path));
	sysinfo_encode(w->config, w->paths, w->link.sock, &why, &body);
	pack_bytes(&payload, body.data, body.len);
	pack_str(&payload, buf_str(&why));
	send_message(w, MESSAGE_SYSINFO, &payload);
	buf_release(&why);
	buf_release(&body);
	buf_release(&payload);
}

void worker_run_borg_look(struct worker *w)
{
	struct buf payload = BUF_INIT(64);
	pack_u64(&payload, borgbin_stamp(w->config->borg_path));
	send_message(w, MESSAGE_BORG, &payload);
	buf_release(&payload);
}

void worker_run_ssh_test(struct worker *w)
{
	struct buf text = BUF_INIT(4 * KIB), payload = BUF_INIT(8 * KIB);
	enum ssh_test result = ssh_test(w, &text);
	pack_u64(&payload, (uint64_t)result);
	pack_str(&payload, buf_str(&text));
	send_message(w, MESSAGE_SSH_TEST, &payload);
	buf_release(&text);
	buf_release(&payload);
}
