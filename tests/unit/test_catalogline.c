/* Lines of the catalogue: real files, hostile names, every time zone. */
#include "fixture.h"
#include "job/catalogline.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct catalog_lines lines;
static struct buf out = BUF_INIT(1 << 20);

static void zone(const char *name)
{
	if (name != NULL)
		setenv("TZ", name, 1);
	else
		unsetenv("TZ");
	tzset();
	catalog_lines_release(&lines);
	catalog_lines_init(&lines);
}

/* One borg line in; the catalogue line, parsed strictly, in j. */
static int feed(const char *borg, struct json *j)
{
	struct json scratch = JSON_INIT;
	struct borglog_event e;
	borglog_decode(&scratch, borg, strlen(borg), &e);
	assert_int_equal(e.kind, BORGLOG_FILE);
	buf_reset(&out);
	int rc = catalog_line(&lines, &e, &out);
	json_release(&scratch);
	if (rc != 0)
		return rc;
	assert_true(out.len > 2);
	assert_int_equal(out.data[out.len - 1], '\n');
	assert_null(memchr(out.data, '\n', out.len - 1));
	fixture_parse(j, out.data, out.len - 1);
	assert_int_equal(json_count(j, 0), 4);
	return 0;
}

static const char *file_status(const char *status, const char *path)
{
	static char text[128 * 1024];
	snprintf(text, sizeof(text),
	    "{\"type\": \"file_status\", \"status\": \"%s\", \"path\": "
	    "\"%s\"}",
	    status, path);
	return text;
}

static const char *number(unsigned long long n)
{
	static char text[32];
	snprintf(text, sizeof(text), "%llu", n);
	return text;
}

static void set_time(const char *path, int64_t t)
{
	struct timespec times[2] = {{.tv_sec = t}, {.tv_sec = t}};
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* json: the path as borg writes it; want: as the server is to read it. */
static void check(const char *json, const char *want, size_t size, int64_t t)
{
	struct json j;
	char stamp[32];
	struct tm tm;
	time_t when = (time_t)t;
	assert_non_null(localtime_r(&when, &tm));
	strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm);
	assert_int_equal(feed(file_status("A", json), &j), 0);
	fixture_expect(&j, 0, "path", want);
	fixture_expect(&j, 0, "status", "A");
	fixture_expect(&j, 0, "size", number(size));
	fixture_expect(&j, 0, "mtime", stamp);
	json_release(&j);
}

/* The name in the directory, as bytes and as borg writes it in JSON. */
static void check_name(const char *name, const char *escaped, const char *want)
{
	char json[2 * PATH_MAX], path[2 * PATH_MAX];
	const char *file = fixture_file(fixture_path("%s", name), "1234567", 0);
	set_time(file, 1700000000);
	snprintf(json, sizeof(json), "%s/%s", fixture_dir, escaped);
	snprintf(path, sizeof(path), "%s/%s", fixture_dir, want);
	check(json, path, 7, 1700000000);
	/* A wrong answer would have to come from somewhere: not from here. */
	assert_int_equal(unlink(file), 0);
}

static void names_of_every_kind(void **state)
{
	(void)state;
	zone("Europe/Berlin");
	check_name("plain.txt", "plain.txt", "plain.txt");
	check_name("with space", "with space", "with space");
	check_name("quo\"te", "quo\\\"te", "quo\"te");
	check_name("back\\slash", "back\\\\slash", "back\\slash");
	check_name("new\nline", "new\\nline", "new\nline");
	check_name("tab\tbell\a", "tab\\tbell\\u0007", "tab\tbell\a");
	check_name("del\x7f", "del\\u007f", "del\x7f");
	check_name("del\x7f", "del\x7f", "del\x7f");
	check_name("größe", "gr\\u00f6\\u00dfe", "größe");
	check_name("größe", "größe", "größe");
	check_name("\xf0\x9f\x98\x80", "\\ud83d\\ude00", "\xf0\x9f\x98\x80");
	check_name("a\\u0041", "a\\\\u0041", "a\\u0041");
	check_name("sl/ash", "sl\\/ash", "sl/ash");
	check_name("'$(x)`&<>", "'$(x)`&<>", "'$(x)`&<>");
}

