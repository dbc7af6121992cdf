/*
 * PostgreSQL, by its client programs psql and pg_dump. How to connect stands
 * in their environment alone: a database's name after -d would be read as a
 * connection string when it looks like one, PGDATABASE is taken as it is.
 *
 * An import is one transaction, and its COMMIT is said only after the whole
 * dump was read. What a dump makes psql do is not judged, and that can be any
 * command of this host: psql imports as a user without rights where it can.
 */
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/text.h"
#include "job/engine.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Longer names are cut by the server: they would mean another database. */
#define NAME_BYTES 63
/* Seconds for a connection to come about. */
#define CONNECT_S "15"
/* Where the questions about all databases are asked. */
#define MAINTENANCE "postgres"
/* What pg_dump writes at the end of a dump, and how far before the end. */
#define WHOLE "-- PostgreSQL database dump complete"
#define TAIL "1000"

#define QUIET "psql", "-X", "-w", "-q", "-v", "ON_ERROR_STOP=1"
/* A number that no account and no systemd has: others of its user could read
 * the password in its environment. */
#define LOWERED                                                        \
	"setpriv", "--reuid=65533", "--regid=65533", "--clear-groups", \
	    "--no-new-privs"
#define LOWERED_WORDS 5

static const char list_query[] =
    "SELECT datname FROM pg_catalog.pg_database "
    "WHERE datallowconn AND NOT datistemplate ORDER BY datname";
static const char names_query[] = "SELECT datname FROM pg_catalog.pg_database";
static const char size_query[] =
    "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())";

/*
 * Empties a database as far as a plain dump fills it again: first what lies
 * in no schema, then the schemas. Extensions stay where a dump expects them:
 * in public, and what they made themselves; another schema goes with all that
 * is in it, since the dump makes it anew. Each list is sorted, and so whole
 * before its first object goes. Runs inside the import's transaction. The fixed
 * search path keeps functions of the database's users from being called.
 */
static const char empty_statement[] =
    "SET LOCAL search_path = pg_catalog;"
    "SET LOCAL client_min_messages = warning;"
    "SET LOCAL lock_timeout = '300s';"
    "DO $bbs$\n"
    "DECLARE\n"
    "  kind text;\n"
    "  o record;\n"
    "  own constant text := 'AND NOT EXISTS (SELECT FROM pg_depend e "
    "WHERE e.classid = x.class AND e.objid = x.oid AND e.deptype = ''e'')';\n"
    "BEGIN\n"
    "  FOREACH kind IN ARRAY ARRAY['pg_event_trigger', 'pg_publication',\n"
    "      'pg_foreign_server', 'pg_foreign_data_wrapper'] LOOP\n"
    "    CONTINUE WHEN NOT EXISTS (SELECT FROM pg_class c, pg_namespace n\n"
    "      WHERE c.relnamespace = n.oid AND nspname = 'pg_catalog'\n"
    "      AND relname = kind);\n"
    "    FOR o IN EXECUTE format('SELECT i.type, i.identity FROM (SELECT "
    "oid, %L::regclass AS class FROM %I) x, pg_identify_object(x.class, "
    "x.oid, 0) i WHERE x.oid >= 16384 ' || own || ' ORDER BY 1, 2', kind, "
    "kind) LOOP\n"
    "      EXECUTE format('DROP %s IF EXISTS %s CASCADE',\n"
    "        replace(o.type, '-', ' '), o.identity);\n"
    "    END LOOP;\n"
    "  END LOOP;\n"
    "  FOR o IN SELECT oid FROM pg_largeobject_metadata LOOP\n"
    "    PERFORM lo_unlink(o.oid);\n"
    "  END LOOP;\n"
    "  FOR o IN EXECUTE 'SELECT nspname FROM (SELECT oid, nspname,"
    " ''pg_namespace''::regclass AS class FROM pg_namespace) x"
    " WHERE nspname !~ ''^pg_'' AND nspname NOT IN"
    " (''public'', ''information_schema'') ' || own LOOP\n"
    "    EXECUTE format('DROP SCHEMA %I CASCADE', o.nspname);\n"
    "  END LOOP;\n"
    "  FOR o IN EXECUTE 'SELECT i.type, i.identity FROM"
    " (SELECT DISTINCT classid AS class, objid AS oid FROM pg_depend d,"
    " pg_namespace n WHERE d.refclassid = ''pg_namespace''::regclass"
    " AND d.refobjid = n.oid AND d.deptype = ''n'' AND nspname !~ ''^pg_''"
    " AND nspname <> ''information_schema'') x,"
    " pg_identify_object(x.class, x.oid, 0) i"
    " WHERE i.type NOT IN (''extension'', ''default acl'') ' || own\n"
    "    || ' ORDER BY 1, 2' LOOP\n"
    "    EXECUTE format('DROP %s IF EXISTS %s CASCADE',\n"
    "      replace(o.type, ' object', ''), o.identity);\n"
    "  END LOOP;\n"
    "  IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'public')\n"
    "  THEN\n"
    "    CREATE SCHEMA public;\n"
    "  END IF;\n"
    "END $bbs$";

