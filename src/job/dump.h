/*
 * One dump as a file (or directory) in the directory where the worker stands
 * (job/dumpdir.h): written under a name of its own, given its real name when
 * it is whole. The plugins and the safety dump of a restore are made so.
 */
#ifndef JOB_DUMP_H
#define JOB_DUMP_H

#include "job/dumpdir.h"
#include "job/engine.h"

/* What all databases together are called. */
#define DUMP_TOGETHER "all_databases"
/* What a safety dump's name has behind the database's. */
#define DUMP_SAFETY "_pre_restore"

/* A configuration from JSON, checked, its password hidden in the log. node:
 * its object. 0, or -1 with a sentence; release it in both cases. */
int dump_open_config(struct worker *w, const struct engine *e,
    const struct json *j, int node, struct dump_config *c, struct buf *why);
/* The dump's name, "<database><suffix>.sql.gz" or as the engine has it. 0, or
 * -1 with a sentence for a database whose name cannot be a file's. */
int dump_name(const struct engine *e, const char *database, const char *suffix,
    bool compress, struct buf *name, struct buf *why);
/* Makes a dump of one database (NULL: of `all` in one file) called `name`.
 * 0, or -1 with a sentence, and what was there before is still there. */
int dump_make(struct worker *w, const struct engine *e,
    const struct dump_config *c, const struct dumpdir *d, const char *database,
    const struct words *all, const char *name, struct buf *why);
/* "3 databases (a, b, c)", shortened. */
void dump_tell_names(const struct words *names, struct buf *out);

#endif
