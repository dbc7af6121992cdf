/*
 * The decoder of a dump's configuration. It fills in the protocol's defaults
 * and refuses what no database server has: a port out of range, a directory
 * that is not absolute.
 */
#include "bbs/dumpconfig.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *host, *port, *dump_dir, *exclude, *extra;
} defaults[] = {
    [DUMP_MYSQL] = {"localhost", "3306", "/home/bbs/mysql",
	"information_schema,performance_schema,sys",
	"--single-transaction --quick --routines --triggers --events"},
    [DUMP_POSTGRES] = {"localhost", "5432", "/home/bbs/pgdump",
	"template0,template1,postgres", "--no-owner --no-privileges"},
    [DUMP_MONGO] = {"127.0.0.1", "27017", "/home/bbs/mongodump",
	"admin,config,local", ""},
};

/* A member's text; the default when it is absent, null or empty. */
static char *text_of(
    const struct json *j, int node, const char *name, const char *otherwise)
{
	char *text = json_strdup(j, json_get(j, node, name));
	if (text != NULL && text[0] != '\0')
		return text;
	free(text);
	return strdup(otherwise);
}

/* A list of texts, or one text with commas. */
static int words_of(
    struct words *w, const struct json *j, int node, const char *otherwise)
{
	enum json_type type = json_type(j, node);
	if (type == JSON_ABSENT || type == JSON_NULL)
		return words_split(w, otherwise, ",");
	if (type != JSON_ARRAY && type != JSON_OBJECT) {
		char *text = json_strdup(j, node);
		int rc = text != NULL ? words_split(w, text, ",\n") : -1;
		free(text);
		return rc;
	}
	for (int at = json_first(j, node); at != JSON_NONE;
	     at = json_next(j, node, at)) {
		int e = type == JSON_OBJECT ? json_value(j, at) : at;
		char *text = json_strdup(j, e);
		int rc = text != NULL ? words_add(w, text) : 0;
		free(text);
		if (rc != 0)
			return -1;
	}
	return 0;
}

static int decode_dir(struct dump_config *c, struct buf *why)
{
	size_t len = strlen(c->dump_dir);
	while (len > 1 && c->dump_dir[len - 1] == '/')
		c->dump_dir[--len] = '\0';
	if (c->dump_dir[0] == '/' && len > 1)
		return 0;
	buf_adds(why, "dump_dir = \"");
	text_add_escaped(why, c->dump_dir, text_cut(c->dump_dir, len, 200));
	buf_adds(why, "\" is not the absolute path of a directory");
	return -1;
}

static int judge(struct dump_config *c, struct buf *why)
{
	uint64_t port;
	if (text_to_u64(c->port, 1, 65535, &port) != 0) {
		buf_adds(why, "port = \"");
		text_add_escaped(
		    why, c->port, text_cut(c->port, strlen(c->port), 40));
		buf_adds(why, "\" is not a number from 1 to 65535");
		return -1;
	}
	c->all = c->databases.count == 0 || words_has(&c->databases, "*");
	return decode_dir(c, why);
}

int dumpconfig_decode(struct dump_config *c, enum dump_engine engine,
    const struct json *j, int node, struct buf *why)
{
	memset(c, 0, sizeof(*c));
	c->engine = engine;
	c->host = text_of(j, node, "host", defaults[engine].host);
	c->port = text_of(j, node, "port", defaults[engine].port);
	c->user = text_of(j, node, "user", "");
	c->password = text_of(j, node, "password", "");
	c->auth_db = text_of(j, node, "auth_db", "admin");
	c->dump_dir = text_of(j, node, "dump_dir", defaults[engine].dump_dir);
	char *extra = json_strdup(j, json_get(j, node, "extra_options"));
	words_split(&c->extra_options,
	    extra != NULL ? extra : defaults[engine].extra, " \t\r\n");
	free(extra);
	words_of(&c->databases, j, json_get(j, node, "databases"), "*");
	words_of(&c->exclude, j, json_get(j, node, "exclude_databases"),
	    defaults[engine].exclude);
	c->per_database = json_bool(j, json_get(j, node, "per_database"), true);
	c->compress = json_bool(j, json_get(j, node, "compress"), true);
	c->cleanup_after =
	    json_bool(j, json_get(j, node, "cleanup_after"), true);
	if (c->host != NULL && c->port != NULL && c->user != NULL &&
	    c->password != NULL && c->auth_db != NULL && c->dump_dir != NULL &&
	    !c->databases.failed && !c->exclude.failed &&
	    !c->extra_options.failed)
		return judge(c, why);
	buf_adds(why, "out of memory");
	return -1;
}

void dumpconfig_release(struct dump_config *c)
{
	free(c->host);
	free(c->port);
	free(c->user);
	if (c->password != NULL)
		mem_wipe(c->password, strlen(c->password));
	free(c->password);
	free(c->auth_db);
	free(c->dump_dir);
	words_release(&c->databases);
	words_release(&c->exclude);
	words_release(&c->extra_options);
	memset(c, 0, sizeof(*c));
}
