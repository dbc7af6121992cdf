/*
 * Keeping what is in our memory to ourselves. The limit alone would not do:
 * where the kernel hands a dying process to a program, it does not count.
 */
#include "base/proc_hide.h"
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static struct rlimit before;
static bool is_known;

void proc_hide(void)
{
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (!is_known)
		is_known = getrlimit(RLIMIT_CORE, &before) == 0;
	/* The hard limit stays: it could not be given back. */
	struct rlimit none = {0, before.rlim_max};
	if (is_known)
		setrlimit(RLIMIT_CORE, &none);
}

void proc_unlimit_cores(void)
{
	if (is_known)
		setrlimit(RLIMIT_CORE, &before);
}
