/*
 * See net_wire.h. The supervisor trusts no reply: a result that does not exist
 * or bytes that are left over make the frame a broken one.
 */
#include "net/net_wire.h"
#include "base/limits.h"
#include <string.h>

void wire_put_config(struct buf *out, const struct net_config *c)
{
	pack_str(out, c->host);
	pack_u64(out, c->port);
	pack_u64(out, c->tls);
	pack_str(out, c->base_path);
	pack_str(out, c->api_key);
	pack_str(out, c->user_agent);
	pack_u64(out, c->verify);
	pack_str(out, c->ca_name);
	pack_u64(out, (uint64_t)c->pin_count);
	pack_bytes(out, c->pins, sizeof(c->pins));
	pack_str(out, c->proxy);
	pack_str(out, c->no_proxy);
	pack_str(out, c->user);
	pack_u64(out, c->downloads);
}

int wire_get_config(struct net_config *c, const void *p, size_t len)
{
	struct unpack u;
	const char *pins;
	size_t pins_len = 0;
	uint64_t pin_count;

	memset(c, 0, sizeof(*c));
	c->anchors = c->others = -1;
	unpack_init(&u, p, len);
	c->host = unpack_bytes(&u, NULL);
	c->port = (uint16_t)unpack_u64(&u);
	c->tls = unpack_u64(&u) != 0;
	c->base_path = unpack_bytes(&u, NULL);
	c->api_key = unpack_bytes(&u, NULL);
	c->user_agent = unpack_bytes(&u, NULL);
	c->verify = unpack_u64(&u) != 0;
	c->ca_name = unpack_bytes(&u, NULL);
	pin_count = unpack_u64(&u);
	pins = unpack_bytes(&u, &pins_len);
	c->proxy = unpack_bytes(&u, NULL);
	c->no_proxy = unpack_bytes(&u, NULL);
	c->user = unpack_bytes(&u, NULL);
	c->downloads = unpack_u64(&u) != 0;
	if (unpack_end(&u) != 0 || c->host == NULL || c->base_path == NULL ||
	    c->api_key == NULL || c->user_agent == NULL || pin_count > 2 ||
	    pins == NULL || pins_len != sizeof(c->pins))
		return -1;
	c->pin_count = (int)pin_count;
	memcpy(c->pins, pins, pins_len);
	return 0;
}

void wire_put_request(struct buf *out, const struct net_request *r)
{
	pack_str(out, r->method);
	pack_str(out, r->path);
	pack_u64(out, r->first_byte_ms);
	pack_u64(out, r->total_ms);
	pack_u64(out, r->body_max);
	pack_u64(out, r->facts);
	pack_bytes(out, r->body, r->body_len);
	pack_str(out, r->url);
	pack_u64(out, r->pace_ms);
	pack_u64(out, r->pace_bytes);
}

int wire_get_request(struct net_request *r, const void *p, size_t len)
{
	struct unpack u;

	memset(r, 0, sizeof(*r));
	r->file = -1;
	unpack_init(&u, p, len);
	r->method = unpack_bytes(&u, NULL);
	r->path = unpack_bytes(&u, NULL);
	r->first_byte_ms = (uint32_t)unpack_u64(&u);
	r->total_ms = (uint32_t)unpack_u64(&u);
	r->body_max = (uint32_t)unpack_u64(&u);
	r->facts = unpack_u64(&u) != 0;
	r->body_len = 0;
	r->body = unpack_bytes(&u, &r->body_len);
	r->url = unpack_bytes(&u, NULL);
	r->pace_ms = (uint32_t)unpack_u64(&u);
	r->pace_bytes = (uint32_t)unpack_u64(&u);
	if (unpack_end(&u) != 0 || r->method == NULL || r->path == NULL)
		return -1;
	return 0;
}

void wire_put_reply(struct buf *out, const struct net_reply *r)
{
	pack_u64(out, r->result);
	pack_u64(out, (uint64_t)r->status);
	pack_u64(out, r->retry_after);
	pack_str(out, r->text);
	pack_str(out, r->facts);
	pack_bytes(out, r->body, r->body_len);
}

int wire_get_reply(struct net_reply *r, const void *p, size_t len)
{
	struct unpack u;
	uint64_t result, status;

	unpack_init(&u, p, len);
	result = unpack_u64(&u);
	status = unpack_u64(&u);
	r->retry_after = (uint32_t)unpack_u64(&u);
	r->text = unpack_bytes(&u, NULL);
	r->facts = unpack_bytes(&u, NULL);
	r->body_len = 0;
	r->body = unpack_bytes(&u, &r->body_len);
	if (unpack_end(&u) != 0 || result > NET_BROKEN || status > 599 ||
	    r->text == NULL || r->facts == NULL || r->body == NULL)
		return -1;
	r->result = (enum net_result)result;
	r->status = (int)status;
	return 0;
}
