/*
 * The supervisor's handle on the network process. A small machine: no process,
 * a start that waits for its second, an exchange under way, a process whose
 * end is awaited so that the sentence can say how it ended. Nothing blocks; a
 * reply is checked like anything that comes from outside.
 */
#include "net/net.h"
#include "base/clock.h"
#include "base/frame.h"
#include "base/limits.h"
#include "base/log.h"
#include "net/net_end.h"
#include "net/net_spawn.h"
#include "net/net_wire.h"
#include "net/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long the end of a process is awaited, for its status, and how often it
 * is looked for. */
#define NET_DYING_MS 200
#define NET_DYING_STEP_MS 10

enum net_state {
	NET_IDLE,    /* no exchange; there may be a process */
	NET_DELAYED, /* an exchange waits for a process to be started */
	NET_WORKING,
	NET_DYING, /* the process is gone: how did it end? */
	NET_FAILED /* the answer is in result and why */
};

struct net {
	int self;
	int anchors, others;
	bool downloads;
	struct buf config;	/* packed */
	struct buf others_name; /* packed */
	struct buf host;
	enum net_state state;
	struct buf request; /* packed, while there is an exchange */
	int file;	    /* of a download, -1: none */
	uint32_t body_max, total_ms;
	uint64_t deadline;
	uint64_t dying; /* until when, in NET_DYING */

	pid_t pid; /* 0: none */
	pid_t old; /* killed and perhaps not reaped yet */
	struct frame_link link;
	bool linked, recycle;
	bool greeted; /* READY came; a second one would be a flood */
	uint64_t started, next_start;
	int status; /* of the process that ended, -1: not known */

	struct buf layers, note; /* of its sandbox */
	unsigned mask;

	enum net_result result;
	struct buf why;
};

struct net *net_new(int self, const struct net_config *config)
{
	struct net *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->self = self;
	n->status = n->file = n->others = -1;
	n->downloads = config->downloads;
	buf_init(&n->config, 16 * NET_TEXT_MAX);
	buf_init(&n->host, NET_TEXT_MAX);
	buf_init(&n->others_name, 2 * NET_TEXT_MAX);
	buf_init(&n->request, NET_FRAME_MAX);
	buf_init(&n->why, NET_WHY_MAX);
	buf_init(&n->layers, NET_WHY_MAX);
	buf_init(&n->note, NET_WHY_MAX);
	wire_put_config(&n->config, config);
	buf_adds(&n->host, config->host);
	n->anchors = config->anchors < 0
			 ? -1
			 : fcntl(config->anchors, F_DUPFD_CLOEXEC, 3);
	if (config->downloads) {
		pack_str(&n->others_name, config->others_name);
		if (config->others >= 0)
			n->others = fcntl(config->others, F_DUPFD_CLOEXEC, 3);
	}
	if (n->config.failed || n->others_name.failed || n->host.failed ||
	    (config->anchors >= 0 && n->anchors < 0)) {
		net_free(n);
		return NULL;
	}
	return n;
}

/* Takes the status of a process that we killed, if its turn has come. */
static void net_bury(struct net *n)
{
	if (n->old > 0 && waitpid(n->old, NULL, WNOHANG) != 0)
		n->old = 0;
}

/* Ends the process, whatever it does. */
static void net_kill(struct net *n)
{
	net_bury(n);
	if (n->pid > 0) {
		kill(n->pid, SIGKILL);
		n->old = n->pid;
		n->pid = 0;
	}
	if (n->linked)
		frame_link_release(&n->link);
	n->linked = n->recycle = false;
	n->status = -1;
	net_bury(n);
}

static void net_drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void net_free(struct net *n)
{
	if (n == NULL)
		return;
	net_kill(n);
	net_drop(&n->anchors);
	net_drop(&n->others);
	net_drop(&n->file);
	buf_wipe(&n->config);
	buf_release(&n->others_name);
	buf_release(&n->host);
	buf_wipe(&n->request);
	buf_release(&n->why);
	buf_release(&n->layers);
	buf_release(&n->note);
	free(n);
}

void net_rest(struct net *n)
{
	net_kill(n);
	net_drop(&n->file);
	if (n->state != NET_FAILED)
		n->state = NET_IDLE;
}

void net_cancel(struct net *n)
{
	net_rest(n);
	n->state = NET_IDLE;
}

/* The process is given up; an exchange under way ends without its answer. */
static void net_fail(struct net *n, enum net_result result)
{
	n->result = result;
	if (n->state != NET_IDLE)
		n->state = NET_FAILED;
	else
		log_warning("%s", buf_str(&n->why));
	net_kill(n);
}

static void net_broken(struct net *n, const char *sentence)
{
	buf_reset(&n->why);
	buf_adds(&n->why, sentence);
	net_fail(n, NET_BROKEN);
}

