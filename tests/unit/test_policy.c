/* What a server may order, and what it may not: each rule both ways. */
#include "agent/policy.h"
#include "fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct config config;
static char why_text[1024];

/* Task text in JSON, decoded as in life. */
static int judge(const char *text)
{
	struct json j;
	struct task t;
	struct buf why = BUF_INIT(sizeof(why_text));
	fixture_parse(&j, text, strlen(text));
	if (task_decode(&t, &j, 0, &why) != 0)
		fail_msg("%s: %s", buf_str(&why), text);
	int rc = policy_check(&config, &t, &why);
	snprintf(why_text, sizeof(why_text), "%s", buf_str(&why));
	assert_int_equal(why.len == 0, rc == 0);
	task_release(&t);
	json_release(&j);
	buf_release(&why);
	return rc;
}

static void allow(const char *text)
{
	if (judge(text) != 0)
		fail_msg("refused, %s: %s", why_text, text);
}

/* With a sentence that names what was refused. */
static void refuse(const char *text, const char *named)
{
	if (judge(text) == 0)
		fail_msg("allowed: %s", text);
	if (strstr(why_text, named) == NULL || strstr(why_text, "\n") != NULL)
		fail_msg("\"%s\" does not name %s", why_text, named);
}

static char task_text[8192];

/* words: JSON elements behind "borg". */
static const char *borg(const char *type, const char *words, const char *rest)
{
	snprintf(task_text, sizeof(task_text),
	    "{\"task\":\"%s\",\"job_id\":1,\"command\":[\"borg\",%s]%s}", type,
	    words, rest);
	return task_text;
}

static const char *with_env(const char *name, const char *value)
{
	struct buf text = BUF_INIT(sizeof(task_text));
	buf_addf(&text,
	    "{\"task\":\"backup\",\"job_id\":1,\"command\":[\"borg\","
	    "\"create\",\"r::a\",\"/etc\"],\"env\":{\"%s\":\"",
	    name);
	json_escape(&text, value, strlen(value));
	buf_adds(&text, "\"}}");
	snprintf(task_text, sizeof(task_text), "%s", buf_str(&text));
	buf_release(&text);
	return task_text;
}

static void set(char **field, const char *value)
{
	free(*field);
	*field = value != NULL ? strdup(value) : NULL;
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

static void only_borg(void **state)
{
	(void)state;
	allow("{\"task\":\"x\",\"job_id\":1,\"command\":[\"borg\",\"list\"]}");
	allow("{\"task\":\"x\",\"job_id\":1,\"command\":[\"/usr/bin/borg\","
	      "\"list\"]}");
	static const char *const others[] = {"sh", "/bin/sh", "borgmatic",
	    "borg/x", "/usr/bin/borg/", "", "borg ", "Borg", "/tmp/xborg"};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		snprintf(task_text, sizeof(task_text),
		    "{\"task\":\"x\",\"job_id\":1,\"command\":[\"%s\","
		    "\"list\"]}",
		    others[i]);
		refuse(task_text, "the program");
	}
	refuse("{\"task\":\"x\",\"job_id\":1,\"command\":[\"borg\"]}",
	    "without a command");
	config.any_command = true;
	allow("{\"task\":\"x\",\"job_id\":1,\"command\":[\"sh\",\"-c\","
	      "\"id\"],\"env\":{\"LD_PRELOAD\":\"x\"}}");
}

static void only_some_of_borgs_commands(void **state)
{
	(void)state;
	static const char *const good[] = {"create", "extract", "list", "info",
	    "check", "prune", "compact", "delete", "rename", "diff", "init",
	    "rcreate", "rlist", "rinfo", "repo-create", "repo-list",
	    "repo-info", "recreate", "break-lock", "upgrade"};
	static const char *const bad[] = {"with-lock", "mount", "umount",
	    "serve", "config", "key", "export-tar", "import-tar", "debug",
	    "benchmark", "Create", "creat", "", "/create", "create "};
	char words[256];
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(words, sizeof(words), "\"%s\"", good[i]);
		allow(borg("x", words, ""));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(words, sizeof(words), "\"%s\"", bad[i]);
		refuse(borg("x", words, ""), "borg's command");
	}
	/* The value of an option must not pass for the command. */
	allow(borg("x", "\"--log-json\",\"--lock-wait=600\",\"list\"", ""));
	allow(borg("x", "\"--version\"", ""));
	refuse(borg("x", "\"--log-json\",\"with-lock\",\"r\",\"id\"", ""),
	    "with-lock");
	refuse(borg("x", "\"--remote-path\",\"list\",\"with-lock\"", ""),
	    "--remote-path");
	refuse(borg("x", "\"--debug-topic\",\"create\",\"serve\"", ""),
	    "--debug-topic");
	refuse(borg("x", "\"--\",\"list\"", ""), "\"--\"");
}

