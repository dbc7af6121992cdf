/*
 * The plan: where things go and what the configuration will be. A value that
 * the options give replaces the one in config.ini; everything else in it
 * stays as it is.
 */
#include "setup/plan.h"
#include "base/exitcode.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "net/url.h"
#include "setup/inikeys.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "/usr/local/bin/bbs-agent"

static const char *top(const struct plan *p)
{
	return p->paths.root[0] != '\0' ? p->paths.root : "/";
}

/* What starts the agent: of a tree as it sees itself once it is booted. */
static int set_command(struct plan *p, struct buf *why)
{
	struct buf line = BUF_INIT(16 * KIB);
	const struct setup_options *o = p->options;
	const char *root = p->tree ? "" : p->paths.root;
	buf_addf(&line, "%s%s run", root, PROGRAM);
	if (root[0] != '\0')
		buf_addf(&line, " --root %s", root);
	if (o->config != NULL)
		buf_addf(&line, " --config %s", o->config);
	p->command = line.failed ? NULL : strdup(buf_str(&line));
	buf_release(&line);
	if ((root[0] == '\0' || service_is_plain(root)) &&
	    (o->config == NULL ||
		(service_is_plain(o->config) && o->config[0] == '/')))
		return EXIT_DONE;
	buf_adds(why, "--root and --config of an installation take absolute "
		      "paths without blanks or special characters: they "
		      "become part of the service");
	return EXIT_USAGE;
}

static int set_init(struct plan *p, struct buf *why)
{
	const char *wanted = p->options->service;
	if (wanted != NULL && strcmp(wanted, "auto") != 0) {
		p->service.init = host_init_named(wanted);
		if (p->service.init != INIT_UNKNOWN)
			return EXIT_DONE;
		buf_addf(why,
		    "--service %s: it is one of auto, systemd, openrc, sysv, "
		    "procd, none",
		    wanted);
		return EXIT_USAGE;
	}
	if (p->paths.root[0] == '\0')
		p->service.init = host_init_running(why);
	else if (p->tree)
		p->service.init = host_init_of_tree(p->paths.root);
	else
		p->service.init = INIT_NONE;
	return p->service.init != INIT_UNKNOWN ? EXIT_DONE : EXIT_FAILED;
}

int plan_init(struct plan *p, const struct setup_options *o, struct buf *why)
{
	memset(p, 0, sizeof(*p));
	p->options = o;
	p->steps.dry = o->dry_run;
	p->steps.loud = isatty(STDOUT_FILENO) == 1;
	buf_init(&p->self, PROGRAM_FILE_MAX);
	buf_init(&p->ca, CA_FILE_MAX);
	buf_init(&p->text, CONFIG_FILE_MAX);
	buf_init(&p->answer.ssh_key, KEY_FILE_MAX);
	if (paths_init(&p->paths, o->root, o->config) != 0 ||
	    config_init(&p->config) != 0) {
		buf_addf(why, "--root %s: %s", o->root != NULL ? o->root : "/",
		    strerror(errno));
		return EXIT_FAILED;
	}
	p->tree = p->paths.root[0] != '\0' && host_is_tree(p->paths.root);
	int rc = set_command(p, why);
	if (rc != EXIT_DONE)
		return rc;
	rc = set_init(p, why);
	if (rc != EXIT_DONE)
		return rc;
	const char *path = service_path(p->service.init);
	p->program = file_join(top(p), PROGRAM);
	p->ca_copy = file_join(p->paths.etc, "ca.pem");
	p->service_file = path != NULL ? file_join(top(p), path) : NULL;
	p->service.root = p->paths.root;
	p->service.command = p->command;
	p->service.booted = p->paths.root[0] == '\0';
	if (p->program != NULL && p->ca_copy != NULL && p->command != NULL &&
	    (path == NULL || p->service_file != NULL))
		return EXIT_DONE;
	buf_adds(why, "out of memory");
	return EXIT_FAILED;
}