/* Sends a frame: 0 sent, 1 the process has ended, -1 it cannot be sent. The
 * last words of one that ended are in the socket, where net_take finds them. */
static int net_hand(
    struct net *n, uint32_t type, const struct buf *payload, int fd)
{
	if (frame_send(&n->link, type, payload->data, payload->len, fd) == 0)
		return 0;
	return errno == EPIPE || errno == ECONNRESET ? 1 : -1;
}

/* Starts the process and hands it its configuration. */
static int net_start(struct net *n)
{
	int sock;

	buf_reset(&n->why);
	n->started = clock_ms();
	n->next_start = n->started + NET_RESPAWN_MS;
	n->pid = net_spawn(n->self, &sock, &n->why);
	if (n->pid < 0) {
		n->pid = 0;
		net_fail(n, NET_BROKEN);
		return -1;
	}
	frame_link_init(&n->link, sock, NET_FRAME_MAX);
	n->linked = true;
	n->greeted = false;
	n->status = -1;
	if (net_hand(n, WIRE_CONFIG, &n->config, n->anchors) >= 0 &&
	    (!n->downloads ||
		net_hand(n, WIRE_OTHERS, &n->others_name, n->others) >= 0))
		return 0;
	net_broken(n, "the network process does not take its configuration");
	return -1;
}

void net_warm(struct net *n)
{
	if (n->state == NET_IDLE && !n->linked)
		net_start(n);
}

/* Sends the request, to a new process if there is none or it has just died. */
static void net_send(struct net *n)
{
	bool fresh = !n->linked;

	if (fresh && net_start(n) != 0)
		return;
	n->state = NET_WORKING;
	n->deadline = clock_ms() + n->total_ms + NET_GRACE_MS;
	int rc = net_hand(n, WIRE_REQUEST, &n->request, n->file);
	if (rc == 0 || (rc > 0 && fresh))
		return;
	if (fresh) {
		net_broken(n, "the network process does not take a request");
		return;
	}
	net_kill(n);
	net_send(n);
}

int net_begin(struct net *n, const struct net_request *r)
{
	uint64_t now = clock_ms();

	if (n->state != NET_IDLE)
		return -1;
	if (n->recycle)
		net_kill(n);
	n->state = NET_WORKING;
	n->body_max = r->body_max;
	n->total_ms = r->total_ms;
	buf_reset(&n->request);
	wire_put_request(&n->request, r);
	net_drop(&n->file);
	if (r->url != NULL)
		n->file = fcntl(r->file, F_DUPFD_CLOEXEC, 3);
	if (n->request.failed) {
		buf_reset(&n->why);
		buf_addf(&n->why, "a request of %zu KiB is too large to send",
		    r->body_len / KIB);
		n->result = NET_TOO_BIG;
		n->state = NET_FAILED;
		return 0;
	}
	if (!n->linked && now < n->next_start) {
		n->state = NET_DELAYED;
		n->deadline = n->next_start;
		return 0;
	}
	net_send(n);
	return 0;
}

int net_fd(const struct net *n, short *events)
{
	if (!n->linked || n->state == NET_DYING || n->state == NET_FAILED)
		return -1;
	*events = n->link.out.len > 0 ? POLLIN | POLLOUT : POLLIN;
	return n->link.sock;
}

uint64_t net_deadline(const struct net *n)
{
	switch (n->state) {
	case NET_IDLE:
		return CLOCK_NEVER;
	case NET_FAILED:
		return 1; /* long past */
	default:
		return n->deadline;
	}
}

bool net_reap(struct net *n, pid_t pid, int status)
{
	if (pid <= 0)
		return false;
	if (pid == n->old) {
		n->old = 0;
		return true;
	}
	if (pid != n->pid)
		return false;
	n->pid = 0;
	n->status = status;
	return true;
}

/* One line, once; those of other processes are for who looks for them. */
static void net_announce(struct net *n)
{
	static bool announced;
	struct buf line = BUF_INIT(3 * NET_WHY_MAX);
	enum log_level level = announced || n->downloads ? LOG_LEVEL_DEBUG
			       : n->note.len > 0	 ? LOG_LEVEL_WARNING
							 : LOG_LEVEL_INFO;

	sandbox_describe(
	    &line, n->mask, buf_str(&n->layers), buf_str(&n->note));
	log_at(level, "network process %d: sandbox: %s", (int)n->pid,
	    buf_str(&line));
	announced = true;
	buf_release(&line);
}

