/* config.ini: every key, its bounds, and sentences without secrets. */
#include "base/limits.h"
#include "bbs/config.h"
#include "fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct config config;
static char why_text[2048], warning_text[4096];

static int parse(const char *text)
{
	struct buf why = BUF_INIT(sizeof(why_text));
	struct buf warnings = BUF_INIT(sizeof(warning_text));
	config_release(&config);
	assert_int_equal(config_init(&config), 0);
	int rc = config_parse(
	    &config, "config.ini", text, strlen(text), &warnings, &why);
	snprintf(why_text, sizeof(why_text), "%s", buf_str(&why));
	snprintf(warning_text, sizeof(warning_text), "%s", buf_str(&warnings));
	assert_int_equal(why.len == 0, rc == 0);
	assert_null(strchr(why_text, '\n'));
	buf_release(&why);
	buf_release(&warnings);
	return rc;
}

static void good(const char *text)
{
	if (parse(text) != 0 || warning_text[0] != '\0')
		fail_msg("%s%s: %s", why_text, warning_text, text);
}

static void bad(const char *text, const char *named)
{
	if (parse(text) == 0)
		fail_msg("accepted: %s", text);
	if (strstr(why_text, named) == NULL)
		fail_msg("\"%s\" does not say %s", why_text, named);
}

static int release(void **state)
{
	config_release(&config);
	return fixture_teardown(state);
}

static void defaults(void **state)
{
	(void)state;
	good("");
	assert_null(config.url);
	assert_null(config.api_key);
	assert_null(config.ca_file);
	assert_int_equal(config.pin_count, 0);
	assert_true(config.verify);
	assert_null(config.proxy);
	assert_int_equal(config.poll_interval, 30);
	assert_int_equal(config.log_level, LOG_LEVEL_INFO);
	assert_null(config.log_file);
	assert_string_equal(config.net_user, "nobody");
	assert_int_equal(config.ssh_host_key, SSH_HOST_KEY_TOFU);
	assert_false(config.auto_update);
	assert_null(config.borg_path);
	assert_int_equal(config.borg_update, BORG_UPDATE_BINARY);
	assert_int_equal(config.nice, 0);
	assert_int_equal(config.ionice_class, 0);
	assert_true(config.upload_kib == 0);
	assert_int_equal(config.max_hours, 0);
	assert_null(config.tasks);
	assert_false(config.any_command);
	assert_null(config.restore_to);
	assert_null(config.browse);
	assert_null(config.backup_from);
	assert_string_equal(config.hooks, "yes");
}

static void every_key(void **state)
{
	(void)state;
	good("[server]\nurl = https://bbs.example.org:8443/x\n"
	     "api_key = k3y\napi_key_file = /etc/k\nca_file = /etc/ca.pem\n"
	     "pin_sha256 = 00112233445566778899aabbccddeeff"
	     "00112233445566778899AABBCCDDEEFF\n"
	     "verify = no\nproxy = http://u:p@proxy:3128\n"
	     "no_proxy = localhost,.lan\n"
	     "[agent]\npoll_interval = 15\nlog_level = debug\n"
	     "log_file = /var/log/x.log\nnet_user = _bbs\n"
	     "ssh_host_key = no\nauto_update = yes\n"
	     "[borg]\npath = /opt/borg\nupdate = package\nnice = 10\n"
	     "ionice_class = 2\nionice_level = 7\nupload_kib = 2048\n"
	     "max_hours = 12\n"
	     "[update]\nurl = https://x/y\npublic_key = /etc/key\n"
	     "[policy]\ntasks = backup, restore\ncommands = any\n"
	     "restore_to = /srv:/tmp\nbrowse = /home\n"
	     "backup_from = /etc\n\t/home\n  /srv\nhooks = /etc/hooks\n");
	assert_string_equal(config.url, "https://bbs.example.org:8443/x");
	assert_string_equal(config.api_key, "k3y");
	assert_string_equal(config.api_key_file, "/etc/k");
	assert_string_equal(config.ca_file, "/etc/ca.pem");
	assert_int_equal(config.pin_count, 1);
	assert_int_equal(config.pins[0][1], 0x11);
	assert_int_equal(config.pins[0][31], 0xff);
	assert_false(config.verify);
	assert_string_equal(config.proxy, "http://u:p@proxy:3128");
	assert_string_equal(config.no_proxy, "localhost,.lan");
	assert_int_equal(config.poll_interval, 15);
	assert_int_equal(config.log_level, LOG_LEVEL_DEBUG);
	assert_string_equal(config.log_file, "/var/log/x.log");
	assert_string_equal(config.net_user, "_bbs");
	assert_int_equal(config.ssh_host_key, SSH_HOST_KEY_NO);
	assert_true(config.auto_update);
	assert_string_equal(config.borg_path, "/opt/borg");
	assert_int_equal(config.borg_update, BORG_UPDATE_PACKAGE);
	assert_int_equal(config.nice, 10);
	assert_int_equal(config.ionice_class, 2);
	assert_int_equal(config.ionice_level, 7);
	assert_true(config.upload_kib == 2048);
	assert_int_equal(config.max_hours, 12);
	assert_string_equal(config.update_url, "https://x/y");
	assert_string_equal(config.update_key, "/etc/key");
	assert_string_equal(config.tasks, "backup, restore");
	assert_true(config.any_command);
	assert_string_equal(config.restore_to, "/srv\n/tmp");
	assert_string_equal(config.browse, "/home");
	assert_string_equal(config.backup_from, "/etc\n/home\n/srv");
	assert_string_equal(config.hooks, "/etc/hooks");
}

