/*
 * A network process that was taken over: this program executes itself in its
 * place and says to the supervisor's handle what the path asks for. The handle
 * must end each exchange with a sentence, in time, kill the process, and go on
 * with the next one.
 */
#include "base/clock.h"
#include "base/frame.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/pack.h"
#include "fixture.h"
#include "net/net.h"
#include "net/net_wire.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BODY_MAX 1000
static int self = -1;
static struct net *net;

/* ---- the hostile side ---- */

static struct frame_link up;

static void say_head(uint32_t len, uint32_t type)
{
	uint32_t head[2] = {len, type};
	if (send(3, head, sizeof(head), MSG_NOSIGNAL) < 0)
		_exit(1);
}

static void say(uint32_t type, const struct buf *b, int fd)
{
	frame_send(&up, type, b->data, b->len, fd);
	frame_drain(&up, 5000);
}

static void say_reply(uint64_t result, uint64_t status, size_t body, int fd)
{
	struct buf b = BUF_INIT(4 * MIB);
	pack_u64(&b, result);
	pack_u64(&b, status);
	pack_u64(&b, 0);
	pack_str(&b, "text");
	pack_str(&b, ""); /* facts */
	char *bytes = calloc(1, body + 1);
	memset(bytes, 'x', body);
	pack_bytes(&b, bytes, body);
	free(bytes);
	say(WIRE_REPLY, &b, fd);
	buf_release(&b);
}

static void say_ready(const char *note)
{
	struct buf b = BUF_INIT(KIB);
	pack_u64(&b, 31);
	pack_str(&b, "nothing at all");
	pack_str(&b, note);
	say(WIRE_READY, &b, -1);
	buf_release(&b);
}

static void misbehave(const char *path)
{
	struct buf b = BUF_INIT(KIB);
	buf_adds(&b, "nonsense");
	if (strcmp(path, "/huge-length") == 0)
		say_head(0x7fffffff, WIRE_REPLY);
	else if (strcmp(path, "/unknown-type") == 0)
		say(77, &b, -1);
	else if (strcmp(path, "/garbled") == 0)
		say(WIRE_REPLY, &b, -1);
	else if (strcmp(path, "/bad-result") == 0)
		say_reply(NET_BROKEN + 1, 200, 1, -1);
	else if (strcmp(path, "/bad-status") == 0)
		say_reply(NET_OK, 600, 1, -1);
	else if (strcmp(path, "/large-body") == 0)
		say_reply(NET_OK, 200, BODY_MAX + 1, -1);
	else if (strcmp(path, "/descriptor") == 0)
		say_reply(NET_OK, 200, 1, 3);
	else if (strcmp(path, "/no-descriptor") == 0)
		say_head(0x80000000u, WIRE_REPLY);
	else if (strcmp(path, "/half") == 0)
		say_head(100, WIRE_REPLY);
	else if (strcmp(path, "/request") == 0)
		say(WIRE_REQUEST, &b, -1);
	else if (strcmp(path, "/end") == 0)
		_exit(0);
	else if (strcmp(path, "/flood") == 0)
		for (;;)
			say_ready("");
	else
		say_reply(NET_OK, 200, 1, -1);
	if (strcmp(path, "/twice") == 0)
		say_reply(NET_OK, 200, 2, -1);
	buf_release(&b);
}

static int hostile(void)
{
	struct frame f;
	signal(SIGPIPE, SIG_DFL);
	alarm(20);
	frame_link_init(&up, 3, NET_FRAME_MAX);
	say_ready("");
	while (frame_wait(&up, &f, -1) > 0) {
		struct net_request r;
		if (f.type == WIRE_REQUEST &&
		    wire_get_request(&r, f.data, f.len) == 0)
			misbehave(r.path);
	}
	return 0;
}

/* ---- the supervisor's side ---- */

static struct net_reply ask(const char *path)
{
	struct net_request r = {.method = "GET",
	    .path = path,
	    .first_byte_ms = 100,
	    .total_ms = 100,
	    .body_max = BODY_MAX};
	struct net_reply reply;
	uint64_t began = clock_ms();
	assert_int_equal(net_begin(net, &r), 0);
	for (;;) {
		short events = 0;
		int fd = net_fd(net, &events);
		struct pollfd p = {.fd = fd, .events = events};
		poll(&p, 1, clock_wait(clock_ms(), net_deadline(net), 10000));
		if (net_take(net, &reply) > 0)
			break;
		if (clock_ms() - began > 8000)
			fail_msg("%s: no end", path);
	}
	return reply;
}

static void expect(const char *path, enum net_result result, const char *words)
{
	struct net_reply r = ask(path);
	if (r.result != result || strstr(r.text, words) == NULL)
		fail_msg("%s: result %d \"%s\"", path, r.result, r.text);
}

static void whatever_it_says(void **state)
{
	(void)state;
	static const char *const broken[] = {"/huge-length", "/unknown-type",
	    "/garbled", "/bad-result", "/bad-status", "/large-body",
	    "/descriptor", "/no-descriptor", "/request", "/flood"};
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		expect(broken[i], NET_BROKEN, "sent a broken message");
		/* The next process is a new one. */
		expect("/good", NET_OK, "text");
	}
	expect("/half", NET_BROKEN, "was killed");
	expect("/end", NET_BROKEN, "ended with status 0");
	expect("/good", NET_OK, "text");
}

/* An answer that nobody asked for ends the process. */
static void two_answers(void **state)
{
	(void)state;
	struct net_reply reply;
	expect("/twice", NET_OK, "text");
	for (int i = 0; i < 500; i++) {
		short events = 0;
		int fd = net_fd(net, &events);
		if (fd < 0)
			break;
		struct pollfd p = {.fd = fd, .events = events};
		poll(&p, 1, 20);
		assert_int_equal(net_take(net, &reply), 0);
	}
	short events;
	assert_int_equal(net_fd(net, &events), -1);
	expect("/good", NET_OK, "text");
}

static int setup(void **state)
{
	struct net_config c = {.host = "h",
	    .port = 1,
	    .base_path = "",
	    .api_key = "k",
	    .user_agent = "Test/1",
	    .anchors = -1};
	(void)state;
	self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	log_open(LOG_LEVEL_ERROR, -1);
	net = net_new(self, &c);
	return net != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	net_free(net);
	while (waitpid(-1, NULL, 0) > 0)
		;
	close(self);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(whatever_it_says, setup, teardown),
	    cmocka_unit_test_setup_teardown(two_answers, setup, teardown),
	};
	if (argc > 1 && strcmp(argv[1], "net-process") == 0)
		return hostile();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