static void no_option_that_runs_a_program(void **state)
{
	(void)state;
	static const char *const bad[] = {"--rsh", "--rsh=id", "--rs=id",
	    "--content-from-command", "--content-from-c", "--cont",
	    "--paths-from-command", "--paths-f", "--tar-filter=id", "--tar",
	    "--debug-profile=/etc/x", "--debug-p=/etc/x"};
	static const char *const good[] = {"--compression=lz4", "--debug",
	    "--exclude", "--remote-path=borg1", "--stdin-name=x",
	    "--one-file-system", "--upload-ratelimit=5", "--prefix={user}-",
	    "--comment={now:%H:%M}", "-rsh", "--glob-archives={hostname}*"};
	char words[256];
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(words, sizeof(words),
		    "\"create\",\"%s\",\"r::a\",\"/etc\"", bad[i]);
		refuse(borg("backup", words, ""), bad[i]);
		snprintf(words, sizeof(words),
		    "\"create\",\"r::a\",\"/etc\",\"%s\"", bad[i]);
		refuse(borg("backup", words, ""), bad[i]);
		/* Behind -- it is a directory. */
		snprintf(words, sizeof(words),
		    "\"create\",\"--\",\"r::a\",\"%s\"", bad[i]);
		allow(borg("backup", words, ""));
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(words, sizeof(words),
		    "\"create\",\"%s\",\"r::a\",\"/etc\"", good[i]);
		allow(borg("backup", words, ""));
	}
	refuse(borg("backup", "\"--rsh=id\",\"create\",\"r::a\"", ""), "--rsh");
}

/* borg hands the host of a repository to ssh as a word of its own. */
static void no_host_that_is_an_option_of_ssh(void **state)
{
	(void)state;
	static const char *const bad[] = {"ssh://-oProxyCommand=id/x",
	    "ssh://-oProxyCommand=id x@h:22/x::a",
	    "ssh://{now:-oProxyCommand=id}/x", "{now:-oProxyCommand=id}:x",
	    "{now:-oProxyCommand=id}:{now}", "{now:-o}@h:x",
	    "{now:-oProxyCommand=id:x}", "{now:-oProxyCommand=id:x::a}",
	    "{now:ssh}://x/y", "s{now:sh:}//-oX/y", "/r{now:%H:}:a",
	    "rclone::sftp,ssh=id:x", "r{now:clone::sftp,ssh=id:}x",
	    /* each brings its colon, the second its dash as well */
	    "x{utcnow}", "{uuid4[8]}oProxyCommand=id;#{utcnow}"};
	static const char *const good[] = {"ssh://u@h:22/./repo::a-b",
	    "ssh://h/-x", "u@h:repo::{hostname}-{now:%H:%M}",
	    "::{hostname}-{now:%H:%M}", "/r/{hostname}", "/r::x", "file:///x",
	    "::a\",\"{hostname}-"};
	static const char *const repos[] = {"--repo=ssh://-oX/y",
	    "--repo=-oProxyCommand=id:x", "--repo={now:-oX:y}",
	    "--other-repo={now:-oX:y}", "-r{now:-oX:y}", "--repo=-oX{utcnow}"};
	char words[256];
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(words, sizeof(words), "\"list\",\"%s\"", bad[i]);
		refuse(borg("x", words, ""), "the word");
	}
	for (size_t i = 0; i < sizeof(repos) / sizeof(repos[0]); i++) {
		snprintf(words, sizeof(words), "\"list\",\"%s\"", repos[i]);
		refuse(borg("x", words, ""), "the option");
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(words, sizeof(words), "\"list\",\"%s\"", good[i]);
		allow(borg("x", words, ""));
	}
	refuse(borg("x", "\"list\",\"--\",\"-oProxyCommand=id:x\"", ""),
	    "-oProxyCommand");
	refuse(borg("x", "\"list\",\"--\",\"-oProxyCommand=id;#{utcnow}\"", ""),
	    "-oProxyCommand");
	refuse(with_env("BORG_REPO", "-oProxyCommand=id:x"), "BORG_REPO");
	refuse(with_env("BORG_REPO", "-oX{utcnow}"), "BORG_REPO");
	refuse(with_env("BORG_REPO", "ssh://-oProxyCommand=id/x"), "BORG_REPO");
	refuse(with_env("BORG_OTHER_REPO", "ssh://{now:-o}/"), "BORG_OTHER");
	allow(with_env("BORG_REPO", "ssh://u@h/./repo"));
}

