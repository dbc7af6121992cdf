/*
 * Orders as a server in the wrong hands would give them: each is refused, and
 * the sentence names the rule. Beside each way in stands the nearest order
 * that is fine, so that a rule which refuses everything fails too.
 */
#include "agent/policy.h"
#include "fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The words behind "borg" and the environment, as JSON. */
struct order {
	const char *words, *env, *refused;
};

#define FINE NULL
#define OPTION "the option"
#define WORD "the word"
#define VERB "borg's command"
#define NAME "the environment variable"
#define C(words) "\"create\"," words
#define RA ",\"/r::a\",\"/srv\""

static const struct order orders[] = {
    /* Commands that run programs, write files or change borg itself. */
    {"\"with-lock\",\"/r\",\"sh\",\"-c\",\"id\"", "", VERB},
    {"\"export-tar\",\"--tar-filter\",\"sh -c id\",\"/r::a\",\"/x\"", "", VERB},
    {"\"import-tar\",\"--tar-filter=id\",\"/r::a\",\"/x\"", "", VERB},
    {"\"key\",\"export\",\"/r\",\"/etc/cron.d/x\"", "", VERB},
    {"\"key\",\"import\",\"/r\",\"/etc/shadow\"", "", VERB},
    {"\"config\",\"/r\",\"x\",\"y\"", "", VERB},
    {"\"mount\",\"/r\",\"/etc\"", "", VERB},
    {"\"serve\",\"--append-only\"", "", VERB},
    {"\"debug\",\"dump-repo-objs\",\"/r\"", "", VERB},
    {"\"benchmark\",\"crud\",\"/r\",\"/etc\"", "", VERB},
    {"\"transfer\",\"/r\"", "", VERB},
    {"\"crea\",\"/r::a\"", "", VERB},
    {"\"create \",\"/r::a\"", "", VERB},
    {"\"cr\\u00e9ate\",\"/r::a\"", "", VERB},
    {"\"create\\n\",\"/r::a\"", "", VERB},
    {"\"list\",\"/r\"", "", FINE},
    /* Something before the command. */
    {"\"--rsh=id\",\"create\",\"/r::a\"", "", OPTION},
    {"\"--rsh\",\"id\",\"create\",\"/r::a\"", "", "an option before"},
    {"\"--foo\",\"create\",\"/r::a\"", "", "an option before"},
    {"\"--foo=x\",\"create\",\"/r::a\"", "", OPTION},
    {"\"-x\",\"create\",\"/r::a\"", "", "an option before"},
    {"\"--\",\"create\",\"--rsh=id\",\"/r::a\"", "", "an option before"},
    {"\"--debug-topic\",\"create\",\"with-lock\"", "", "an option before"},
    {"\"--info\",\"--lock-wait=5\",\"create\",\"/r::a\"", "", FINE},
    /* Options that run programs, in each way to write them. */
    {C("\"--rsh\",\"sh -c id\"" RA), "", OPTION},
    {C("\"--rsh=sh -c id\"" RA), "", OPTION},
    {C("\"--rs\",\"id\"" RA), "", OPTION},
    {C("\"--rs=id\"" RA), "", OPTION},
    {C("\"--content-from-command\",\"/r::a\",\"id\""), "", OPTION},
    {C("\"--content-from-c\",\"/r::a\",\"id\""), "", OPTION},
    {C("\"--cont\",\"/r::a\",\"id\""), "", OPTION},
    {C("\"--paths-from-command\",\"/r::a\",\"id\""), "", OPTION},
    {C("\"--paths-from-c\",\"/r::a\",\"id\""), "", OPTION},
    {C("\"--debug-profile=/etc/cron.d/x\"" RA), "", OPTION},
    {C("\"--debug-pro\",\"/etc/cron.d/x\"" RA), "", OPTION},
    {C("\"--umask=0000\"" RA), "", OPTION},
    {"\"extract\",\"--tar-filter=id\",\"/r::a\"", "", OPTION},
    {"\"prune\",\"/r\",\"--rsh=id\"", "", OPTION},
    {"\"list\",\"/r\",\"--rsh\",\"id\"", "", OPTION},
    {"\"compact\",\"--r=id\",\"/r\"", "", OPTION},
    {C("\"--compression=lz4\"" RA), "", FINE},
    {C("\"--compression\",\"lz4\"" RA), "", FINE},
    {C("\"--compressio=lz4\"" RA), "", OPTION},
    {C("\"--COMPRESSION=lz4\"" RA), "", OPTION},
    {C("\"---rsh=id\"" RA), "", OPTION},
    {C("\"--=id\"" RA), "", OPTION},
    {C("\"--stats=x\"" RA), "", OPTION},
    {C("\"\\u2013\\u2013rsh=id\"" RA), "", FINE}, /* dashes, a file name */
    {C("\"--rsh\\u00a0=id\"" RA), "", OPTION},
    {C("\"--rsh\\n=id\"" RA), "", OPTION},
    {C("\"--rsh id\"" RA), "", OPTION},
    {C("\"-x y\"" RA), "", OPTION},
    /* Short ones, bundled, and values in them. */
    {C("\"-sxp\"" RA), "", FINE},
    {C("\"-sCzstd,3\"" RA), "", FINE},
    {C("\"-sC\",\"zstd\"" RA), "", FINE},
    {C("\"-sZ\"" RA), "", OPTION},
    {C("\"-so\",\"x\"" RA), "", OPTION},
    {C("\"-sr{now:-oProxyCommand=id:x}\",\"a\""), "", OPTION},
    {C("\"-C\",\"--rsh=id\"" RA), "", OPTION},
    {C("\"-e\",\"-x\"" RA), "", OPTION},
    {C("\"--exclude\",\"--rsh=id\"" RA), "", OPTION},
    {C("\"--exclude\",\"--\",\"--rsh=id\"" RA), "", OPTION},
    {C("\"--exclude=--rsh=id\"" RA), "", FINE},
    {C("\"--exclude\",\"*.o\"" RA), "", FINE},
    {C("\"/r::a\",\"/srv\",\"--exclude\""), "", OPTION},
    /* "--" ends the options for borg as for us. */
    {C("\"--\",\"/r::a\",\"--rsh=id\""), "", FINE},
    {C("\"/r::a\",\"--rsh=id\",\"--\""), "", OPTION},
    {C("\"--\",\"-oProxyCommand=id:x\""), "", WORD},
    {C("\"--\",\"--\",\"-oProxyCommand=id:x\""), "", WORD},
    /* What borg calls on the other side. */
    {C("\"--remote-path=borg1\"" RA), "", FINE},
    {C("\"--remote-path\",\"/opt/borg-1.4/borg\"" RA), "", FINE},
    {C("\"--remote-path=sh -c id\"" RA), "", OPTION},
    {C("\"--remote-path=borg;id\"" RA), "", OPTION},
    {C("\"--remote-path\",\"$(id)\"" RA), "", OPTION},
    {C("\"--remote-path={now:x}\"" RA), "", OPTION},
    {C("\"--remote-path=-x\"" RA), "", OPTION},
    {C("\"--remote-path=../x\"" RA), "", OPTION},
    {C("\"--remote-pat=borg1\"" RA), "", OPTION},
    /* A repository whose host is an option of ssh. */
    {"\"list\",\"ssh://-oProxyCommand=id/x\"", "", WORD},
    {"\"list\",\"{now:-oProxyCommand=id:x}\"", "", WORD},
    {"\"list\",\"{now:ss}h://{now:-oProxyCommand=id}/x\"", "", WORD},
    {"\"list\",\"--progress\",\"{now:-oProxyCommand=id:x}\"", "", WORD},
    {"\"list\",\"--first\",\"1\",\"{now:-oProxyCommand=id:x}\"", "", WORD},
    {"\"list\",\"rclone::sftp,ssh=id:x\"", "", WORD},
    {"\"list\",\"ssh://u@h:22/./r::x{now:%H:%M}\"", "", FINE},
    {"\"extract\",\"/r::a\",\"srv/{now:x}y\"", "", FINE},
    /* Names of the environment. */
    {C("\"/r::a\""), "\"BORG_PASSPHRASE\":\"x\"", FINE},
    {C("\"/r::a\""), "\"BORG_PASSCOMMAND\":\"id\"", NAME},
    {C("\"/r::a\""), "\"BORG_NEW_PASSCOMMAND\":\"id\"", NAME},
    {C("\"/r::a\""), "\"BORG_HOOK_PRE\":\"id\"", NAME},
    {C("\"/r::a\""), "\"BORG_LOGGING_CONF\":\"/x\"", NAME},
    {C("\"/r::a\""), "\"BORG_PASSPHRASE_FD\":\"0\"", NAME},
    {C("\"/r::a\""), "\"BORG_TESTONLY_X\":\"0\"", NAME},
    {C("\"/r::a\""), "\"BORG_\":\"0\"", NAME},
    {C("\"/r::a\""), "\"LD_PRELOAD\":\"/x.so\"", NAME},
    {C("\"/r::a\""), "\"LD_AUDIT\":\"/x.so\"", NAME},
    {C("\"/r::a\""), "\"PYTHONPATH\":\"/x\"", NAME},
    {C("\"/r::a\""), "\"PYTHONSTARTUP\":\"/x\"", NAME},
    {C("\"/r::a\""), "\"GCONV_PATH\":\"/x\"", NAME},
    {C("\"/r::a\""), "\"PATH\":\"/x\"", NAME},
    {C("\"/r::a\""), "\"HOME\":\"/x\"", NAME},
    {C("\"/r::a\""), "\"SSH_AUTH_SOCK\":\"/x\"", NAME},
    {C("\"/r::a\""), "\"BORG_REMOTE_PATH\":\"sh -c id\"", "BORG_REMOTE_PATH"},
    {C("\"/r::a\""), "\"BORG_REPO\":\"{now:-oX:y}\"", "BORG_REPO"},
    {C("\"/r::a\""), "\"BORG_REPO\":\"rclone::x\"", "BORG_REPO"},
    {C("\"/r::a\""), "\"LC_ALL\":\"../../tmp/x\"", "LC_ALL"},
    {C("\"/r::a\""), "\"LC_ALL\":\"de_DE.UTF-8@euro\"", FINE},
    {C("\"/r::a\""), "\"TZ\":\"Europe/Berlin\"", FINE},
    {C("\"/r::a\""), "\"TZ\":\":x\"", "TZ"},
    /* ssh's own ways to run something. */
    {C("\"/r::a\""), "\"BORG_RSH\":\"ssh -p 22\"", FINE},
    {C("\"/r::a\""), "\"BORG_RSH\":\"ssh -o ProxyCommand=id\"", "BORG_RSH"},
    {C("\"/r::a\""), "\"BORG_RSH\":\"ssh -oProxyCommand=id\"", "BORG_RSH"},
    {C("\"/r::a\""), "\"BORG_RSH\":\"ssh -4oproxycommand=id\"", "BORG_RSH"},
    {C("\"/r::a\""), "\"BORG_RSH\":\"ssh -oLocalCommand=id\"", "BORG_RSH"},
    {C("\"/r::a\""), "\"BORG_RSH\":\"ssh -F /tmp/x\"", "BORG_RSH"},
    {C("\"/r::a\""), "\"BORG_RSH\":\"ssh -S /tmp/x\"", "BORG_RSH"},
    {C("\"/r::a\""), "\"BORG_RSH\":\"ssh\\u000a-p 22\"", "BORG_RSH"},
    {C("\"/r::a\""), "\"BORG_RSH\":\"sh -c id\"", "BORG_RSH"},
    {C("\"/r::a\""), "\"BORG_RSH\":\"/tmp/ssh\"", "BORG_RSH"},
    {C("\"/r::a\""), "\"BORG_RSH\":\"\"", "BORG_RSH"},
};