/* The bytes count for the file, U+FFFD stands in the text. */
static void names_that_are_not_utf8(void **state)
{
	(void)state;
	zone("UTC");
	check_name("caf\xe9", "caf\\udce9", "caf\xef\xbf\xbd");
	check_name(
	    "\xff\xfe.x", "\\udcff\\udcfe.x", "\xef\xbf\xbd\xef\xbf\xbd.x");
	/* Half of a character, and a whole one behind it. */
	check_name("\xc3\xc3\xb6", "\\udcc3\\u00f6", "\xef\xbf\xbd\xc3\xb6");
	check_name("caf\xe9", "caf\xe9", "caf\xef\xbf\xbd");
}

static void path_b64_counts_for_the_file(void **state)
{
	(void)state;
	char raw[PATH_MAX], coded[PATH_MAX * 2];
	struct buf line = BUF_INIT(1 << 16);
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij"
				     "klmnopqrstuvwxyz0123456789+/";
	struct json j;
	zone("UTC");
	/* Names of each length modulo 3, and so with each padding; with and
	 * without the leading slash. */
	for (int i = 0; i < 6; i++) {
		const char *path =
		    fixture_path("%.*scaf\xe9\xfb\xff", i % 3, "abc");
		fixture_file(path, "12345", 0644);
		snprintf(raw, sizeof(raw), "%s", path + (i >= 3));
		size_t n = strlen(raw), at = 0;
		for (size_t k = 0; k < n; k += 3) {
			unsigned v = (unsigned)(unsigned char)raw[k] << 16;
			v |= k + 1 < n
				 ? (unsigned)(unsigned char)raw[k + 1] << 8
				 : 0;
			v |=
			    k + 2 < n ? (unsigned)(unsigned char)raw[k + 2] : 0;
			coded[at++] = digits[v >> 18 & 63];
			coded[at++] = digits[v >> 12 & 63];
			coded[at++] = k + 1 < n ? digits[v >> 6 & 63] : '=';
			coded[at++] = k + 2 < n ? digits[v & 63] : '=';
		}
		coded[at] = '\0';
		buf_reset(&line);
		buf_addf(&line,
		    "{\"type\":\"file_status\",\"status\":\"M\",\"path\":"
		    "\"%s/%.*scaf???\",\"path_b64\":\"%s\"}",
		    fixture_dir + (i >= 3), i % 3, "abc", coded);
		assert_int_equal(feed(buf_str(&line), &j), 0);
		fixture_expect(&j, 0, "path",
		    fixture_path("%.*scaf???", i % 3, "abc") + (i >= 3));
		fixture_expect(&j, 0, "size", "5");
		fixture_expect(&j, 0, "status", "M");
		json_release(&j);
	}
	buf_release(&line);
	/* What is no base64 must harm nobody. */
	assert_int_equal(
	    feed("{\"type\":\"file_status\",\"status\":\"A\",\"path\":\"/x\","
		 "\"path_b64\":\"\\u0041!!\\n=A\"}",
		&j),
	    0);
	fixture_expect(&j, 0, "path", "/x");
	json_release(&j);
}

static void nothing_is_said_of_what_is_not_there(void **state)
{
	(void)state;
	struct json j;
	zone("UTC");
	char question[PATH_MAX];
	snprintf(question, sizeof(question), "%s/caf?", fixture_dir);
	const char *const paths[] = {
	    "/nonexistent/dir/file", "/nonexistent", question};
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(feed(file_status("A", paths[i]), &j), 0);
		fixture_expect(&j, 0, "path", paths[i]);
		fixture_expect(&j, 0, "size", "0");
		assert_int_equal(
		    json_type(&j, json_get(&j, 0, "mtime")), JSON_NULL);
		json_release(&j);
	}
	/* A name longer than any path, then a sound one. */
	char *path = malloc(60001);
	memset(path, 'x', 60000);
	path[0] = '/';
	path[60000] = '\0';
	for (int i = 200; i < 60000; i += 200)
		path[i] = '/';
	assert_int_equal(feed(file_status("A", path), &j), 0);
	fixture_expect(&j, 0, "path", path);
	fixture_expect(&j, 0, "size", "0");
	json_release(&j);
	free(path);
	check_name("after", "after", "after");
}

