/*
 * MongoDB, by its client programs: mongodump and mongorestore of its Database
 * Tools (which read the password from --config since 100.3), and its shell
 * for what only the server knows. The shell runs a script of ours: the
 * questions are fixed in it, what comes from outside is data in JSON.
 *
 * A database is restored by its directory and --db, not by the patterns of
 * --nsInclude: a name with a star in it would be one.
 */
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "job/dumpdir.h"
#include "job/engine.h"
#include "job/secretfile.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* MongoDB's own limit of a database's name. */
#define NAME_BYTES 63
/* Where a dump is for the moment between two names. */
#define LIFTED ".bbs-dump.up"
/* The line of the shell's output that is ours. */
#define MARK "bbs-agent "

/* After "var c = {...};". Plain loops: a shell that awaits by itself does not
 * do so in callbacks. */
static const char script[] =
    "var r = {};\n"
    "try {\n"
    "  var at = c.host.indexOf('/'), e = encodeURIComponent;\n"
    "  var uri = 'mongodb://';\n"
    "  if (c.user !== '') uri += e(c.user) + ':' + e(c.password) + '@';\n"
    "  uri += at < 0 ? c.host + ':' + c.port : c.host.slice(at + 1);\n"
    "  uri += '/admin?connectTimeoutMS=15000';\n"
    "  if (c.user !== '') uri += '&authSource=' + e(c.auth_db);\n"
    "  if (at >= 0) uri += '&replicaSet=' + e(c.host.slice(0, at));\n"
    "  var d = connect(uri), names = [];\n"
    "  if (c.ask === 'size') {\n"
    "    r.size = Number(d.getSiblingDB(c.name).stats().dataSize);\n"
    "  } else if (c.ask === 'drop') {\n"
    "    d.getSiblingDB(c.name).dropDatabase();\n"
    "    r.dropped = true;\n"
    "  } else {\n"
    "    var all = d.adminCommand({listDatabases: 1});\n"
    "    if (!all.ok) throw new Error(all.errmsg);\n"
    "    for (var i = 0; i < all.databases.length; i++)\n"
    "      names.push(all.databases[i].name);\n"
    "    r.databases = names;\n"
    "  }\n"
    "} catch (error) {\n"
    "  r = {error: String(error.message || error)};\n"
    "}\n"
    "print('\\n" MARK "' + JSON.stringify(r));\n";

/* ---- the shell --------------------------------------------------------- */

/* The newer shell where there is one, else the older; NULL: neither. */
static const char *find_shell(void)
{
	static const char *const shells[] = {"mongosh", "mongo"};
	const char *path = getenv("PATH");
	for (size_t i = 0; i < 2; i++) {
		struct words dirs = WORDS_INIT;
		bool found = false;
		words_split(&dirs, path != NULL ? path : "/usr/bin:/bin", ":");
		for (size_t k = 0; !found && k < dirs.count; k++) {
			char *file = file_join(dirs.list[k], shells[i]);
			found = file != NULL && access(file, X_OK) == 0;
			free(file);
		}
		words_release(&dirs);
		if (found)
			return shells[i];
	}
	return NULL;
}

/* An IPv6 address goes in brackets. */
static void add_host(struct buf *out, const char *host)
{
	bool bare =
	    strchr(host, ':') && !strchr(host, '[') && !strchr(host, '/');
	buf_addf(out, bare ? "[%s]" : "%s", host);
}

static char *write_script(struct worker *w, const struct dump_config *c,
    const char *question, const char *name)
{
	struct buf text = BUF_INIT(64 * KIB), host = BUF_INIT(4 * KIB);
	struct json_writer j = {&text, false};
	char *path = NULL;
	add_host(&host, c->host);
	buf_adds(&text, "var c = ");
	json_open(&j, NULL, '{');
	json_put(&j, "host", buf_str(&host));
	json_put(&j, "port", c->port);
	json_put(&j, "user", c->user);
	json_put(&j, "password", c->password);
	json_put(&j, "auth_db", c->auth_db);
	json_put(&j, "ask", question);
	json_put(&j, "name", name);
	json_close(&j, '}');
	buf_adds(&text, ";\n");
	buf_adds(&text, script);
	if (!text.failed && !host.failed)
		path = secretfile_write_js(
		    w->paths, w->task->job_id, text.data, text.len);
	buf_release(&host);
	buf_wipe(&text);
	return path;
}

