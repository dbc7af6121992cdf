/* A stand-in for a new version of the agent that does not work: what it does
 * when it is tried is compiled in. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
#if defined(CRASH)
	abort();
#elif defined(HANG)
	signal(SIGTERM, SIG_IGN);
	for (;;)
		pause();
#elif defined(SILENT)
	return 0;
#else
	fputs("bbs-agent: nothing works\n", stderr);
	return 1;
#endif
}
