/* The nodes of a browsed tree, shared by browse_tree.c and browse_dir.c. */
#ifndef JOB_BROWSE_NODE_H
#define JOB_BROWSE_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum browse_kind {
	BROWSE_UNKNOWN,
	BROWSE_DIRECTORY,
	BROWSE_FILE,
	BROWSE_SYMLINK,
	BROWSE_OTHER
};

struct browse_node {
	char *name; /* as it is, maybe not UTF-8 */
	enum browse_kind kind;
	bool is_link; /* kind is that of what it leads to */
	bool looked_at;
	bool has_size, has_mtime;
	int64_t size, mtime;

	/* directories */
	bool opened;	/* or an attempt was made */
	bool truncated; /* not all that it has is among the children */
	char *error;	/* why it could not be read, or NULL */
	size_t found;	/* what it has, as far as it was read */
	size_t count;	/* children that are kept */
	struct browse_node *children;
};

/* What of a directory is listed. */
struct browse_filter {
	const char *path; /* of the directory, for the pseudo file systems */
	bool show_hidden, show_all, follow_symlinks;
	const char *allowed; /* links are followed no farther; NULL: anywhere */
	bool (*is_over)(void *ctx);
	void *ctx;
};

/*
 * Reads the directory fd, which it takes over, into dir->children: all of it
 * up to BROWSE_READ_MAX names, directories first, then by lower-cased name,
 * and then keeps the first ones as long as keep(ctx, name) says so.
 */
void browse_dir_read(struct browse_node *dir, int fd,
    const struct browse_filter *f, bool (*keep)(void *ctx, const char *name),
    void *ctx);
/* Frees what it has, not the node. */
void browse_node_release(struct browse_node *n);
/* Sets the error, by errno. */
void browse_node_fail(struct browse_node *n, int error);

#endif
