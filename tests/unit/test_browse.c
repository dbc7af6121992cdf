/* A look into a directory: what is in it, in which order, and where it ends. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "fixture.h"
#include "job/allowed.h"
#include "job/browse_tree.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

static struct browse_options options;
static struct buf out, why;
static struct json tree;
static struct buf names;

static int setup(void **state)
{
	options = (struct browse_options){.depth = 2, .max_entries = 5000};
	buf_init(&out, REPORT_BODY_MAX);
	buf_init(&why, 4096);
	buf_init(&names, 1 << 20);
	tree = (struct json)JSON_INIT;
	return fixture_setup(state);
}

static int teardown(void **state)
{
	json_release(&tree);
	buf_release(&out);
	buf_release(&why);
	buf_release(&names);
	return fixture_teardown(state);
}

/* The tree below path, strict JSON in strict UTF-8. */
static void look(const char *path)
{
	options.path = path;
	buf_reset(&out);
	buf_reset(&why);
	json_release(&tree);
	if (browse_tree(&options, &out, &why) != 0)
		fail_msg("%s: %s", path, buf_str(&why));
	assert_int_equal(why.len, 0);
	fixture_parse(&tree, out.data, out.len);
}

static void refuse(const char *path, const char *sentence)
{
	options.path = path;
	buf_reset(&out);
	buf_reset(&why);
	assert_int_equal(browse_tree(&options, &out, &why), -1);
	if (strstr(buf_str(&why), sentence) == NULL)
		fail_msg("\"%s\" says not: %s", buf_str(&why), sentence);
	assert_int_equal(out.len, 0);
}

/* The node at a path like "a/b" below `from`; JSON_NONE when not there. */
static int find(int from, const char *path)
{
	while (*path != '\0') {
		size_t len = strcspn(path, "/");
		char name[300];
		snprintf(name, sizeof(name), "%.*s", (int)len, path);
		int list = json_get(&tree, from, "children");
		int e = json_first(&tree, list);
		while (e != JSON_NONE &&
		       !json_is(&tree, json_get(&tree, e, "name"), name))
			e = json_next(&tree, list, e);
		if (e == JSON_NONE)
			return JSON_NONE;
		from = e;
		path += len + (path[len] == '/');
	}
	return from;
}

/* The children's names with blanks between. */
static const char *listed(int node)
{
	int list = json_get(&tree, node, "children");
	buf_reset(&names);
	for (int e = json_first(&tree, list); e != JSON_NONE;
	     e = json_next(&tree, list, e)) {
		if (names.len > 0)
			buf_addc(&names, ' ');
		json_text(&tree, json_get(&tree, e, "name"), &names);
	}
	return buf_str(&names);
}

static void expect(int node, const char *name, const char *value)
{
	assert_int_not_equal(node, JSON_NONE);
	fixture_expect(&tree, node, name, value);
}

static void nodes_as_the_server_wants_them(void **state)
{
	(void)state;
	char text[300];
	struct stat st;
	fixture_file(fixture_path("t/a/b/c/deep"), "", 0644);
	fixture_file(fixture_path("t/file"), "hello", 0644);
	assert_int_equal(symlink("file", fixture_path("t/link")), 0);
	assert_int_equal(mkfifo(fixture_path("t/pipe"), 0600), 0);
	options.depth = 1;
	look(fixture_path("t"));

	expect(0, "name", "t");
	expect(0, "path", fixture_path("t"));
	expect(0, "type", "directory");
	expect(0, "entry_count", "4");
	expect(0, "truncated", "false");
	expect(0, "mtime", NULL);
	expect(0, "error", NULL);
	assert_int_equal(
	    json_type(&tree, json_get(&tree, 0, "size")), JSON_NULL);

	int a = find(0, "a"), b = find(0, "a/b"), file = find(0, "file");
	expect(a, "path", fixture_path("t/a"));
	expect(a, "entry_count", "1");
	expect(a, "mtime", NULL);
	assert_int_equal(json_count(&tree, a), 7);
	/* Listed but not opened: no children, and its time. */
	assert_int_equal(json_count(&tree, b), 5);
	expect(b, "type", "directory");
	assert_int_equal(stat(fixture_path("t/a/b"), &st), 0);
	snprintf(text, sizeof(text), "%lld", (long long)st.st_mtime);
	expect(b, "mtime", text);
	expect(b, "children", NULL);

	assert_int_equal(stat(fixture_path("t/file"), &st), 0);
	snprintf(text, sizeof(text), "%lld", (long long)st.st_mtime);
	expect(file, "type", "file");
	expect(file, "size", "5");
	expect(file, "mtime", text);
	assert_int_equal(json_count(&tree, file), 5);
	expect(find(0, "link"), "type", "symlink");
	expect(find(0, "pipe"), "type", "other");
	assert_int_equal(
	    json_type(&tree, json_get(&tree, find(0, "link"), "size")),
	    JSON_NULL);
}

