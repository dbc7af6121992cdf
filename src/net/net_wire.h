/*
 * What the supervisor and the network process say to each other: the types of
 * frames and the packing of their payloads. Pure.
 */
#ifndef NET_NET_WIRE_H
#define NET_NET_WIRE_H

#include "base/buf.h"
#include "base/pack.h"
#include "net/net.h"

enum wire_type {
	WIRE_CONFIG = 1, /* down, once: net_config, with the anchors */
	WIRE_OTHERS,	 /* down, once after it, of downloads: their name, and
			    the anchors for other hosts */
	WIRE_REQUEST,	 /* down: net_request, with the file of a download */
	WIRE_READY,	 /* up, once: sandbox mask, text, note */
	WIRE_REPLY,	 /* up: net_reply */
	WIRE_NO_EXEC	 /* up, from the child that could not be: errno */
};

/* Each appends to out; out->failed tells. */
void wire_put_config(struct buf *out, const struct net_config *c);
void wire_put_request(struct buf *out, const struct net_request *r);
void wire_put_reply(struct buf *out, const struct net_reply *r);

/* Each fills its structure with pointers into the payload: 0 or -1. */
int wire_get_config(struct net_config *c, const void *p, size_t len);
int wire_get_request(struct net_request *r, const void *p, size_t len);
int wire_get_reply(struct net_reply *r, const void *p, size_t len);

#endif
