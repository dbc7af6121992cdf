/*
 * The way to the server. One exchange goes over it, by the network process as
 * everywhere, with the question that proves address, trust and API key and
 * takes no task away (setup/server.h). What was met on the way comes back as
 * facts; the first link that has none is the one that broke.
 */
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/version.h"
#include "cli/doctor_checks.h"
#include "cli/status.h"
#include "net/date.h"
#include "net/sandbox.h"
#include "net/url.h"
#include "setup/lockfile.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Whoever waits for doctor shall not wait long; three retransmissions of a
 * SYN fit into it. */
#define ASK_TOTAL_MS 8000
/* A certificate that ends sooner was not renewed in time. */
#define CERTIFICATE_DAYS 14
/* A clock this far off is worth a word; so far, it breaks things. */
#define CLOCK_WARN_S 120
#define CLOCK_FAIL_S 3600
#define DAY_S 86400

static const char link_names[][8] = {
    "config", "dns", "tcp", "proxy", "tls", "http", "api_key", ""};

/* The text of a fact, its length in *len; NULL when there is none. */
static const char *fact(const struct doctor *d, char which, size_t *len)
{
	const char *p = buf_str(&d->facts);
	for (; *p != '\0'; p += *len + (p[*len] == '\n')) {
		*len = strcspn(p, "\n");
		if (*p == which && *len > 0) {
			--*len;
			return p + 1;
		}
	}
	return NULL;
}

static bool add_fact(struct doctor *d, char which, struct buf *out)
{
	size_t len;
	const char *text = fact(d, which, &len);
	if (text != NULL)
		buf_add(out, text, len);
	return text != NULL;
}

/* A fact that is a time; 0 when there is none. */
static int64_t fact_time(const struct doctor *d, char which)
{
	size_t len;
	const char *text = fact(d, which, &len);
	return text != NULL ? (int64_t)strtoll(text, NULL, 10) : 0;
}

/* Which link a failed exchange broke at. */
static enum link where(const struct doctor *d, enum net_result result)
{
	static const struct {
		char fact;
		enum link link;
	} order[] = {{NET_FACT_DNS, LINK_DNS}, {NET_FACT_TCP, LINK_TCP},
	    {NET_FACT_TLS, LINK_TLS}};
	size_t len;
	switch (result) {
	case NET_DNS:
		return LINK_DNS;
	case NET_CONNECT:
		return LINK_TCP;
	case NET_PROXY:
		return LINK_PROXY;
	case NET_TLS:
		return LINK_TLS;
	case NET_TIMEOUT:
	case NET_BROKEN:
		for (int i = 0; i < (d->tls ? 3 : 2); i++) {
			if (fact(d, order[i].fact, &len) == NULL)
				return order[i].link;
		}
		return LINK_HTTP;
	default:
		return LINK_HTTP;
	}
}

static void judge(struct doctor *d, const struct net_reply *r)
{
	buf_adds(&d->facts, r->facts);
	if (server_take(r, &d->answer, &d->why) == 0)
		d->broken = LINK_NONE;
	else if (r->result != NET_OK)
		d->broken = where(d, r->result);
	else if (r->status == 401 || r->status == 403 || r->status == 429)
		d->broken = LINK_KEY;
	else
		d->broken = LINK_HTTP;
}

/* Asks the server, once. */
static void ask(struct doctor *d)
{
	struct net_request request;
	struct net_reply reply;
	struct server server;
	struct url url;
	const char *wrong = NULL;
	if (d->asked)
		return;
	d->asked = true;
	if (!d->configured || url_parse(&url, d->config.url, &wrong) != 0) {
		d->broken = LINK_CONFIG;
		return;
	}
	d->tls = url.tls;
	/* What can fail here is the file of CA certificates. */
	d->broken = LINK_TLS;
	if (server_open(&server, &d->config, false, &d->why) != 0)
		return;
	d->sent = true;
	server_question(&request);
	request.total_ms = ASK_TOTAL_MS;
	request.facts = true;
	server_exchange(&server, &request, &reply);
	judge(d, &reply);
	buf_adds(&d->sandbox, net_sandbox(server.net, &d->sandbox_mask, NULL));
	server_close(&server);
}

/* A link without a fact: broken itself, or hidden by another one. */
static enum found no_fact(struct doctor *d, enum link link, struct buf *out)
{
	if (d->broken == link) {
		buf_adds(out, buf_str(&d->why));
		return FOUND_FAIL;
	}
	buf_addf(out, "not checked: %s %s",
	    link > d->broken ? "needs" : "nothing was tried, see",
	    link_names[d->broken]);
	return FOUND_NOTHING;
}

