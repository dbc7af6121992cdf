/* Starting the network process from the agent's own binary. */
#ifndef NET_NET_SPAWN_H
#define NET_NET_SPAWN_H

#include "base/buf.h"
#include <sys/types.h>

/* Executes the binary behind self with the verb "net-process", an empty
 * environment and the socket as descriptor 3. *sock receives our end. Returns
 * the process, or -1 with a sentence in why. That the execution failed comes
 * as a WIRE_NO_EXEC frame with the errno. */
pid_t net_spawn(int self, int *sock, struct buf *why);

#endif
