/*
 * One directory of a browsed tree: its names, their kinds and their order.
 * The kind comes from readdir where it can; stat is asked only for what is
 * shown. Nothing is opened here but the directory itself.
 */
#include "base/limits.h"
#include "base/text.h"
#include "job/allowed.h"
#include "job/browse_node.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Entries between two looks at the clock. */
#define LOOK_EVERY 64

void browse_node_release(struct browse_node *n)
{
	for (size_t i = 0; i < n->count; i++)
		browse_node_release(&n->children[i]);
	free(n->children);
	free(n->name);
	free(n->error);
}

void browse_node_fail(struct browse_node *n, int error)
{
	bool denied = error == EACCES || error == EPERM;
	free(n->error);
	n->error = strdup(denied ? "permission denied" : strerror(error));
}

/* Where nothing lies that anybody backs up. */
static bool is_pseudo(const char *dir, const char *name)
{
	static const char *const root[] = {
	    "proc", "sys", "dev", "run", "snap", "tmp", NULL};
	static const char *const var[] = {"run", "lock", NULL};
	const char *const *list = strcmp(dir, "/") == 0	     ? root
				  : strcmp(dir, "/var") == 0 ? var
							     : NULL;
	for (; list != NULL && *list != NULL; list++) {
		if (strcmp(name, *list) == 0)
			return true;
	}
	return false;
}

static bool is_listed(const struct browse_filter *f, const char *name)
{
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	if (!f->show_hidden && name[0] == '.')
		return false;
	return f->show_all || !is_pseudo(f->path, name);
}

static enum browse_kind kind_of(unsigned char type)
{
	switch (type) {
	case DT_DIR:
		return BROWSE_DIRECTORY;
	case DT_REG:
		return BROWSE_FILE;
	case DT_LNK:
		return BROWSE_SYMLINK;
	case DT_UNKNOWN:
		return BROWSE_UNKNOWN;
	default:
		return BROWSE_OTHER;
	}
}

/* One more child; *room is that of dir->children. */
static int add_child(
    struct browse_node *dir, size_t *room, const struct dirent *e)
{
	if (dir->count == *room) {
		size_t more = *room > 0 ? 2 * *room : 64;
		void *children =
		    realloc(dir->children, more * sizeof(*dir->children));
		if (children == NULL)
			return -1;
		dir->children = children;
		*room = more;
	}
	struct browse_node *n = &dir->children[dir->count];
	memset(n, 0, sizeof(*n));
	n->name = strdup(e->d_name);
	n->kind = kind_of(e->d_type);
	if (n->name == NULL)
		return -1;
	dir->count++;
	return 0;
}

static void read_names(
    struct browse_node *dir, DIR *d, const struct browse_filter *f)
{
	size_t room = 0;
	struct dirent *e;
	while (errno = 0, (e = readdir(d)) != NULL) {
		if (!is_listed(f, e->d_name))
			continue;
		if (dir->count == BROWSE_READ_MAX ||
		    (dir->count % LOOK_EVERY == LOOK_EVERY - 1 &&
			f->is_over != NULL && f->is_over(f->ctx)) ||
		    add_child(dir, &room, e) != 0) {
			dir->truncated = true;
			return;
		}
	}
	if (errno != 0)
		browse_node_fail(dir, errno);
}

/* What a link leads to; -1 when that is nothing, or not for the server. */
static int look_behind(
    int fd, const char *name, const struct browse_filter *f, struct stat *st)
{
	if (f->allowed == NULL)
		return fstatat(fd, name, st, 0);
	int target = openat(fd, name, O_PATH | O_CLOEXEC);
	if (target < 0)
		return -1;
	int rc = allowed_fd(f->allowed, target) ? fstat(target, st) : -1;
	close(target);
	return rc;
}

/* Asks for kind, size and time. What cannot be asked for keeps the kind that
 * readdir gave. */
static void look_at(
    struct browse_node *n, int fd, const struct browse_filter *f)
{
	struct stat st;
	n->looked_at = true;
	if (fstatat(fd, n->name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT)) {
		if (n->kind == BROWSE_UNKNOWN)
			n->kind = BROWSE_OTHER;
		return;
	}
	struct stat target;
	if (S_ISLNK(st.st_mode) && f->follow_symlinks &&
	    look_behind(fd, n->name, f, &target) == 0) {
		n->is_link = true;
		st = target;
	}
	n->kind = S_ISDIR(st.st_mode)	? BROWSE_DIRECTORY
		  : S_ISREG(st.st_mode) ? BROWSE_FILE
		  : S_ISLNK(st.st_mode) ? BROWSE_SYMLINK
					: BROWSE_OTHER;
	n->has_size = n->kind == BROWSE_FILE;
	n->size = st.st_size;
	n->has_mtime = true;
	n->mtime = st.st_mtime;
}