static void the_stock_agents_file(void **state)
{
	(void)state;
	/* BOM, CRLF, colons, keys and sections as people write them. */
	good("\xef\xbb\xbf; BBS\r\n[server]\r\nURL: http://10.0.0.5/\r\n"
	     "Api_Key : abc=def:ghi#jkl;mno\r\n\r\n# more\r\n[agent]\r\n"
	     "poll_interval=60\r\n");
	assert_string_equal(config.url, "http://10.0.0.5/");
	assert_string_equal(config.api_key, "abc=def:ghi#jkl;mno");
	assert_int_equal(config.poll_interval, 60);
	/* A section that comes again; the last value wins. */
	good("[agent]\npoll_interval = 5\n[server]\nurl = https://a\n"
	     "[agent]\nnet_user = x\npoll_interval = 7\n[server]\n"
	     "url = https://b\n");
	assert_string_equal(config.url, "https://b");
	assert_string_equal(config.net_user, "x");
	assert_int_equal(config.poll_interval, 7);
	/* An empty value is the default. */
	good("[server]\nca_file =\nproxy = \n[agent]\npoll_interval =\n"
	     "net_user =\n[policy]\ntasks=\nhooks:\n");
	assert_null(config.ca_file);
	assert_null(config.proxy);
	assert_null(config.tasks);
	assert_int_equal(config.poll_interval, 30);
	assert_string_equal(config.net_user, "nobody");
	assert_string_equal(config.hooks, "yes");
}

static void bounds(void **state)
{
	(void)state;
	static const struct {
		const char *section, *key, *min, *max, *below, *above;
	} numbers[] = {
	    {"agent", "poll_interval", "1", "3600", "0", "3601"},
	    {"borg", "nice", "0", "19", "-1", "20"},
	    {"borg", "ionice_class", "0", "3", "-1", "4"},
	    {"borg", "ionice_level", "0", "7", "-1", "8"},
	    {"borg", "upload_kib", "0", "1073741824", "-1", "1073741825"},
	    {"borg", "max_hours", "0", "8760", "-1", "8761"},
	};
	static const char *const never[] = {"x", "5x", "5.5", "1e1", "0x5",
	    "+5", "99999999999999999999999", "5 5", "five"};
	char text[256];
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		const char *const values[] = {numbers[i].min, numbers[i].max,
		    numbers[i].below, numbers[i].above};
		for (size_t v = 0; v < 4; v++) {
			snprintf(text, sizeof(text), "\n[%s]\n%s = %s\n",
			    numbers[i].section, numbers[i].key, values[v]);
			if (v < 2) {
				good(text);
				continue;
			}
			bad(text, "config.ini line 3: [");
			assert_non_null(strstr(why_text, numbers[i].key));
			assert_non_null(strstr(why_text, values[v]));
			assert_non_null(strstr(why_text, "a number from"));
			assert_non_null(strstr(why_text, numbers[i].max));
		}
		for (size_t v = 0; v < sizeof(never) / sizeof(never[0]); v++) {
			snprintf(text, sizeof(text), "[%s]\n%s = %s\n",
			    numbers[i].section, numbers[i].key, never[v]);
			bad(text, never[v]);
		}
	}
}

