/* What the end of a network process means. */
#ifndef NET_NET_END_H
#define NET_NET_END_H

#include "net/net.h"

/* One sentence into why for a process that ended with this status (as of
 * waitpid(2); -1: not known) before it had answered a request to host that was
 * given total_ms. Which result that is. */
enum net_result net_end_say(
    int status, const char *host, uint32_t total_ms, struct buf *why);

#endif
