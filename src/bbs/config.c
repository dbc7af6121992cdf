/*
 * The table of config.ini's keys and the judge of each value. A bad value is
 * refused with its line; an unknown key is only mentioned, so that a file
 * written for another version still works.
 */
#include "bbs/config.h"
#include "base/file.h"
#include "base/ini.h"
#include "base/limits.h"
#include "base/text.h"
#include "bbs/value.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum value_kind {
	VALUE_TEXT,
	VALUE_SECRET,
	VALUE_URL,
	VALUE_SOURCE,
	VALUE_PROXY,
	VALUE_PATH,
	VALUE_LIST,
	VALUE_INT,
	VALUE_U64,
	VALUE_BOOL,
	VALUE_VERIFY,
	VALUE_LEVEL,
	VALUE_PINS,
	VALUE_HOST_KEY,
	VALUE_BORG_UPDATE,
	VALUE_COMMANDS,
	VALUE_HOOKS
};

#define FIELD(name) offsetof(struct config, name)

static const struct key {
	const char *section, *name;
	enum value_kind kind;
	size_t field;
	int64_t min, max;
} keys[] = {
    {"server", "url", VALUE_URL, FIELD(url), 0, 0},
    {"server", "api_key", VALUE_SECRET, FIELD(api_key), 0, 0},
    {"server", "api_key_file", VALUE_PATH, FIELD(api_key_file), 0, 0},
    {"server", "ca_file", VALUE_PATH, FIELD(ca_file), 0, 0},
    {"server", "pin_sha256", VALUE_PINS, FIELD(pins), 0, 0},
    {"server", "verify", VALUE_VERIFY, FIELD(verify), 0, 0},
    {"server", "proxy", VALUE_PROXY, FIELD(proxy), 0, 0},
    {"server", "no_proxy", VALUE_TEXT, FIELD(no_proxy), 0, 0},
    {"agent", "poll_interval", VALUE_INT, FIELD(poll_interval), 1, 3600},
    {"agent", "log_level", VALUE_LEVEL, FIELD(log_level), 0, 0},
    {"agent", "log_file", VALUE_PATH, FIELD(log_file), 0, 0},
    {"agent", "net_user", VALUE_TEXT, FIELD(net_user), 0, 0},
    {"agent", "ssh_host_key", VALUE_HOST_KEY, FIELD(ssh_host_key), 0, 0},
    {"agent", "auto_update", VALUE_BOOL, FIELD(auto_update), 0, 0},
    {"borg", "path", VALUE_PATH, FIELD(borg_path), 0, 0},
    {"borg", "update", VALUE_BORG_UPDATE, FIELD(borg_update), 0, 0},
    {"borg", "nice", VALUE_INT, FIELD(nice), 0, 19},
    {"borg", "ionice_class", VALUE_INT, FIELD(ionice_class), 0, 3},
    {"borg", "ionice_level", VALUE_INT, FIELD(ionice_level), 0, 7},
    {"borg", "upload_kib", VALUE_U64, FIELD(upload_kib), 0, 1 << 30},
    {"borg", "max_hours", VALUE_INT, FIELD(max_hours), 0, 8760},
    {"update", "url", VALUE_SOURCE, FIELD(update_url), 0, 0},
    {"update", "public_key", VALUE_PATH, FIELD(update_key), 0, 0},
    {"policy", "tasks", VALUE_TEXT, FIELD(tasks), 0, 0},
    {"policy", "commands", VALUE_COMMANDS, FIELD(any_command), 0, 0},
    {"policy", "restore_to", VALUE_LIST, FIELD(restore_to), 0, 0},
    {"policy", "browse", VALUE_LIST, FIELD(browse), 0, 0},
    {"policy", "backup_from", VALUE_LIST, FIELD(backup_from), 0, 0},
    {"policy", "hooks", VALUE_HOOKS, FIELD(hooks), 0, 0},
};