static void words_and_paths(void **state)
{
	(void)state;
	static const struct {
		const char *text, *expected;
	} wrong[] = {
	    {"[server]\nurl = bbs.example.org", "https://host"},
	    {"[server]\nurl = ftp://x", "https://host"},
	    {"[server]\nurl = https://", "https://host"},
	    {"[server]\nurl = HTTPS:/x", "https://host"},
	    {"[server]\nca_file = ca.pem", "absolute path"},
	    {"[server]\napi_key_file = ~/k", "absolute path"},
	    {"[server]\nverify = false", "yes, or no"},
	    {"[policy]\nrestore_to = srv/x", "absolute paths"},
	    {"[policy]\nbackup_from = /srv:~/x", "absolute paths"},
	    {"[policy]\nbrowse = /srv\n  srv", "absolute paths"},
	    {"[server]\nverify = No", "yes, or no"},
	    {"[server]\nverify = 0", "yes, or no"},
	    {"[server]\nproxy = socks5://x", "http://"},
	    {"[server]\npin_sha256 = abcd", "SHA-256"},
	    {"[agent]\nlog_level = loud", "DEBUG"},
	    {"[agent]\nlog_file = x.log", "absolute path"},
	    {"[agent]\nssh_host_key = yes", "tofu or no"},
	    {"[agent]\nauto_update = maybe", "yes or no"},
	    {"[borg]\npath = borg", "absolute path"},
	    {"[borg]\nupdate = pip", "binary, package or no"},
	    {"[policy]\ncommands = all", "borg or any"},
	    {"[policy]\nhooks = maybe", "yes, no or a directory"},
	    {"[update]\nurl = x", "https://host"},
	    {"[update]\nurl = ftp://x", "or a directory"},
	    {"[update]\npublic_key = key.pem", "absolute path"},
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		bad(wrong[i].text, wrong[i].expected);
		assert_non_null(strstr(why_text, "config.ini line 2: ["));
	}
	static const char *const levels[] = {
	    "ERROR", "warning", "Info", "DEBUG", "WARN", "CRITICAL"};
	static const int level[] = {LOG_LEVEL_ERROR, LOG_LEVEL_WARNING,
	    LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVEL_WARNING,
	    LOG_LEVEL_ERROR};
	char text[256];
	for (size_t i = 0; i < 6; i++) {
		snprintf(
		    text, sizeof(text), "[agent]\nlog_level=%s\n", levels[i]);
		good(text);
		assert_int_equal(config.log_level, level[i]);
	}
	static const char *const yes[] = {"yes", "True", "ON", "1"};
	static const char *const no[] = {"no", "False", "OFF", "0"};
	for (size_t i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "[agent]\nauto_update=%s", yes[i]);
		good(text);
		assert_true(config.auto_update);
		snprintf(text, sizeof(text), "[agent]\nauto_update=%s", no[i]);
		good(text);
		assert_false(config.auto_update);
	}
	good("[borg]\nupdate = NO");
	assert_int_equal(config.borg_update, BORG_UPDATE_NO);
	good("[server]\nverify = YES");
	assert_true(config.verify);
	good("[policy]\nhooks = no\n");
	assert_string_equal(config.hooks, "no");
	good("[update]\nurl = /srv/releases");
	assert_string_equal(config.update_url, "/srv/releases");
}

static void pins(void **state)
{
	(void)state;
#define HEX "0011223344556677889900112233445566778899001122334455667788990011"
#define B64 "ABEiM0RVZneImQARIjNEVWZ3iJkAESIzRFVmd4iZABE"
	static const char *const forms[] = {HEX, B64, B64 "=", "sha256//" B64,
	    "sha256//" B64 "=", HEX ", " B64, HEX "\n " HEX, B64 "=," HEX};
	char text[512];
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		snprintf(text, sizeof(text), "[server]\npin_sha256 = %s\n",
		    forms[i]);
		good(text);
		assert_int_equal(config.pin_count, i < 5 ? 1 : 2);
		for (int k = 0; k < config.pin_count; k++) {
			static const uint8_t start[] = {0, 0x11, 0x22, 0x33};
			assert_memory_equal(config.pins[k], start, 4);
			assert_int_equal(config.pins[k][30], 0);
			assert_int_equal(config.pins[k][31], 0x11);
		}
	}
	static const char *const wrong[] = {HEX "0", HEX " " HEX " " HEX,
	    B64 "==", "xx" B64, "sha256//", B64 "!", ",",
	    "zz11223344556677889900112233445566778899001122334455667788990011"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text), "[server]\npin_sha256 = %s\n",
		    wrong[i]);
		bad(text, "SHA-256");
	}
}

