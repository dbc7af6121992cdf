/*
 * See net_spawn.h. The open descriptor of the binary is executed, not its
 * path: an update on disk changes nothing for an agent that runs. Between fork
 * and exec only what is safe in a signal handler is called.
 */
#include "net/net_spawn.h"
#include "base/frame.h"
#include "base/newcall.h"
#include "net/net_wire.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4
#endif
/* The same number on every architecture; older headers lack it. */
#define NET_CALL_CLOSE_RANGE NEWCALL(436)

/* Descriptors move here first, out of the way of 0 to 3. */
#define NET_FD_HIGH 10

/* 0 and 1 are /dev/null, 2 stays, 3 is the socket, the rest is closed by
 * exec. Returns the binary's descriptor, or -1. */
static int net_child_files(int self, int sock)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int high = fcntl(null, F_DUPFD_CLOEXEC, NET_FD_HIGH);

	self = fcntl(self, F_DUPFD_CLOEXEC, NET_FD_HIGH);
	sock = fcntl(sock, F_DUPFD_CLOEXEC, NET_FD_HIGH);
	if (null >= 0)
		close(null);
	if (high < 0 || self < 0 || sock < 0 || dup2(high, 0) < 0 ||
	    dup2(high, 1) < 0 || dup2(sock, 3) < 0)
		return -1;
	if (syscall(NET_CALL_CLOSE_RANGE, 4, ~0u, CLOSE_RANGE_CLOEXEC) != 0) {
		for (int fd = 4; fd < 1024; fd++)
			fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	return self;
}

static void net_child_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Tells the supervisor, in the form of a frame, why there is no process. */
static void net_child_tell(int error)
{
	struct {
		uint32_t len, type;
		uint64_t error;
	} frame = {sizeof(uint64_t), WIRE_NO_EXEC, (uint64_t)error};
	ssize_t n = write(3, &frame, sizeof(frame));

	_exit(n == (ssize_t)sizeof(frame) ? 127 : 126);
}

static void net_child(int self, int sock)
{
	static char name[] = "bbs-agent", verb[] = "net-process";
	char *argv[] = {name, verb, NULL}, *env[] = {NULL};
	char path[40];

	/* Out of our terminal's reach, and it out of its. */
	setsid();
	self = net_child_files(self, sock);
	net_child_signals();
	if (self >= 0) {
#ifdef SYS_execveat
		syscall(SYS_execveat, self, "", argv, env, AT_EMPTY_PATH);
#endif
		/* Kernels before 3.19 */
		snprintf(path, sizeof(path), "/proc/self/fd/%d", self);
		execve(path, argv, env);
	}
	net_child_tell(errno);
}

pid_t net_spawn(int self, int *sock, struct buf *why)
{
	sigset_t all, before;
	int socks[2];
	pid_t pid;

	if (frame_pair(socks) != 0) {
		buf_addf(why, "cannot start the network process: %s",
		    strerror(errno));
		return -1;
	}
	/* A handler of ours must not run in the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		net_child(self, socks[1]);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(socks[1]);
	if (pid < 0) {
		buf_addf(why, "cannot start the network process: %s",
		    strerror(errno));
		close(socks[0]);
		return -1;
	}
	*sock = socks[0];
	return pid;
}
