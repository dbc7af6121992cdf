/* The tallies of a dry run. */
#include "base/limits.h"
#include "fixture.h"
#include "job/dryrun.h"
#include <stdio.h>
#include <string.h>

static void add(struct dryrun *d, char status, const char *path)
{
	struct borglog_event e = {.kind = BORGLOG_FILE,
	    .status = status,
	    .path = path,
	    .path_len = strlen(path)};
	dryrun_add(d, &e);
}

static void encode(const struct dryrun *d, struct json *j, struct buf *out)
{
	buf_reset(out);
	dryrun_encode(d, out);
	fixture_parse(j, out->data, out->len);
	assert_int_equal(json_count(j, 0), 5);
	assert_true(json_bool(j, json_get(j, 0, "dry_run"), false));
}

static void expect_sample(
    const struct json *j, const char *name, int index, const char *path)
{
	int list = json_get(j, 0, name);
	int e = json_first(j, list);
	while (index-- > 0)
		e = json_next(j, list, e);
	assert_true(json_is(j, e, path));
}

static void counts_and_samples(void **state)
{
	(void)state;
	struct dryrun d;
	struct json j;
	struct buf out = BUF_INIT(16 * MIB);
	dryrun_init(&d);
	encode(&d, &j, &out);
	fixture_expect(&j, 0, "would_backup", "0");
	fixture_expect(&j, 0, "excluded", "0");
	assert_int_equal(json_count(&j, json_get(&j, 0, "included_sample")), 0);
	json_release(&j);

	add(&d, '-', "/a");
	add(&d, 'd', "/dir");
	add(&d, 'x', "/cache");
	add(&d, 'A', "/gr\\u00f6\\u00dfe \\\"q\\\"");
	add(&d, '-', "/caf\\udce9");
	add(&d, 'x', "/new\\nline");
	encode(&d, &j, &out);
	assert_int_equal(d.seen, 5);
	fixture_expect(&j, 0, "would_backup", "3");
	fixture_expect(&j, 0, "excluded", "2");
	assert_int_equal(json_count(&j, json_get(&j, 0, "included_sample")), 3);
	assert_int_equal(json_count(&j, json_get(&j, 0, "excluded_sample")), 2);
	expect_sample(&j, "included_sample", 0, "/a");
	expect_sample(&j, "included_sample", 1, "/größe \"q\"");
	expect_sample(&j, "included_sample", 2, "/caf\xef\xbf\xbd");
	expect_sample(&j, "excluded_sample", 0, "/cache");
	expect_sample(&j, "excluded_sample", 1, "/new\nline");
	json_release(&j);
	dryrun_release(&d);
	buf_release(&out);
}

static void samples_are_bounded(void **state)
{
	(void)state;
	struct dryrun d;
	struct json j;
	struct buf out = BUF_INIT(16 * MIB);
	char path[64];
	dryrun_init(&d);
	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "/%d", i);
		add(&d, i % 2 ? 'x' : '-', path);
	}
	encode(&d, &j, &out);
	fixture_expect(&j, 0, "would_backup", "500");
	fixture_expect(&j, 0, "excluded", "500");
	assert_int_equal(
	    json_count(&j, json_get(&j, 0, "included_sample")), 200);
	assert_int_equal(
	    json_count(&j, json_get(&j, 0, "excluded_sample")), 200);
	expect_sample(&j, "excluded_sample", 199, "/399");
	json_release(&j);
	dryrun_release(&d);
	buf_release(&out);
}

/* Two hundred paths that each grow when escaped: still JSON, and small
 * enough for the report to be taken. */
static void monstrous_paths(void **state)
{
	(void)state;
	struct dryrun d;
	struct json j;
	struct buf out = BUF_INIT(64 * MIB);
	static char path[6 * 4095 + 1];
	for (size_t i = 0; i < 4095; i++)
		memcpy(path + 6 * i, "\\u0001", 6);
	dryrun_init(&d);
	for (int i = 0; i < 300; i++) {
		add(&d, '-', path);
		add(&d, 'x', path);
	}
	add(&d, 'x', "/short");
	encode(&d, &j, &out);
	fixture_expect(&j, 0, "would_backup", "300");
	fixture_expect(&j, 0, "excluded", "301");
	assert_true(json_count(&j, json_get(&j, 0, "included_sample")) >= 5);
	assert_true(out.len < MIB / 2);
	json_release(&j);
	dryrun_release(&d);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counts_and_samples),
	    cmocka_unit_test(samples_are_bounded),
	    cmocka_unit_test(monstrous_paths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
