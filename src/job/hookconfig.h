/* The configuration of a shell_hook, decoded. PROTOCOL: "Plugins". */
#ifndef JOB_HOOKCONFIG_H
#define JOB_HOOKCONFIG_H

#include "base/buf.h"
#include <stdint.h>

struct hookconfig {
	char *pre, *post; /* NULL: none */
	uint64_t timeout_s;
	bool deferred; /* the server orders the post-script by plugin_post */
	bool expose_passphrase;
};

/* text: JSON. 0, or -1 with a sentence in why. Free in both cases. */
int hookconfig_decode(struct hookconfig *h, const char *text, struct buf *why);
void hookconfig_release(struct hookconfig *h);

#endif