static void unknown_keys_are_warnings(void **state)
{
	(void)state;
	assert_int_equal(parse("[server]\nurl = https://a\nfoo = bar\n"
			       "[Fancy]\nx = secretvalue\ny\x1b = 1\n"),
	    0);
	assert_string_equal(config.url, "https://a");
	assert_non_null(strstr(warning_text,
	    "config.ini line 3: unknown key \"foo\" in section [server], "
	    "ignored\n"));
	assert_non_null(strstr(warning_text, "line 5: unknown key \"x\""));
	assert_non_null(strstr(warning_text, "line 6: unknown key \"y\\x1b"));
	assert_null(strstr(warning_text, "secretvalue"));
}

static void secrets_are_in_no_message(void **state)
{
	(void)state;
	static const char *const texts[] = {
	    "[server]\nproxy = https://u:topsecret@proxy\n",
	    "[server]\nproxy = u:topsecret@proxy:1\n",
	    "[server]\napi_key = topsecret\nnonsense\n",
	    "[server]\napi_key = x\ntopsecret\n",
	    "[server]\napi_key = x\n[topsecret\n",
	    "topsecret = 1\n",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (parse(texts[i]) == 0)
			continue;
		if (strstr(why_text, "topsecret") != NULL)
			fail_msg("%s", why_text);
	}
	bad(texts[0], "(not shown)");
}

static void broken_lines(void **state)
{
	(void)state;
	bad("[server]\nurl = https://a\nnonsense\n", "config.ini line 3: ");
	bad("[server\nurl = https://a\n", "config.ini line 1: ");
	bad("[server]\n= 5\n", "config.ini line 2: ");
}

/* ---- the file -------------------------------------------------------------
 */

static bool missing;

static int load(const char *path)
{
	struct buf why = BUF_INIT(sizeof(why_text));
	struct buf warnings = BUF_INIT(sizeof(warning_text));
	config_release(&config);
	assert_int_equal(config_init(&config), 0);
	missing = true;
	int rc = config_load(&config, path, &warnings, &why, &missing);
	snprintf(why_text, sizeof(why_text), "%s", buf_str(&why));
	assert_int_equal(why.len == 0, rc == 0);
	buf_release(&why);
	buf_release(&warnings);
	return rc;
}

static const char *const variables[] = {"https_proxy", "HTTPS_PROXY",
    "http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "BBS_AGENT_LOG",
    "BBS_AUTO_UPDATE"};

static int clear_environment(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		unsetenv(variables[i]);
	return 0;
}

static const char *config_file(const char *text)
{
	return fixture_file(fixture_path("config.ini"), text, 0600);
}

#define SOUND "[server]\nurl = https://a\napi_key = k\n"

static void loads_a_file(void **state)
{
	(void)state;
	assert_int_equal(load(config_file(SOUND)), 0);
	assert_false(missing);
	assert_string_equal(config.api_key, "k");
	assert_null(config.proxy);
	assert_false(config.auto_update);

	assert_int_equal(load(fixture_path("nothing.ini")), -1);
	assert_true(missing);
	assert_non_null(strstr(why_text, "nothing.ini"));
	assert_int_equal(load(fixture_dir), -1);
	assert_false(missing);
	assert_int_equal(load(config_file("[server]\nurl = https://a\n")), -1);
	assert_true(missing);
	assert_non_null(strstr(why_text, "api_key is missing"));
	assert_int_equal(load(config_file("[server]\napi_key = k\n")), -1);
	assert_true(missing);
	assert_non_null(strstr(why_text, "url is missing"));
	assert_int_equal(
	    load(config_file("[agent]\nnice = x\n[borg]\nnice=x")), -1);
	assert_false(missing);
	assert_non_null(strstr(why_text, "line 4"));
	char *large = malloc(CONFIG_FILE_MAX + 10);
	memset(large, '#', CONFIG_FILE_MAX + 1);
	large[CONFIG_FILE_MAX + 1] = '\0';
	assert_int_equal(load(config_file(large)), -1);
	assert_false(missing);
	free(large);
}