/* A shell that refuses an address may quote it, with the password as it stands
 * there. */
static void hide_encoded(const char *password)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-_.!~*'()";
	struct buf text = BUF_INIT(64 * KIB);
	for (const char *p = password; *p != '\0'; p++) {
		if (strchr(plain, *p) != NULL)
			buf_addc(&text, *p);
		else
			buf_addf(&text, "%%%02X", (unsigned char)*p);
	}
	log_hide(buf_str(&text));
	buf_wipe(&text);
}

/* What went wrong, for people: without the password. */
static int add_error(const struct json *j, struct buf *why)
{
	struct buf text = BUF_INIT(64 * KIB);
	int rc = json_text(j, json_get(j, 0, "error"), &text);
	if (rc == 0)
		log_redact(why, buf_str(&text), text.len);
	buf_wipe(&text);
	return rc;
}

/* The object on our line of what the shell wrote. */
static int read_answer(const char *text, struct json *j, struct buf *why)
{
	const char *line = strstr(text, "\n" MARK);
	if (line != NULL) {
		line += strlen("\n" MARK);
		size_t len = strcspn(line, "\r\n");
		if (json_check(line, len, JSON_DEPTH_MAX, NULL, NULL) == 0 &&
		    json_parse(j, line, len) == 0 &&
		    json_type(j, 0) == JSON_OBJECT) {
			return add_error(j, why) == 0 ? -1 : 0;
		}
	}
	buf_adds(why, "MongoDB's shell did not answer as it should");
	return -1;
}

/* Asks; the answer's text is `text`, which j is an index of. */
static int ask(struct worker *w, const struct dump_config *c,
    const char *question, const char *name, struct buf *text, struct json *j,
    struct buf *why)
{
	const char *shell = find_shell();
	struct child child;
	int rc = -1;
	if (shell == NULL) {
		buf_adds(why, "neither mongosh nor mongo is installed: without "
			      "a shell MongoDB cannot be asked");
		return -1;
	}
	hide_encoded(c->password);
	char *file = write_script(w, c, question, name);
	if (file == NULL) {
		buf_addf(why, "cannot write a file in %s: %s", w->paths->run,
		    strerror(errno));
		return -1;
	}
	const char *argv[] = {shell, "--quiet", "--norc", "--nodb", file, NULL};
	child_init(&child, w);
	child.argv = argv;
	child.out = CHILD_COLLECT;
	child.timeout_ms = ENGINE_ASK_MS;
	if (strcmp(question, "drop") == 0) {
		child.goes_on = true;
		child.timeout_ms = ENGINE_DROP_MS;
		child.grace_ms = ENGINE_DROP_GRACE_MS;
	}
	if (child_run(&child, why) == 0)
		rc = engine_judge(&child, why);
	if (rc == 0) {
		buf_add(text, child.output.data, child.output.len);
		rc = read_answer(buf_str(text), j, why);
	}
	child_release(&child);
	secretfile_remove(file);
	return rc;
}

static int read_names(const struct json *j, struct words *found)
{
	int all = json_get(j, 0, "databases");
	if (json_type(j, all) != JSON_ARRAY ||
	    json_count(j, all) > DATABASES_MAX)
		return -1;
	for (int at = json_first(j, all); at != JSON_NONE;
	     at = json_next(j, all, at)) {
		char *name =
		    json_type(j, at) == JSON_STRING ? json_strdup(j, at) : NULL;
		int rc = name != NULL ? words_add(found, name) : -1;
		free(name);
		if (rc != 0)
			return -1;
	}
	return 0;
}

