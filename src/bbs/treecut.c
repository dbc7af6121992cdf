/*
 * Works on the text of a tree, so that it serves a report of an earlier life
 * of the agent, too. Breadth first, as the tree was made.
 */
#include "bbs/treecut.h"
#include "base/json.h"
#include <stdlib.h>
#include <string.h>

struct cut {
	struct json tree;
	int *kept; /* children of a node that stay, by node */
};

static int children_of(const struct cut *c, int node)
{
	int list = json_get(&c->tree, node, "children");
	return json_type(&c->tree, list) == JSON_ARRAY ? list : JSON_NONE;
}

/* Walks the tree breadth first until `most` children were seen; counts them
 * in c->kept when that is there. The number of children, -1 without memory. */
static int count(struct cut *c, int most)
{
	int *queue = calloc((size_t)c->tree.count, sizeof(*queue));
	int seen = 0, head = 0, tail = 1;
	if (queue == NULL)
		return -1;
	for (; head < tail; head++) {
		int list = children_of(c, queue[head]);
		for (int e = json_first(&c->tree, list);
		     e != JSON_NONE && seen < most;
		     e = json_next(&c->tree, list, e)) {
			seen++;
			c->kept[queue[head]]++;
			if (children_of(c, e) != JSON_NONE)
				queue[tail++] = e;
		}
	}
	free(queue);
	return seen;
}

/* A value as it stands in the text. */
static void put_as_is(
    const struct cut *c, struct json_writer *w, const char *name, int value)
{
	size_t len;
	const char *raw = json_raw(&c->tree, value, &len);
	bool quoted = json_type(&c->tree, value) == JSON_STRING;
	json_put_raw(w, name, raw - quoted, len + 2u * quoted);
}

static void put_node(const struct cut *c, struct json_writer *w, int node);

static void put_children(
    const struct cut *c, struct json_writer *w, int node, int list)
{
	int left = c->kept[node];
	json_open(w, "children", '[');
	for (int e = json_first(&c->tree, list); e != JSON_NONE && left > 0;
	     e = json_next(&c->tree, list, e), left--)
		put_node(c, w, e);
	json_close(w, ']');
}

static void put_node(const struct cut *c, struct json_writer *w, int node)
{
	int list = children_of(c, node);
	if (list == JSON_NONE) {
		put_as_is(c, w, NULL, node);
		return;
	}
	bool less = c->kept[node] < json_count(&c->tree, list);
	json_open(w, NULL, '{');
	for (int name = json_first(&c->tree, node); name != JSON_NONE;
	     name = json_next(&c->tree, node, name)) {
		int value = json_value(&c->tree, name);
		char *key = json_strdup(&c->tree, name);
		if (value == list)
			put_children(c, w, node, list);
		else if (key != NULL && strcmp(key, "truncated") == 0)
			json_put_bool(
			    w, key, less || json_bool(&c->tree, value, false));
		else if (key != NULL)
			put_as_is(c, w, key, value);
		free(key);
	}
	json_close(w, '}');
}

int treecut_halve(const char *tree, size_t len, unsigned times, struct buf *out)
{
	struct cut c = {JSON_INIT, NULL};
	struct json_writer w = {out, false};
	int left = -1;
	if (json_parse(&c.tree, tree, len) != 0 ||
	    children_of(&c, 0) == JSON_NONE)
		goto out;
	size_t size = (size_t)c.tree.count * sizeof(*c.kept);
	c.kept = malloc(size);
	if (c.kept == NULL)
		goto out;
	memset(c.kept, 0, size);
	int all = count(&c, c.tree.count);
	memset(c.kept, 0, size);
	left = all < 0 ? -1 : count(&c, times < 31 ? all >> times : 0);
	if (left >= 0)
		put_node(&c, &w, 0);
	if (out->failed)
		left = -1;
out:
	free(c.kept);
	json_release(&c.tree);
	return left;
}
