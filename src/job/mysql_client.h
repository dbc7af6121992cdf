/*
 * The client programs of MySQL and MariaDB: which are here, how they are told
 * where to go and who they are, and how names are written for them.
 */
#ifndef JOB_MYSQL_CLIENT_H
#define JOB_MYSQL_CLIENT_H

#include "bbs/dumpconfig.h"
#include "job/worker.h"

/* One run of a client. Its argv ends where the caller adds to it. */
struct mysql_client {
	struct words argv;
	char **env;
	char *file; /* the options with user and password */
};

enum mysql_program { MYSQL_CLIENT, MYSQL_DUMP };

/* Finds the program and begins its argv with how to connect. 0, or -1 with a
 * sentence. Close it in both cases, which removes the file. */
int mysql_client_open(struct mysql_client *m, struct worker *w,
    const struct dump_config *c, enum mysql_program program, struct buf *why);
void mysql_client_close(struct mysql_client *m);

/* Appends NAME="value" as a line of an option file. */
void mysql_add_option(struct buf *out, const char *name, const char *value);
/* Appends a name as a quoted identifier of SQL. */
void mysql_add_name(struct buf *out, const char *name);
/* Appends a text as an SQL literal that needs no quoting, whatever the
 * server's SQL mode. */
void mysql_add_text(struct buf *out, const char *text);
/* Splits a column of HEX() values, a line each. 0, or -1 when it is none. */
int mysql_read_names(const char *column, struct words *found);

#endif