/* The first frame of a process: what its sandbox is made of. */
static int net_take_ready(struct net *n, const struct frame *f)
{
	struct unpack u;
	const char *text, *note;
	uint64_t mask;

	unpack_init(&u, f->data, f->len);
	mask = unpack_u64(&u);
	text = unpack_bytes(&u, NULL);
	note = unpack_bytes(&u, NULL);
	if (unpack_end(&u) != 0 || text == NULL || note == NULL || n->greeted)
		return -1;
	n->greeted = true;
	n->mask = (unsigned)mask;
	buf_reset(&n->layers);
	buf_adds(&n->layers, text);
	buf_reset(&n->note);
	buf_adds(&n->note, note);
	net_announce(n);
	return 0;
}

const char *net_sandbox(const struct net *n, unsigned *mask, const char **note)
{
	*mask = n->mask;
	if (note != NULL)
		*note = buf_str(&n->note);
	return buf_str(&n->layers);
}

/* 1 a reply, 0 another good frame, -1 a broken one. */
static int net_take_frame(
    struct net *n, const struct frame *f, struct net_reply *reply)
{
	struct unpack u;

	if (f->fd >= 0) {
		close(f->fd);
		return -1;
	}
	switch (f->type) {
	case WIRE_READY:
		return net_take_ready(n, f);
	case WIRE_NO_EXEC:
		unpack_init(&u, f->data, f->len);
		buf_reset(&n->why);
		buf_addf(&n->why, "cannot start the network process: %s",
		    strerror((int)unpack_u64(&u)));
		net_fail(n, NET_BROKEN);
		return 0;
	case WIRE_REPLY:
		if (n->state == NET_WORKING &&
		    wire_get_reply(reply, f->data, f->len) == 0 &&
		    reply->body_len <= n->body_max)
			return 1;
		return -1;
	default:
		return -1;
	}
}

/* The socket is closed: wait a moment for the status, or do without. */
static void net_lost(struct net *n)
{
	if (n->state != NET_WORKING) {
		net_kill(n);
		return;
	}
	n->state = NET_DYING;
	n->deadline = clock_ms();
	n->dying = n->deadline + NET_DYING_MS;
}

/* Says how the process ended, when that is known or the wait is over. */
static void net_autopsy(struct net *n)
{
	int status = n->status;
	uint64_t now = clock_ms();

	if (status < 0 && n->pid > 0 &&
	    waitpid(n->pid, &status, WNOHANG) == n->pid) {
		n->pid = 0;
	} else if (status < 0 && now < n->dying) {
		n->deadline = now + NET_DYING_STEP_MS;
		return;
	}
	buf_reset(&n->why);
	net_fail(
	    n, net_end_say(status, buf_str(&n->host), n->total_ms, &n->why));
}

/* Reads what came: 1 with *reply. */
static int net_receive(struct net *n, struct net_reply *reply)
{
	struct frame f;
	int filled, rc;

	/* When this fails, an answer may have come before; the end shows. */
	frame_flush(&n->link);
	do {
		while ((rc = frame_next(&n->link, &f)) > 0) {
			rc = net_take_frame(n, &f, reply);
			if (rc > 0)
				return 1;
			if (rc < 0)
				break;
			if (!n->linked)
				return 0;
		}
		if (rc < 0) {
			net_broken(n, "the network process sent a broken "
				      "message; it is started again");
			return 0;
		}
		filled = frame_fill(&n->link);
	} while (filled > 0);
	if (filled < 0)
		net_lost(n);
	return 0;
}

/* The deadline of the present state has passed, or the moment has come. */
static void net_late(struct net *n)
{
	if (n->state == NET_DELAYED) {
		net_send(n);
		return;
	}
	buf_reset(&n->why);
	buf_addf(&n->why,
	    "the network process did not end an exchange with %s within its "
	    "%u s and was killed; it is started again",
	    buf_str(&n->host), n->total_ms / 1000);
	net_fail(n, NET_BROKEN);
}

static int net_done(struct net *n, struct net_reply *reply)
{
	n->state = NET_IDLE;
	buf_wipe(&n->request);
	net_drop(&n->file);
	/* A look-up may have failed because the resolver's configuration
	 * moved out of the sandbox's sight. */
	n->recycle = reply->result == NET_DNS;
	return 1;
}

int net_take(struct net *n, struct net_reply *reply)
{
	net_bury(n);
	if (n->recycle)
		net_kill(n);
	if (n->linked && n->state != NET_DYING && n->state != NET_FAILED &&
	    net_receive(n, reply) > 0)
		return net_done(n, reply);
	if (n->state == NET_DYING)
		net_autopsy(n);
	else if ((n->state == NET_WORKING || n->state == NET_DELAYED) &&
		 clock_ms() >= n->deadline)
		net_late(n);
	if (n->state != NET_FAILED)
		return 0;
	memset(reply, 0, sizeof(*reply));
	reply->result = n->result;
	reply->body = reply->facts = "";
	reply->text = buf_str(&n->why);
	return net_done(n, reply);
}