/* ---- running them ------------------------------------------------------ */

/* What of the agent's own environment would lead elsewhere. */
static const char *const unwanted[] = {"PGSERVICE", "PGSERVICEFILE",
    "PGHOSTADDR", "PGOPTIONS", "PGCLUSTER", "PGCLIENTENCODING", "PGPASSFILE",
    "PGTARGETSESSIONATTRS", "PSQLRC"};

/* Freed with proc_env_free; NULL when out of memory (why). */
static char **environment(
    const struct dump_config *c, const char *database, struct buf *why)
{
	const char *const set[][2] = {{"PGHOST", c->host}, {"PGPORT", c->port},
	    {"PGUSER", c->user[0] != '\0' ? c->user : NULL},
	    {"PGPASSWORD", c->password[0] != '\0' ? c->password : NULL},
	    {"PGDATABASE", database}, {"PGCONNECT_TIMEOUT", CONNECT_S},
	    {"PGAPPNAME", "bbs-agent"}};
	char **env = proc_env_new();
	int rc = env != NULL ? 0 : -1;
	for (size_t i = 0; rc == 0 && i < sizeof(unwanted) / sizeof(*unwanted);
	     i++)
		rc = proc_env_set(&env, unwanted[i], NULL);
	for (size_t i = 0; rc == 0 && i < sizeof(set) / sizeof(*set); i++)
		rc = proc_env_set(&env, set[i][0], set[i][1]);
	if (rc == 0)
		return env;
	proc_env_free(env);
	buf_adds(why, "out of memory");
	return NULL;
}

/* The server cuts a longer name off, and thereby means another database. */
static int judge_name(const char *database, struct buf *why)
{
	if (database[0] != '\0' && strlen(database) <= NAME_BYTES)
		return 0;
	buf_adds(why, "\"");
	text_add_escaped(why, database, strnlen(database, 200));
	buf_addf(why,
	    "\" cannot be the name of a PostgreSQL database: it has 1 to %d "
	    "bytes",
	    NAME_BYTES);
	return -1;
}

/* The answer to a query, each row ended by a NUL. */
static int ask(struct worker *w, const struct dump_config *c,
    const char *database, const char *query, struct buf *answer,
    struct buf *why)
{
	const char *argv[] = {QUIET, "-At0", "-c", query, NULL};
	char **env = environment(c, database, why);
	if (env == NULL)
		return -1;
	int rc = engine_ask(w, argv, (const char *const *)env, answer, why);
	proc_env_free(env);
	return rc;
}

static int ask_names(struct worker *w, const struct dump_config *c,
    const char *query, struct words *found, struct buf *why)
{
	struct buf answer = BUF_INIT(CHILD_OUTPUT_MAX);
	int rc = ask(w, c, MAINTENANCE, query, &answer, why);
	const char *at = buf_str(&answer), *end = at + answer.len;
	while (rc == 0 && at < end) {
		rc = words_add(found, at);
		if (rc == 0 && found->count > DATABASES_MAX)
			rc = -1;
		if (rc != 0)
			buf_adds(why, "the list of databases is too long");
		at += strlen(at) + 1;
	}
	buf_release(&answer);
	return rc;
}

static int list(struct worker *w, const struct dump_config *c,
    struct words *found, struct buf *why)
{
	return ask_names(w, c, list_query, found, why);
}

