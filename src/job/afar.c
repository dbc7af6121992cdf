/* One process for all questions of a job. */
#include "job/afar.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* The process. It answers with what stat says, or with less. */
static void afar_serve(int sock, const void *ctx)
{
	char path[PATH_MAX];
	ssize_t n;
	(void)ctx;
	while ((n = recv(sock, path, sizeof(path) - 1, 0)) > 0) {
		struct stat st = {0};
		path[n] = '\0';
		int rc = fstatat(AT_FDCWD, path, &st, AT_NO_AUTOMOUNT);
		size_t len = rc == 0 ? sizeof(st) : 1;
		if (send(sock, &st, len, MSG_NOSIGNAL) < 0)
			return;
	}
}

/* Waits for the answer: its length. */
static ssize_t afar_await(int sock, struct stat *st)
{
	struct pollfd p = {.fd = sock, .events = POLLIN};
	uint64_t until = clock_ms() + AFAR_MS;
	int rc;
	do {
		rc = poll(&p, 1, clock_wait(clock_ms(), until, -1));
	} while (rc < 0 && errno == EINTR);
	return rc > 0 ? recv(sock, st, sizeof(*st), 0) : -1;
}

int afar_stat(struct afar *a, const char *path, struct stat *st)
{
	struct aside *s = &a->aside;
	ssize_t n = -1;
	if (a->given_up ||
	    (s->pid == 0 && aside_start(s, afar_serve, NULL) != 0))
		return -1;
	if (send(s->sock, path, strlen(path), MSG_NOSIGNAL) > 0)
		n = afar_await(s->sock, st);
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
	aside_end(&a->aside);
}
