/*
 * How a database server is reached and dumped, as the server configures it:
 * the same for a dump, its test and a restore. PROTOCOL: "Plugins",
 * "restore_mysql, restore_pg, restore_mongo".
 */
#ifndef BBS_DUMPCONFIG_H
#define BBS_DUMPCONFIG_H

#include "base/json.h"
#include "base/words.h"

enum dump_engine { DUMP_MYSQL, DUMP_POSTGRES, DUMP_MONGO };

struct dump_config {
	enum dump_engine engine;
	char *host;
	char *port;	       /* decimal, 1..65535 */
	char *user, *password; /* "" when not given */
	char *auth_db;	       /* of MongoDB */
	bool all;	       /* databases is "*" */
	struct words databases, exclude;
	char *dump_dir; /* absolute, without a slash at its end */
	bool per_database, compress, cleanup_after;
	struct words extra_options;
};

/* Decodes an object with the protocol's defaults for what is missing. 0; -1
 * with a sentence in why. Free with dumpconfig_release in both cases. */
int dumpconfig_decode(struct dump_config *c, enum dump_engine engine,
    const struct json *j, int node, struct buf *why);
void dumpconfig_release(struct dump_config *c);

#endif
