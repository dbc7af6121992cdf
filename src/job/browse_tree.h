/*
 * The tree that a look into a directory gives, as JSON. PROTOCOL: "list_dir".
 * Breadth first: each level is listed before the next one is opened, so that
 * what a cap cuts off lies deep.
 */
#ifndef JOB_BROWSE_TREE_H
#define JOB_BROWSE_TREE_H

#include "base/buf.h"

struct browse_options {
	const char *path; /* absolute */
	int depth;	  /* levels below path that are opened */
	size_t max_entries;
	bool show_hidden;     /* names that begin with a dot */
	bool show_all;	      /* /proc and its like */
	bool follow_symlinks; /* links to directories are opened */
	/* Newline separated directories; what is opened must lie in one of
	 * them when its links are resolved. NULL: anywhere. */
	const char *allowed;
	/* Asked now and then; true ends the walk, and what was not looked at
	 * is marked as truncated. May be NULL. */
	bool (*is_over)(void *ctx);
	void *ctx;
};

/* Appends the tree. 0; -1 with a sentence in why when path is no directory,
 * is not allowed, or memory is out. A directory that cannot be read is a node
 * that says so. */
int browse_tree(
    const struct browse_options *o, struct buf *out, struct buf *why);

#endif
