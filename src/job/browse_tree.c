/*
 * The walk over a tree that is browsed, and its JSON. It goes level by level,
 * opening each directory below its open parent, so that nothing is looked up
 * by a long path and no link is followed unasked. It ends at the caps, at the
 * depth, and where a followed link leads back to where it came from.
 */
#include "job/browse_tree.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "job/allowed.h"
#include "job/browse_node.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a node needs in JSON at most, beside its name and its path. */
#define NODE_BYTES 160

struct tree {
	const struct browse_options *o;
	struct buf path; /* where the walk is */
	struct buf scratch;
	size_t path_bytes; /* of the path, escaped */
	size_t entries, bytes;
	bool full; /* nothing more is opened */
	struct {
		dev_t dev;
		ino_t ino;
	} above[BROWSE_DEPTH_MAX + 1]; /* directories that are open */
};

static bool is_over(void *ctx)
{
	struct tree *t = ctx;
	if (!t->full && t->o->is_over != NULL)
		t->full = t->o->is_over(t->o->ctx);
	return t->full;
}

static size_t escaped_size(struct tree *t, const char *text)
{
	buf_reset(&t->scratch);
	json_escape(&t->scratch, text, strlen(text));
	return t->scratch.len;
}

/* Is there room for one more entry of the directory at t->path? */
static bool keep(void *ctx, const char *name)
{
	struct tree *t = ctx;
	size_t bytes = NODE_BYTES + 2 * escaped_size(t, name) + t->path_bytes;
	if (t->full || t->entries == t->o->max_entries ||
	    t->bytes + bytes > BROWSE_TREE_MAX) {
		t->full = true;
		return false;
	}
	t->entries++;
	t->bytes += bytes;
	return true;
}

/* Appends a name to the path; the length to go back to. */
static size_t enter(struct buf *path, const char *name)
{
	size_t len = path->len;
	if (len != 1)
		buf_addc(path, '/');
	buf_adds(path, name);
	return len;
}

static void leave(struct buf *path, size_t len)
{
	path->len = len;
	path->data[len] = '\0';
}

/* Opens a child; -1 with its error set. */
static int open_child(
    struct tree *t, int parent, struct browse_node *n, int level)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC;
	struct stat st;
	int fd =
	    openat(parent, n->name, n->is_link ? flags : flags | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) != 0) {
		browse_node_fail(n, errno);
		goto fail;
	}
	if (n->is_link && t->o->allowed != NULL &&
	    !allowed_fd(t->o->allowed, fd)) {
		browse_node_fail(n, EACCES);
		goto fail;
	}
	for (int i = 0; i < level; i++) {
		if (t->above[i].dev != st.st_dev ||
		    t->above[i].ino != st.st_ino)
			continue;
		browse_node_fail(n, ELOOP);
		goto fail;
	}
	t->above[level].dev = st.st_dev;
	t->above[level].ino = st.st_ino;
	return fd;
fail:
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Takes over fd. */
static void read_directory(struct tree *t, struct browse_node *dir, int fd)
{
	const struct browse_options *o = t->o;
	struct browse_filter f = {.path = buf_str(&t->path),
	    .show_hidden = o->show_hidden,
	    .show_all = o->show_all,
	    .follow_symlinks = o->follow_symlinks,
	    .allowed = o->allowed,
	    .is_over = is_over,
	    .ctx = t};
	t->path_bytes = escaped_size(t, f.path) + 1;
	browse_dir_read(dir, fd, &f, keep, t);
}

/* Reads the directories that lie `down` levels below dir, which is open and
 * stands on `level`; they were listed before. Takes over fd. */
static void read_level(
    struct tree *t, struct browse_node *dir, int fd, int level, int down)
{
	if (down == 0) {
		read_directory(t, dir, fd);
		return;
	}
	for (size_t i = 0; i < dir->count && !is_over(t); i++) {
		struct browse_node *n = &dir->children[i];
		/* Directories come first. */
		if (n->kind != BROWSE_DIRECTORY)
			break;
		if (n->opened && (n->count == 0 || n->error != NULL))
			continue;
		n->opened = true;
		int sub = open_child(t, fd, n, level + 1);
		if (sub < 0)
			continue;
		size_t len = enter(&t->path, n->name);
		read_level(t, n, sub, level + 1, down - 1);
		leave(&t->path, len);
	}
	close(fd);
}

static const char *const kinds[] = {
    [BROWSE_UNKNOWN] = "other",
    [BROWSE_DIRECTORY] = "directory",
    [BROWSE_FILE] = "file",
    [BROWSE_SYMLINK] = "symlink",
    [BROWSE_OTHER] = "other",
};

