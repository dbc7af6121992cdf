/* A dump's configuration: defaults, both ways of a list, refusals; and the
 * options that a server may add. */
#include "bbs/dumpconfig.h"
#include "bbs/dumpoptions.h"
#include "fixture.h"
#include <string.h>

static struct dump_config config;
static struct buf why = BUF_INIT(4096);

static int decode(enum dump_engine engine, const char *text)
{
	struct json j;
	buf_reset(&why);
	fixture_parse(&j, text, strlen(text));
	int rc = dumpconfig_decode(&config, engine, &j, 0, &why);
	json_release(&j);
	assert_int_equal(why.len > 0, rc != 0);
	return rc;
}

static void expect_words(const struct words *w, const char *text)
{
	struct buf all = BUF_INIT(4096);
	for (size_t i = 0; i < w->count; i++)
		buf_addf(&all, "%s|", w->list[i]);
	assert_string_equal(buf_str(&all), text);
	buf_release(&all);
}

static void fills_in_defaults(void **state)
{
	(void)state;
	assert_int_equal(decode(DUMP_MYSQL, "{}"), 0);
	assert_string_equal(config.host, "localhost");
	assert_string_equal(config.port, "3306");
	assert_string_equal(config.dump_dir, "/home/bbs/mysql");
	assert_true(config.all && config.per_database && config.compress &&
		    config.cleanup_after);
	expect_words(&config.exclude, "information_schema|performance_schema|"
				      "sys|");
	expect_words(&config.extra_options,
	    "--single-transaction|--quick|--routines|--triggers|--events|");
	dumpconfig_release(&config);
	assert_int_equal(decode(DUMP_MONGO, "{\"host\":null}"), 0);
	assert_string_equal(config.host, "127.0.0.1");
	assert_string_equal(config.auth_db, "admin");
	assert_int_equal(config.extra_options.count, 0);
	dumpconfig_release(&config);
}

static void reads_what_is_given(void **state)
{
	(void)state;
	assert_int_equal(
	    decode(DUMP_POSTGRES,
		"{\"port\":5433,\"password\":\"p w\",\"databases\":\"a, b c,\","
		"\"exclude_databases\":\"x,y\",\"dump_dir\":\"/d//\","
		"\"compress\":\"0\",\"extra_options\":\"\"}"),
	    0);
	assert_string_equal(config.port, "5433");
	assert_string_equal(config.password, "p w");
	assert_string_equal(config.dump_dir, "/d");
	assert_false(config.all || config.compress);
	expect_words(&config.databases, "a|b c|");
	expect_words(&config.exclude, "x|y|");
	assert_int_equal(config.extra_options.count, 0);
	dumpconfig_release(&config);
	/* A list, and the map that PHP makes of one. */
	assert_int_equal(
	    decode(DUMP_MYSQL, "{\"databases\":[\"a,b\",\"c\"],"
			       "\"exclude_databases\":{\"1\":\"z\"}}"),
	    0);
	expect_words(&config.databases, "a,b|c|");
	expect_words(&config.exclude, "z|");
	dumpconfig_release(&config);
}

static void refuses_what_cannot_be(void **state)
{
	(void)state;
	static const char *const bad[] = {"{\"port\":\"0\"}",
	    "{\"port\":\"33x\"}", "{\"port\":70000}", "{\"dump_dir\":\"x\"}",
	    "{\"dump_dir\":\"/\"}"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(decode(DUMP_MYSQL, bad[i]), -1);
		dumpconfig_release(&config);
	}
}

static int check(enum dump_engine engine, const char *text)
{
	struct words w = WORDS_INIT;
	words_split(&w, text, " ");
	buf_reset(&why);
	int rc = dumpoptions_check(engine, &w, &why);
	assert_int_equal(why.len > 0, rc != 0);
	words_release(&w);
	return rc;
}

