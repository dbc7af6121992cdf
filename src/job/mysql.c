/*
 * MySQL and MariaDB, by their client programs. Names are quoted in SQL and
 * stand behind "--" in an argv. An import runs in the client's binary mode,
 * in which nothing in a dump can be a command to the client itself, and so to
 * this host.
 */
#include "base/limits.h"
#include "base/text.h"
#include "job/engine.h"
#include "job/mysql_client.h"
#include <string.h>

/* The server's own: it could not go on without them. */
static const char *const own[] = {
    "mysql", "information_schema", "performance_schema", "sys"};

static const char *const *argv_of(const struct mysql_client *m)
{
	return (const char *const *)m->argv.list;
}

static const char *const *env_of(const struct mysql_client *m)
{
	return (const char *const *)m->env;
}

/* Runs one statement and takes its rows. */
static int ask(struct worker *w, const struct dump_config *c,
    const struct buf *sql, struct buf *rows, struct buf *why)
{
	struct mysql_client m;
	int rc = mysql_client_open(&m, w, c, MYSQL_CLIENT, why);
	if (rc == 0 && (sql->failed || words_addf(&m.argv, "--execute=%s",
					   buf_str(sql)) != 0)) {
		buf_adds(why, "the statement is too long");
		rc = -1;
	}
	if (rc == 0)
		rc = engine_ask(w, argv_of(&m), env_of(&m), rows, why);
	mysql_client_close(&m);
	return rc;
}

static int list(struct worker *w, const struct dump_config *c,
    struct words *found, struct buf *why)
{
	struct buf sql = BUF_INIT(KIB), rows = BUF_INIT(CHILD_OUTPUT_MAX);
	buf_adds(&sql, "SELECT HEX(CONVERT(SCHEMA_NAME USING utf8)) FROM "
		       "information_schema.SCHEMATA ORDER BY SCHEMA_NAME");
	int rc = ask(w, c, &sql, &rows, why);
	if (rc == 0 && mysql_read_names(buf_str(&rows), found) != 0) {
		buf_addf(why,
		    "the server's list of databases cannot be read, or has "
		    "more than %d",
		    DATABASES_MAX);
		rc = -1;
	}
	buf_release(&sql);
	buf_release(&rows);
	return rc;
}

static int64_t size(
    struct worker *w, const struct dump_config *c, const char *database)
{
	struct buf sql = BUF_INIT(4 * KIB), rows = BUF_INIT(KIB);
	struct buf why = BUF_INIT(KIB);
	uint64_t bytes;
	int64_t result = -1;
	buf_adds(&sql, "SELECT COALESCE(SUM(DATA_LENGTH), 0) FROM "
		       "information_schema.TABLES");
	if (database != NULL) {
		buf_adds(&sql, " WHERE TABLE_SCHEMA = ");
		mysql_add_text(&sql, database);
	}
	if (ask(w, c, &sql, &rows, &why) == 0) {
		while (rows.len > 0 && rows.data[rows.len - 1] <= ' ')
			rows.data[--rows.len] = '\0';
		if (text_to_u64(buf_str(&rows), 0, INT64_MAX, &bytes) == 0)
			result = (int64_t)bytes;
	}
	buf_release(&sql);
	buf_release(&rows);
	buf_wipe(&why);
	return result;
}

static int dump(struct worker *w, const struct dump_config *c,
    const char *database, const struct words *all, const char *dest,
    struct buf *why)
{
	struct mysql_client m;
	int rc = mysql_client_open(&m, w, c, MYSQL_DUMP, why);
	if (rc != 0)
		goto out;
	/* Tablespaces are nothing that a restore needs, and reading them
	 * wants a privilege of its own. */
	words_add(&m.argv, "--no-tablespaces");
	for (size_t i = 0; i < c->extra_options.count; i++)
		words_add(&m.argv, c->extra_options.list[i]);
	if (database == NULL)
		words_add(&m.argv, "--databases");
	words_add(&m.argv, "--");
	if (database != NULL)
		words_add(&m.argv, database);
	for (size_t i = 0; database == NULL && i < all->count; i++)
		words_add(&m.argv, all->list[i]);
	rc = -1;
	if (!m.argv.failed)
		rc = engine_dump_stream(
		    w, argv_of(&m), env_of(&m), dest, c->compress, why);
	else
		buf_adds(why, "out of memory");
out:
	mysql_client_close(&m);
	return rc;
}

