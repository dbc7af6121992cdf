/*
 * What a restore of databases orders: which, from which dumps, to become
 * what, on which server. PROTOCOL: "restore_mysql, restore_pg, restore_mongo".
 */
#ifndef JOB_DATABASE_ORDER_H
#define JOB_DATABASE_ORDER_H

#include "job/dump.h"
#include <sys/stat.h>

/* What a file was before the extract; borg makes it anew. */
struct database_mark {
	bool there;
	struct stat st;
};

/* One database of the order. In `names` the dump as it should be called, then
 * as it may be called. */
struct database_item {
	char *database, *target;
	bool rename;
	struct buf names[2];
	struct database_mark marks[2];
	const struct buf *used; /* the one that was extracted and imported */
};

struct database_order {
	const struct engine *engine;
	struct dump_config config;
	bool together; /* all databases lie in one dump */
	struct database_item *items;
	size_t count;
};

/* Decodes w->task. 0, or -1 with a sentence; release it in both cases. It is
 * zeroed by the caller. */
int database_order_decode(
    struct database_order *o, struct worker *w, struct buf *why);
void database_order_release(struct database_order *o);

#endif
