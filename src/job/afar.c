/*
 * One process for all questions of a job, made for the first one. It shares
 * nothing with the worker but the socket: a pipe that it held open while it
 * hangs would look to its reader as if the worker held it.
 */
#include "job/afar.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The process. It answers with what stat says, or with less. */
static void afar_serve(int sock)
{
	char path[PATH_MAX];
	ssize_t n;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	proc_close_range(0, sock - 1);
	proc_close_range(sock + 1, INT_MAX);
	while ((n = recv(sock, path, sizeof(path) - 1, 0)) > 0) {
		struct stat st = {0};
		path[n] = '\0';
		int rc = fstatat(AT_FDCWD, path, &st, AT_NO_AUTOMOUNT);
		size_t len = rc == 0 ? sizeof(st) : 1;
		if (send(sock, &st, len, MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

static int afar_start(struct afar *a)
{
	int socks[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) != 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0)
		afar_serve(socks[1]);
	close(socks[1]);
	if (pid < 0) {
		close(socks[0]);
		return -1;
	}
	a->sock = socks[0];
	a->pid = pid;
	return 0;
}

/* Waits for the answer: its length. */
static ssize_t afar_await(const struct afar *a, struct stat *st)
{
	struct pollfd p = {.fd = a->sock, .events = POLLIN};
	uint64_t until = clock_ms() + AFAR_MS;
	int rc;
	do {
		rc = poll(&p, 1, clock_wait(clock_ms(), until, -1));
	} while (rc < 0 && errno == EINTR);
	return rc > 0 ? recv(a->sock, st, sizeof(*st), 0) : -1;
}

int afar_stat(struct afar *a, const char *path, struct stat *st)
{
	ssize_t n = -1;
	if (a->given_up || (a->pid == 0 && afar_start(a) != 0))
		return -1;
	if (send(a->sock, path, strlen(path), MSG_NOSIGNAL) > 0)
		n = afar_await(a, st);
	if (n > 0)
		return n == sizeof(*st) ? 0 : -1;
	log_warning("what %s leads to does not answer: links to other mounts "
		    "are listed with their own size",
	    path);
	a->given_up = true;
	return -1;
}

void afar_end(struct afar *a)
{
	if (a->sock >= 0)
		close(a->sock);
	if (a->pid > 0) {
		kill(a->pid, SIGKILL);
		waitpid(a->pid, NULL, a->given_up ? WNOHANG : 0);
	}
	*a = (struct afar)AFAR_INIT;
}