static int list(struct worker *w, const struct dump_config *c,
    struct words *found, struct buf *why)
{
	struct buf text = BUF_INIT(CHILD_OUTPUT_MAX);
	struct json j = JSON_INIT;
	int rc = ask(w, c, "list", NULL, &text, &j, why);
	if (rc == 0 && read_names(&j, found) != 0) {
		buf_adds(why, "MongoDB's list of databases cannot be read");
		rc = -1;
	}
	json_release(&j);
	buf_release(&text);
	return rc;
}

static int64_t size(
    struct worker *w, const struct dump_config *c, const char *database)
{
	struct buf text = BUF_INIT(CHILD_OUTPUT_MAX), why = BUF_INIT(64 * KIB);
	struct json j = JSON_INIT;
	int64_t bytes = -1;
	if (database == NULL ||
	    ask(w, c, "size", database, &text, &j, &why) != 0 ||
	    json_int(&j, json_get(&j, 0, "size"), &bytes) != 0)
		bytes = -1;
	json_release(&j);
	buf_release(&text);
	buf_wipe(&why);
	return bytes;
}

static void drop(
    struct worker *w, const struct dump_config *c, const char *database)
{
	struct buf text = BUF_INIT(CHILD_OUTPUT_MAX), why = BUF_INIT(64 * KIB);
	struct json j = JSON_INIT;
	if (ask(w, c, "drop", database, &text, &j, &why) != 0)
		log_warning("the database \"%s\" was made for an import that "
			    "failed, and cannot be removed: %s",
		    database, buf_str(&why));
	json_release(&j);
	buf_release(&text);
	buf_wipe(&why);
}

/* ---- the tools --------------------------------------------------------- */

struct tool {
	struct words argv;
	char *secret;
};

static int tool_open(struct tool *t, struct worker *w,
    const struct dump_config *c, const char *program, struct buf *why)
{
	struct buf text = BUF_INIT(64 * KIB), host = BUF_INIT(4 * KIB);
	*t = (struct tool){WORDS_INIT, NULL};
	add_host(&host, c->host);
	words_add(&t->argv, program);
	words_addf(&t->argv, "--host=%s", buf_str(&host));
	words_addf(&t->argv, "--port=%s", c->port);
	buf_release(&host);
	if (c->user[0] == '\0')
		return 0;
	words_addf(&t->argv, "--username=%s", c->user);
	words_addf(&t->argv, "--authenticationDatabase=%s", c->auth_db);
	/* A text of JSON is one of YAML, too. */
	buf_adds(&text, "password: \"");
	json_escape(&text, c->password, strlen(c->password));
	buf_adds(&text, "\"\n");
	if (!text.failed)
		t->secret = secretfile_write(
		    w->paths, w->task->job_id, text.data, text.len);
	buf_wipe(&text);
	if (t->secret != NULL)
		return words_addf(&t->argv, "--config=%s", t->secret);
	buf_addf(why, "cannot write a file in %s: %s", w->paths->run,
	    strerror(errno));
	return -1;
}

static int tool_run(
    struct tool *t, struct worker *w, bool watched, struct buf *why)
{
	struct child child;
	int rc = -1;
	if (t->argv.failed) {
		buf_adds(why, "out of memory");
		return -1;
	}
	child_init(&child, w);
	child.argv = (const char *const *)t->argv.list;
	child.bulk = true;
	child.watched = watched;
	if (child_run(&child, why) == 0)
		rc = engine_judge(&child, why);
	child_release(&child);
	return rc;
}

static void tool_close(struct tool *t)
{
	secretfile_remove(t->secret);
	words_release(&t->argv);
}

/* ---- dump and import --------------------------------------------------- */