static void directories_first_then_by_name(void **state)
{
	(void)state;
	static const char *const files[] = {"b.txt", "A.txt", "a.txt", "Z", "_",
	    "10", "9", "\xc3\x84pfel", "\xc3\xa4pfelchen", "zz", "\xd0\x91",
	    "\xd0\xb0", "\xf0\x9f\x98\x80"};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		fixture_file(fixture_path("t/%s", files[i]), "", 0644);
	fixture_mkdir(fixture_path("t/zoo"));
	fixture_mkdir(fixture_path("t/Yard"));
	look(fixture_path("t"));
	assert_string_equal(listed(0),
	    "Yard zoo 10 9 _ A.txt a.txt b.txt Z zz \xc3\x84pfel "
	    "\xc3\xa4pfelchen \xd0\xb0 \xd0\x91 \xf0\x9f\x98\x80");
}

static void hidden_and_pseudo(void **state)
{
	(void)state;
	fixture_file(fixture_path("t/.hidden/x"), "", 0644);
	fixture_file(fixture_path("t/..odd"), "", 0644);
	fixture_file(fixture_path("t/seen"), "", 0644);
	look(fixture_path("t"));
	assert_string_equal(listed(0), "seen");
	expect(0, "entry_count", "1");
	options.show_hidden = true;
	look(fixture_path("t"));
	assert_string_equal(listed(0), ".hidden ..odd seen");
	/* One that is asked for by its name. */
	options.show_hidden = false;
	look(fixture_path("t/.hidden"));
	assert_string_equal(listed(0), "x");

	options.depth = 0;
	look("/");
	assert_int_equal(find(0, "proc"), JSON_NONE);
	assert_int_equal(find(0, "tmp"), JSON_NONE);
	assert_int_not_equal(find(0, "etc"), JSON_NONE);
	expect(0, "name", "/");
	expect(find(0, "etc"), "path", "/etc");
	options.show_all = true;
	look("/");
	assert_int_not_equal(find(0, "proc"), JSON_NONE);
	assert_int_not_equal(find(0, "dev"), JSON_NONE);
	options.show_all = false;
	look("/var");
	assert_int_equal(find(0, "run"), JSON_NONE);
	assert_int_equal(find(0, "lock"), JSON_NONE);
	assert_int_not_equal(find(0, "lib"), JSON_NONE);
	look("/proc");
	assert_int_not_equal(find(0, "self"), JSON_NONE);
}

static void names_that_are_not_utf8(void **state)
{
	(void)state;
	fixture_file(fixture_path("t/caf\xe9/\xff\xfe"), "", 0644);
	fixture_file(fixture_path("t/line\nbreak\x01\"\\"), "", 0644);
	look(fixture_path("t"));
	int node = find(0, "caf\xef\xbf\xbd");
	expect(node, "path", fixture_path("t/caf\xef\xbf\xbd"));
	node = find(node, "\xef\xbf\xbd\xef\xbf\xbd");
	expect(node, "type", "file");
	expect(node, "path",
	    fixture_path("t/caf\xef\xbf\xbd/\xef\xbf\xbd\xef\xbf\xbd"));
	expect(find(0, "line\nbreak\x01\"\\"), "type", "file");
}

