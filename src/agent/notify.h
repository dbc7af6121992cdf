/* systemd's notify protocol (sd_notify(3)); nothing without NOTIFY_SOCKET. */
#ifndef AGENT_NOTIFY_H
#define AGENT_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Sends lines such as "READY=1". */
void notify_send(const char *state);
/* Is there a service manager that wants them? */
bool notify_wanted(void);
/* Milliseconds between two signs of life, 0 when nobody watches. */
uint64_t notify_watchdog_ms(void);

#endif