/* mongodump makes dest/DATABASE: that is to be dest itself. */
static int lift(const char *dest, const char *database, struct buf *why)
{
	struct stat st;
	char *inner = file_join(dest, database);
	int rc = -1;
	if (inner != NULL && lstat(inner, &st) != 0) {
		buf_adds(why, "there was nothing to dump: it has no "
			      "collections, or is not there any more");
	} else if (inner == NULL || dumpdir_remove(LIFTED) != 0 ||
		   rename(inner, LIFTED) != 0 || dumpdir_remove(dest) != 0 ||
		   rename(LIFTED, dest) != 0 || chmod(dest, 0700) != 0) {
		buf_addf(why, "cannot move the dump: %s", strerror(errno));
		(void)dumpdir_remove(LIFTED);
	} else {
		rc = 0;
	}
	free(inner);
	return rc;
}

static int dump(struct worker *w, const struct dump_config *c,
    const char *database, const struct words *all, const char *dest,
    struct buf *why)
{
	struct tool t;
	(void)all;
	if (mkdir(dest, 0700) != 0) {
		buf_addf(why, "cannot make %s: %s", dest, strerror(errno));
		return -1;
	}
	int rc = tool_open(&t, w, c, "mongodump", why);
	words_addf(&t.argv, "--db=%s", database);
	words_addf(&t.argv, "--out=%s", dest);
	if (c->compress)
		words_add(&t.argv, "--gzip");
	for (size_t i = 0; i < c->extra_options.count; i++)
		words_add(&t.argv, c->extra_options.list[i]);
	if (rc == 0)
		rc = tool_run(&t, w, true, why);
	if (rc == 0)
		rc = lift(dest, database, why);
	if (rc != 0)
		(void)dumpdir_remove(dest);
	tool_close(&t);
	return rc;
}

/* 1: its files are compressed, 0: not, -1: it holds no dump. */
static int is_packed(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int packed = -1;
	while (d != NULL && packed <= 0 && (e = readdir(d)) != NULL) {
		if (text_ends(e->d_name, ".gz"))
			packed = 1;
		else if (text_ends(e->d_name, ".bson") ||
			 text_ends(e->d_name, ".json"))
			packed = 0;
	}
	if (d != NULL)
		closedir(d);
	return packed;
}

static int judge_name(const char *database, struct buf *why)
{
	size_t len = strlen(database);
	if (len > 0 && len <= NAME_BYTES &&
	    strpbrk(database, "/\\. \"$") == NULL)
		return 0;
	buf_adds(why, "\"");
	text_add_escaped(why, database, strnlen(database, 200));
	buf_addf(why,
	    "\" cannot be the name of a MongoDB database: it has 1 to %d bytes "
	    "and none of / \\ . \" $ nor a space",
	    NAME_BYTES);
	return -1;
}

/* --drop takes each collection that the dump has out of the target first. */
static int fill(struct worker *w, const struct dump_config *c, const char *src,
    const char *target, struct buf *why)
{
	struct tool t;
	int packed = is_packed(src);
	if (packed < 0) {
		buf_addf(why, "%s holds no dump", src);
		return -1;
	}
	int rc = tool_open(&t, w, c, "mongorestore", why);
	words_add(&t.argv, "--drop");
	words_add(&t.argv, "--stopOnError");
	if (packed > 0)
		words_add(&t.argv, "--gzip");
	words_addf(&t.argv, "--db=%s", target);
	words_addf(&t.argv, "--dir=%s", src);
	if (rc == 0)
		rc = tool_run(&t, w, false, why);
	tool_close(&t);
	return rc;
}

static int import(struct worker *w, const struct dump_config *c,
    const char *src, const char *target, bool replace, struct buf *why)
{
	struct words there = WORDS_INIT;
	(void)replace;
	int rc = judge_name(target, why);
	if (rc == 0)
		rc = list(w, c, &there, why);
	if (rc == 0) {
		rc = fill(w, c, src, target, why);
		if (rc != 0 && !words_has(&there, target))
			drop(w, c, target);
	}
	words_release(&there);
	return rc;
}

const struct engine engine_mongo = {.kind = DUMP_MONGO,
    .slug = "mongo_dump",
    .task = "restore_mongo",
    .config_key = "mongo_config",
    .name = "mongo",
    .label = "MongoDB",
    .directories = true,
    .imports_over = true,
    .list = list,
    .size = size,
    .dump = dump,
    .import = import};
