/*
 * The handle and the real network process, against a small server on this
 * host: the program executes itself, as the agent does. What is tested is the
 * handle's promise: an answer or a sentence, in time, whatever happens to the
 * process or to the server.
 */
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "fixture.h"
#include "net/net.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int self = -1;
static uint16_t port;
static pid_t server;
static struct net *net;

#define OK "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"

static void say(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) < 0)
		_exit(1);
}

/* Answers by what the path says; `n` is the request's number on this
 * connection. False: close it. */
static bool serve_one(int fd, const char *head, int n)
{
	char body[100], text[300];

	if (strncmp(head, "GET /count", 10) == 0) {
		int len = snprintf(body, sizeof(body), "{\"n\":%d}", n);
		snprintf(text, sizeof(text), OK, len, body);
		say(fd, text);
		return true;
	}
	if (strncmp(head, "GET /once", 9) == 0) {
		/* Says nothing to the second request. */
		if (n == 1)
			say(fd,
			    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
		return n == 1;
	}
	if (strncmp(head, "GET /html", 9) == 0)
		say(fd, "HTTP/1.1 200 OK\r\n\r\n<html>secret-key</html>");
	if (strncmp(head, "GET /head", 9) == 0) {
		snprintf(text, sizeof(text),
		    "HTTP/1.0 404 x\r\nRetry-After: 9\r\n\r\n%s",
		    strstr(head, "\r\nAuthorization: Bearer secret-key\r\n") !=
				NULL &&
			    strstr(head, "\r\nUser-Agent: Test/1\r\n") != NULL
			? "good"
			: "bad");
		say(fd, text);
	}
	if (strncmp(head, "GET /cut", 8) == 0)
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}");
	if (strncmp(head, "GET /hang", 9) == 0)
		sleep(20);
	return false;
}

static void serve(int fd)
{
	char head[4096] = "";
	size_t len = 0;
	int n = 0;

	for (;;) {
		ssize_t got = read(fd, head + len, sizeof(head) - len - 1);
		if (got <= 0)
			return;
		len += (size_t)got;
		head[len] = '\0';
		if (strstr(head, "\r\n\r\n") == NULL)
			continue;
		if (!serve_one(fd, head, ++n))
			return;
		len = 0;
	}
}

static int start_server(void **state)
{
	struct sockaddr_in a = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	if (bind(fd, (struct sockaddr *)&a, len) != 0 || listen(fd, 16) != 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) != 0)
		return -1;
	port = ntohs(a.sin_port);
	server = fork();
	if (server == 0) {
		signal(SIGCHLD, SIG_IGN);
		for (;;) {
			int c = accept(fd, NULL, NULL);
			if (c >= 0 && fork() == 0) {
				serve(c);
				_exit(0);
			}
			close(c);
		}
	}
	close(fd);
	self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	log_open(LOG_LEVEL_ERROR, -1);
	return server > 0 && self >= 0 ? 0 : -1;
}

static int stop_server(void **state)
{
	(void)state;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	close(self);
	return 0;
}

static void open_net(int binary, uint16_t to)
{
	struct net_config c = {.host = "127.0.0.1",
	    .port = to,
	    .base_path = "",
	    .api_key = "secret-key",
	    .user_agent = "Test/1",
	    .verify = true,
	    .anchors = -1,
	    .user = "nobody"};

	net = net_new(binary, &c);
	assert_non_null(net);
}

/* The one child of this process beside the server. */
static pid_t child(void)
{
	char path[64], text[200] = "", *p = text;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return 0;
	close(fd);
	while (*p != '\0') {
		pid_t pid = (pid_t)strtol(p, &p, 10);
		if (pid > 0 && pid != server)
			return pid;
		p += strspn(p, " ");
	}
	return 0;
}

static int close_net(void **state)
{
	pid_t pid = child();

	(void)state;
	net_free(net);
	net = NULL;
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return 0;
}

static void begin(const char *path, uint32_t first_byte_ms, uint32_t total_ms)
{
	struct net_request r = {.method = "GET",
	    .path = path,
	    .first_byte_ms = first_byte_ms,
	    .total_ms = total_ms,
	    .body_max = 1000};

	assert_int_equal(net_begin(net, &r), 0);
	assert_int_equal(net_begin(net, &r), -1);
}

static struct net_reply finish(void)
{
	struct net_reply reply;

	for (;;) {
		short events = 0;
		int fd = net_fd(net, &events);
		struct pollfd p = {.fd = fd, .events = events};
		poll(&p, 1, clock_wait(clock_ms(), net_deadline(net), 30000));
		if (net_take(net, &reply) > 0)
			break;
	}
	assert_true(net_deadline(net) == CLOCK_NEVER);
	return reply;
}

static struct net_reply ask(const char *path)
{
	begin(path, 20000, 20000);
	return finish();
}

static void expect(
    struct net_reply r, enum net_result result, int status, const char *words)
{
	if (r.result != result || r.status != status ||
	    strstr(r.text, words) == NULL)
		fail_msg(
		    "result %d status %d \"%s\"", r.result, r.status, r.text);
}