static int64_t size(
    struct worker *w, const struct dump_config *c, const char *database)
{
	struct buf answer = BUF_INIT(KIB), why = BUF_INIT(64 * KIB);
	uint64_t bytes = 0;
	int64_t found = -1;
	if (database != NULL &&
	    ask(w, c, database, size_query, &answer, &why) == 0 &&
	    text_to_u64(buf_str(&answer), 0, INT64_MAX, &bytes) == 0)
		found = (int64_t)bytes;
	buf_release(&answer);
	buf_wipe(&why);
	return found;
}

/* ---- dump -------------------------------------------------------------- */

static int dump(struct worker *w, const struct dump_config *c,
    const char *database, const struct words *all, const char *dest,
    struct buf *why)
{
	struct words argv = WORDS_INIT;
	char **env = NULL;
	int rc = -1;
	(void)all;
	if (judge_name(database, why) != 0)
		return -1;
	words_add(&argv, "pg_dump");
	words_add(&argv, "-w");
	for (size_t i = 0; i < c->extra_options.count; i++)
		words_add(&argv, c->extra_options.list[i]);
	if (argv.failed)
		buf_adds(why, "out of memory");
	else
		env = environment(c, database, why);
	if (env != NULL)
		rc = engine_dump_stream(w, (const char *const *)argv.list,
		    (const char *const *)env, dest, c->compress, why);
	proc_env_free(env);
	words_release(&argv);
	return rc;
}

/* ---- import ------------------------------------------------------------ */

/* A name as SQL has it; longer ones than NAME_BYTES do not come here. */
static void add_identifier(struct buf *sql, const char *name)
{
	buf_addc(sql, '"');
	for (; *name != '\0'; name++) {
		if (*name == '"')
			buf_addc(sql, '"');
		buf_addc(sql, *name);
	}
	buf_addc(sql, '"');
}

/* Empty as template0 is: whatever an administrator has put into template1
 * would be in the dump's way. */
static int create(struct worker *w, const struct dump_config *c,
    const char *database, struct buf *why)
{
	struct buf sql = BUF_INIT(KIB), answer = BUF_INIT(KIB);
	buf_adds(&sql, "CREATE DATABASE ");
	add_identifier(&sql, database);
	buf_adds(&sql, " TEMPLATE template0");
	int rc = ask(w, c, MAINTENANCE, buf_str(&sql), &answer, why);
	buf_release(&sql);
	buf_release(&answer);
	return rc;
}

static int drop_by(struct worker *w, const struct dump_config *c,
    const char *database, const char *how, uint64_t until, struct buf *why)
{
	uint64_t now = clock_ms();
	if (now >= until)
		return -1;
	struct buf sql = BUF_INIT(KIB);
	buf_adds(&sql, "DROP DATABASE ");
	add_identifier(&sql, database);
	buf_adds(&sql, how);
	const char *argv[] = {QUIET, "-c", buf_str(&sql), NULL};
	char **env = environment(c, MAINTENANCE, why);
	struct child child;
	int rc = -1;
	child_init(&child, w);
	child.argv = argv;
	child.env = (const char *const *)env;
	child.goes_on = true;
	child.timeout_ms = until - now;
	child.grace_ms = ENGINE_DROP_GRACE_MS;
	if (env != NULL && child_run(&child, why) == 0 && child.exit_code == 0)
		rc = 0;
	child_release(&child);
	proc_env_free(env);
	buf_release(&sql);
	return rc;
}

/* Removes what create made, also when the job is to stop. A connection of the
 * import may linger; servers before 13 cannot be told to end it. */
static void drop(
    struct worker *w, const struct dump_config *c, const char *database)
{
	struct buf why = BUF_INIT(64 * KIB);
	uint64_t until = clock_ms() + ENGINE_DROP_MS;
	if (drop_by(w, c, database, " WITH (FORCE)", until, &why) != 0 &&
	    drop_by(w, c, database, "", until, &why) != 0)
		log_warning("the database \"%s\" was made for an import that "
			    "failed, and cannot be removed",
		    database);
	buf_wipe(&why);
}

static void start_reading(
    struct child *child, struct worker *w, const char *const *unpack, int fd)
{
	child_init(child, w);
	child->argv = unpack;
	child->in = fd;
	child->bulk = true;
}

/* Opens the dump when it is whole, by its end: pg_dump's last words stand
 * there, and gzip's sum is right. */