enum found doctor_config(struct doctor *d, struct buf *out)
{
	struct url url;
	struct stat st;
	const char *wrong = NULL, *text = buf_str(&d->config_text);
	if (!d->configured) {
		/* Warnings come before what is wrong. */
		const char *last = strrchr(text, '\n');
		buf_adds(out, last != NULL ? last + 1 : text);
		return FOUND_FAIL;
	}
	if (url_parse(&url, d->config.url, &wrong) != 0) {
		buf_addf(out, "%s: [server] url = %s: %s", d->paths.config,
		    d->config.url, wrong);
		return FOUND_FAIL;
	}
	if (text[0] != '\0') {
		buf_add(out, text, strcspn(text, "\n"));
		return FOUND_WARN;
	}
	buf_addf(out, "%s: %s", d->paths.config, d->config.url);
	if (stat(d->paths.config, &st) != 0 || (st.st_mode & 077) == 0)
		return FOUND_OK;
	buf_adds(out, "; others can read the API key in it: chmod 600");
	return FOUND_WARN;
}

/* "2026-11-25 08:01:04 CET" for a person, and UTC for a script. */
static void add_time(const struct doctor *d, struct buf *out, int64_t seconds)
{
	struct tm tm = {0};
	time_t t = (time_t)seconds;
	bool utc = d->options->json || localtime_r(&t, &tm) == NULL;
	if (utc)
		(void)gmtime_r(&t, &tm);
	buf_addf(out, "%04d-%02d-%02d %02d:%02d:%02d %s", tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
	    utc ? "UTC" : tm.tm_zone);
}

enum found doctor_clock(struct doctor *d, struct buf *out)
{
	int64_t now = clock_wall();
	char text[TEXT_AMOUNT];
	ask(d);
	int64_t theirs = fact_time(d, NET_FACT_DATE);
	int64_t begin = fact_time(d, NET_FACT_BEGIN);
	add_time(d, out, now);
	if (now < BBS_RELEASED) {
		buf_adds(out, " is before the day on which this program was "
			      "made: set this host's clock");
		return FOUND_FAIL;
	}
	if (theirs == 0 && begin > now) {
		buf_adds(out, ", but the server's certificate begins on ");
		add_time(d, out, begin);
		buf_adds(out, ": set the clock of whichever is wrong");
		return FOUND_FAIL;
	}
	int64_t end = fact_time(d, NET_FACT_END);
	if (theirs == 0 && end != 0 && end < now) {
		buf_adds(out, ": is that right? By it the server's "
			      "certificate has expired");
		return FOUND_WARN;
	}
	if (theirs == 0) {
		buf_adds(out, "; not compared with the server's");
		return FOUND_OK;
	}
	int64_t off = theirs > now ? theirs - now : now - theirs;
	if (off < CLOCK_WARN_S) {
		buf_adds(out, ", as on the server");
		return FOUND_OK;
	}
	buf_addf(out,
	    ": this host's clock is %s %s the server's: set the one that is "
	    "wrong (by NTP)",
	    text_duration(text, (uint64_t)off),
	    theirs > now ? "behind" : "ahead of");
	return off < CLOCK_FAIL_S ? FOUND_WARN : FOUND_FAIL;
}

enum found doctor_dns(struct doctor *d, struct buf *out)
{
	ask(d);
	return add_fact(d, NET_FACT_DNS, out) ? FOUND_OK
					      : no_fact(d, LINK_DNS, out);
}

enum found doctor_tcp(struct doctor *d, struct buf *out)
{
	ask(d);
	if (!add_fact(d, NET_FACT_TCP, out))
		return no_fact(d, LINK_TCP, out);
	buf_adds(out, " takes connections");
	return FOUND_OK;
}

enum found doctor_proxy(struct doctor *d, struct buf *out)
{
	struct url url;
	const char *wrong;
	ask(d);
	if (d->broken != LINK_CONFIG && d->broken != LINK_PROXY &&
	    (d->config.proxy == NULL ||
		(d->config.no_proxy != NULL &&
		    url_parse(&url, d->config.url, &wrong) == 0 &&
		    url_listed(d->config.no_proxy, url.host)))) {
		buf_adds(out, "none");
		return FOUND_OK;
	}
	return add_fact(d, NET_FACT_PROXY, out) ? FOUND_OK
						: no_fact(d, LINK_PROXY, out);
}