static void allows_what_shapes_a_dump(void **state)
{
	(void)state;
	static const struct {
		enum dump_engine engine;
		const char *text;
	} good[] = {{DUMP_MYSQL, "--single-transaction --quick --routines "
				 "--triggers --events"},
	    {DUMP_MYSQL, "--single_transaction --skip-lock-tables -qRE"},
	    {DUMP_MYSQL, "--ignore-table=a.b --ignore-table c.d --opt"},
	    {DUMP_MYSQL, "--set-gtid-purged=OFF --master-data=2 --no-data"},
	    {DUMP_MYSQL, "--skip_add_locks --column-statistics=0"},
	    {DUMP_POSTGRES, "--no-owner --no-privileges -Ox -n public"},
	    {DUMP_POSTGRES, "--exclude-table-data=log* -npublic -T x"},
	    {DUMP_MONGO, "--forceTableScan -j 4 --readPreference=secondary"},
	    {DUMP_MYSQL, ""}};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (check(good[i].engine, good[i].text) != 0)
			fail_msg("%s: %s", good[i].text, buf_str(&why));
	}
}

static void refuses_the_rest(void **state)
{
	(void)state;
	static const struct {
		enum dump_engine engine;
		const char *text, *named;
	} bad[] = {{DUMP_MYSQL, "--quick --result-file=/etc/x", "result-file"},
	    {DUMP_MYSQL, "--result=/etc/x", "--result="},
	    {DUMP_MYSQL, "--result_file=/etc/x", "--result_file"},
	    {DUMP_MYSQL, "--loose-result-file=/x", "--loose"},
	    {DUMP_MYSQL, "-r/etc/x", "-r"}, {DUMP_MYSQL, "-qr /etc/x", "-qr"},
	    {DUMP_MYSQL, "--tab=/tmp", "--tab"}, {DUMP_MYSQL, "-T/tmp", "-T"},
	    {DUMP_MYSQL, "--plugin-dir=/tmp", "--plugin-dir"},
	    {DUMP_MYSQL, "--defaults-file=/tmp/x", "--defaults-file"},
	    {DUMP_MYSQL, "--init-command=DROP", "--init-command"},
	    {DUMP_MYSQL, "--log-error=/etc/x", "--log-error"},
	    {DUMP_MYSQL, "-#d:t:o,/etc/x", "-#"},
	    {DUMP_MYSQL, "--sing", "--sing"}, {DUMP_MYSQL, "--", "--"},
	    {DUMP_MYSQL, "-", "-"}, {DUMP_MYSQL, "mysql user", "mysql"},
	    {DUMP_MYSQL, "--quick mysql", "mysql"},
	    {DUMP_MYSQL, "--ignore-table --tab=/x", "--tab"},
	    {DUMP_MYSQL, "--ignore-table a b", "\"b\""},
	    {DUMP_MYSQL, "--skip-", "--skip-"},
	    {DUMP_MYSQL, "--databases", "--databases"},
	    {DUMP_MYSQL, "-A", "-A"}, {DUMP_MYSQL, "--host=x", "--host"},
	    {DUMP_MYSQL, "-psecret", "-psecret"},
	    {DUMP_POSTGRES, "-f /etc/x", "-f"},
	    {DUMP_POSTGRES, "--file=/etc/x", "--file"},
	    {DUMP_POSTGRES, "--fil=/etc/x", "--fil"},
	    {DUMP_POSTGRES, "-Of/etc/x", "-Of"},
	    {DUMP_POSTGRES, "--no_owner", "--no_owner"},
	    {DUMP_POSTGRES, "-Fd", "-Fd"},
	    {DUMP_POSTGRES, "--dbname=host=x", "--dbname"},
	    {DUMP_MONGO, "--out=/etc", "--out"},
	    {DUMP_MONGO, "--archive=/etc/x", "--archive"},
	    {DUMP_MONGO, "--config=/etc/x", "--config"},
	    {DUMP_MONGO, "--uri=mongodb://x", "--uri"}};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (check(bad[i].engine, bad[i].text) == 0)
			fail_msg("allowed: %s", bad[i].text);
		if (strstr(buf_str(&why), bad[i].named) == NULL)
			fail_msg(
			    "%s is not named: %s", bad[i].named, buf_str(&why));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fills_in_defaults),
	    cmocka_unit_test(reads_what_is_given),
	    cmocka_unit_test(refuses_what_cannot_be),
	    cmocka_unit_test(allows_what_shapes_a_dump),
	    cmocka_unit_test(refuses_the_rest),
	};
	int rc = cmocka_run_group_tests_name("dumpconfig", tests, NULL, NULL);
	buf_release(&why);
	return rc;
}
