/*
 * One question to the server. Every way in which it can fail becomes one
 * sentence with what to do.
 */
#include "setup/server.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/version.h"
#include "net/url.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define ASK_TOTAL_MS 45000
#define ASK_FIRST_BYTE_MS 30000
#define ASK_STEP_MS 1000

static int load_trust(const struct config *c, const struct url *url,
    int *anchors, struct buf *name, struct buf *why)
{
	int count = 0, skipped = 0;
	struct buf wrong = BUF_INIT(4 * KIB);
	*anchors = -1;
	if (url->tls)
		*anchors =
		    trust_load(c->ca_file, name, &count, &skipped, &wrong);
	int rc = 0;
	if (url->tls && *anchors < 0 && c->verify && c->pin_count == 0) {
		buf_adds(why, buf_str(&wrong));
		rc = -1;
	}
	buf_release(&wrong);
	return rc;
}

/* downloads: for files of any host, and for nothing else. */
static struct net *open_net(
    const struct config *c, int self, bool downloads, struct buf *why)
{
	struct url url;
	struct buf ca_name = BUF_INIT(4 * KIB), others_name = BUF_INIT(4 * KIB);
	struct buf wrong_roots = BUF_INIT(4 * KIB);
	const char *wrong = NULL;
	struct net *net = NULL;
	int anchors = -1, others = -1, count = 0, skipped = 0;
	if (url_parse(&url, c->url, &wrong) != 0) {
		buf_addf(why, "the server's address %s: %s", c->url, wrong);
		goto out;
	}
	if (load_trust(c, &url, &anchors, &ca_name, why) != 0)
		goto out;
	/* Without roots only the server is left to fetch from. */
	if (downloads)
		others = trust_load_others(
		    c->ca_file, &others_name, &count, &skipped, &wrong_roots);
	struct net_config config = {.host = url.host,
	    .port = url.port,
	    .tls = url.tls,
	    .base_path = url.path,
	    .api_key = c->api_key,
	    .user_agent = "BBS-Agent/" BBS_VERSION,
	    .verify = c->verify,
	    .ca_name = buf_str(&ca_name),
	    .pin_count = c->pin_count,
	    .anchors = anchors,
	    .downloads = downloads,
	    .others = others,
	    .others_name = others >= 0 ? buf_str(&others_name) : NULL,
	    .proxy = c->proxy,
	    .no_proxy = c->no_proxy,
	    .user = geteuid() == 0 ? c->net_user : NULL};
	memcpy(config.pins, c->pins, sizeof(config.pins));
	net = net_new(self, &config);
	if (net == NULL)
		buf_adds(why, "out of memory");
out:
	if (anchors >= 0)
		close(anchors);
	if (others >= 0)
		close(others);
	buf_release(&ca_name);
	buf_release(&others_name);
	buf_release(&wrong_roots);
	return net;
}

int server_open(
    struct server *s, const struct config *c, bool downloads, struct buf *why)
{
	s->net = NULL;
	s->self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (s->self < 0)
		buf_addf(why,
		    "cannot open /proc/self/exe: %s: mount /proc first",
		    strerror(errno));
	else
		s->net = open_net(c, s->self, downloads, why);
	if (s->net != NULL)
		return 0;
	server_close(s);
	return -1;
}

void server_close(struct server *s)
{
	net_free(s->net);
	if (s->self >= 0)
		close(s->self);
}

void server_question(struct net_request *request)
{
	*request = (struct net_request){.method = "GET",
	    .path = "/api/agent/ssh-key",
	    .first_byte_ms = ASK_FIRST_BYTE_MS,
	    .total_ms = ASK_TOTAL_MS,
	    .body_max = ANSWER_BODY_MAX};
}

void server_exchange(struct server *s, const struct net_request *request,
    struct net_reply *reply)
{
	net_begin(s->net, request);
	while (net_take(s->net, reply) != 1) {
		short events = 0;
		struct pollfd p = {.fd = net_fd(s->net, &events)};
		p.events = events;
		poll(&p, 1,
		    clock_wait(clock_ms(), net_deadline(s->net), ASK_STEP_MS));
	}
}

