/*
 * Questions about this host: what it is, whether its borg changed, whether
 * its SSH key is taken. Each is asked by a process of its own, since a path
 * may lie on a mount that does not answer; one that hangs is ended and the
 * question asked again later, while everything else goes on.
 */
#include "agent/agent.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "job/worker.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define BORG_LOOK_EVERY_MS 60000u
#define HOST_AGAIN_MS 2000
/* So long the first registration waits for borg's version. */
#define EARLY_MS 5000
#define SSH_AGAIN_MS (10u * 60u * 1000u)
/* One whose link was cut ends what it runs; then it is killed. */
#define DISMISS_MS 5000

static const char *purpose(const struct agent *a, const struct helper *h)
{
	return h == &a->ssh_test ? "the test of the SSH key"
				 : "looking for borg on this host";
}

static void start(struct agent *a, struct helper *h, worker_main *body)
{
	int sock;
	pid_t pid =
	    worker_start(a->config, a->paths, NULL, a->log_fd, body, &sock);
	if (pid < 0) {
		log_error("%s: cannot start a process: %s", purpose(a, h),
		    strerror(errno));
		return;
	}
	frame_link_init(&h->link, sock, ANSWER_BODY_MAX);
	h->pid = pid;
	h->answered = h->dismissed = false;
	h->until = clock_ms() + HELPER_MS;
}

static void begin_host(struct agent *a, uint64_t now)
{
	bool hourly = a->info_at <= now + BORG_LOOK_EVERY_MS;
	bool whole = a->host.len == 0 || a->want_host || hourly ||
		     a->renewal == RENEWAL_WANTED;
	a->host_at = now + BORG_LOOK_EVERY_MS;
	a->want_host = false;
	/* A worker that outlived an earlier agent may have left one. */
	a->spool.pending = true;
	if (a->renewal == RENEWAL_WANTED)
		a->renewal = RENEWAL_LOOKING;
	start(
	    a, &a->sysinfo, whole ? worker_run_sysinfo : worker_run_borg_look);
}

/* Registration waits no longer. */
static void use_early(struct agent *a, uint64_t now)
{
	if (a->early.len == 0 || now < a->early_at)
		return;
	log_warning("borg has not told its version within %d s: registering "
		    "without it",
	    EARLY_MS / 1000);
	buf_add(&a->host, a->early.data, a->early.len);
	buf_release(&a->early);
}

void helpers_begin(struct agent *a, uint64_t now)
{
	if (a->stopping)
		return;
	use_early(a, now);
	if (a->host_at <= now && a->sysinfo.pid == 0)
		begin_host(a, now);
	if (a->ssh_test_at != 0 && a->ssh_test_at <= now) {
		a->ssh_test_at = 0;
		a->want_ssh_test = true;
	}
	if (a->want_ssh_test && a->ssh_test.pid == 0) {
		a->want_ssh_test = false;
		start(a, &a->ssh_test, worker_run_ssh_test);
	}
}

static void take_ssh_test(struct agent *a, struct unpack *u, uint64_t now)
{
	enum ssh_test result = (enum ssh_test)unpack_u64(u);
	const char *text = unpack_bytes(u, NULL);
	if (unpack_end(u) != 0 || text == NULL)
		return;
	statusfile_ssh(a, result, text);
	if (result == SSH_TEST_OK) {
		log_info("%s", text);
		return;
	}
	log_warning("%s", text);
	if (result == SSH_TEST_STALE) {
		/* The old key stays until the new one is here. */
		a->want_key = true;
		if (a->key_at < now)
			a->key_at = now;
	}
}

/* What is known of this host before borg has said anything. */
static void take_early(struct agent *a, struct unpack *u, uint64_t now)
{
	size_t len = 0;
	const char *body = unpack_bytes(u, &len);
	if (unpack_end(u) != 0 || body == NULL || a->host.len > 0)
		return;
	buf_reset(&a->early);
	buf_add(&a->early, body, len);
	a->early_at = now + EARLY_MS;
}

static void take_host(struct agent *a, struct unpack *u, uint64_t now)
{
	size_t len = 0;
	uint64_t stamp = unpack_u64(u);
	const char *body = unpack_bytes(u, &len);
	const char *why = unpack_bytes(u, NULL);
	if (unpack_end(u) != 0 || body == NULL)
		return;
	bool changed =
	    a->host.len != len || memcmp(a->host.data, body, len) != 0;
	a->borg_stamp = stamp;
	buf_reset(&a->host);
	buf_add(&a->host, body, len);
	buf_release(&a->early);
	/* The server is just being told the old one. */
	if (changed && a->call == CALL_REGISTER && a->renewal == RENEWAL_NONE)
		a->renewal = RENEWAL_KNOWN;
	statusfile_host(a, why);
	if (a->renewal == RENEWAL_LOOKING)
		a->renewal = RENEWAL_KNOWN;
	if (a->registered && (changed || a->renewal == RENEWAL_KNOWN))
		a->info_at = now;
}