/* The character at *s in lower case, as far as a simple rule gives it: Latin,
 * Greek and Cyrillic. *s moves behind it. */
static unsigned next_lower(const char **s)
{
	const unsigned char *p = (const unsigned char *)*s;
	unsigned c = p[0];
	if (c < 0x80) {
		*s += 1;
		return c >= 'A' && c <= 'Z' ? c + 32 : c;
	}
	size_t len = text_utf8_at(*s, strnlen(*s, 4));
	if (len == 0) {
		*s += 1;
		return 0xdc00 + c;
	}
	c &= 0xffu >> (len + 1);
	for (size_t i = 1; i < len; i++)
		c = c << 6 | (p[i] & 0x3fu);
	*s += len;
	if ((c >= 0xc0 && c <= 0xde && c != 0xd7) ||
	    (c >= 0x391 && c <= 0x3a9 && c != 0x3a2) ||
	    (c >= 0x410 && c <= 0x42f))
		return c + 32;
	if (c >= 0x400 && c <= 0x40f)
		return c + 80;
	bool even = (c >= 0x100 && c <= 0x12f) || (c >= 0x132 && c <= 0x137) ||
		    (c >= 0x14a && c <= 0x177) || (c >= 0x460 && c <= 0x481);
	bool odd = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e);
	if ((even && c % 2 == 0) || (odd && c % 2 == 1))
		return c + 1;
	return c == 0x178 ? 0xff : c;
}

static int compare_names(const char *a, const char *b)
{
	const char *x = a, *y = b;
	while (*x != '\0' && *y != '\0') {
		unsigned p = next_lower(&x), q = next_lower(&y);
		if (p != q)
			return p < q ? -1 : 1;
	}
	if (*x != *y)
		return *x == '\0' ? -1 : 1;
	return strcmp(a, b);
}

static int compare_nodes(const void *a, const void *b)
{
	const struct browse_node *x = a, *y = b;
	bool x_is_dir = x->kind == BROWSE_DIRECTORY;
	bool y_is_dir = y->kind == BROWSE_DIRECTORY;
	if (x_is_dir != y_is_dir)
		return x_is_dir ? -1 : 1;
	return compare_names(x->name, y->name);
}

/* Keeps the first `count` children. */
static void cut(struct browse_node *dir, size_t count)
{
	if (count == dir->count)
		return;
	dir->truncated = true;
	for (size_t i = count; i < dir->count; i++)
		browse_node_release(&dir->children[i]);
	dir->count = count;
	void *fewer =
	    count > 0 ? realloc(dir->children, count * sizeof(*dir->children))
		      : NULL;
	if (count == 0)
		free(dir->children);
	if (count == 0 || fewer != NULL)
		dir->children = fewer;
}

/* Is it time to end? Asked for each entry, looked up for some. */
static bool is_over(const struct browse_filter *f, size_t i)
{
	return i % LOOK_EVERY == LOOK_EVERY - 1 && f->is_over != NULL &&
	       f->is_over(f->ctx);
}

void browse_dir_read(struct browse_node *dir, int fd,
    const struct browse_filter *f, bool (*keep)(void *ctx, const char *name),
    void *ctx)
{
	DIR *d = fdopendir(fd);
	if (d == NULL) {
		browse_node_fail(dir, errno);
		close(fd);
		return;
	}
	read_names(dir, d, f);
	dir->found = dir->count;
	/* The order needs to know which are directories. */
	for (size_t i = 0; i < dir->count && !is_over(f, i); i++) {
		struct browse_node *n = &dir->children[i];
		if (n->kind == BROWSE_UNKNOWN ||
		    (n->kind == BROWSE_SYMLINK && f->follow_symlinks))
			look_at(n, fd, f);
	}
	if (dir->count > 1)
		qsort(dir->children, dir->count, sizeof(*dir->children),
		    compare_nodes);
	size_t kept = 0;
	while (kept < dir->count && !is_over(f, kept)) {
		struct browse_node *n = &dir->children[kept];
		if (!keep(ctx, n->name))
			break;
		if (!n->looked_at)
			look_at(n, fd, f);
		kept++;
	}
	cut(dir, kept);
	closedir(d);
}
