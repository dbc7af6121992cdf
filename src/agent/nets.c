/*
 * The network processes' configuration: whom they speak to, whom they trust.
 * The CA bundles are read here, before anything comes from the network.
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
static int load_trust(const struct config *c, int *anchors, struct buf *ca_name)
{
	struct buf why = BUF_INIT(4 * KIB);
	int count = 0, skipped = 0;
	*anchors = trust_load(c->ca_file, ca_name, &count, &skipped, &why);
	if (*anchors >= 0) {
		log_debug("%d roots from %s, %d passed over", count,
		    buf_str(ca_name), skipped);
	} else if (c->verify && c->pin_count == 0) {
		log_error("%s", buf_str(&why));
		buf_release(&why);
		return -1;
	}
	buf_release(&why);
	return 0;
}

static int open_self(void)
{
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (self < 0)
		log_error("cannot open /proc/self/exe: %s (is /proc mounted?)",
		    strerror(errno));
	return self;
}

static int read_url(const struct config *c, struct url *url)
{
	const char *why = NULL;
	if (url_parse(url, c->url, &why) == 0)
		return 0;
	log_error("[server] url = %s: %s", c->url, why);
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
    const struct url *url, int anchors, const struct buf *ca_name)
{
	*n = (struct net_config){.host = url->host,
	    .port = url->port,
	    .tls = url->tls,
	    .base_path = url->path,
	    .api_key = c->api_key,
	    .user_agent = "BBS-Agent/" BBS_VERSION,
	    .verify = c->verify,
	    .ca_name = buf_str(ca_name),
	    .pin_count = c->pin_count,
	    .anchors = anchors,
	    .proxy = c->proxy,
	    .no_proxy = c->no_proxy,
	    .user = geteuid() == 0 ? c->net_user : NULL};
	memcpy(n->pins, c->pins, sizeof(n->pins));
}

int nets_open(struct agent *a)
{
	const struct config *c = a->config;
	struct url url;
	struct net_config config;
	struct buf ca_name = BUF_INIT(4 * KIB);
	int rc = -1, anchors = -1;
	int self = open_self();
	if (self < 0 || read_url(c, &url) != 0)
		goto out;
	if (url.tls && load_trust(c, &anchors, &ca_name) != 0)
		goto out;
	warn_of_url(c, &url);
	fill_config(&config, c, &url, anchors, &ca_name);
	a->polls = net_new(self, &config);
	a->reports = net_new(self, &config);
	rc = a->polls != NULL && a->reports != NULL ? 0 : -1;
out:
	if (self >= 0 && rc != 0)
		close(self);
	if (anchors >= 0)
		close(anchors);
	buf_release(&ca_name);
	return rc;
}

/* Whom other hosts are judged by. Without roots only the server is left. */
static int load_others(const struct config *c, struct buf *name)
{
	struct buf why = BUF_INIT(4 * KIB);
	int count = 0, skipped = 0;
	int fd = trust_load_others(c->ca_file, name, &count, &skipped, &why);
	if (fd < 0)
		log_warning("downloads: %s", buf_str(&why));
	buf_release(&why);
	return fd;
}

struct net *nets_open_downloads(const struct agent *a, int *self)
{
	const struct config *c = a->config;
	struct url url;
	struct net_config config;
	struct net *net = NULL;
	struct buf name = BUF_INIT(4 * KIB), others_name = BUF_INIT(4 * KIB);
	int anchors = -1, others = -1;
	*self = open_self();
	if (*self < 0 || read_url(c, &url) != 0)
		goto out;
	if (url.tls && load_trust(c, &anchors, &name) != 0)
		goto out;
	others = load_others(c, &others_name);
	fill_config(&config, c, &url, anchors, &name);
	config.downloads = true;
	config.others = others;
	config.others_name = others >= 0 ? buf_str(&others_name) : NULL;
	net = net_new(*self, &config);
out:
	if (net == NULL && *self >= 0)
		close(*self);
	if (anchors >= 0)
		close(anchors);
	if (others >= 0)
		close(others);
	buf_release(&name);
	buf_release(&others_name);
	return net;
}
