/*
 * A name that nobody answers for: the resolver here is one that never comes
 * back. The process ends in time all the same, and its end says why.
 */
#include "base/clock.h"
#include "base/limits.h"
#include "fixture.h"
#include "net/dial.h"
#include "net/net_end.h"
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned resolver_ms; /* 0: for ever */

/* In place of the C library's. */
int getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **list)
{
	(void)node;
	(void)service;
	(void)hints;
	*list = NULL;
	while (resolver_ms == 0)
		pause();
	usleep(resolver_ms * 1000u);
	return EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *list)
{
	(void)list;
}

/* How a process ended that looked a name up and had so long, and after how
 * long; one that passes its time by far is killed. */
static int look_up(uint32_t ms, uint64_t *took)
{
	uint64_t began = clock_ms();
	int status = 0;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct dial d = {.last_len = 0};
		struct fault fault;
		fault_init(&fault);
		dial_host(&d, "bbs.test", 443, clock_ms() + ms, &fault);
		/* No alarm is left behind. */
		_exit(fault.result == NET_DNS && alarm(0) == 0 ? 0 : 1);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_ms() - began > 20000)
			kill(pid, SIGKILL);
		usleep(10000);
	}
	*took = clock_ms() - began;
	return status;
}

static void test_no_answer(void **state)
{
	struct buf why = BUF_INIT(KIB);
	uint64_t took;
	(void)state;
	resolver_ms = 0;
	int status = look_up(1000, &took);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGALRM);
	assert_true(took >= 1000);
	assert_int_equal(net_end_say(status, "bbs.test", 1000, &why), NET_DNS);
	assert_non_null(strstr(buf_str(&why),
	    "cannot find the address of bbs.test (DNS: no answer within 1 s)"));
	buf_release(&why);
}

/* The rest of the exchange has a time of its own. */
static void test_an_answer_in_time(void **state)
{
	uint64_t took;
	(void)state;
	resolver_ms = 50;
	assert_int_equal(look_up(60000, &took), 0);
}

/* No look-up takes more than its part, however long an exchange may. */
static void test_at_most(void **state)
{
	struct buf why = BUF_INIT(KIB);
	(void)state;
	assert_int_equal(
	    net_end_say(SIGALRM, "bbs.test", 600000, &why), NET_DNS);
	assert_non_null(strstr(buf_str(&why), "no answer within 25 s"));
	buf_release(&why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_answer),
	    cmocka_unit_test(test_an_answer_in_time),
	    cmocka_unit_test(test_at_most),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