struct parse {
	struct config *config;
	const char *file;
	struct buf *warnings, *why;
};

static int set_text(char **field, const char *value)
{
	char *copy = strdup(value);
	if (copy == NULL)
		return -1;
	if (*field != NULL)
		mem_wipe(*field, strlen(*field));
	free(*field);
	*field = copy;
	return 0;
}

/* Colons separate as well as newlines; the result has newlines. */
static int parse_list(char **field, const char *value)
{
	for (const char *p = value; *p != '\0'; p += *p != '\0') {
		if (*p != '/' && *p != ':' && *p != '\n')
			return -1;
		p += strcspn(p, ":\n");
	}
	if (set_text(field, value) != 0)
		return -1;
	for (char *p = *field; *p != '\0'; p++) {
		if (*p == ':')
			*p = '\n';
	}
	return 0;
}

static bool is_url(const char *value)
{
	return (text_starts(value, "https://") && value[8] != '\0') ||
	       (text_starts(value, "http://") && value[7] != '\0');
}

/* What a value should have looked like. */
static void expected(struct buf *out, const struct key *key)
{
	switch (key->kind) {
	case VALUE_INT:
	case VALUE_U64:
		buf_addf(out, "a number from %lld to %lld", (long long)key->min,
		    (long long)key->max);
		break;
	case VALUE_BOOL:
		buf_adds(out, "yes or no");
		break;
	case VALUE_VERIFY:
		buf_adds(out, "yes, or no to check no certificate at all");
		break;
	case VALUE_LEVEL:
		buf_adds(out, "DEBUG, INFO, WARNING or ERROR");
		break;
	case VALUE_URL:
		buf_adds(out, "https://host[:port][/path]");
		break;
	case VALUE_SOURCE:
		buf_adds(out, "https://host[:port][/path], or a directory");
		break;
	case VALUE_PROXY:
		buf_adds(out, "http://[user:password@]host:port");
		break;
	case VALUE_PATH:
		buf_adds(out, "an absolute path");
		break;
	case VALUE_PINS:
		buf_adds(out, "one or two SHA-256 sums of a public key, "
			      "in base64 or hex");
		break;
	case VALUE_HOST_KEY:
		buf_adds(out, "tofu or no");
		break;
	case VALUE_BORG_UPDATE:
		buf_adds(out, "binary, package or no");
		break;
	case VALUE_COMMANDS:
		buf_adds(out, "borg or any");
		break;
	case VALUE_HOOKS:
		buf_adds(out, "yes, no or a directory");
		break;
	case VALUE_LIST:
		buf_adds(out, "a list of absolute paths with : between them");
		break;
	case VALUE_TEXT:
	case VALUE_SECRET:
		buf_adds(out, "a text");
		break;
	}
}

static int store_choice(
    struct config *c, const struct key *key, const char *value, void *field)
{
	static const char *const host_key[] = {"tofu", "no", NULL};
	static const char *const update[] = {"binary", "package", "no", NULL};
	static const char *const commands[] = {"borg", "any", NULL};
	int word;

	switch (key->kind) {
	case VALUE_HOST_KEY:
		if ((word = value_word(value, host_key)) < 0)
			return -1;
		c->ssh_host_key = (enum ssh_host_key)word;
		return 0;
	case VALUE_BORG_UPDATE:
		if ((word = value_word(value, update)) < 0)
			return -1;
		c->borg_update = (enum borg_update)word;
		return 0;
	case VALUE_COMMANDS:
		if ((word = value_word(value, commands)) < 0)
			return -1;
		c->any_command = word == 1;
		return 0;
	case VALUE_VERIFY:
		/* Only the exact word switches the check off. */
		if (strcmp(value, "no") != 0 && strcasecmp(value, "yes") != 0)
			return -1;
		c->verify = strcmp(value, "no") != 0;
		return 0;
	case VALUE_HOOKS:
		if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0 &&
		    value[0] != '/')
			return -1;
		return set_text(field, value);
	default:
		return -1;
	}
}

