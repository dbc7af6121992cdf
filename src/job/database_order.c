/*
 * The decoder of a restore's order. It refuses what would end in guessing:
 * a mode that is none, two databases that become one, a name that cannot be
 * a dump's file, a login that is missing.
 */
#include "job/database_order.h"
#include "base/limits.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>

static int name_dumps(struct database_order *o, struct database_item *item,
    const char *label, struct buf *why)
{
	bool compress = o->config.compress;
	for (int k = 0; k < 2; k++) {
		buf_init(&item->names[k], KIB);
		if (dump_name(o->engine, label, "",
			k == 0 ? compress : !compress, &item->names[k],
			why) != 0)
			return -1;
	}
	return 0;
}

static int decode_item(
    struct database_order *o, const struct json *j, int node, struct buf *why)
{
	struct database_item *item = &o->items[o->count++];
	int mode = json_get(j, node, "mode");
	item->database = json_strdup(j, json_get(j, node, "database"));
	if (item->database == NULL || item->database[0] == '\0')
		return buf_adds(why, "a database without a name"), -1;
	item->rename = json_is(j, mode, "rename");
	if (!item->rename && !json_is(j, mode, "replace"))
		return buf_addf(why,
			   "\"%s\": its mode is neither replace nor "
			   "rename",
			   item->database),
		       -1;
	if (item->rename)
		item->target = json_strdup(j, json_get(j, node, "target_name"));
	if (item->target == NULL || item->target[0] == '\0') {
		struct buf name = BUF_INIT(64 * KIB);
		buf_addf(
		    &name, "%s%s", item->database, item->rename ? "_copy" : "");
		free(item->target);
		item->target = strdup(buf_str(&name));
		buf_release(&name);
		if (item->target == NULL)
			return buf_adds(why, "out of memory"), -1;
	}
	for (size_t i = 0; i + 1 < o->count; i++) {
		if (strcmp(o->items[i].target, item->target) == 0)
			return buf_addf(why,
				   "two databases are to become \"%s\"",
				   item->target),
			       -1;
	}
	return name_dumps(
	    o, item, o->together ? DUMP_TOGETHER : item->database, why);
}

static int decode_config(struct database_order *o, struct worker *w,
    const struct json *j, struct buf *why)
{
	const struct engine *e = o->engine;
	const struct dump_config *c = &o->config;
	int node = json_get(j, 0, e->config_key);
	if (json_type(j, node) != JSON_OBJECT) {
		buf_addf(why,
		    "a %s without its %s: how to reach %s is gone from the "
		    "server",
		    e->task, e->config_key, e->label);
		return -1;
	}
	if (dump_open_config(w, e, j, node, &o->config, why) != 0)
		return -1;
	o->together = e->kind == DUMP_MYSQL && !c->per_database;
	if (!e->needs_login || (c->user[0] != '\0' && c->password[0] != '\0'))
		return 0;
	buf_addf(why, "no %s for %s is configured on the server",
	    c->user[0] == '\0' ? "user" : "password", e->label);
	return -1;
}

/* A safety dump must not take the place of a dump that is still needed. */
static int check_safety(const struct database_order *o, struct buf *why)
{
	for (size_t i = 0; i < o->count; i++) {
		const char *needed = o->items[i].database;
		if (needed == NULL || !text_ends(needed, DUMP_SAFETY))
			continue;
		size_t len = strlen(needed) - strlen(DUMP_SAFETY);
		for (size_t k = 0; k < o->count; k++) {
			const char *target = o->items[k].target;
			if (strlen(target) != len ||
			    strncmp(target, needed, len) != 0)
				continue;
			buf_addf(why,
			    "a safety dump of \"%s\" would overwrite the "
			    "dump of \"%s\": restore one after the other",
			    target, needed);
			return -1;
		}
	}
	return 0;
}

int database_order_decode(
    struct database_order *o, struct worker *w, struct buf *why)
{
	const struct task *t = w->task;
	struct json j = JSON_INIT;
	int rc = -1;
	o->engine = engine_of_task(t->type);
	if (o->engine == NULL) {
		buf_addf(why, "%s is no restore of this agent's", t->type);
		return -1;
	}
	if (json_parse(&j, t->details, strlen(t->details)) != 0) {
		buf_adds(why, "the order cannot be read");
		goto out;
	}
	if (decode_config(o, w, &j, why) != 0)
		goto out;
	int list = json_get(&j, 0, "databases");
	int count = json_count(&j, list);
	if (count <= 0 || count > DATABASES_MAX) {
		buf_adds(why, "no database is named that is to be restored");
		goto out;
	}
	o->items = calloc((size_t)count, sizeof(*o->items));
	if (o->items == NULL) {
		buf_adds(why, "out of memory");
		goto out;
	}
	bool map = json_type(&j, list) == JSON_OBJECT;
	rc = 0;
	for (int at = json_first(&j, list); rc == 0 && at != JSON_NONE;
	     at = json_next(&j, list, at))
		rc = decode_item(o, &j, map ? json_value(&j, at) : at, why);
	if (rc == 0)
		rc = check_safety(o, why);
out:
	json_release(&j);
	return rc;
}

void database_order_release(struct database_order *o)
{
	for (size_t i = 0; i < o->count; i++) {
		free(o->items[i].database);
		free(o->items[i].target);
		buf_release(&o->items[i].names[0]);
		buf_release(&o->items[i].names[1]);
	}
	free(o->items);
	dumpconfig_release(&o->config);
}