static void relative_paths_are_below_the_root(void **state)
{
	(void)state;
	char json[PATH_MAX];
	struct json j;
	zone("UTC");
	fixture_file(fixture_path("rel"), "123", 0644);
	set_time(fixture_path("rel"), 1000000000);
	assert_int_equal(chdir(fixture_dir), 0);
	/* The working directory must not matter: this name exists in it. */
	assert_int_equal(feed(file_status("A", "rel"), &j), 0);
	fixture_expect(&j, 0, "size", "0");
	json_release(&j);
	snprintf(json, sizeof(json), "%s/rel", fixture_dir + 1);
	check(json, json, 3, 1000000000);
	assert_int_equal(chdir("/"), 0);
}

static void kinds_of_files_and_statuses(void **state)
{
	(void)state;
	struct json j;
	char path[PATH_MAX];
	zone("UTC");
	const char *const no[] = {"x", "e"};
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(feed(file_status(no[i], "/etc"), &j), 1);
	assert_int_equal(feed(file_status("A", ""), &j), 1);
	const char *const some[][2] = {{"A", "A"}, {"M", "M"}, {"U", "U"},
	    {"C", "C"}, {"d", "D"}, {"h", "H"}, {"s", "S"}, {"f", "F"},
	    {"b", "B"}, {"c", "C"}, {"i", "I"}, {"-", "-"}, {"?", "?"}};
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		assert_int_equal(feed(file_status(some[i][0], "/etc"), &j), 0);
		fixture_expect(&j, 0, "status", some[i][1]);
		json_release(&j);
	}
	/* What borg would never say must still be a line of JSON. */
	struct borglog_event e = {.path = "/etc", .path_len = 4};
	for (int status = 0; status < 256; status++) {
		e.status = (char)status;
		buf_reset(&out);
		if (catalog_line(&lines, &e, &out) != 0)
			continue;
		fixture_parse(&j, out.data, out.len - 1);
		json_release(&j);
	}
	/* A directory, and a link that leads nowhere. */
	snprintf(path, sizeof(path), "%s", fixture_mkdir(fixture_path("dir")));
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	check(path, path, (size_t)st.st_size, st.st_mtime);
	snprintf(path, sizeof(path), "%s", fixture_path("link"));
	assert_int_equal(symlink("/nonexistent", path), 0);
	assert_int_equal(feed(file_status("s", path), &j), 0);
	fixture_expect(&j, 0, "size", "0");
	json_release(&j);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(
	    symlink(fixture_file(fixture_path("to"), "1234", 0644), path), 0);
	set_time(path, 1234567890);
	check(path, path, 4, 1234567890);
	/* Also on another mount. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/sys/kernel", path), 0);
	assert_int_equal(stat(path, &st), 0);
	check(path, path, (size_t)st.st_size, st.st_mtime);
	assert_int_equal(stat("/", &st), 0);
	check("/", "/", (size_t)st.st_size, st.st_mtime);
}

/* The directory that is kept open must never answer for another one. */
static void directories_are_told_apart(void **state)
{
	(void)state;
	char path[2][PATH_MAX];
	zone("UTC");
	const char *const names[] = {"d/aa/f", "d/ab/f", "d/a/f", "d/a/a/f",
	    "d/f", "d/aa/f2", "d/aaa/f"};
	size_t n = sizeof(names) / sizeof(names[0]);
	for (size_t i = 0; i < n; i++) {
		char text[16];
		snprintf(text, sizeof(text), "%.*s", (int)i + 1, "123456789");
		fixture_file(fixture_path("%s", names[i]), text, 0644);
		set_time(fixture_path("%s", names[i]), 1000 * (int64_t)i);
	}
	for (size_t i = 0; i < n * n; i++) {
		size_t k = i % 2 ? i / n : i % n;
		snprintf(path[0], PATH_MAX, "%s", fixture_path("%s", names[k]));
		check(path[0], path[0], k + 1, 1000 * (int64_t)k);
	}
	/* A directory that is gone, while it is the one kept open. */
	struct json j;
	snprintf(path[0], PATH_MAX, "%s", fixture_path("d/a/a/f"));
	check(path[0], path[0], 4, 3000);
	unlink(path[0]);
	rmdir(fixture_path("d/a/a"));
	assert_int_equal(feed(file_status("A", path[0]), &j), 0);
	fixture_expect(&j, 0, "size", "0");
	json_release(&j);
	snprintf(path[1], PATH_MAX, "%s", fixture_path("d/a/f"));
	check(path[1], path[1], 3, 2000);
}