static int store(struct config *c, const struct key *key, const char *value)
{
	void *field = (char *)c + key->field;
	uint64_t number;

	switch (key->kind) {
	case VALUE_TEXT:
	case VALUE_SECRET:
		return set_text(field, value);
	case VALUE_URL:
		return is_url(value) ? set_text(field, value) : -1;
	case VALUE_SOURCE:
		return is_url(value) || value[0] == '/' ? set_text(field, value)
							: -1;
	case VALUE_PROXY:
		return text_starts(value, "http://") ? set_text(field, value)
						     : -1;
	case VALUE_PATH:
		return value[0] == '/' ? set_text(field, value) : -1;
	case VALUE_LIST:
		return parse_list(field, value);
	case VALUE_INT:
		if (text_to_u64(value, (uint64_t)key->min, (uint64_t)key->max,
			&number) != 0)
			return -1;
		*(int *)field = (int)number;
		return 0;
	case VALUE_U64:
		return text_to_u64(
		    value, (uint64_t)key->min, (uint64_t)key->max, field);
	case VALUE_BOOL:
		return value_bool(value, field);
	case VALUE_LEVEL:
		return value_level(value, field);
	case VALUE_PINS:
		return value_pins(value, c->pins, &c->pin_count);
	default:
		return store_choice(c, key, value, field);
	}
}

static int take_key(void *ctx, int line, const char *section, const char *name,
    const char *value)
{
	struct parse *p = ctx;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const struct key *key = &keys[i];
		if (strcmp(key->section, section) != 0 ||
		    strcmp(key->name, name) != 0)
			continue;
		/* An empty value is the default, as if it were not there. */
		if (value[0] == '\0' || store(p->config, key, value) == 0)
			return 0;
		bool secret =
		    key->kind == VALUE_SECRET || key->kind == VALUE_PROXY;
		buf_addf(p->why, "%s line %d: [%s] %s = ", p->file, line,
		    section, name);
		text_add_escaped(p->why, secret ? "(not shown)" : value,
		    secret ? strlen("(not shown)") : strlen(value));
		buf_adds(p->why, " is not ");
		expected(p->why, key);
		return -1;
	}
	buf_addf(p->warnings, "%s line %d: unknown key \"", p->file, line);
	text_add_escaped(p->warnings, name, strlen(name));
	buf_adds(p->warnings, "\" in section [");
	text_add_escaped(p->warnings, section, strlen(section));
	buf_adds(p->warnings, "], ignored\n");
	return 0;
}

int config_init(struct config *c)
{
	memset(c, 0, sizeof(*c));
	c->verify = true;
	c->poll_interval = 30;
	c->log_level = LOG_LEVEL_INFO;
	c->ionice_level = 4;
	c->net_user = strdup("nobody");
	c->hooks = strdup("yes");
	if (c->net_user == NULL || c->hooks == NULL) {
		config_release(c);
		return -1;
	}
	return 0;
}

void config_release(struct config *c)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		switch (keys[i].kind) {
		case VALUE_TEXT:
		case VALUE_SECRET:
		case VALUE_URL:
		case VALUE_SOURCE:
		case VALUE_PROXY:
		case VALUE_PATH:
		case VALUE_LIST:
		case VALUE_HOOKS: {
			char **field = (void *)((char *)c + keys[i].field);
			if (*field != NULL)
				mem_wipe(*field, strlen(*field));
			free(*field);
			*field = NULL;
			break;
		}
		default:
			break;
		}
	}
	memset(c, 0, sizeof(*c));
}

int config_parse(struct config *c, const char *name, const char *text,
    size_t len, struct buf *warnings, struct buf *why)
{
	struct parse p = {c, name, warnings, why};
	char reason[160] = "";
	int line = 0;
	if (ini_parse(text, len, take_key, &p, &line, reason, sizeof(reason)) ==
	    0)
		return 0;
	if (why->len == 0)
		buf_addf(why, "%s line %d: %s", name, line, reason);
	return -1;
}

