/*
 * PEM: the certificates of a text, one after the other, as DER. What stands
 * between the blocks (comments of a bundle) is passed over. Pure.
 */
#ifndef NET_PEM_H
#define NET_PEM_H

#include "base/buf.h"
#include <stddef.h>

struct pem {
	const char *p;
	size_t left;
};

void pem_init(struct pem *r, const char *text, size_t len);
/* The next CERTIFICATE block, decoded into out (emptied first): 1; 0 no more;
 * -1 a block that cannot be decoded (the next call goes on behind it). */
int pem_next(struct pem *r, struct buf *out);

#endif
