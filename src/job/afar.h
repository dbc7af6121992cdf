/*
 * stat(2) of what may lie behind a mount that never answers: by a process of
 * its own, which is asked over a socket and given up when it hangs.
 */
#ifndef JOB_AFAR_H
#define JOB_AFAR_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

struct afar {
	int sock;  /* to the process, -1: there is none */
	pid_t pid; /* 0: none yet */
	bool given_up;
};
#define AFAR_INIT            \
	{                    \
		-1, 0, false \
	}

/* 0 with *st, or -1: there is nothing, or no answer came within AFAR_MS; then
 * nothing is asked any more. */
int afar_stat(struct afar *a, const char *path, struct stat *st);
/* Ends the process, as far as the kernel lets it. */
void afar_end(struct afar *a);

#endif