static struct config config;
static char text[4096];
static char why_text[2048];

/* 0: it may run. */
static int judge(void)
{
	struct json j;
	struct task t;
	struct buf why = BUF_INIT(sizeof(why_text));
	fixture_parse(&j, text, strlen(text));
	if (task_decode(&t, &j, 0, &why) != 0)
		fail_msg("%s: %s", buf_str(&why), text);
	int rc = policy_check(&config, &t, &why);
	snprintf(why_text, sizeof(why_text), "%s", buf_str(&why));
	task_release(&t);
	json_release(&j);
	buf_release(&why);
	return rc;
}

static void expect(const char *refused)
{
	int rc = judge();
	if ((rc == 0) != (refused == NULL))
		fail_msg("%s: %s (%s)", rc == 0 ? "allowed" : "refused", text,
		    why_text);
	if (refused != NULL && (strstr(why_text, refused) == NULL ||
				   strchr(why_text, '\n') != NULL))
		fail_msg(
		    "\"%s\" does not name %s: %s", why_text, refused, text);
}

static void give(const char *words, const char *env, const char *rest)
{
	snprintf(text, sizeof(text),
	    "{\"task\":\"x\",\"job_id\":1,\"command\":[\"borg\",%s],"
	    "\"env\":{%s}%s}",
	    words, env, rest);
}