void plan_release(struct plan *p)
{
	server_answer_release(&p->answer);
	config_release(&p->config);
	paths_release(&p->paths);
	buf_release(&p->self);
	buf_release(&p->ca);
	buf_wipe(&p->text);
	free(p->program);
	free(p->ca_copy);
	free(p->command);
	free(p->service_file);
}

/* An option's value must be one that the reader of config.ini takes. */
static int check_value(const char *option, const char *name, const char *value,
    bool secret, struct buf *why)
{
	struct buf text = BUF_INIT(CONFIG_FILE_MAX), said = BUF_INIT(8 * KIB);
	struct config c;
	bool bad = value[0] == '\0';
	for (const char *v = value; *v != '\0'; v++)
		bad = bad || (unsigned char)*v < ' ';
	buf_addf(&text, "[server]\n%s = %s\n", name, value);
	if (config_init(&c) != 0 ||
	    config_parse(&c, "", buf_str(&text), text.len, &said, &said) != 0)
		bad = true;
	config_release(&c);
	const char *right = strstr(buf_str(&said), " is not ");
	if (bad) {
		buf_addf(why, "%s", option);
		if (!secret) {
			buf_adds(why, " \"");
			text_add_escaped(why, value, strnlen(value, 200));
			buf_adds(why, "\"");
		}
		buf_adds(why, right != NULL ? right : " cannot be used");
	}
	buf_wipe(&text);
	buf_release(&said);
	return bad ? EXIT_USAGE : EXIT_DONE;
}

/* One change to the text. */
static int set_key(
    struct plan *p, const char *name, const char *value, struct buf *why)
{
	const struct inikey key = {"server", name, value};
	struct buf changed = BUF_INIT(CONFIG_FILE_MAX);
	if (inikeys_set(buf_str(&p->text), p->text.len, &key, &changed) != 0) {
		buf_wipe(&changed);
		buf_addf(why, "%s would become too large", p->paths.config);
		return EXIT_FAILED;
	}
	buf_wipe(&p->text);
	p->text = changed;
	return EXIT_DONE;
}

static int take_option(struct plan *p, const char *option, const char *name,
    const char *value, struct buf *why)
{
	bool secret =
	    strcmp(name, "api_key") == 0 || strcmp(name, "proxy") == 0;
	if (value == NULL)
		return EXIT_DONE;
	int rc = check_value(option, name, value, secret, why);
	return rc == EXIT_DONE ? set_key(p, name, value, why) : rc;
}

/* The key from its file or the environment, which ps does not show. */
static int take_key(struct plan *p, struct buf *why)
{
	const struct setup_options *o = p->options;
	const char *environment = getenv("BBS_AGENT_KEY");
	struct buf key = BUF_INIT(KEY_FILE_MAX);
	const char *value = o->key, *option = "--key";
	int rc = EXIT_FAILED;
	if (value == NULL && o->key_file != NULL) {
		option = "--key-file: what it holds";
		if (file_read(o->key_file, &key) != 0) {
			buf_addf(why, "--key-file %s: %s", o->key_file,
			    strerror(errno));
			goto out;
		}
		while (key.len > 0 && strchr("\r\n\t ", key.data[key.len - 1]))
			key.data[--key.len] = '\0';
		value = buf_str(&key);
	} else if (value == NULL && environment != NULL &&
		   environment[0] != '\0') {
		option = "BBS_AGENT_KEY";
		value = environment;
	}
	for (const char *c = value; c != NULL && *c != '\0'; c++) {
		if (*c > ' ' && *c <= '~')
			continue;
		buf_addf(why,
		    "%s has a character that no key has: copy the key from "
		    "the client's page on the server again",
		    option);
		goto out;
	}
	rc = take_option(p, option, "api_key", value, why);
out:
	buf_wipe(&key);
	return rc;
}

static int take_address(struct plan *p, struct buf *why)
{
	struct url url;
	const char *wrong = NULL;
	const char *server = p->options->server;
	if (server == NULL)
		return EXIT_DONE;
	if (url_parse(&url, server, &wrong) != 0) {
		buf_adds(why, "--server ");
		text_add_escaped(why, server, strnlen(server, 200));
		buf_addf(why, ": %s", wrong);
		return EXIT_USAGE;
	}
	return take_option(p, "--server", "url", server, why);
}