static void links_with_and_without_following(void **state)
{
	(void)state;
	fixture_file(fixture_path("far/x"), "12345", 0644);
	fixture_file(fixture_path("t/d/y"), "", 0644);
	assert_int_equal(symlink("../far", fixture_path("t/far")), 0);
	assert_int_equal(symlink("../far/x", fixture_path("t/fx")), 0);
	assert_int_equal(symlink("/nonexistent/z", fixture_path("t/gone")), 0);
	assert_int_equal(symlink("..", fixture_path("t/d/loop")), 0);
	assert_int_equal(symlink("self", fixture_path("t/self")), 0);
	options.depth = 5;
	look(fixture_path("t"));
	assert_string_equal(listed(0), "d far fx gone self");
	expect(find(0, "far"), "type", "symlink");
	assert_int_equal(find(0, "far/x"), JSON_NONE);
	expect(find(0, "d/loop"), "type", "symlink");

	options.follow_symlinks = true;
	look(fixture_path("t"));
	assert_string_equal(listed(0), "d far fx gone self");
	expect(find(0, "far"), "type", "directory");
	expect(find(0, "far/x"), "path", fixture_path("t/far/x"));
	expect(find(0, "far/x"), "size", "5");
	expect(find(0, "fx"), "type", "file");
	expect(find(0, "fx"), "size", "5");
	expect(find(0, "gone"), "type", "symlink");
	expect(find(0, "self"), "type", "symlink");
	int loop = find(0, "d/loop");
	expect(loop, "type", "directory");
	expect(loop, "entry_count", "0");
	assert_non_null(strstr(buf_str(&out), strerror(ELOOP)));
	/* The folder that is asked for may be reached by a link. */
	options.follow_symlinks = false;
	look(fixture_path("t/far"));
	assert_string_equal(listed(0), "x");
	expect(0, "path", fixture_path("t/far"));
}

static void many(const char *dir, int count)
{
	fixture_mkdir(fixture_path("%s", dir));
	int fd = open(fixture_path("%s", dir), O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < count; i++) {
		char name[20];
		snprintf(name, sizeof(name), "f%05d", i);
		int file = openat(fd, name, O_WRONLY | O_CREAT, 0644);
		assert_true(file >= 0);
		close(file);
	}
	close(fd);
}

static void the_cap_cuts_what_lies_deep(void **state)
{
	(void)state;
	many("t/a", 40);
	many("t/b", 40);
	many("t/b/c", 3);
	fixture_mkdir(fixture_path("t/z"));
	fixture_file(fixture_path("t/x"), "", 0644);
	options.max_entries = 50;
	look(fixture_path("t"));
	/* 4 here, 40 in a, 6 of 41 in b; c is among them but not opened. */
	assert_string_equal(listed(0), "a b z x");
	expect(0, "truncated", "false");
	expect(find(0, "a"), "truncated", "false");
	expect(find(0, "a"), "entry_count", "40");
	expect(find(0, "b"), "truncated", "true");
	expect(find(0, "b"), "entry_count", "41");
	assert_string_equal(
	    listed(find(0, "b")), "c f00000 f00001 f00002 f00003 f00004");
	int c = find(0, "b/c");
	expect(c, "truncated", "true");
	expect(c, "entry_count", "0");
	assert_int_equal(
	    json_type(&tree, json_get(&tree, c, "children")), JSON_ARRAY);
	/* Not even looked at. */
	expect(find(0, "z"), "truncated", "true");

	/* What just fits is not truncated: 4 + 40 + 41 + 3. */
	options.max_entries = 88;
	look(fixture_path("t"));
	assert_null(strstr(buf_str(&out), "\"truncated\":true"));
	options.max_entries = 87;
	look(fixture_path("t"));
	assert_string_equal(listed(find(0, "b/c")), "f00000 f00001");
	expect(find(0, "b/c"), "truncated", "true");
	/* One directory that is larger than the cap. */
	options.max_entries = 50;
	many("huge", 120);
	look(fixture_path("huge"));
	expect(0, "entry_count", "120");
	expect(0, "truncated", "true");
	assert_int_equal(json_count(&tree, json_get(&tree, 0, "children")), 50);
	assert_int_not_equal(find(0, "f00049"), JSON_NONE);
}

static void depth(void **state)
{
	(void)state;
	fixture_file(fixture_path("1/2/3/4/5/6/7/x"), "", 0644);
	for (int d = 0; d <= BROWSE_DEPTH_MAX; d++) {
		options.depth = d;
		look(fixture_path("1"));
		char path[] = "2/3/4/5/6/7";
		path[2 * d + 1] = '\0';
		int last = find(0, path);
		expect(last, "type", "directory");
		expect(last, "children", NULL);
		assert_int_equal(json_count(&tree, last), 5);
	}
}

