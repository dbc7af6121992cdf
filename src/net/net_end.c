/*
 * The resolver of the C library takes as long as it likes, so an alarm ends
 * the process over it: that end is an answer. Any other is a fault.
 */
#include "net/net_end.h"
#include "base/limits.h"
#include <signal.h>
#include <sys/wait.h>

static enum net_result say_no_name(
    const char *host, uint32_t total_ms, struct buf *why)
{
	uint32_t waited = total_ms < NET_DNS_MS ? total_ms : NET_DNS_MS;
	buf_addf(why,
	    "cannot find the address of %s (DNS: no answer within %u s): check "
	    "/etc/resolv.conf and the network",
	    host, waited / 1000);
	return NET_DNS;
}

enum net_result net_end_say(
    int status, const char *host, uint32_t total_ms, struct buf *why)
{
	if (status < 0)
		buf_adds(why, "the network process closed its socket");
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		return say_no_name(host, total_ms, why);
	else if (WIFSIGNALED(status))
		buf_addf(why, "the network process was killed by signal %d%s",
		    WTERMSIG(status),
		    WTERMSIG(status) == SIGSYS ? " (its sandbox)" : "");
	else
		buf_addf(why, "the network process ended with status %d",
		    WEXITSTATUS(status));
	buf_adds(why, "; it is started again");
	return NET_BROKEN;
}
