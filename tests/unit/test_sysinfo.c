/* What is told of this host: valid, complete, in the server's words. */
#include "base/limits.h"
#include "base/version.h"
#include "bbs/glibc.h"
#include "bbs/sysinfo.h"
#include "fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

static struct config config;
static struct paths paths;

static int setup(void **state)
{
	if (fixture_setup(state) != 0 || config_init(&config) != 0)
		return -1;
	return paths_init(&paths, fixture_dir, NULL);
}

static int teardown(void **state)
{
	config_release(&config);
	paths_release(&paths);
	return fixture_teardown(state);
}

/* Why borg cannot be used. */
static struct buf why = BUF_INIT(1024);

static void encode(struct json *j, const char *borg)
{
	static struct buf out = BUF_INIT(ANSWER_BODY_MAX);
	buf_reset(&out);
	free(config.borg_path);
	config.borg_path = strdup(borg);
	fixture_log_begin();
	buf_reset(&why);
	sysinfo_encode(&config, &paths, -1, &why, &out);
	assert_int_equal(out.failed, false);
	/* The text must live as long as its index. */
	static char text[ANSWER_BODY_MAX];
	memcpy(text, out.data, out.len);
	fixture_parse(j, text, out.len);
	buf_release(&out);
}

static void expect_type(
    const struct json *j, const char *name, enum json_type type)
{
	if (json_type(j, json_get(j, 0, name)) != type)
		fail_msg("%s", name);
}

static void all_keys(void **state)
{
	(void)state;
	struct json j;
	struct utsname u;
	char glibc[32];
	const char *borg = fixture_file(
	    fixture_path("borg"), "#!/bin/sh\necho borg 1.4.1\n", 0755);
	encode(&j, borg);
	assert_string_equal(fixture_log_end(), "");
	uname(&u);
	glibc_version(glibc, sizeof(glibc));
	fixture_expect(&j, 0, "hostname", u.nodename);
	fixture_expect(&j, 0, "agent_version", BBS_VERSION);
	fixture_expect(&j, 0, "platform", "linux");
	fixture_expect(&j, 0, "architecture",
	    strcmp(u.machine, "aarch64") == 0 ? "arm64" : u.machine);
	fixture_expect(&j, 0, "glibc_version", glibc);
	fixture_expect(&j, 0, "borg_version", "1.4.1");
	fixture_expect(&j, 0, "borg_binary_path", borg);
	fixture_expect(&j, 0, "borg_install_method", "package");
	fixture_expect(&j, 0, "borg_source", "unknown");
	expect_type(&j, "auto_update_enabled", JSON_BOOL);
	expect_type(&j, "in_container", JSON_BOOL);
	expect_type(&j, "os_info", JSON_STRING);
	char *os = json_strdup(&j, json_get(&j, 0, "os_info"));
	assert_true(strlen(os) > strlen(u.machine));
	assert_true(strlen(os) <= OS_INFO_MAX);
	assert_string_equal(os + strlen(os) - strlen(u.machine), u.machine);
	assert_null(strchr(os, '"'));
	free(os);
	/* Nothing twice, and nothing that the server does not know. */
	static const char *const known[] = {"hostname", "os_info",
	    "agent_version", "auto_update_enabled", "in_container", "platform",
	    "architecture", "glibc_version", "mac_address", "ip_address",
	    "borg_version", "borg_binary_path", "borg_install_method",
	    "borg_source"};
	int found = 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		found += json_get(&j, 0, known[i]) != JSON_NONE;
	assert_int_equal(found, json_count(&j, 0));
	json_release(&j);
}

static void without_borg(void **state)
{
	(void)state;
	struct json j;
	encode(&j, "/nonexistent/borg");
	assert_non_null(strstr(fixture_log_end(), "/nonexistent/borg"));
	assert_non_null(strstr(buf_str(&why), "/nonexistent/borg"));
	fixture_expect(&j, 0, "borg_version", "not installed");
	fixture_expect(&j, 0, "borg_install_method", "unknown");
	fixture_expect(&j, 0, "borg_binary_path", NULL);
	json_release(&j);
	/* One that is there and broken. */
	const char *borg =
	    fixture_file(fixture_path("borg"), "#!/bin/sh\nexit 127\n", 0755);
	encode(&j, borg);
	assert_non_null(strstr(fixture_log_end(), "code 127"));
	assert_non_null(strstr(buf_str(&why), "code 127"));
	fixture_expect(&j, 0, "borg_version", "not installed");
	fixture_expect(&j, 0, "borg_binary_path", borg);
	json_release(&j);
}

static void the_source_of_borg(void **state)
{
	(void)state;
	static const char *const sources[][2] = {{"official\n", "official"},
	    {"server", "server"}, {"", "unknown"}, {"nonsense\n", "unknown"}};
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		struct json j;
		fixture_file(paths.borg_source, sources[i][0], 0644);
		encode(&j, "/nonexistent/borg");
		fixture_expect(&j, 0, "borg_source", sources[i][1]);
		fixture_log_end();
		json_release(&j);
	}
}

/* Only where it is wanted and can be verified. */
static void updates(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct json j;
		config.auto_update = (i & 1) != 0;
		config.update_key = (i & 2) != 0 ? strdup("/key") : NULL;
		encode(&j, "/nonexistent/borg");
		assert_int_equal(
		    json_bool(
			&j, json_get(&j, 0, "auto_update_enabled"), i != 3),
		    i == 3);
		fixture_log_end();
		json_release(&j);
		free(config.update_key);
		config.update_key = NULL;
	}
	config.auto_update = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_keys),
	    cmocka_unit_test(without_borg),
	    cmocka_unit_test(the_source_of_borg),
	    cmocka_unit_test(updates),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
