/*
 * The network process: configuration in, sandbox on, then one exchange after
 * the other until the supervisor closes the socket. It logs nothing; what
 * there is to say goes up in the frames.
 */
#include "base/digits.h"
#include "base/frame.h"
#include "base/limits.h"
#include "net/http.h"
#include "net/http_text.h"
#include "net/net_wire.h"
#include "net/sandbox.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROCESS_SOCK 3
/* A supervisor that does not take a reply in this time is stuck. */
#define PROCESS_DRAIN_MS 60000

struct process {
	struct frame_link link;
	struct buf texts, others_name; /* what config points into */
	struct net_config config;
	struct http http;
	struct fault fault; /* set: http could not be made */
	bool broken;
};

/* Waits for the second frame, which only downloads have. */
static int process_others(struct process *p)
{
	struct unpack u;
	struct frame f;

	buf_init(&p->others_name, NET_TEXT_MAX);
	if (frame_wait(&p->link, &f, -1) <= 0 || f.type != WIRE_OTHERS)
		return -1;
	p->config.others = f.fd;
	unpack_init(&u, f.data, f.len);
	const char *name = unpack_bytes(&u, NULL);
	if (unpack_end(&u) != 0)
		return -1;
	if (name != NULL && buf_adds(&p->others_name, name) != 0)
		return -1;
	p->config.others_name = name != NULL ? buf_str(&p->others_name) : NULL;
	return 0;
}

/* Waits for the first frame and keeps it. */
static int process_config(struct process *p)
{
	struct frame f;

	buf_init(&p->texts, NET_FRAME_MAX);
	if (frame_wait(&p->link, &f, -1) <= 0 || f.type != WIRE_CONFIG ||
	    buf_add(&p->texts, f.data, f.len) != 0)
		return -1;
	if (wire_get_config(&p->config, p->texts.data, p->texts.len) != 0)
		return -1;
	p->config.anchors = f.fd;
	return p->config.downloads ? process_others(p) : 0;
}

static int process_ready(struct process *p, unsigned mask, const char *note)
{
	struct buf text = BUF_INIT(KIB), frame = BUF_INIT(4 * KIB);
	int rc;

	sandbox_text(&text, mask, p->config.user);
	pack_u64(&frame, mask);
	pack_str(&frame, buf_str(&text));
	pack_str(&frame, note);
	rc = frame.failed
		 ? -1
		 : frame_send(&p->link, WIRE_READY, frame.data, frame.len, -1);
	buf_release(&text);
	buf_release(&frame);
	return rc;
}

/* What cannot be mended here is answered to every request. */
static void process_prepare(struct process *p)
{
	const struct net_config *c = &p->config;

	fault_init(&p->fault);
	p->broken = true;
	if (!http_text_check(c->api_key) || !http_text_check(c->user_agent))
		fault_set(&p->fault, NET_BROKEN,
		    "api_key has characters that cannot be sent");
	else if (http_init(&p->http, c, &p->fault) == 0)
		p->broken = false;
	/* A download opens them for each of its hops. */
	if (c->anchors >= 0 && !c->downloads)
		close(c->anchors);
}

static int process_reply(struct process *p, const struct net_reply *reply)
{
	struct buf frame = BUF_INIT(NET_FRAME_MAX);
	int rc = -1;

	wire_put_reply(&frame, reply);
	if (!frame.failed &&
	    frame_send(&p->link, WIRE_REPLY, frame.data, frame.len, -1) == 0)
		rc = frame_drain(&p->link, PROCESS_DRAIN_MS);
	buf_wipe(&frame);
	return rc;
}

static int process_exchange(struct process *p, const struct net_request *r)
{
	struct net_reply reply = {.body = "", .text = ""};
	struct buf facts = BUF_INIT(NET_FACTS_MAX), sent = BUF_INIT(KIB);
	struct httpmsg msg;
	struct fault fault;
	int rc;

	fault_init(&fault);
	fault.facts = r->facts ? &facts : NULL;
	fault.secrets[0] = p->config.api_key;
	fault.secrets[1] = p->http.proxy.login;
	/* As a proxy would repeat it that shows what it was sent. */
	digits_put_base64(
	    &sent, fault.secrets[1], strlen(fault.secrets[1]), true);
	fault.secrets[2] = buf_str(&sent);
	httpmsg_init(&msg, 0, 0);
	if (p->broken) {
		reply.result = p->fault.result;
		reply.text = buf_str(&p->fault.text);
	} else if (r->url != NULL) {
		if (http_download(&p->config, r, &msg, &fault) != 0)
			reply.result = fault.result;
	} else if (http_exchange(&p->http, r, &msg, &fault) == 0) {
		reply.body = buf_str(&msg.body);
		reply.body_len = msg.body.len;
	} else {
		reply.result = fault.result;
	}
	if (!p->broken) {
		if (msg.head_done)
			reply.status = msg.status;
		reply.retry_after = msg.retry_after;
		reply.text = buf_str(&fault.text);
	}
	reply.facts = buf_str(&facts);
	/* Whoever gets the reply may want to execute the file. */
	if (r->file >= 0)
		close(r->file);
	rc = process_reply(p, &reply);
	fault_release(&fault);
	buf_wipe(&sent);
	buf_release(&facts);
	buf_wipe(&msg.body);
	httpmsg_release(&msg);
	return rc;
}

/* 0 when the supervisor closed the socket, 1 when it sent nonsense. */
static int process_serve(struct process *p)
{
	for (;;) {
		struct net_request r;
		struct frame f;
		if (frame_wait(&p->link, &f, -1) <= 0)
			return 0;
		if (f.type != WIRE_REQUEST ||
		    wire_get_request(&r, f.data, f.len) != 0 ||
		    (r.url != NULL) != p->config.downloads ||
		    (r.url != NULL) != (f.fd >= 0))
			return 1;
		r.file = f.fd;
		if (process_exchange(p, &r) != 0)
			return 1;
	}
}

int net_process_main(void)
{
	static struct process p;
	struct buf note = BUF_INIT(KIB);
	pid_t parent = getppid();
	unsigned mask;
	int rc = 1;

	frame_link_init(&p.link, PROCESS_SOCK, NET_FRAME_MAX);
	if (process_config(&p) != 0)
		return 1;
	uint32_t file_max = p.config.downloads ? DOWNLOAD_MAX : 0;
	if (sandbox_enter(p.config.user, parent, file_max, &mask, &note) == 0 &&
	    process_ready(&p, mask, buf_str(&note)) == 0) {
		buf_release(&note);
		process_prepare(&p);
		rc = process_serve(&p);
		http_release(&p.http);
	}
	buf_release(&note);
	buf_wipe(&p.texts);
	buf_release(&p.others_name);
	frame_link_release(&p.link);
	return rc;
}