static void only_borgs_environment(void **state)
{
	(void)state;
	static const char *const good[] = {"BORG_PASSPHRASE",
	    "BORG_NEW_PASSPHRASE", "LANG", "TZ", "LC_ALL", "LC_CTYPE",
	    "LC_MESSAGES"};
	static const char *const bad[] = {"PATH", "LD_PRELOAD", "PYTHONPATH",
	    "HOME", "SSH_ASKPASS", "XBORG_X", "borg_x", "LC_ALLX", "BORG",
	    "BORG_PASSCOMMAND", "BORG_PASSPHRASE_FD", "BORG_LOGGING_CONF",
	    "BORG_SSH_ASKPASS", "GIT_SSH", "TMPDIR", "IFS",
	    /* borg writes there */
	    "BORG_KEY_FILE", "BORG_KEYS_DIR", "BORG_BASE_DIR", "BORG_CACHE_DIR",
	    "BORG_CONFIG_DIR", "BORG_SECURITY_DIR"};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		allow(with_env(good[i], "value"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		refuse(with_env(bad[i], "topsecret"), bad[i]);
		assert_null(strstr(why_text, "topsecret"));
	}
}

static void only_a_plain_ssh(void **state)
{
	(void)state;
	static const char *const good[] = {"ssh", "ssh -p 22", "ssh -p22",
	    "ssh -i /etc/bbs-agent/ssh_key -p 2222 -o StrictHostKeyChecking=no "
	    "-o UserKnownHostsFile=/dev/null -o BatchMode=yes -o "
	    "LogLevel=ERROR",
	    "ssh  -4  -q -C -oconnecttimeout=10 -l user -T",
	    "ssh -o ServerAliveInterval=30 -o SERVERALIVECOUNTMAX=3",
	    "ssh -y -y -i /x", "ssh -i /tmp/bbs-remote-ssh-key ",
	    "ssh -o UserKnownHostsFile=/etc/bbs-agent/known_hosts",
	    "dbclient -y -y -T -i /etc/bbs-agent/ssh_key -p 22 -l u"};
	static const char *const bad[] = {"dbclient -o Port=1",
	    "dbclient -J id", "dbclient -x", "dbclient -a", "dbclientx",
	    "dbclient -B h:1", "dbclient -s", "dbclient h", "", "sh", "sshx",
	    "/tmp/ssh", "sh -c id", " ssh", "ssh\t-p 22", "ssh h id",
	    "ssh -p 22 h", "ssh -i \"/x\"", "ssh -i /x\\", "ssh -i '/x -F' /y",
	    "ssh -o LogLevel=\"x\"", "ssh -p 22\"", "ssh -o ProxyCommand=id",
	    "ssh -oProxyCommand=id", "ssh -o proxycommand=id",
	    "ssh -o \\ProxyCommand=id", "ssh -o Proxy\\Command=id",
	    "ssh -o 'ProxyCommand=id'", "ssh -o Proxy\"\"Command=id",
	    "ssh -4oProxyCommand=id", "ssh -o LocalCommand=id",
	    "ssh -o PermitLocalCommand=yes", "ssh -o KnownHostsCommand=id",
	    "ssh -o PKCS11Provider=/x", "ssh -o Include=/x",
	    "ssh -o ProxyJump=h", "ssh -o Match=all", "ssh -F /tmp/x",
	    "ssh -F/tmp/x", "ssh -4F /tmp/x", "ssh -J h", "ssh -E /etc/x",
	    "ssh -I /x", "ssh -S /x", "ssh -W h:1", "ssh -w 1", "ssh -D 1",
	    "ssh -L 1:h:1", "ssh -R 1:h:1", "ssh -N", "ssh -A", "ssh -X",
	    "ssh -M", "ssh -o", "ssh -p", "ssh -i", "ssh -", "ssh --",
	    "ssh -o BatchMode", "ssh -o BatchMode yes", "ssh -o =yes",
	    "ssh -o ControlPath=/x", "ssh -o HostName=x",
	    "ssh -o HostKeyAlias=no-pty",
	    "ssh -o UserKnownHostsFile=/root/.ssh/authorized_keys",
	    "ssh -o GlobalKnownHostsFile=/etc/shadow",
	    "ssh -o SetEnv=LD_PRELOAD=x", "ssh -p 22\nid",
	    "ssh -o aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=x"};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		allow(with_env("BORG_RSH", good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse(with_env("BORG_RSH", bad[i]), "BORG_RSH");
}

/* A backup runs in /, wherever its task says that a restore may go. */
static void each_type_has_its_own_command(void **state)
{
	(void)state;
	static const char *const types[][2] = {{"backup", "create"},
	    {"backup_dry_run", "create"}, {"restore", "extract"},
	    {"restore_mysql", "extract"}, {"restore_pg", "extract"},
	    {"restore_mongo", "extract"}};
	static const char *const verbs[] = {
	    "create", "extract", "delete", "list", "--version"};
	char words[64];
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		for (size_t k = 0; k < sizeof(verbs) / sizeof(verbs[0]); k++) {
			snprintf(words, sizeof(words), "\"%s\"", verbs[k]);
			if (strcmp(verbs[k], types[i][1]) == 0)
				allow(borg(types[i][0], words, ""));
			else
				refuse(borg(types[i][0], words, ""),
				    "borg's command");
		}
	}
}

static void only_the_types_that_are_listed(void **state)
{
	(void)state;
	static const char browse[] =
	    "{\"task\":\"list_dir\",\"job_id\":1,\"path\":\"/\"}";
	allow(browse);
	set(&config.tasks, "all");
	allow(browse);
	set(&config.tasks, "backup, restore,list_dir");
	allow(browse);
	allow(borg("backup", "\"create\"", ""));
	refuse(borg("backup_dry_run", "\"create\"", ""),
	    "\"backup_dry_run\" is refused by this host's policy ([policy] "
	    "tasks)");
	refuse("{\"task\":\"update_borg\",\"job_id\":1}", "update_borg");
	set(&config.tasks, "list_dirs list backup\trestore");
	refuse(browse, "list_dir");
	allow(borg("restore", "\"extract\"", ""));
	/* A comma too many names no task without a name. */
	set(&config.tasks, "backup, ");
	refuse(borg("", "\"list\",\"r::a\"", ""), "the task type");
	set(&config.tasks, ",");
	refuse(browse, "list_dir");
}

static const char *backup(
    const char *type, const char *words, const char *directories)
{
	char rest[1024], all[1024];
	snprintf(all, sizeof(all), "\"create\",\"r::a\"%s", words);
	snprintf(rest, sizeof(rest), ",\"directories\":\"%s\"", directories);
	return borg(type, all, rest);
}

static void backups_only_from_where_they_may(void **state)
{
	(void)state;
	allow(backup("backup", ",\"/root\"", "/root"));
	set(&config.backup_from, "/srv/\n/home");
	static const char *const types[] = {
	    "backup", "backup_dry_run", "whatever"};
	for (size_t i = 0; i < 3; i++) {
		allow(backup(types[i], ",\"/srv\",\"/home/a\"", ""));
		allow(backup(types[i], ",\"/srv/\"", "/srv\\r\\n/home/x\\n"));
		refuse(backup(types[i], ",\"/srv\",\"/root\"", ""), "/root");
		refuse(backup(types[i], "", "/srv\\r\\n/etc\\n"), "/etc");
		refuse(backup(types[i], ",\"/\"", ""), "\"/\"");
		refuse(backup(types[i], ",\"/srvx\"", ""), "/srvx");
		refuse(backup(types[i], ",\"/srv/../etc\"", ""), "/etc");
		refuse(backup(types[i], ",\"/srv/..\"", ""), "/srv/..");
		refuse(backup(types[i], ",\"etc\"", ""), "etc");
		refuse(backup(types[i], ",\"-x\",\"/etc\"", ""), "/etc");
		/* To borg's parser a path, which leads to /etc/shadow. */
		refuse(backup(types[i], ",\"--first=x y/../etc/shadow\"", ""),
		    "--first");
		refuse(backup(types[i], ",\"-Hx y/../etc/shadow\"", ""), "-Hx");
		allow(backup(types[i], ",\"--exclude=/a b\",\"/srv/a b\"", ""));
		/* Patterns can name roots. */
		refuse(borg(types[i],
			   "\"create\",\"--patterns-from=/x\",\"r::a\"", ""),
		    "--patterns-from");
		refuse(borg(types[i],
			   "\"create\",\"--pattern\",\"R /etc\",\"r::a\"", ""),
		    "--pattern");
		refuse(borg(types[i], "\"create\",\"--paths-from-stdin\"", ""),
		    "--paths-from-stdin");
	}
	set(&config.backup_from, "/");
	allow(backup("backup", ",\"/root\",\"/\"", "/\\r\\n/root"));
	char *line = malloc(6000);
	memset(line, 'x', 5000);
	line[0] = '/';
	line[5000] = '\0';
	char *text = malloc(8000);
	snprintf(text, 8000,
	    "{\"task\":\"backup\",\"job_id\":1,\"command\":[\"borg\","
	    "\"create\"],\"directories\":\"%s\"}",
	    line);
	refuse(text, "too long");
	free(text);
	free(line);
}

static void restores_only_to_where_they_may(void **state)
{
	(void)state;
	allow(borg("restore", "\"extract\",\"r::a\"", ""));
	set(&config.restore_to, "/srv/restore\n/tmp/");
	static const char *const types[] = {
	    "restore", "restore_mysql", "whatever"};
	for (size_t i = 0; i < 3; i++) {
		const char *words = "\"extract\",\"r::a\",\"etc\"";
		allow(borg(types[i], words, ",\"cwd\":\"/srv/restore\""));
		allow(borg(types[i], words, ",\"cwd\":\"/tmp/a/b\""));
		refuse(borg(types[i], words, ",\"cwd\":\"/srv\""), "/srv");
		refuse(borg(types[i], words, ",\"cwd\":\"/tmp/../etc\""),
		    "/tmp/../etc");
		refuse(borg(types[i], words, ",\"cwd\":\"/srv/restored\""),
		    "/srv/restored");
		refuse(borg(types[i], words, ",\"cwd\":\"tmp\""), "tmp");
		/* None is the root. */
		refuse(borg(types[i], words, ""), "\"/\"");
	}
	allow(borg("x", "\"list\",\"r::a\"", ",\"cwd\":\"/etc\""));
	set(&config.restore_to, "/");
	allow(borg("restore", "\"extract\",\"r::a\"", ""));
}

static const char *look(const char *path)
{
	snprintf(task_text, sizeof(task_text),
	    "{\"task\":\"list_dir\",\"job_id\":1,\"path\":\"%s\"}", path);
	return task_text;
}

static void looks_only_where_they_may(void **state)
{
	(void)state;
	allow(look("/root"));
	set(&config.browse, "/srv/\n/home");
	allow(look("/srv"));
	allow(look("/srv/"));
	allow(look("/home/a/b"));
	refuse(look("/"), "looking into \"/\"");
	refuse(look("/homes"), "[policy] browse");
	refuse(look("/srv/../etc"), "/srv/../etc");
	refuse(look(""), "[policy] browse");
	refuse("{\"task\":\"list_dir\",\"job_id\":1}", "[policy] browse");
	refuse("{\"task\":\"list_dir\",\"job_id\":1,\"path\":[\"/srv\"]}",
	    "[policy] browse");
	/* By its letters: whatever the file system has there. */
	allow(look("/srv/nonexistent/x"));
	set(&config.browse, "/");
	allow(look("/anything"));
}

static void escapes_what_it_refuses(void **state)
{
	(void)state;
	refuse(borg("x", "\"a\\nb\\u001b[31m\"", ""), "a\\nb\\x1b[31m");
	char words[2000];
	memset(words, 'y', sizeof(words));
	words[0] = '"';
	words[1500] = '"';
	words[1501] = '\0';
	refuse(borg("x", words, ""), "yyy");
	assert_true(strlen(why_text) < 400);
}

static int decided;

static void judge_recorded(const char *name, const struct buf *text)
{
	struct json outer, j;
	struct buf body = BUF_INIT(1 << 20), why = BUF_INIT(4096);
	fixture_parse(&outer, text->data, text->len);
	int response = json_get(&outer, 0, "response");
	json_text(&outer, json_get(&outer, response, "body"), &body);
	fixture_parse(&j, body.data, body.len);
	int tasks = json_get(&j, 0, "tasks");
	for (int e = json_first(&j, tasks); e != JSON_NONE;
	     e = json_next(&j, tasks, e)) {
		struct task t;
		/* One that cannot be decoded is not judged. */
		if (task_decode(&t, &j, e, &why) == 0 &&
		    policy_check(&config, &t, &why) != 0)
			fail_msg("%s: %s", name, buf_str(&why));
		buf_reset(&why);
		decided++;
		task_release(&t);
	}
	json_release(&j);
	json_release(&outer);
	buf_release(&body);
	buf_release(&why);
}

static void updates_of_the_agent(void **state)
{
	(void)state;
	const char *order = "{\"task\":\"update_agent\",\"job_id\":1}";
	refuse(order, "auto_update = yes");
	config.auto_update = true;
	allow(order);
	set(&config.tasks, "backup");
	refuse(order, "update_agent");
}

static void allows_what_a_real_server_orders(void **state)
{
	(void)state;
	config.auto_update = true;
	if (fixture_recorded("wire", "-GET-tasks.json", judge_recorded) > 0)
		assert_true(decided > 20);
}

static const char *hook(const char *task, const char *pre, const char *post)
{
	snprintf(task_text, sizeof(task_text),
	    "{\"task\":\"%s\",\"job_id\":1,\"plugin\":{\"slug\":"
	    "\"shell_hook\",\"config\":{\"pre_script\":\"%s\","
	    "\"post_script\":\"%s\"}}}",
	    task, pre, post);
	return task_text;
}

static void set_hooks(const char *value)
{
	free(config.hooks);
	config.hooks = strdup(value);
}

/* Where no look at the disk is needed; the worker judges once more. */
static void hooks(void **state)
{
	static const char *const tasks[] = {"plugin_test", "plugin_post"};
	(void)state;
	for (int i = 0; i < 2; i++) {
		set_hooks("yes");
		allow(hook(tasks[i], "/a/b c", "d"));
		set_hooks("no");
		refuse(hook(tasks[i], "", "/a/b"), "[policy] hooks = no");
		allow("{\"task\":\"plugin_test\",\"job_id\":1,\"plugin\":{"
		      "\"slug\":\"mysql_dump\",\"config\":[]}}");
		set_hooks("/opt/hooks");
		allow(hook(tasks[i], "", "/opt/hooks/x y"));
		/* It may be a link to there. */
		allow(hook(tasks[i], "", "/etc/x"));
		refuse(hook(tasks[i], "", "sh -c x"), "\"sh\"");
		refuse(hook(tasks[i], "", "/opt/hooks/../x"), "/../x");
	}
	refuse(hook("plugin_test", "x", ""), "\"x\"");
	/* plugin_post runs the other one. */
	allow(hook("plugin_post", "x", ""));
	/* A backup's hook is a plugin that fails. */
	set_hooks("no");
	allow("{\"task\":\"backup\",\"job_id\":1,\"command\":[\"borg\","
	      "\"create\",\"r::a\",\"/etc\"],\"plugins\":[{\"slug\":"
	      "\"shell_hook\",\"config\":{\"pre_script\":\"/a\"}}]}");
	set_hooks("yes");
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(only_borg),
	    TEST(only_some_of_borgs_commands),
	    TEST(no_option_that_runs_a_program),
	    TEST(no_host_that_is_an_option_of_ssh),
	    TEST(only_borgs_environment),
	    TEST(only_a_plain_ssh),
	    TEST(each_type_has_its_own_command),
	    TEST(only_the_types_that_are_listed),
	    TEST(backups_only_from_where_they_may),
	    TEST(restores_only_to_where_they_may),
	    TEST(hooks),
	    TEST(looks_only_where_they_may),
	    TEST(escapes_what_it_refuses),
	    TEST(updates_of_the_agent),
	    TEST(allows_what_a_real_server_orders),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
