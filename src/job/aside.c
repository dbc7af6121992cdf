/*
 * Forked, not executed. A pipe that it held open while it hangs would look to
 * its reader as if the worker held it, so it closes all but its socket.
 */
#include "job/aside.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Killed, it is gone within moments, or hangs. */
#define STEPS 10

int aside_start(
    struct aside *a, void (*body)(int sock, const void *ctx), const void *ctx)
{
	int socks[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) != 0)
		return -1;
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(0);
		log_forget();
		proc_close_range(0, socks[1] - 1);
		proc_close_range(socks[1] + 1, INT_MAX);
		body(socks[1], ctx);
		_exit(0);
	}
	close(socks[1]);
	if (pid < 0) {
		close(socks[0]);
		return -1;
	}
	*a = (struct aside){socks[0], pid};
	return 0;
}

/* Nobody waits for it any more; whoever finds it shall know whose it is. */
static void tell_stuck(pid_t pid)
{
	struct proc p = {pid, proc_start_time(pid)};
	struct buf text = BUF_INIT(KIB);
	proc_describe_stuck(&p, &text);
	log_warning("%s; it looked at files only", buf_str(&text));
	buf_release(&text);
}

void aside_end(struct aside *a)
{
	if (a->pid <= 0)
		return;
	close(a->sock);
	kill(a->pid, SIGKILL);
	int steps = 0;
	while (waitpid(a->pid, NULL, WNOHANG) == 0 && steps++ < STEPS)
		poll(NULL, 0, PROC_POLL_MS);
	if (steps > STEPS)
		tell_stuck(a->pid);
	*a = (struct aside)ASIDE_INIT;
}
