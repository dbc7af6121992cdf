/* Linked into the real agent (-Wl,--wrap=notify_send,--wrap=alarm) it makes a
 * version that passes its trial and then does not work: ready, it crashes, or
 * hangs (HANG). The alarm that ends what hangs comes after two seconds, not
 * after a quarter of an hour.
 */
#include "agent/notify.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void __real_notify_send(const char *state);
void __wrap_notify_send(const char *state);
unsigned __real_alarm(unsigned seconds);
unsigned __wrap_alarm(unsigned seconds);

unsigned __wrap_alarm(unsigned seconds)
{
	return __real_alarm(seconds > 600 ? 2 : seconds);
}

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
