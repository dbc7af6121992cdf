/*
 * What a database server's programs can do, the same questions for each
 * engine. A name of a database is data: it is never pasted into a command
 * line's option, a path or a statement without the engine's own quoting, and
 * a password goes by a private file or the environment, never by argv.
 *
 * Each function returns 0, or -1 with one sentence in why (what the program
 * said, shortened, without the password) and nothing half done left behind.
 * Each ends early when the job is to stop (w->stop is set then).
 */
#ifndef JOB_ENGINE_H
#define JOB_ENGINE_H

#include "bbs/dumpconfig.h"
#include "job/child.h"

struct engine {
	enum dump_engine kind;
	const char *slug;	/* the plugin: "mysql_dump" */
	const char *task;	/* the restore: "restore_mysql" */
	const char *config_key; /* its configuration there: "mysql_config" */
	const char *name;	/* in databases_backed_up: "mysql" */
	const char *label;	/* for people: "MySQL" */
	bool directories;	/* a dump is a directory, not a file */
	bool needs_login;	/* a restore without user or password fails */
	/* An import goes over what is there, so that nothing need be dropped
	 * first: done when there is no safety dump. */
	bool imports_over;

	/* Every database that can be dumped, excluded ones too. */
	int (*list)(struct worker *w, const struct dump_config *c,
	    struct words *found, struct buf *why);
	/* How many bytes a database has (NULL: all of found) as the server
	 * says: an upper bound for room on the disk; -1 when it does not. */
	int64_t (*size)(struct worker *w, const struct dump_config *c,
	    const char *database);
	/* Dumps one database into the file (or directory) dest, which does
	 * not exist; compressed as c->compress says. NULL: all that `all`
	 * names into one file (MySQL alone). dest is a bare name: the worker
	 * stands in the dump directory, and so does what it runs. */
	int (*dump)(struct worker *w, const struct dump_config *c,
	    const char *database, const struct words *all, const char *dest,
	    struct buf *why);
	/* Imports src (./NAME, the worker stands in the dump directory; its
	 * name tells whether it is compressed) into target, which is made
	 * when it is not there; replace: what it held goes. target NULL: what
	 * src itself says (MySQL alone). */
	int (*import)(struct worker *w, const struct dump_config *c,
	    const char *src, const char *target, bool replace, struct buf *why);
};

extern const struct engine engine_mysql, engine_postgres, engine_mongo;

/* The engine of a plugin's slug / of a task's type; NULL: none. */
const struct engine *engine_of_slug(const char *slug);
const struct engine *engine_of_task(const char *type);

/*
 * For engines whose dump is a stream: runs argv with its output going,
 * through gzip when compress, into the new file dest (0600, fsync'ed).
 * A failure removes dest.
 */
int engine_dump_stream(struct worker *w, const char *const *argv,
    const char *const *env, const char *dest, bool compress, struct buf *why);
/* Opens a dump for reading: a file, no link, no pipe. -1 with a sentence. */
int engine_open_dump(const char *src, struct buf *why);
/* The other way: the file, through gzip when its name ends in .gz, becomes
 * the input of argv. */
int engine_import_stream(struct worker *w, const char *src,
    const char *const *argv, const char *const *env, struct buf *why);
/* 0 when a child that has run did what it should; else -1, and what it said,
 * for a person, in why. */
int engine_judge(const struct child *c, struct buf *why);
/* Runs argv, for ENGINE_ASK_MS at most, and takes its output; what it said on
 * failure goes into why. */
int engine_ask(struct worker *w, const char *const *argv,
    const char *const *env, struct buf *output, struct buf *why);

#endif