static void whatever_the_server_orders(void **state)
{
	(void)state;
	size_t count = sizeof(orders) / sizeof(orders[0]), bad = 0;
	for (size_t i = 0; i < count; i++) {
		bad += orders[i].refused != FINE;
		give(orders[i].words, orders[i].env, "");
		expect(orders[i].refused);
		/* Only the owner of the host can lift it. */
		config.any_command = true;
		expect(FINE);
		config.any_command = false;
	}
	assert_true(bad >= 60);
}

/* A NUL is replaced, so no text is one thing to us and another to borg. */
static void no_words_with_a_nul(void **state)
{
	(void)state;
	give("\"list\\u0000\",\"/r\"", "", "");
	expect(VERB);
	give("\"list\",\"--short\\u0000\",\"/r\"", "", "");
	expect(OPTION);
	give("\"list\",\"--remote-path=borg\\u0000\",\"/r\"", "", "");
	expect(OPTION);
	give("\"list\",\"/r\"", "\"BORG_REPO\\u0000X\":\"x\"", "");
	expect(NAME);
	config.restore_to = strdup("/srv");
	give("\"extract\",\"/r::a\"", "", ",\"cwd\":\"/srv\\u0000/x\"");
	expect("[policy] restore_to");
}

/* Directories that [policy] backup_from does not name. */
static void no_way_around_backup_from(void **state)
{
	(void)state;
	static const struct order rows[] = {
	    {"\"/r::a\",\"/srv/x\"", "", FINE},
	    {"\"--exclude\",\"/etc\",\"/r::a\",\"/srv\"", "", FINE},
	    {"\"/r::a\",\"/srv/x\",\"-s\"", "", FINE},
	    {"\"/r::a\",\"/etc\"", "", "/etc"},
	    {"\"/r::a\",\"srv\"", "", "\"srv\""},
	    {"\"/r::a\",\"/srv/../etc\"", "", "/srv/../etc"},
	    {"\"/r::a\",\"/srv//../etc\"", "", "/etc"},
	    {"\"/r::a\",\"/srv/..\"", "", "/srv/.."},
	    {"\"/r::a\",\"--\",\"-x/../etc\"", "", "-x/../etc"},
	    {"\"/r::a\",\"-x y/../../etc\"", "", OPTION},
	    {"\"--\",\"/r::a\",\"--exclude\",\"/etc\"", "", "--exclude"},
	    {"\"/r::a\",\"--exclude\",\"x\",\"/etc\"", "", "/etc"},
	    {"\"-C\",\"/r::a\",\"/srv\",\"/etc\"", "", "/etc"},
	    /* No "::" in sight, but borg makes one. */
	    {"\"/r{now:%H:}:a\",\"/etc\"", "", WORD},
	    {"\"--repo=/r\",\"a\",\"/etc\"", "", "/etc"},
	    {"\"::a\",\"/etc\"", "", "/etc"},
	    {"\"--patterns-from=/srv/p\",\"/r::a\"", "", OPTION},
	    {"\"--patterns-from\",\"/srv/p\",\"/r::a\"", "", OPTION},
	    {"\"--pattern=R /etc\",\"/r::a\"", "", OPTION},
	    {"\"--pat\",\"R /etc\",\"/r::a\"", "", OPTION},
	    {"\"--paths-from-stdin\",\"/r::a\"", "", OPTION},
	    {"\"--exclude-from=/etc/shadow\",\"/r::a\",\"/srv\"", "", OPTION},
	};
	char words[512];
	config.backup_from = strdup("/srv");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(words, sizeof(words), "\"create\",%s", rows[i].words);
		give(words, "", "");
		expect(rows[i].refused);
	}
}

/* The directory of a restore is made before borg is asked anything. */
static void no_way_around_restore_to(void **state)
{
	(void)state;
	static const char *const types[] = {
	    "restore", "restore_mysql", "restore_pg"};
	config.restore_to = strdup("/srv");
	for (size_t i = 0; i < 3; i++) {
		snprintf(text, sizeof(text),
		    "{\"task\":\"%s\",\"job_id\":1,\"command\":[\"borg\","
		    "\"list\",\"/r\"],\"cwd\":\"/etc/cron.d\"}",
		    types[i]);
		expect(VERB);
		config.any_command = true;
		expect("/etc/cron.d");
		config.any_command = false;
	}
	snprintf(text, sizeof(text),
	    "{\"task\":\"restore\",\"job_id\":1,\"command\":[\"borg\","
	    "\"create\",\"/r::a\",\"/srv\"],\"cwd\":\"/etc/x\"}");
	expect(VERB);
}

static int setup(void **state)
{
	(void)state;
	return config_init(&config);
}

static int teardown(void **state)
{
	(void)state;
	config_release(&config);
	return 0;
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(whatever_the_server_orders),
	    TEST(no_words_with_a_nul),
	    TEST(no_way_around_backup_from),
	    TEST(no_way_around_restore_to),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
