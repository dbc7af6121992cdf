/* The server's smaller answers; nothing of them may reach ssh as an option. */
#include "bbs/answer.h"
#include "fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void poll_interval(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int want;
	} cases[] = {
	    {"{\"poll_interval\":15}", 15},
	    {"{\"poll_interval\":\"60\"}", 60},
	    {"{\"poll_interval\":0}", 1},
	    {"{\"poll_interval\":-5}", 1},
	    {"{\"poll_interval\":3600}", 3600},
	    {"{\"poll_interval\":99999999999}", 3600},
	    {"{\"poll_interval\":null}", 30},
	    {"{\"poll_interval\":\"soon\"}", 30},
	    {"{\"poll_interval\":[]}", 30},
	    {"{}", 30},
	    {"[]", 30},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json j;
		fixture_parse(&j, cases[i].text, strlen(cases[i].text));
		assert_int_equal(answer_poll_interval(&j, 30), cases[i].want);
		json_release(&j);
	}
}

static struct ssh_info info;
static char why_text[1024];

static int read_info(const char *user, const char *host, const char *port)
{
	struct json j;
	struct buf why = BUF_INIT(sizeof(why_text));
	char text[2048];
	snprintf(text, sizeof(text),
	    "{\"ssh_unix_user\":%s,\"server_host\":%s,\"ssh_port\":%s}", user,
	    host, port);
	fixture_parse(&j, text, strlen(text));
	int rc = answer_ssh_info(&j, &info, &why);
	snprintf(why_text, sizeof(why_text), "%s", buf_str(&why));
	assert_int_equal(why.len > 0, rc == -1);
	json_release(&j);
	buf_release(&why);
	return rc;
}

static void ssh_info_that_is_sound(void **state)
{
	(void)state;
	assert_int_equal(
	    read_info("\"bbs-web1\"", "\"bbs.example.org\"", "2222"), 0);
	assert_string_equal(info.user, "bbs-web1");
	assert_string_equal(info.host, "bbs.example.org");
	assert_int_equal(info.port, 2222);
	assert_int_equal(
	    read_info("\"a_B.9\"", "\"2001:db8::1\"", "\"22\""), 0);
	assert_string_equal(info.host, "2001:db8::1");
	assert_int_equal(info.port, 22);
	assert_int_equal(read_info("\"u\"", "\"h\"", "null"), 0);
	assert_int_equal(info.port, 22);
	assert_int_equal(read_info("\"u\"", "\"h\"", "65535"), 0);
}

static void ssh_info_that_is_not_there(void **state)
{
	(void)state;
	assert_int_equal(read_info("null", "\"h\"", "22"), 1);
	assert_int_equal(read_info("\"\"", "\"h\"", "22"), 1);
	assert_int_equal(read_info("\"u\"", "\"\"", "22"), 1);
	assert_int_equal(read_info("\"u\"", "null", "22"), 1);
	assert_int_equal(read_info("[]", "{}", "22"), 1);
}

static void ssh_info_that_is_a_trap(void **state)
{
	(void)state;
	static const char *const bad[] = {"-oProxyCommand=id", "-x", "a b",
	    "a\\nb", "a;id", "$(id)", "`id`", "a'b", "a\\\"b", "a@b", "a/b",
	    "%h", "gr\xc3\xb6\xc3\x9f", "[::1]", "a\\\\b", "*"};
	char text[400];
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "\"%s\"", bad[i]);
		assert_int_equal(read_info(text, "\"h\"", "22"), -1);
		assert_non_null(strstr(why_text, "ssh_unix_user"));
		assert_int_equal(read_info("\"u\"", text, "22"), -1);
		assert_non_null(strstr(why_text, "server_host"));
		assert_null(strchr(why_text, '\n'));
	}
	assert_int_equal(read_info("\"a:b\"", "\"h\"", "22"), -1);
	memset(text, 'x', sizeof(text));
	text[0] = '"';
	text[300] = '"';
	text[301] = '\0';
	assert_int_equal(read_info(text, "\"h\"", "22"), -1);
	static const char *const ports[] = {"0", "-1", "65536", "99999999999"};
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(read_info("\"u\"", "\"h\"", ports[i]), -1);
		assert_non_null(strstr(why_text, "ssh_port"));
	}
}

