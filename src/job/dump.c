/*
 * A single dump, and the names around it. A dump is either whole under its
 * own name or not there: a crash leaves temporary names (.bbs-dump.*) at most,
 * which the next dump in that directory removes.
 */
#include "job/dump.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "bbs/dumpoptions.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TEMPORARY ".bbs-dump.tmp"
/* A dump that is a directory cannot be replaced in one step. */
#define REPLACED ".bbs-dump.old"
/* Below this a disk is called full when a dump failed. */
#define FULL_BELOW (64 * KIB)
/* A dump of text shrinks to less than this part; a disk that has no room for
 * that much has none for the dump. */
#define SHRINKS_TO 8

int dump_open_config(struct worker *w, const struct engine *e,
    const struct json *j, int node, struct dump_config *c, struct buf *why)
{
	if (dumpconfig_decode(c, e->kind, j, node, why) != 0)
		return -1;
	log_hide(c->password);
	/* Who trusts the server with any command trusts it with these. */
	if (w->config->any_command)
		return 0;
	return dumpoptions_check(e->kind, &c->extra_options, why);
}

int dump_name(const struct engine *e, const char *database, const char *suffix,
    bool compress, struct buf *name, struct buf *why)
{
	const char *end = e->directories ? "" : compress ? ".sql.gz" : ".sql";
	size_t len = strlen(database) + strlen(suffix) + strlen(end);
	bool fits = len > 0 && len <= NAME_MAX &&
		    strchr(database, '/') == NULL &&
		    strcmp(database, ".") != 0 && strcmp(database, "..") != 0;
	if (fits)
		return buf_addf(name, "%s%s%s", database, suffix, end);
	buf_adds(why, "\"");
	text_add_escaped(why, database, strnlen(database, 200));
	buf_adds(why, "\" cannot be the name of a dump's file");
	return -1;
}

void dump_tell_names(const struct words *names, struct buf *out)
{
	size_t told = 0, start = out->len;
	buf_addf(
	    out, "%zu database%s", names->count, names->count == 1 ? "" : "s");
	for (; told < names->count && out->len - start < 1000; told++) {
		const char *name = names->list[told];
		buf_adds(out, told == 0 ? " (" : ", ");
		text_add_escaped(out, name, strlen(name));
	}
	if (told < names->count)
		buf_addf(out, " and %zu more", names->count - told);
	if (told > 0)
		buf_addc(out, ')');
}

/* Is there room for it, as far as that can be known beforehand? */
static int check_room(struct worker *w, const struct engine *e,
    const struct dump_config *c, const struct dumpdir *d, const char *database,
    const char *name, struct buf *why)
{
	char needs[TEXT_AMOUNT], has[TEXT_AMOUNT];
	int64_t room = dumpdir_free(d);
	int64_t size = dumpdir_size(name);
	const char *who = "the last one was";
	if (size < 0 && e->size != NULL) {
		size = e->size(w, c, database);
		who = c->compress ? "it is estimated to be at least"
				  : "the server says that it is";
		if (c->compress)
			size /= SHRINKS_TO;
	}
	if (room < 0 || size <= room)
		return 0;
	buf_addf(why,
	    "there is no room for the dump in %s: %s %s, and %s are free",
	    d->path, who, text_size(needs, (uint64_t)size),
	    text_size(has, (uint64_t)room));
	return -1;
}

/* A program's words about a full disk become one sentence. */
static void explain_full(const struct dumpdir *d, struct buf *why)
{
	char has[TEXT_AMOUNT];
	int64_t room = dumpdir_free(d);
	bool said = strstr(buf_str(why), strerror(ENOSPC)) != NULL ||
		    strstr(buf_str(why), "No space left") != NULL ||
		    strstr(buf_str(why), "Errcode: 28") != NULL ||
		    strstr(buf_str(why), "errno 28") != NULL;
	if (!said && (room < 0 || room >= (int64_t)FULL_BELOW))
		return;
	buf_reset(why);
	buf_addf(why, "the disk that holds %s is full%s%s%s", d->path,
	    room < 0 ? "" : ": with the unfinished dump removed, ",
	    room < 0 ? "" : text_size(has, (uint64_t)room),
	    room < 0 ? "" : " are free");
}

static int give_name(
    const struct engine *e, const struct dumpdir *d, const char *name)
{
	bool moved = false;
	if (e->directories) {
		if (dumpdir_remove(REPLACED) != 0)
			return -1;
		moved = rename(name, REPLACED) == 0;
	}
	if (rename(TEMPORARY, name) != 0) {
		int saved = errno;
		if (moved)
			(void)rename(REPLACED, name);
		errno = saved;
		return -1;
	}
	if (moved && dumpdir_remove(REPLACED) != 0)
		log_warning("cannot remove %s/%s: %s", d->path, REPLACED,
		    strerror(errno));
	/* Some file systems cannot do this for a directory. */
	(void)fsync(d->fd);
	return 0;
}

int dump_make(struct worker *w, const struct engine *e,
    const struct dump_config *c, const struct dumpdir *d, const char *database,
    const struct words *all, const char *name, struct buf *why)
{
	if (dumpdir_remove(TEMPORARY) != 0) {
		buf_addf(why, "cannot remove the leftover %s/%s: %s", d->path,
		    TEMPORARY, strerror(errno));
		return -1;
	}
	if (check_room(w, e, c, d, database, name, why) != 0)
		return -1;
	if (w->stop == STOP_NONE &&
	    e->dump(w, c, database, all, TEMPORARY, why) == 0) {
		if (give_name(e, d, name) == 0)
			return 0;
		buf_addf(why, "cannot name the dump %s/%s: %s", d->path, name,
		    strerror(errno));
	}
	(void)dumpdir_remove(TEMPORARY);
	if (w->stop == STOP_NONE)
		explain_full(d, why);
	else if (why->len == 0)
		buf_adds(why, worker_stop_sentence(w->stop));
	return -1;
}