/* What holds, but will not for long, or is not worth much. */
static enum found weigh_tls(struct doctor *d, struct buf *out)
{
	char date[DATE_TEXT];
	int64_t end = fact_time(d, NET_FACT_END);
	int64_t days = (end - clock_wall()) / DAY_S;
	if (end == 0 || d->config.pin_count > 0) {
		buf_adds(out, "; the key is the one of pin_sha256");
		return FOUND_OK;
	}
	if (!d->config.verify) {
		buf_adds(out, "; not verified: with verify = no anybody on "
			      "the way can read the API key; use ca_file or "
			      "pin_sha256");
		return FOUND_WARN;
	}
	buf_addf(out, "; %" PRId64 " days left, until %s", days,
	    date_text(date, end));
	if (days >= CERTIFICATE_DAYS)
		return FOUND_OK;
	buf_adds(out, ": renew it on the server");
	return FOUND_WARN;
}

enum found doctor_tls(struct doctor *d, struct buf *out)
{
	ask(d);
	if (d->broken > LINK_TLS && !d->tls) {
		buf_adds(out, "none: [server] url is http://, the API key and "
			      "every passphrase cross the network "
			      "unencrypted; use https://");
		return FOUND_WARN;
	}
	bool fine = add_fact(d, NET_FACT_TLS, out);
	if (!fine && no_fact(d, LINK_TLS, out) == FOUND_NOTHING)
		return FOUND_NOTHING;
	size_t len;
	const char *chain = fact(d, NET_FACT_CHAIN, &len);
	if (chain != NULL)
		buf_addf(
		    out, "; %s%.*s", fine ? "" : "it shows: ", (int)len, chain);
	return fine ? weigh_tls(d, out) : FOUND_FAIL;
}

enum found doctor_http(struct doctor *d, struct buf *out)
{
	ask(d);
	if (d->broken <= LINK_HTTP)
		return no_fact(d, LINK_HTTP, out);
	buf_addf(out, "%s answers as a backup server does", d->config.url);
	return FOUND_OK;
}

enum found doctor_key(struct doctor *d, struct buf *out)
{
	ask(d);
	if (d->broken <= LINK_KEY)
		return no_fact(d, LINK_KEY, out);
	buf_adds(out, "the server accepts the API key (asked for the SSH key: "
		      "asking for tasks could take them away)");
	return FOUND_OK;
}

enum found doctor_poll(struct doctor *d, struct buf *out)
{
	struct lockfile lock;
	lockfile_read(d->paths.lock, &lock);
	if (lock.pid == 0) {
		buf_adds(out,
		    "no agent runs here, so nobody asks for tasks: "
		    "start it (bbs-agent status says how), unless cron does");
		return FOUND_WARN;
	}
	buf_addf(out, "agent %d asks for tasks", lock.pid);
	struct status_look look;
	char age[TEXT_AMOUNT];
	status_look(&d->paths, &look);
	int64_t since = clock_wall() - look.s.failing_since;
	bool fails = look.told && look.s.failures > 0;
	if (fails)
		buf_addf(out, ", but fails for %s: %s",
		    text_duration(age, since > 0 ? (uint64_t)since : 0),
		    look.s.failing != NULL ? look.s.failing : "no answer");
	else if (!lock.answered)
		buf_adds(out, ", but the server has not answered it yet: its "
			      "log says why");
	/* What doctor reads is not what it began with. */
	if (fails && d->broken == LINK_NONE)
		buf_adds(out, "; if config.ini was changed since, reload the "
			      "agent (systemctl reload bbs-agent, or SIGHUP)");
	status_look_release(&look);
	return fails || !lock.answered ? FOUND_WARN : FOUND_OK;
}

enum found doctor_sandbox(struct doctor *d, struct buf *out)
{
	ask(d);
	if (!d->sent)
		return no_fact(d, LINK_NONE, out);
	if (d->sandbox.len == 0) {
		buf_addf(out, "the network process does not start: %s",
		    buf_str(&d->why));
		return FOUND_FAIL;
	}
	buf_addf(out, "the network process runs with %s", buf_str(&d->sandbox));
	unsigned missing = sandbox_missing(d->sandbox_mask);
	if (missing == 0)
		return FOUND_OK;
	buf_adds(out, ", and without ");
	sandbox_text(out, missing, d->config.net_user);
	buf_adds(out, ": this kernel or container does not offer more");
	return FOUND_WARN;
}
