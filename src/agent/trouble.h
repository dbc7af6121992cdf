/*
 * Trouble with the server: said once, waited out with a growing pause, and
 * its end said too. One struct for each way to the server.
 */
#ifndef AGENT_TROUBLE_H
#define AGENT_TROUBLE_H

#include "base/log.h"
#include <stdbool.h>
#include <stdint.h>

#define TROUBLE_PAUSE_MAX 60	    /* seconds */
#define TROUBLE_RETRY_AFTER_MAX 600 /* seconds that a server may ask for */

struct trouble {
	char text[512]; /* what was said, "" while all is well */
	uint64_t since;
	uint64_t said_at;
	unsigned failures;   /* in a row */
	uint64_t hold_until; /* nothing is sent before */
};

/* One more failure: logs the sentence when it is new (or an hour old), and
 * sets hold_until: first_pause seconds, doubled each time up to
 * TROUBLE_PAUSE_MAX, with jitter; retry_after (0: none) when it is longer. */
void trouble_add(struct trouble *t, enum log_level level, const char *text,
    int first_pause, uint32_t retry_after, uint64_t now);
/* It worked: logs the end of the trouble, if there was one. */
void trouble_end(struct trouble *t, uint64_t now);

#endif