/* left: levels that were to be opened from here on, this one included. */
static void encode(struct json_writer *w, struct buf *path, const char *name,
    const struct browse_node *n, int left)
{
	bool listed = n->kind == BROWSE_DIRECTORY && left > 0;
	json_open(w, NULL, '{');
	json_put(w, "name", name);
	json_put_n(w, "path", buf_str(path), path->len);
	json_put(w, "type", kinds[n->kind]);
	if (n->has_size)
		json_put_int(w, "size", n->size);
	else
		json_put_null(w, "size");
	if (!listed && n->has_mtime)
		json_put_int(w, "mtime", n->mtime);
	else if (!listed)
		json_put_null(w, "mtime");
	if (listed) {
		json_put_int(w, "entry_count", (int64_t)n->found);
		json_open(w, "children", '[');
		for (size_t i = 0; i < n->count; i++) {
			const struct browse_node *child = &n->children[i];
			size_t len = enter(path, child->name);
			encode(w, path, child->name, child, left - 1);
			leave(path, len);
		}
		json_close(w, ']');
		json_put_bool(w, "truncated", n->truncated || !n->opened);
		if (n->error != NULL)
			json_put(w, "error", n->error);
	}
	json_close(w, '}');
}

/* The path without what means nothing: //, /. and a / at its end. */
static int tidy_path(const char *given, struct buf *out, struct buf *why)
{
	const char *path = given;
	if (path[0] != '/')
		goto refuse;
	while (*path != '\0') {
		path += strspn(path, "/");
		size_t len = strcspn(path, "/");
		if (len == 2 && memcmp(path, "..", 2) == 0)
			goto refuse;
		if (len > 0 && !(len == 1 && *path == '.')) {
			buf_addc(out, '/');
			buf_add(out, path, len);
		}
		path += len;
	}
	if (out->len == 0)
		buf_addc(out, '/');
	if (!out->failed)
		return 0;
	buf_adds(why, "the path is too long");
	return -1;
refuse:
	buf_adds(why, "\"");
	text_add_escaped(why, given, strnlen(given, 200));
	buf_adds(why, "\" is not the path of a directory on this host (it must "
		      "begin with / and be without ..)");
	return -1;
}

/* Opens the directory that was asked for: its own links are followed. -1 with
 * why, or without when it is one that cannot be read. */
static int open_top(struct tree *t, struct browse_node *top, struct buf *why)
{
	const char *path = buf_str(&t->path);
	struct stat st;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
	top->kind = BROWSE_DIRECTORY;
	top->opened = true;
	if (fd >= 0 && fstat(fd, &st) == 0) {
		t->above[0].dev = st.st_dev;
		t->above[0].ino = st.st_ino;
		if (t->o->allowed == NULL || allowed_fd(t->o->allowed, fd))
			return fd;
		buf_adds(why, "looking into \"");
		text_add_escaped(why, path, strnlen(path, 200));
		buf_adds(why, "\" is refused by this host's policy ([policy] "
			      "browse): it leads elsewhere");
	} else if (errno == EACCES || errno == EPERM || errno == EIO) {
		browse_node_fail(top, errno);
	} else {
		text_add_escaped(why, path, strnlen(path, 200));
		if (errno == ENOENT)
			buf_adds(why, " does not exist on this host");
		else if (errno == ENOTDIR)
			buf_adds(why, " is not a directory");
		else
			buf_addf(why, " cannot be opened: %s", strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

static void walk(struct tree *t, struct browse_node *top, int fd)
{
	for (int level = 0; level <= t->o->depth && !t->full; level++) {
		int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (copy < 0)
			break;
		read_level(t, top, copy, 0, level);
	}
	close(fd);
}

int browse_tree(
    const struct browse_options *o, struct buf *out, struct buf *why)
{
	struct tree t = {.o = o};
	struct browse_node top;
	int rc = -1;
	memset(&top, 0, sizeof(top));
	buf_init(&t.path, 64 * KIB);
	buf_init(&t.scratch, 64 * KIB);
	if (tidy_path(o->path, &t.path, why) != 0)
		goto out;
	int fd = open_top(&t, &top, why);
	if (fd >= 0)
		walk(&t, &top, fd);
	if (why->len == 0) {
		struct json_writer w = {out, false};
		const char *name = strrchr(buf_str(&t.path), '/');
		char *base = strdup(name[1] != '\0' ? name + 1 : name);
		encode(&w, &t.path, base, &top, o->depth + 1);
		free(base);
		rc = out->failed ? -1 : 0;
		if (rc != 0)
			buf_adds(why, "the list is too long");
	}
out:
	browse_node_release(&top);
	buf_release(&t.path);
	buf_release(&t.scratch);
	return rc;
}
