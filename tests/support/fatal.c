/* Linked into the real agent (-Wl,--wrap=notify_send) it makes a version that
 * passes its trial and then does not work: ready, it crashes, or hangs (HANG).
 */
#include "agent/notify.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void __real_notify_send(const char *state);
void __wrap_notify_send(const char *state);

void __wrap_notify_send(const char *state)
{
	if (strcmp(state, "READY=1") != 0) {
		__real_notify_send(state);
		return;
	}
#if defined(HANG)
	for (;;)
		pause();
#else
	abort();
#endif
}