static int take_trust(struct plan *p, struct buf *why)
{
	const struct setup_options *o = p->options;
	/* As the agent will see it: a tree has its own root then. */
	const char *ca = p->tree ? "/etc/bbs-agent/ca.pem" : p->ca_copy;
	if (o->insecure && (o->pin != NULL || o->ca_file != NULL)) {
		buf_adds(why, "--insecure checks no certificate at all: leave "
			      "it out, or --pin and --ca-file");
		return EXIT_USAGE;
	}
	if (o->ca_file != NULL && file_read(o->ca_file, &p->ca) != 0) {
		buf_addf(why, "--ca-file %s: %s", o->ca_file, strerror(errno));
		return EXIT_FAILED;
	}
	int rc = take_option(
	    p, "--ca-file", "ca_file", o->ca_file != NULL ? ca : NULL, why);
	if (rc == EXIT_DONE)
		rc = take_option(p, "--pin", "pin_sha256", o->pin, why);
	if (rc == EXIT_DONE && o->insecure)
		rc = set_key(p, "verify", "no", why);
	else if (rc == EXIT_DONE && (o->pin != NULL || o->ca_file != NULL) &&
		 !p->config.verify)
		rc = set_key(p, "verify", "yes", why);
	return rc;
}

/* Reads what is there; an unreadable configuration is not overwritten. */
static int read_old(struct plan *p, struct buf *why)
{
	struct buf warnings = BUF_INIT(64 * KIB);
	int rc = EXIT_FAILED;
	if (file_read(p->paths.config, &p->text) != 0) {
		if (errno == ENOENT)
			rc = EXIT_DONE;
		else
			buf_addf(why, "cannot read %s: %s", p->paths.config,
			    strerror(errno));
	} else if (config_parse(&p->config, p->paths.config, buf_str(&p->text),
		       p->text.len, &warnings, why) == 0) {
		rc = EXIT_DONE;
	} else {
		buf_adds(why, ": correct it, then install again");
	}
	buf_release(&warnings);
	return rc;
}

/* What the new text says. The key may lie in a file, as for the agent. */
static int read_new(struct plan *p, struct buf *why)
{
	struct buf warnings = BUF_INIT(64 * KIB), key = BUF_INIT(KEY_FILE_MAX);
	struct config *c = &p->config;
	int rc = EXIT_FAILED;
	config_release(c);
	if (config_init(c) != 0 ||
	    config_parse(c, p->paths.config, buf_str(&p->text), p->text.len,
		&warnings, why) != 0)
		goto out;
	if (c->api_key == NULL && c->api_key_file != NULL &&
	    file_read(c->api_key_file, &key) == 0) {
		buf_str(&key);
		if (key.len > 0)
			key.data[strcspn(key.data, "\r\n\t ")] = '\0';
		c->api_key = strdup(buf_str(&key));
	}
	rc = EXIT_UNCONFIGURED;
	if (c->url == NULL || c->api_key == NULL || c->api_key[0] == '\0')
		buf_addf(why,
		    "%s is missing, and %s does not have it: give --server URL "
		    "and --key KEY (or --key-file FILE) as the client's page "
		    "on the server shows them",
		    c->url == NULL ? "the server's address" : "the API key",
		    p->paths.config);
	else
		rc = EXIT_DONE;
out:
	buf_wipe(&key);
	buf_release(&warnings);
	return rc;
}

int plan_configure(struct plan *p, struct buf *why)
{
	int rc = read_old(p, why);
	if (rc == EXIT_DONE)
		rc = take_address(p, why);
	if (rc == EXIT_DONE)
		rc = take_key(p, why);
	if (rc == EXIT_DONE)
		rc = take_trust(p, why);
	if (rc == EXIT_DONE)
		rc = take_option(p, "--proxy", "proxy", p->options->proxy, why);
	return rc == EXIT_DONE ? read_new(p, why) : rc;
}