/* A status that does not mean yes. */
static void describe(const struct net_reply *r, struct buf *why)
{
	if (r->status == 401 || r->status == 403)
		buf_addf(why,
		    "the server answers, but refuses the API key (%d): copy "
		    "it again from the client's page on the server",
		    r->status);
	else if (r->status == 429)
		buf_adds(why, "the server asks for fewer requests (429), "
			      "mostly after too many wrong keys: wait some "
			      "minutes and try again");
	else if (r->status == 404)
		buf_adds(why, "the server knows no /api/agent (404): is this "
			      "the address of a BBS server, with its path?");
	else if (r->status >= 300 && r->status < 400 && r->text != NULL &&
		 r->text[0] != '\0')
		buf_adds(why, r->text);
	else
		buf_addf(why,
		    "the server answers %d: its own log says more; try again "
		    "when it works",
		    r->status);
}

/* The server's own "there is none yet" is JSON; a wrong address is not. */
static bool is_json_object(const struct net_reply *r)
{
	return r->body_len > 0 && r->body[0] == '{' &&
	       json_check(r->body, r->body_len, JSON_DEPTH_MAX, NULL, NULL) ==
		   0;
}

int server_take(
    const struct net_reply *r, struct server_answer *answer, struct buf *why)
{
	struct json j = JSON_INIT;
	struct buf unusable = BUF_INIT(KIB);
	int rc = -1;
	memset(answer, 0, sizeof(*answer));
	buf_init(&answer->ssh_key, KEY_FILE_MAX);
	if (r->result != NET_OK) {
		buf_adds(why, r->text != NULL ? r->text : "no answer");
	} else if (r->status == 404 && is_json_object(r)) {
		rc = 0;
	} else if (r->status < 200 || r->status >= 300) {
		describe(r, why);
	} else if (json_parse(&j, r->body, r->body_len) != 0) {
		buf_adds(why, "the server's answer cannot be read");
	} else {
		answer->has_ssh =
		    answer_ssh_info(&j, &answer->ssh, &unusable) == 0;
		answer_ssh_key(&j, &answer->ssh_key);
		rc = 0;
	}
	json_release(&j);
	buf_release(&unusable);
	return rc;
}

int server_ask(
    const struct config *c, struct server_answer *answer, struct buf *why)
{
	struct net_request request;
	struct net_reply reply;
	struct server server;
	memset(answer, 0, sizeof(*answer));
	if (server_open(&server, c, false, why) != 0)
		return -1;
	server_question(&request);
	server_exchange(&server, &request, &reply);
	int rc = server_take(&reply, answer, why);
	server_close(&server);
	return rc;
}

void server_answer_release(struct server_answer *answer)
{
	buf_wipe(&answer->ssh_key);
}

int server_fetch(const struct config *c, const char *url, uint32_t most,
    uint32_t total_ms, int file, struct buf *why)
{
	struct net_request request = {.method = "GET",
	    .path = "/",
	    .first_byte_ms = total_ms < DOWNLOAD_FIRST_BYTE_MS
				 ? total_ms
				 : DOWNLOAD_FIRST_BYTE_MS,
	    .total_ms = total_ms,
	    .body_max = most,
	    .url = url,
	    .file = file,
	    .pace_ms = DOWNLOAD_PACE_MS,
	    .pace_bytes = DOWNLOAD_PACE_BYTES};
	struct net_reply reply;
	struct url_link link;
	struct server server;
	const char *wrong;
	if (url_parse_link(&link, url, &wrong) != 0) {
		/* It is not repeated: a password may be in it. */
		buf_addf(why, "the address cannot be used: %s", wrong);
		return 0;
	}
	if (server_open(&server, c, true, why) != 0)
		return 0;
	server_exchange(&server, &request, &reply);
	int status = reply.result == NET_OK ? reply.status : 0;
	if (status != 200)
		buf_adds(why, reply.text);
	server_close(&server);
	return status;
}