static void answers(void **state)
{
	(void)state;
	struct net_reply r;

	open_net(self, port);
	assert_int_equal(child(), 0);
	r = ask("/count");
	expect(r, NET_OK, 200, "");
	assert_string_equal(r.body, "{\"n\":1}");
	/* The same connection, until the process rests. */
	assert_string_equal(ask("/count").body, "{\"n\":2}");
	net_rest(net);
	assert_string_equal(ask("/count").body, "{\"n\":1}");
	r = ask("/head");
	expect(r, NET_OK, 404, "HTTP status 404");
	assert_string_equal(r.body, "good");
	assert_int_equal(r.body_len, 4);
	assert_int_equal(r.retry_after, 9);
	r = ask("/html");
	expect(r, NET_JSON, 200, "<html>***</html>");
	assert_null(strstr(r.text, "secret-key"));
	expect(ask("/cut"), NET_HTTP, 200, "cut short");
	/* A kept connection that ends is no failure. */
	expect(ask("/once"), NET_OK, 200, "");
	expect(ask("/once"), NET_OK, 200, "");
	expect(ask("/nothing"), NET_HTTP, 0, "without an answer");
	begin("/hang", 300, 300);
	expect(finish(), NET_TIMEOUT, 0, "took");
	/* Earlier than the server gives up. */
	begin("/hang", 300, 30000);
	expect(finish(), NET_TIMEOUT, 0, "did not answer");
}

static void nobody_there(void **state)
{
	(void)state;
	open_net(self, 1);
	expect(ask("/"), NET_CONNECT, 0, "port 1: connection refused");
}

static void a_crash_is_survived(void **state)
{
	(void)state;
	struct net_reply r;

	open_net(self, port);
	begin("/hang", 20000, 20000);
	usleep(100000);
	kill(child(), SIGKILL);
	expect(finish(), NET_BROKEN, 0, "signal 9");
	/* The next start waits for its second. */
	uint64_t before = clock_ms();
	r = ask("/count");
	expect(r, NET_OK, 200, "");
	assert_true(clock_ms() - before < 1500);
	/* Dead while idle: the next request does not notice. */
	kill(child(), SIGKILL);
	usleep(50000);
	expect(ask("/count"), NET_OK, 200, "");
	/* Dead, and found so by the caller. */
	pid_t pid = child();
	int status;
	begin("/hang", 20000, 20000);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(net_reap(net, pid, status));
	assert_false(net_reap(net, pid, status));
	r = finish();
	assert_int_equal(r.result, NET_BROKEN);
}

static void a_stuck_process_is_killed(void **state)
{
	(void)state;
	open_net(self, port);
	expect(ask("/count"), NET_OK, 200, "");
	kill(child(), SIGSTOP);
	uint64_t before = clock_ms();
	begin("/count", 200, 200);
	expect(finish(), NET_BROKEN, 0, "was killed");
	assert_true(clock_ms() - before >= 200 + NET_GRACE_MS);
	assert_true(clock_ms() - before < 1000 + NET_GRACE_MS);
	expect(ask("/count"), NET_OK, 200, "");
}

static void what_cannot_be_executed(void **state)
{
	(void)state;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	open_net(fd, port);
	expect(ask("/count"), NET_BROKEN, 0,
	    "cannot start the network process: Permission denied");
	uint64_t before = clock_ms();
	expect(ask("/count"), NET_BROKEN, 0, "cannot start");
	assert_true(clock_ms() - before > NET_RESPAWN_MS / 2);
	close(fd);
}

static void too_large_a_request(void **state)
{
	(void)state;
	struct net_request r = {.method = "POST",
	    .path = "/",
	    .body = "x",
	    .first_byte_ms = 1000,
	    .total_ms = 1000};
	size_t len = NET_FRAME_MAX + 1;
	char *body = calloc(1, len);

	open_net(self, port);
	r.body = body;
	r.body_len = len;
	assert_int_equal(net_begin(net, &r), 0);
	expect(finish(), NET_TOO_BIG, 0, "too large to send");
	free(body);
	expect(ask("/count"), NET_OK, 200, "");
}

/* What the process is left with, as /proc shows it. */
static void the_sandbox(void **state)
{
	(void)state;
	char path[64], text[4096] = "";
	int fd;

	open_net(self, port);
	expect(ask("/count"), NET_OK, 200, "");
	snprintf(path, sizeof(path), "/proc/%d/status", child());
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_non_null(strstr(text, "\nNoNewPrivs:\t1\n"));
	assert_non_null(strstr(text, "\nCapEff:\t0000000000000000\n"));
	if (geteuid() == 0)
		assert_null(strstr(text, "\nUid:\t0\t"));
#if defined(__x86_64__)
	assert_non_null(strstr(text, "\nSeccomp:\t2\n"));
#endif
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(answers, close_net),
	    cmocka_unit_test_teardown(nobody_there, close_net),
	    cmocka_unit_test_teardown(a_crash_is_survived, close_net),
	    cmocka_unit_test_teardown(a_stuck_process_is_killed, close_net),
	    cmocka_unit_test_teardown(what_cannot_be_executed, close_net),
	    cmocka_unit_test_teardown(too_large_a_request, close_net),
	    cmocka_unit_test_teardown(the_sandbox, close_net),
	};

	if (argc > 1 && strcmp(argv[1], "net-process") == 0)
		return net_process_main();
	return cmocka_run_group_tests(tests, start_server, stop_server);
}
