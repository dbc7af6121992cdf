/*
 * stat(2) of what may lie behind a mount that never answers: a process aside
 * is asked, and given up when it hangs.
 */
#ifndef JOB_AFAR_H
#define JOB_AFAR_H

#include "job/aside.h"
#include <stdbool.h>
#include <sys/stat.h>

struct afar {
	struct aside aside; /* made for the first question */
	bool given_up;
};
#define AFAR_INIT                 \
	{                         \
		ASIDE_INIT, false \
	}

/* 0 with *st, or -1: there is nothing, or no answer came within AFAR_MS; then
 * nothing is asked any more. */
int afar_stat(struct afar *a, const char *path, struct stat *st);
void afar_end(struct afar *a);

#endif