/* A word of the server's own, such as utf8mb4_general_ci. */
static bool is_plain(const char *word, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = word[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && c != '_')
			return false;
	}
	return len > 0;
}

/* Appends the defaults of a database that is about to be made anew. */
static int add_defaults(struct worker *w, const struct dump_config *c,
    const char *target, struct buf *sql, struct buf *why)
{
	struct buf query = BUF_INIT(4 * KIB), rows = BUF_INIT(KIB);
	buf_adds(&query, "SELECT DEFAULT_CHARACTER_SET_NAME, "
			 "DEFAULT_COLLATION_NAME FROM "
			 "information_schema.SCHEMATA WHERE SCHEMA_NAME = ");
	mysql_add_text(&query, target);
	int rc = ask(w, c, &query, &rows, why);
	const char *row = buf_str(&rows);
	size_t set = strcspn(row, "\t\n");
	const char *collation = row + set + (row[set] == '\t');
	size_t len = strcspn(collation, "\t\r\n");
	if (rc == 0 && is_plain(row, set) && is_plain(collation, len))
		buf_addf(sql, " CHARACTER SET %.*s COLLATE %.*s", (int)set, row,
		    (int)len, collation);
	buf_release(&query);
	buf_release(&rows);
	return rc;
}

static bool is_own(const char *database)
{
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (strcmp(own[i], database) == 0)
			return true;
	}
	return false;
}

static int run_statement(struct worker *w, const struct dump_config *c,
    const struct buf *sql, struct buf *why)
{
	struct buf rows = BUF_INIT(4 * KIB);
	int rc = ask(w, c, sql, &rows, why);
	buf_release(&rows);
	return rc;
}

static int make_room(struct worker *w, const struct dump_config *c,
    const char *target, bool replace, struct buf *why)
{
	struct buf drop = BUF_INIT(4 * KIB), create = BUF_INIT(4 * KIB);
	int rc = 0;
	replace = replace && !is_own(target);
	buf_adds(&drop, "DROP DATABASE IF EXISTS ");
	mysql_add_name(&drop, target);
	buf_adds(&create, "CREATE DATABASE IF NOT EXISTS ");
	mysql_add_name(&create, target);
	if (replace) {
		rc = add_defaults(w, c, target, &create, why);
		if (rc == 0)
			rc = run_statement(w, c, &drop, why);
	}
	if (rc == 0)
		rc = run_statement(w, c, &create, why);
	buf_release(&drop);
	buf_release(&create);
	return rc;
}

static int import(struct worker *w, const struct dump_config *c,
    const char *src, const char *target, bool replace, struct buf *why)
{
	struct mysql_client m = {0};
	int rc = 0;
	if (target != NULL)
		rc = make_room(w, c, target, replace, why);
	if (rc == 0)
		rc = mysql_client_open(&m, w, c, MYSQL_CLIENT, why);
	if (rc != 0)
		goto out;
	words_add(&m.argv, "--binary-mode");
	if (target != NULL)
		words_addf(&m.argv, "--database=%s", target);
	rc = -1;
	if (!m.argv.failed)
		rc = engine_import_stream(w, src, argv_of(&m), env_of(&m), why);
	else
		buf_adds(why, "out of memory");
out:
	mysql_client_close(&m);
	return rc;
}

const struct engine engine_mysql = {.kind = DUMP_MYSQL,
    .slug = "mysql_dump",
    .task = "restore_mysql",
    .config_key = "mysql_config",
    .name = "mysql",
    .label = "MySQL",
    .needs_login = true,
    .imports_over = true,
    .list = list,
    .size = size,
    .dump = dump,
    .import = import};
