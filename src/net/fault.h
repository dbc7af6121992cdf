/*
 * Why an exchange failed: which link of the chain, and one sentence about it
 * for an administrator.
 */
#ifndef NET_FAULT_H
#define NET_FAULT_H

#include "base/buf.h"
#include "net/net.h"

#define FAULT_SECRETS 3

struct fault {
	enum net_result result; /* NET_OK: none */
	struct buf text;
	/* Never quoted; NULL or "": none. They must outlive the fault. */
	const char *secrets[FAULT_SECRETS];
	struct buf *facts; /* NULL: nobody asked */
};

void fault_init(struct fault *f);
void fault_release(struct fault *f);
void fault_reset(struct fault *f);
/* Replaces what was there. Always -1, to be returned. */
int fault_set(struct fault *f, enum net_result result, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Notes one of net.h's facts, if somebody asked. The text holds no newline. */
void fault_fact(struct fault *f, char fact, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Appends bytes from outside to the sentence: secrets as ***, cut to max,
 * valid UTF-8, escaped. */
void fault_quote(struct fault *f, const char *bytes, size_t len, size_t max);

#endif