static void a_line_is_whole_or_not_there(void **state)
{
	(void)state;
	struct json scratch = JSON_INIT;
	struct borglog_event e;
	const char *borg = file_status("A", "/etc/\\u00e4\\u0001nothing");
	borglog_decode(&scratch, borg, strlen(borg), &e);
	buf_reset(&out);
	assert_int_equal(catalog_line(&lines, &e, &out), 0);
	size_t len = out.len;
	for (size_t max = 0; max < 2 * len; max++) {
		struct buf small = BUF_INIT(max);
		int rc = catalog_line(&lines, &e, &small);
		assert_int_equal(rc, max < len ? -1 : 0);
		assert_int_equal(small.len, max < len ? 0 : len);
		assert_false(small.failed);
		assert_int_equal(catalog_line(&lines, &e, &small), -1);
		assert_int_equal(small.len, max < len ? 0 : len);
		buf_release(&small);
	}
	json_release(&scratch);
}

/* ---- times ---------------------------------------------------------------
 */

static unsigned long long random_state = 88172645463325252ull;

static unsigned long long next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void check_stamp(int64_t t)
{
	char want[32] = "";
	struct tm tm;
	time_t when = (time_t)t;
	assert_non_null(localtime_r(&when, &tm));
	size_t year = strftime(want, sizeof(want), "%Y", &tm);
	memset(want, '0', 4);
	strftime(want + (year < 4 ? 4 - year : 0), sizeof(want) - 4,
	    "%Y-%m-%d %H:%M:%S", &tm);
	const char *stamp = catalog_stamp(&lines, t);
	if (strcmp(stamp, want) != 0)
		fail_msg("%s: %lld is %s, not %s", getenv("TZ"), (long long)t,
		    stamp, want);
}

/* Zones of whole, half and quarter hours, and those that changed their
 * offset at odd moments. */
static const char *const zones[] = {"UTC", "Europe/Berlin", "Asia/Kolkata",
    "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns",
    "America/New_York", "Pacific/Apia", "Pacific/Chatham", "Africa/Monrovia",
    "Europe/Amsterdam", "Africa/Casablanca", "Antarctica/Troll", "XYZ3:07:13",
    ":/nonexistent"};

static void random_times_in_every_zone(void **state)
{
	(void)state;
	size_t n = sizeof(zones) / sizeof(zones[0]);
	for (size_t i = 0; i < n; i++) {
		zone(zones[i]);
		for (int k = 0; k < 100000 / (int)n + 1; k++) {
			/* From 1868 to 2242. */
			int64_t t = (int64_t)(next_random() % 11811160064ull) -
				    3221225472ll;
			check_stamp(t);
			/* Its neighbours share its quarter, or do not. */
			check_stamp(t + (int64_t)(next_random() % 1800));
		}
	}
}