static void takes_the_key_from_its_file(void **state)
{
	(void)state;
	char text[1024];
	const char *key = fixture_path("key");
	snprintf(text, sizeof(text),
	    "[server]\nurl = https://a\napi_key_file = %s\n", key);
	config_file(text);
	const char *path = fixture_path("config.ini");
	fixture_file(key, "abc123\r\n \n", 0600);
	assert_int_equal(load(path), 0);
	assert_string_equal(config.api_key, "abc123");
	fixture_file(key, "\n", 0600);
	assert_int_equal(load(path), -1);
	assert_non_null(strstr(why_text, "empty"));
	unlink(key);
	assert_int_equal(load(path), -1);
	assert_non_null(strstr(why_text, key));
	/* A key that no HTTP header can hold is not sent, nor shown. */
	static const char *const wrong[] = {
	    "two words", "line\nbreak", "s\xc3\xa4", "tab\tkey", "del\x7f"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		fixture_file(key, wrong[i], 0600);
		assert_int_equal(load(path), -1);
		assert_false(missing);
		assert_null(strstr(why_text, wrong[i]));
	}
	/* The key in config.ini itself wins. */
	snprintf(text, sizeof(text), SOUND "api_key_file = %s\n", key);
	assert_int_equal(load(config_file(text)), 0);
	assert_string_equal(config.api_key, "k");
}

static void takes_the_environment(void **state)
{
	(void)state;
	const char *path = config_file(SOUND);
	setenv("HTTPS_PROXY", "http://upper:1", 1);
	setenv("HTTP_PROXY", "http://never:1", 1);
	setenv("NO_PROXY", "a,b", 1);
	setenv("BBS_AGENT_LOG", "/tmp/log", 1);
	setenv("BBS_AUTO_UPDATE", "true", 1);
	assert_int_equal(load(path), 0);
	assert_string_equal(config.proxy, "http://upper:1");
	assert_string_equal(config.no_proxy, "a,b");
	assert_string_equal(config.log_file, "/tmp/log");
	assert_true(config.auto_update);
	setenv("https_proxy", "http://lower:1", 1);
	setenv("no_proxy", "c", 1);
	assert_int_equal(load(path), 0);
	assert_string_equal(config.proxy, "http://lower:1");
	assert_string_equal(config.no_proxy, "c");
	setenv("https_proxy", "", 1);
	assert_int_equal(load(path), 0);
	assert_string_equal(config.proxy, "http://upper:1");

	/* The file's own values win. */
	assert_int_equal(
	    load(config_file(SOUND "proxy = http://file:1\nno_proxy = d\n"
				   "[agent]\nlog_file = /file\n")),
	    0);
	assert_string_equal(config.proxy, "http://file:1");
	assert_string_equal(config.no_proxy, "d");
	assert_string_equal(config.log_file, "/file");

	setenv("https_proxy", "socks5://u:topsecret@x", 1);
	assert_int_equal(load(config_file(SOUND)), -1);
	assert_false(missing);
	assert_non_null(strstr(why_text, "https_proxy"));
	assert_null(strstr(why_text, "topsecret"));
	unsetenv("https_proxy");
	setenv("BBS_AUTO_UPDATE", "maybe", 1);
	assert_int_equal(load(config_file(SOUND)), -1);
	assert_non_null(strstr(why_text, "BBS_AUTO_UPDATE"));
}

static void never_crashes(void **state)
{
	(void)state;
	unsigned seed = 4711;
	static const char *const parts[] = {"[", "]", "server", "borg", "\n",
	    "\r\n", "=", ":", " ", "\t", "url", "nice", "https://", "5", "\xff",
	    "#", ";", "\xef\xbb\xbf", "pin_sha256", HEX, ","};
	char text[512];
	for (int round = 0; round < 20000; round++) {
		size_t len = 0;
		while (len < 300) {
			seed = seed * 1103515245u + 12345u;
			const char *part =
			    parts[(seed >> 16) %
				  (sizeof(parts) / sizeof(parts[0]))];
			len += (size_t)snprintf(
			    text + len, sizeof(text) - len, "%s", part);
			if ((seed >> 8) % 40 == 0)
				break;
		}
		parse(text);
	}
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup(test, clear_environment)
	const struct CMUnitTest tests[] = {
	    TEST(defaults),
	    TEST(every_key),
	    TEST(the_stock_agents_file),
	    TEST(bounds),
	    TEST(words_and_paths),
	    TEST(pins),
	    TEST(unknown_keys_are_warnings),
	    TEST(secrets_are_in_no_message),
	    TEST(broken_lines),
	    TEST(loads_a_file),
	    TEST(takes_the_key_from_its_file),
	    TEST(takes_the_environment),
	    TEST(never_crashes),
	};
	return cmocka_run_group_tests(tests, fixture_setup, release);
}