static void folders_that_cannot_be_read(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	fixture_file(fixture_path("t/locked/x"), "", 0644);
	fixture_file(fixture_path("t/open/y"), "", 0644);
	assert_int_equal(chmod(fixture_path("t/locked"), 0700), 0);
	assert_int_equal(chmod(fixture_dir, 0755), 0);
	assert_int_equal(chmod(fixture_path("t"), 0755), 0);
	setfsuid(65534);
	setfsgid(65534);
	look(fixture_path("t"));
	int locked = find(0, "locked");
	expect(locked, "error", "permission denied");
	expect(locked, "entry_count", "0");
	expect(locked, "truncated", "false");
	assert_string_equal(listed(find(0, "open")), "y");
	/* The one that is asked for. */
	look(fixture_path("t/locked"));
	expect(0, "error", "permission denied");
	assert_string_equal(listed(0), "");
	setfsuid(0);
	setfsgid(0);
}

static void what_cannot_be_browsed(void **state)
{
	(void)state;
	fixture_file(fixture_path("file"), "", 0644);
	refuse(fixture_path("file"), "is not a directory");
	refuse(fixture_path("file/x"), "is not a directory");
	refuse(fixture_path("no"), "does not exist");
	refuse("", "must begin with /");
	refuse("etc", "\"etc\" is not the path");
	refuse("C:\\Users", "must begin with /");
	refuse("/etc/../etc", "\"/etc/../etc\" is not");
	refuse("/etc/..", "without ..");
	static char text[70000];
	memset(text, 'a', sizeof(text) - 1);
	text[0] = '/';
	refuse(text, "too long");
	text[5000] = '\0';
	refuse(text, strerror(ENAMETOOLONG));
	look("//etc///./");
	expect(0, "path", "/etc");
	expect(0, "name", "etc");
	look("/.");
	expect(0, "path", "/");
}

static bool at_once(void *ctx)
{
	return --*(int *)ctx < 0;
}

static void ends_when_it_is_told(void **state)
{
	(void)state;
	many("t/a", 300);
	many("t/b", 300);
	int left = 0;
	options.is_over = at_once;
	options.ctx = &left;
	look(fixture_path("t"));
	assert_string_equal(listed(0), "a b");
	expect(find(0, "a"), "truncated", "true");
	expect(find(0, "a"), "entry_count", "0");
	/* In the middle of a directory: what it has so far stays. */
	left = 5;
	look(fixture_path("t"));
	expect(find(0, "b"), "truncated", "true");
	left = 1000;
	look(fixture_path("t"));
	expect(find(0, "b"), "truncated", "false");
}

/* [policy] browse: links lead nowhere else. */
static void stays_where_it_may(void **state)
{
	(void)state;
	struct buf list = BUF_INIT(4096);
	fixture_file(fixture_path("far/x"), "12345", 0644);
	fixture_file(fixture_path("t/in/y"), "", 0644);
	assert_int_equal(symlink("../far", fixture_path("t/out")), 0);
	assert_int_equal(symlink("../far/x", fixture_path("t/outfile")), 0);
	assert_int_equal(symlink("in", fixture_path("t/again")), 0);
	assert_int_equal(symlink("t", fixture_path("alias")), 0);
	allowed_resolve(fixture_path("alias"), &list);
	options.allowed = buf_str(&list);
	options.follow_symlinks = true;
	look(fixture_path("t"));
	expect(find(0, "out"), "type", "symlink");
	expect(find(0, "outfile"), "type", "symlink");
	expect(find(0, "again/y"), "type", "file");
	/* By another name of the same folder, and not by one beside it. */
	look(fixture_path("alias/in"));
	refuse(fixture_path("far"), "[policy] browse");
	refuse(fixture_path("t/out"), "[policy] browse");
	refuse("/", "[policy] browse");
	buf_release(&list);
}

static void twenty_thousand_entries(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++) {
		char dir[20];
		snprintf(dir, sizeof(dir), "big/d%02d", i);
		many(dir, 550);
	}
	options.max_entries = 20000;
	uint64_t began = clock_ms();
	look(fixture_path("big"));
	/* Well under a second without the sanitizers. */
	assert_true(clock_ms() - began < 2500);
	expect(find(0, "d35"), "truncated", "false");
	expect(find(0, "d39"), "truncated", "true");
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(nodes_as_the_server_wants_them),
	    TEST(directories_first_then_by_name),
	    TEST(hidden_and_pseudo),
	    TEST(names_that_are_not_utf8),
	    TEST(links_with_and_without_following),
	    TEST(the_cap_cuts_what_lies_deep),
	    TEST(depth),
	    TEST(folders_that_cannot_be_read),
	    TEST(what_cannot_be_browsed),
	    TEST(ends_when_it_is_told),
	    TEST(stays_where_it_may),
	    TEST(twenty_thousand_entries),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