/* Another borg than the one that was told of: it is asked for its version. */
static void take_borg(struct agent *a, struct unpack *u, uint64_t now)
{
	uint64_t stamp = unpack_u64(u);
	if (unpack_end(u) != 0 || stamp == a->borg_stamp)
		return;
	a->want_host = true;
	a->host_at = now;
}

void helpers_read(struct agent *a, struct helper *h, uint64_t now)
{
	struct frame f;
	int more;
	do {
		more = frame_fill(&h->link);
		while (frame_next(&h->link, &f) == 1) {
			struct unpack u;
			if (f.fd >= 0)
				close(f.fd);
			h->answered |= f.type != MESSAGE_HOST;
			unpack_init(&u, f.data, f.len);
			if (f.type == MESSAGE_SSH_TEST)
				take_ssh_test(a, &u, now);
			else if (f.type == MESSAGE_SYSINFO)
				take_host(a, &u, now);
			else if (f.type == MESSAGE_BORG)
				take_borg(a, &u, now);
			else if (f.type == MESSAGE_HOST)
				take_early(a, &u, now);
		}
	} while (more > 0);
	if (more < 0)
		frame_link_release(&h->link);
}

/* What was asked of the host has no answer: it is asked again. */
static void ask_again(struct agent *a, uint64_t when)
{
	a->host_at = when;
	a->want_host = true;
	if (a->renewal == RENEWAL_LOOKING)
		a->renewal = RENEWAL_WANTED;
}

static void ended(struct agent *a, struct helper *h, uint64_t now)
{
	if (!h->dismissed)
		helpers_read(a, h, now);
	frame_link_release(&h->link);
	h->pid = 0;
	if (h->answered || h->dismissed || a->stopping)
		return;
	log_error("%s: its process ended without an answer", purpose(a, h));
	if (h == &a->sysinfo)
		ask_again(a, now + HOST_AGAIN_MS);
}

bool helpers_reap(struct agent *a, pid_t pid, uint64_t now)
{
	struct helper *h = pid == a->sysinfo.pid    ? &a->sysinfo
			   : pid == a->ssh_test.pid ? &a->ssh_test
						    : NULL;
	if (h != NULL)
		ended(a, h, now);
	return h != NULL;
}

void helpers_dismiss(struct helper *h)
{
	if (h->pid == 0 || h->dismissed)
		return;
	h->dismissed = true;
	h->until = clock_ms() + DISMISS_MS;
	frame_link_release(&h->link);
}

bool helpers_busy(const struct helper *h)
{
	return h->pid != 0 && !h->dismissed;
}

/* The question is asked again later. */
static void give_up(struct agent *a, struct helper *h, uint64_t now)
{
	bool ssh = h == &a->ssh_test;
	log_error("%s%s: no answer within %u s; it is tried again later",
	    purpose(a, h),
	    ssh ? "" : " (is it on a drive that does not respond?)",
	    HELPER_MS / 1000);
	helpers_dismiss(h);
	if (ssh)
		a->ssh_test_at = now + SSH_AGAIN_MS;
	else
		ask_again(a, now + BORG_LOOK_EVERY_MS);
}

static uint64_t overdue(struct agent *a, struct helper *h, uint64_t now)
{
	if (h->pid == 0)
		return CLOCK_NEVER;
	if (h->until <= now && h->dismissed) {
		kill(h->pid, SIGKILL);
		h->until = now + HELPER_MS;
	} else if (h->until <= now) {
		give_up(a, h, now);
	}
	return h->until;
}

uint64_t helpers_overdue(struct agent *a, uint64_t now)
{
	uint64_t next = overdue(a, &a->sysinfo, now);
	uint64_t other = overdue(a, &a->ssh_test, now);
	if (other < next)
		next = other;
	if (a->stopping)
		return next;
	if (a->early.len > 0 && a->early_at < next)
		next = a->early_at;
	if (a->sysinfo.pid == 0 && a->host_at < next)
		next = a->host_at;
	if (a->ssh_test_at != 0 && a->ssh_test_at < next)
		next = a->ssh_test_at;
	return next;
}