static void ssh_info_is_kept(void **state)
{
	(void)state;
	struct ssh_info back;
	struct buf out = BUF_INIT(4096);
	assert_int_equal(read_info("\"u-1\"", "\"h.x\"", "2222"), 0);
	ssh_info_encode(&info, &out);
	const char *path =
	    fixture_file(fixture_path("info"), buf_str(&out), 0600);
	assert_int_equal(ssh_info_read(path, &back), 0);
	assert_string_equal(back.user, "u-1");
	assert_string_equal(back.host, "h.x");
	assert_int_equal(back.port, 2222);
	/* The stock agent's form, and what a half written file may hold. */
	fixture_file(path,
	    "{\"ssh_unix_user\": \"u\", \"server_host\": \"h\", "
	    "\"ssh_port\": 22}",
	    0600);
	assert_int_equal(ssh_info_read(path, &back), 0);
	static const char *const bad[] = {"", "{", "[]", "{}", "null",
	    "{\"ssh_unix_user\": \"-x\", \"server_host\": \"h\"}",
	    "{\"ssh_unix_user\": \"u\", \"server_host\": \"h\"} x",
	    "{\"ssh_unix_user\": \"u\", \"server_host\": \"\"}"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fixture_file(path, bad[i], 0600);
		assert_int_equal(ssh_info_read(path, &back), -1);
	}
	assert_int_equal(ssh_info_read("/nonexistent", &back), -1);
	buf_release(&out);
}

static void keys(void **state)
{
	(void)state;
#define BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----"
#define END "-----END OPENSSH PRIVATE KEY-----"
	static const struct {
		const char *json;
		const char *want;
	} cases[] = {
	    {BEGIN "\\nabc\\n" END "\\n", BEGIN "\nabc\n" END "\n"},
	    {BEGIN "\\nabc\\n" END, BEGIN "\nabc\n" END "\n"},
	    {BEGIN "\\r\\nabc\\r\\n" END "\\r\\n", BEGIN "\nabc\n" END "\n"},
	    {BEGIN "\\nabc\\n" END "\\n\\n\\n", BEGIN "\nabc\n" END "\n"},
	    {"-----BEGIN RSA PRIVATE KEY-----\\nx\\n-----END",
		"-----BEGIN RSA PRIVATE KEY-----\nx\n-----END\n"},
	    {"", NULL},
	    {"ssh-ed25519 AAAA", NULL},
	    {"-----BEGIN PUBLIC KEY-----", NULL},
	};
	char text[512];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json j;
		struct buf out = BUF_INIT(4096);
		snprintf(text, sizeof(text), "{\"ssh_private_key\":\"%s\"}",
		    cases[i].json);
		fixture_parse(&j, text, strlen(text));
		int rc = answer_ssh_key(&j, &out);
		assert_int_equal(rc, cases[i].want != NULL ? 0 : -1);
		assert_string_equal(
		    buf_str(&out), cases[i].want != NULL ? cases[i].want : "");
		json_release(&j);
		buf_release(&out);
	}
	struct json j;
	struct buf out = BUF_INIT(4096);
	fixture_parse(&j, "{\"ssh_private_key\":null}", 24);
	assert_int_equal(answer_ssh_key(&j, &out), -1);
	json_release(&j);
	fixture_parse(&j, "{}", 2);
	assert_int_equal(answer_ssh_key(&j, &out), -1);
	json_release(&j);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(poll_interval),
	    cmocka_unit_test(ssh_info_that_is_sound),
	    cmocka_unit_test(ssh_info_that_is_not_there),
	    cmocka_unit_test(ssh_info_that_is_a_trap),
	    cmocka_unit_test(ssh_info_is_kept),
	    cmocka_unit_test(keys),
	};
	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
