/*
 * The network processes' configuration: whom they speak to, whom they trust.
 * The CA bundles are read here, at the start and when the configuration is
 * read again, and at no other time.
 */
#include "agent/agent.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/version.h"
#include "net/url.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* The CA bundle is read once, here; the net processes share its memory. */
static int load_trust(
    const struct config *c, struct net_trust *t, struct buf *why)
{
	int count = 0, skipped = 0;
	t->anchors = trust_load(c->ca_file, &t->name, &count, &skipped, why);
	if (t->anchors >= 0) {
		log_debug("%d roots from %s, %d passed over", count,
		    buf_str(&t->name), skipped);
	} else if (c->verify && c->pin_count == 0) {
		return -1;
	}
	buf_reset(why);
	return 0;
}

static int open_self(struct agent *a, struct buf *why)
{
	if (a->self < 0)
		a->self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (a->self < 0)
		buf_addf(why,
		    "cannot open /proc/self/exe: %s (is /proc mounted?)",
		    strerror(errno));
	return a->self < 0 ? -1 : 0;
}

static int read_url(const struct config *c, struct url *url, struct buf *why)
{
	const char *reason = NULL;
	if (url_parse(url, c->url, &reason) == 0)
		return 0;
	buf_addf(why, "[server] url = %s: %s", c->url, reason);
	return -1;
}

static void warn_of_url(const struct config *c, const struct url *url)
{
	if (!url->tls)
		log_warning("[server] url is http://: the API key and every "
			    "passphrase cross the network unencrypted; use "
			    "https://");
	else if (!c->verify)
		log_warning("[server] verify = no: anybody on the way can "
			    "read the API key and give orders to this host");
}

static void fill_config(struct net_config *n, const struct config *c,
    const struct url *url, const struct net_trust *t)
{
	*n = (struct net_config){.host = url->host,
	    .port = url->port,
	    .tls = url->tls,
	    .base_path = url->path,
	    .api_key = c->api_key,
	    .user_agent = "BBS-Agent/" BBS_VERSION,
	    .verify = c->verify,
	    .ca_name = buf_str(&t->name),
	    .pin_count = c->pin_count,
	    .anchors = t->anchors,
	    .proxy = c->proxy,
	    .no_proxy = c->no_proxy,
	    .user = geteuid() == 0 ? c->net_user : NULL};
	memcpy(n->pins, c->pins, sizeof(n->pins));
}

/* Whom other hosts are judged by: where the administrator names no roots of
 * his own, those of the server. Without any only the server is left. */
static void load_others(const struct config *c, struct net_trust *t)
{
	struct buf why = BUF_INIT(4 * KIB);
	int count = 0, skipped = 0;
	if (c->ca_file == NULL && t->anchors >= 0) {
		t->others = t->anchors;
		buf_adds(&t->others_name, buf_str(&t->name));
		return;
	}
	t->others = trust_load_others(
	    c->ca_file, &t->others_name, &count, &skipped, &why);
	if (t->others < 0)
		log_debug("downloads: %s", buf_str(&why));
	buf_release(&why);
}

static void trust_init(struct net_trust *t)
{
	t->anchors = t->others = -1;
	buf_init(&t->name, 4 * KIB);
	buf_init(&t->others_name, 4 * KIB);
}

static void trust_release(struct net_trust *t)
{
	if (t->others >= 0 && t->others != t->anchors)
		close(t->others);
	if (t->anchors >= 0)
		close(t->anchors);
	buf_release(&t->name);
	buf_release(&t->others_name);
	t->anchors = t->others = -1;
}

static void replace(struct net **old, struct net *n)
{
	net_free(*old);
	*old = n;
}

int nets_open(struct agent *a, const struct config *c, struct buf *why)
{
	struct url url;
	struct net_config config;
	struct net_trust trust;
	struct net *polls, *reports;
	trust_init(&trust);
	if (open_self(a, why) != 0 || read_url(c, &url, why) != 0 ||
	    (url.tls && load_trust(c, &trust, why) != 0)) {
		trust_release(&trust);
		return -1;
	}
	fill_config(&config, c, &url, &trust);
	polls = net_new(a->self, &config);
	reports = net_new(a->self, &config);
	if (polls == NULL || reports == NULL) {
		buf_adds(why, "out of memory");
		net_free(polls);
		net_free(reports);
		trust_release(&trust);
		return -1;
	}
	warn_of_url(c, &url);
	replace(&a->polls, polls);
	replace(&a->reports, reports);
	net_warm(a->polls);
	load_others(c, &trust);
	if (a->has_trust)
		trust_release(&a->trust);
	a->trust = trust;
	a->has_trust = true;
	return 0;
}

void nets_close(struct agent *a)
{
	net_free(a->polls);
	net_free(a->reports);
	net_free(a->fetch.net);
	if (a->has_trust)
		trust_release(&a->trust);
	if (a->self >= 0)
		close(a->self);
}

struct net *nets_open_downloads(const struct agent *a)
{
	struct url url;
	struct net_config config;
	struct buf why = BUF_INIT(4 * KIB);
	struct net *net = NULL;
	if (read_url(a->config, &url, &why) == 0) {
		fill_config(&config, a->config, &url, &a->trust);
		config.downloads = true;
		config.others = a->trust.others;
		config.others_name =
		    config.others >= 0 ? buf_str(&a->trust.others_name) : NULL;
		net = net_new(a->self, &config);
	}
	buf_release(&why);
	return net;
}
