/*
 * A process beside the worker, for what may hang in the kernel: looking at
 * files on a mount that never answers. The worker asks or listens, and goes
 * on without it when it has waited long enough.
 */
#ifndef JOB_ASIDE_H
#define JOB_ASIDE_H

#include <sys/types.h>

struct aside {
	int sock;  /* to the process, of whole messages; -1: there is none */
	pid_t pid; /* 0: there is none */
};
#define ASIDE_INIT    \
	{             \
		-1, 0 \
	}

/* Starts one that runs body and ends. It has no descriptor of ours but its end
 * of the socket, and does not outlive us unless the kernel holds it. 0, or -1
 * with errno. */
int aside_start(
    struct aside *a, void (*body)(int sock, const void *ctx), const void *ctx);
/* Ends it; where the kernel does not let that happen, that is said. */
void aside_end(struct aside *a);

#endif