static int open_whole(struct worker *w, const char *src,
    const char *const *unpack, struct buf *why)
{
	static const char *const tail[] = {"tail", "-c", TAIL, NULL};
	struct child child;
	int fd = engine_open_dump(src, why);
	if (fd < 0)
		return -1;
	start_reading(&child, w, unpack, fd);
	child.filter = tail;
	child.out = CHILD_COLLECT;
	int rc = child_run(&child, why);
	if (rc == 0) {
		rc = -1;
		if (child.stopped)
			buf_adds(why, worker_stop_sentence(w->stop));
		else if (child.exit_code != 0)
			buf_addf(why, "the dump is damaged: %s",
			    buf_str(&child.errors));
		else if (strstr(buf_str(&child.output), WHOLE) == NULL)
			buf_adds(why, "the dump is not whole: its end is "
				      "missing");
		else
			rc = 0;
	}
	child_release(&child);
	if (rc == 0 && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Does this host's own set-up of TLS matter, which only root may read? */
static bool has_own_tls(char *const *env)
{
	struct buf dir = BUF_INIT(PATH_MAX);
	const char *home = proc_env_get(env, "HOME");
	buf_addf(&dir, "%s/.postgresql", home != NULL ? home : "");
	bool has = access(buf_str(&dir), F_OK) == 0;
	buf_release(&dir);
	for (; !has && *env != NULL; env++)
		has = text_starts(*env, "PGSSL");
	return has;
}

/* Would the import work as the user without rights? Where a server asks who
 * we are, or there is no setpriv, it would not. */
static bool can_be_lowered(struct worker *w, char ***env)
{
	const char *argv[] = {LOWERED, QUIET, "-c", "SELECT 1", NULL};
	struct buf answer = BUF_INIT(KIB), why = BUF_INIT(64 * KIB);
	const char *home = proc_env_get(*env, "HOME");
	char *before = home != NULL ? strdup(home) : NULL;
	bool can =
	    geteuid() == 0 && !has_own_tls(*env) &&
	    proc_env_set(env, "HOME", "/") == 0 &&
	    engine_ask(w, argv, (const char *const *)*env, &answer, &why) == 0;
	if (!can)
		proc_env_set(env, "HOME", before);
	log_debug(
	    "psql imports as %s", can ? "a user without rights" : "we are");
	free(before);
	buf_release(&answer);
	buf_wipe(&why);
	return can;
}

static int fill(struct worker *w, const struct dump_config *c, const char *src,
    const char *target, bool replace, struct buf *why)
{
	static const char *const gunzip[] = {"gzip", "-d", "-c", NULL};
	static const char *const cat[] = {"cat", NULL};
	const char *const *unpack = text_ends(src, ".gz") ? gunzip : cat;
	const char *argv[] = {LOWERED, QUIET, "-c", "BEGIN", "-c",
	    replace ? empty_statement : "SELECT 1", "-f", "-", NULL};
	int fd = open_whole(w, src, unpack, why), rc = -1;
	char **env = fd >= 0 ? environment(c, target, why) : NULL;
	if (env != NULL) {
		struct child child;
		bool lowered = can_be_lowered(w, &env);
		start_reading(&child, w, unpack, fd);
		child.filter = argv + (lowered ? 0 : LOWERED_WORDS);
		child.env = (const char *const *)env;
		child.last_words = "COMMIT;\n";
		if (child_run(&child, why) == 0)
			rc = engine_judge(&child, why);
		child_release(&child);
	}
	proc_env_free(env);
	if (fd >= 0)
		close(fd);
	return rc;
}

static int import(struct worker *w, const struct dump_config *c,
    const char *src, const char *target, bool replace, struct buf *why)
{
	struct words names = WORDS_INIT;
	bool made = false;
	int rc = judge_name(target, why);
	if (rc == 0)
		rc = ask_names(w, c, names_query, &names, why);
	if (rc == 0 && !words_has(&names, target)) {
		rc = create(w, c, target, why);
		made = rc == 0;
	}
	if (rc == 0)
		rc = fill(w, c, src, target, replace && !made, why);
	if (rc != 0 && made)
		drop(w, c, target);
	words_release(&names);
	return rc;
}

const struct engine engine_postgres = {.kind = DUMP_POSTGRES,
    .slug = "pg_dump",
    .task = "restore_pg",
    .config_key = "pg_config",
    .name = "pg",
    .label = "PostgreSQL",
    .needs_login = true,
    .list = list,
    .size = size,
    .dump = dump,
    .import = import};