/* Each second around each change of the clocks of one year and another. */
static void clock_changes(void **state)
{
	(void)state;
	static const struct {
		const char *zone;
		int64_t at;
	} changes[] = {
	    {"Europe/Berlin", 1711846800},	 /* 2024-03-31 forward */
	    {"Europe/Berlin", 1729990800},	 /* 2024-10-27 back */
	    {"America/New_York", 1710054000},	 /* 2024-03-10 */
	    {"Australia/Lord_Howe", 1712415600}, /* half an hour */
	    {"Pacific/Apia", 1325239200},	 /* a day left out */
	    {"America/St_Johns", 1143948660},	 /* at one past midnight */
	    {"Africa/Monrovia", 63593070},	 /* by 44 min 30 s */
	    {"Asia/Kolkata", 1700000000},
	};
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		zone(changes[i].zone);
		for (int64_t d = -4000; d <= 4000; d++)
			check_stamp(changes[i].at + d);
		for (int64_t d = 4000; d >= -4000; d -= 7)
			check_stamp(changes[i].at + d);
	}
}

static void times_before_1970(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		zone(zones[i]);
		for (int64_t t = -2000; t < 2000; t += 3)
			check_stamp(t);
		check_stamp(-1);
		check_stamp(INT32_MIN);
		check_stamp(INT32_MAX);
		check_stamp((int64_t)INT32_MAX + 1);
	}
	zone("UTC");
	assert_string_equal(catalog_stamp(&lines, -1), "1969-12-31 23:59:59");
	assert_string_equal(catalog_stamp(&lines, 0), "1970-01-01 00:00:00");
}

/* A file system may hold any number; the server takes only dates. */
static void times_that_are_no_date(void **state)
{
	(void)state;
	zone("Asia/Kolkata");
	check_stamp(253402214400);
	check_stamp(-62135510400);
	assert_null(catalog_stamp(&lines, 253402300800));
	assert_null(catalog_stamp(&lines, -62135596800));
	assert_null(catalog_stamp(&lines, INT64_MAX));
	assert_null(catalog_stamp(&lines, INT64_MIN));
	struct json j;
	const char *path = fixture_file(fixture_path("far"), "1", 0644);
	static const int64_t far[] = {253402300800, 1ll << 33, 1ll << 40,
	    -(1ll << 36), -(1ll << 40), INT64_MAX, INT64_MIN};
	int null = 0;
	for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
		struct timespec t[2] = {
		    {.tv_sec = (time_t)far[i]}, {.tv_sec = (time_t)far[i]}};
		if (utimensat(AT_FDCWD, path, t, 0) != 0)
			continue;
		struct stat st;
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(feed(file_status("A", path), &j), 0);
		fixture_expect(&j, 0, "size", "1");
		/* Many file systems clamp: judge by what was stored. */
		bool date =
		    st.st_mtime > -62135596800 && st.st_mtime < 253402300800;
		null += !date;
		assert_int_equal(json_type(&j, json_get(&j, 0, "mtime")),
		    date ? JSON_STRING : JSON_NULL);
		json_release(&j);
	}
	if (null == 0)
		printf("   this file system clamps times to dates\n");
}

static int release(void **state)
{
	catalog_lines_release(&lines);
	buf_release(&out);
	return fixture_teardown(state);
}

int main(void)
{
	catalog_lines_init(&lines);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_of_every_kind),
	    cmocka_unit_test(names_that_are_not_utf8),
	    cmocka_unit_test(path_b64_counts_for_the_file),
	    cmocka_unit_test(nothing_is_said_of_what_is_not_there),
	    cmocka_unit_test(relative_paths_are_below_the_root),
	    cmocka_unit_test(kinds_of_files_and_statuses),
	    cmocka_unit_test(directories_are_told_apart),
	    cmocka_unit_test(a_line_is_whole_or_not_there),
	    cmocka_unit_test(random_times_in_every_zone),
	    cmocka_unit_test(clock_changes),
	    cmocka_unit_test(times_before_1970),
	    cmocka_unit_test(times_that_are_no_date),
	};
	return cmocka_run_group_tests(tests, fixture_setup, release);
}