static int read_key_file(struct config *c, struct buf *why)
{
	struct buf key = BUF_INIT(KEY_FILE_MAX);
	int rc = -1;
	if (file_read(c->api_key_file, &key) != 0) {
		buf_addf(why, "[server] api_key_file: cannot read %s: %s",
		    c->api_key_file, strerror(errno));
		goto out;
	}
	while (key.len > 0 && strchr("\r\n\t ", key.data[key.len - 1]))
		key.data[--key.len] = '\0';
	if (key.len == 0) {
		buf_addf(
		    why, "[server] api_key_file: %s is empty", c->api_key_file);
		goto out;
	}
	rc = set_text(&c->api_key, buf_str(&key));
out:
	buf_wipe(&key);
	return rc;
}

/* Lower case names win: CGI programs get HTTP_PROXY from their clients. */
static const char *environment(const char *lower, const char *upper)
{
	const char *value = getenv(lower);
	if (value == NULL || value[0] == '\0')
		value = getenv(upper);
	return value != NULL && value[0] != '\0' ? value : NULL;
}

static int take_environment(struct config *c, struct buf *why)
{
	const char *value;
	if (c->proxy == NULL &&
	    (value = environment("https_proxy", "HTTPS_PROXY")) != NULL) {
		if (!text_starts(value, "http://")) {
			buf_adds(why, "the environment's https_proxy is not "
				      "http://[user:password@]host:port");
			return -1;
		}
		if (set_text(&c->proxy, value) != 0)
			return -1;
	}
	if (c->no_proxy == NULL &&
	    (value = environment("no_proxy", "NO_PROXY")) != NULL &&
	    set_text(&c->no_proxy, value) != 0)
		return -1;
	if (c->log_file == NULL && (value = getenv("BBS_AGENT_LOG")) != NULL &&
	    value[0] == '/' && set_text(&c->log_file, value) != 0)
		return -1;
	if ((value = getenv("BBS_AUTO_UPDATE")) != NULL && value[0] != '\0' &&
	    value_bool(value, &c->auto_update) != 0) {
		buf_adds(why, "the environment's BBS_AUTO_UPDATE is neither "
			      "yes nor no");
		return -1;
	}
	return 0;
}

static int check_key(const struct config *c, const char *path, struct buf *why)
{
	for (const char *p = c->api_key; *p != '\0'; p++) {
		if (*p <= ' ' || *p > '~') {
			buf_addf(why, "%s: ", path);
			buf_addf(why,
			    "%s has a character that no key has: copy the key "
			    "from the client's page on the server again",
			    "[server] api_key");
			return -1;
		}
	}
	return 0;
}

int config_load(struct config *c, const char *path, struct buf *warnings,
    struct buf *why, bool *missing)
{
	struct buf text = BUF_INIT(CONFIG_FILE_MAX);
	int rc = -1;

	*missing = false;
	if (file_read(path, &text) != 0) {
		*missing = errno == ENOENT;
		bool closed = errno == EACCES && geteuid() != 0;
		buf_addf(why, "cannot read %s: %s%s", path, strerror(errno),
		    *missing ? ": this host is not configured: run "
			       "bbs-agent install"
		    : closed ? ": run this as root, or with sudo"
			     : "");
		goto out;
	}
	if (config_parse(c, path, buf_str(&text), text.len, warnings, why))
		goto out;
	if (c->api_key == NULL && c->api_key_file != NULL &&
	    read_key_file(c, why) != 0)
		goto out;
	if (c->url == NULL || c->api_key == NULL) {
		*missing = true;
		buf_addf(why, "%s: [server] %s is missing", path,
		    c->url == NULL ? "url" : "api_key");
		goto out;
	}
	if (check_key(c, path, why) == 0 && take_environment(c, why) == 0)
		rc = 0;
out:
	buf_wipe(&text);
	return rc;
}
