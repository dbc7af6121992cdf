/* The agent's ssh: its words, its test, and BORG_RSH with the right files. */
#include "base/file.h"
#include "fixture.h"
#include "job/ssh.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct config config;
static struct paths paths;
static struct worker worker;
static char why_text[4096];

/* A program called ssh, first in PATH. */
static void fake_ssh(const char *script)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/bin", fixture_dir);
	fixture_file(fixture_path("bin/ssh"), script, 0755);
	setenv("PATH", path, 1);
}

#define NEW_SSH "#!/bin/sh\nexit 0\n"
#define OLD_SSH "#!/bin/sh\necho 'unsupported option' >&2\nexit 255\n"

static void use_root(const char *root)
{
	paths_release(&paths);
	assert_int_equal(paths_init(&paths, root, NULL), 0);
	free(paths.run);
	paths.run = strdup(fixture_dir);
}

static int setup(void **state)
{
	if (fixture_setup(state) != 0 || config_init(&config) != 0)
		return -1;
	memset(&worker, 0, sizeof(worker));
	worker.config = &config;
	worker.paths = &paths;
	worker.link.sock = -1;
	use_root(NULL);
	return 0;
}

static int teardown(void **state)
{
	config_release(&config);
	paths_release(&paths);
	return fixture_teardown(state);
}

static void rewrite(const char *rsh, const char *remote_key, const char *want)
{
	struct buf out = BUF_INIT(1 << 16);
	assert_int_equal(ssh_rewrite_rsh(&worker, rsh, remote_key, &out), 0);
	assert_string_equal(buf_str(&out), want);
	buf_release(&out);
}

#define SERVER_RSH                                                           \
	"ssh -i /etc/bbs-agent/ssh_key -p 2222 -o StrictHostKeyChecking=no " \
	"-o UserKnownHostsFile=/dev/null -o BatchMode=yes -o LogLevel=ERROR"

static void rsh_without_host_keys(void **state)
{
	(void)state;
	fake_ssh(OLD_SSH);
	rewrite(SERVER_RSH, NULL, SERVER_RSH);
	fake_ssh(NEW_SSH);
	config.ssh_host_key = SSH_HOST_KEY_NO;
	rewrite(SERVER_RSH, NULL, SERVER_RSH);
	use_root("/opt/x");
	rewrite(SERVER_RSH, NULL,
	    "ssh -i /opt/x/etc/bbs-agent/ssh_key -p 2222 -o "
	    "StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o "
	    "BatchMode=yes -o LogLevel=ERROR");
}

static void rsh_with_host_keys(void **state)
{
	(void)state;
	fake_ssh(NEW_SSH);
	rewrite(SERVER_RSH, NULL,
	    "ssh -i /etc/bbs-agent/ssh_key -p 2222 -o "
	    "StrictHostKeyChecking=accept-new -o "
	    "UserKnownHostsFile=/etc/bbs-agent/known_hosts -o BatchMode=yes -o "
	    "LogLevel=ERROR");
	/* Another repository's host is not the server. */
	rewrite("ssh -i /tmp/bbs-remote-ssh-key -p 22 -o "
		"StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
	    "/run/bbs-agent/remote-key-7",
	    "ssh -i /run/bbs-agent/remote-key-7 -p 22 -o "
	    "StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null");
	/* No key for it: the server's words stay. */
	rewrite("ssh -i /tmp/bbs-remote-ssh-key", NULL,
	    "ssh -i /tmp/bbs-remote-ssh-key");
	rewrite("", NULL, "");
	rewrite("ssh", NULL, "ssh");
}

/* borg takes BORG_RSH apart with Python's shlex, ssh its option once more. */
static void rsh_is_quoted(void **state)
{
	(void)state;
	fake_ssh(NEW_SSH);
	use_root("/opt/my root/it's");
	rewrite("ssh -i /etc/bbs-agent/ssh_key -o UserKnownHostsFile=/dev/null",
	    NULL,
	    "ssh -i '/opt/my root/it'\\''s/etc/bbs-agent/ssh_key' -o "
	    "'UserKnownHostsFile=\"/opt/my root/it'\\''s/etc/bbs-agent/"
	    "known_hosts\"'");
	use_root("/opt/$(id);x");
	config.ssh_host_key = SSH_HOST_KEY_NO;
	rewrite("ssh -i /etc/bbs-agent/ssh_key", NULL,
	    "ssh -i '/opt/$(id);x/etc/bbs-agent/ssh_key'");
}

static void write_info(void)
{
	fixture_file(paths.ssh_info,
	    "{\"ssh_unix_user\":\"bbs-web\",\"server_host\":\"bbs.example\","
	    "\"ssh_port\":2222}\n",
	    0600);
}

static int build(struct ssh_command *c, bool test)
{
	struct buf why = BUF_INIT(sizeof(why_text));
	int rc = ssh_command_build(c, &worker, "catalog-write 7", test, &why);
	snprintf(why_text, sizeof(why_text), "%s", buf_str(&why));
	assert_int_equal(why.len > 0, rc != 0);
	buf_release(&why);
	return rc;
}

static bool has(const struct ssh_command *c, const char *word)
{
	for (int i = 0; c->argv[i] != NULL; i++) {
		if (strcmp(c->argv[i], word) == 0)
			return true;
	}
	return false;
}

static void commands(void **state)
{
	(void)state;
	struct ssh_command c;
	use_root(fixture_dir);
	fake_ssh(NEW_SSH);
	assert_int_equal(build(&c, false), -1);
	assert_non_null(strstr(why_text, "ssh_info.json"));
	ssh_command_release(&c);
	write_info();
	assert_int_equal(build(&c, false), -1);
	assert_non_null(strstr(why_text, "ssh_key"));
	ssh_command_release(&c);
	fixture_file(paths.ssh_key, "key", 0600);
	assert_int_equal(build(&c, false), 0);
	assert_string_equal(c.argv[0], "ssh");
	assert_string_equal(c.argv[1], "-i");
	assert_string_equal(c.argv[2], paths.ssh_key);
	assert_string_equal(c.argv[4], "2222");
	int n = 0;
	while (c.argv[n] != NULL)
		n++;
	assert_string_equal(c.argv[n - 2], "bbs-web@bbs.example");
	assert_string_equal(c.argv[n - 1], "catalog-write 7");
	assert_true(has(&c, "BatchMode=yes"));
	assert_true(has(&c, "StrictHostKeyChecking=accept-new"));
	assert_false(has(&c, "ConnectTimeout=10"));
	ssh_command_release(&c);
	fake_ssh(OLD_SSH);
	assert_int_equal(build(&c, true), 0);
	/* It keeps the first key, too. */
	char file[600];
	snprintf(
	    file, sizeof(file), "UserKnownHostsFile=\"%s\"", paths.known_hosts);
	assert_true(has(&c, "StrictHostKeyChecking=no"));
	assert_true(has(&c, file));
	assert_true(has(&c, "HashKnownHosts=no"));
	assert_true(has(&c, "ConnectTimeout=10"));
	ssh_command_release(&c);
	/* From then on only that one is right. */
	fixture_file(
	    paths.known_hosts, "[bbs.example]:2222 ssh-rsa AAAA\n", 0600);
	assert_int_equal(build(&c, false), 0);
	assert_true(has(&c, "StrictHostKeyChecking=yes"));
	assert_true(has(&c, file));
	ssh_command_release(&c);
	config.ssh_host_key = SSH_HOST_KEY_NO;
	assert_int_equal(build(&c, false), 0);
	assert_true(has(&c, "StrictHostKeyChecking=no"));
	assert_true(has(&c, "UserKnownHostsFile=/dev/null"));
	ssh_command_release(&c);
}

/* A repository on the server is reached with the server's key alone. */
static void rsh_with_a_kept_host_key(void **state)
{
	(void)state;
	char *words[] = {"borg", "create", "ssh://u@bbs.example/./r::a", NULL};
	struct task task = {.command = words};
	struct buf want = BUF_INIT(4096);
	use_root(fixture_dir);
	fake_ssh(OLD_SSH);
	write_info();
	worker.task = &task;
	fixture_file(paths.known_hosts, "bbs.example ssh-rsa AAAA\n", 0600);
	buf_addf(&want,
	    "ssh -o StrictHostKeyChecking=yes -o UserKnownHostsFile=%s",
	    paths.known_hosts);
#define PLAIN "ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
	rewrite(PLAIN, NULL, buf_str(&want));
	/* An old client can only be told to check nothing elsewhere. */
	words[2] = "ssh://u@elsewhere/./r::a";
	rewrite(PLAIN, NULL, PLAIN);
	buf_release(&want);
}

static void the_connection_test(void **state)
{
	(void)state;
	static const struct {
		const char *script, *said;
		enum ssh_test want;
	} cases[] = {
	    {"echo pong", "works", SSH_TEST_OK},
	    {"echo pong; exit 1", "no SSH connection", SSH_TEST_FAILED},
	    {"echo 'Error: command not allowed' >&2; exit 1", "works",
		SSH_TEST_OK},
	    {"echo 'u@h: Permission denied (publickey).' >&2; exit 255",
		"refuses this host's SSH key", SSH_TEST_STALE},
	    {"echo 'ssh: connect to host h port 22: Connection refused' >&2; "
	     "exit 255",
		"Connection refused", SSH_TEST_FAILED},
	    {"printf 'Permission denied\\nREMOTE HOST IDENTIFICATION HAS "
	     "CHANGED!\\n' >&2; exit 255",
		"host key", SSH_TEST_FAILED},
	    {"printf 'a\\nb\\033\\377\\n' >&2; exit 3", "(code 3): a\\nb",
		SSH_TEST_FAILED},
	    {"exit 0", "no SSH connection", SSH_TEST_FAILED},
	};
	use_root(fixture_dir);
	write_info();
	fixture_file(paths.ssh_key, "key", 0600);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char script[512];
		struct buf text = BUF_INIT(4096);
		snprintf(script, sizeof(script),
		    "#!/bin/sh\n[ \"$3\" = -V ] && exit 0\n"
		    "for last; do :; done\n[ \"$last\" = ping ] || exit 9\n"
		    "%s\n",
		    cases[i].script);
		fake_ssh(script);
		enum ssh_test result = ssh_test(&worker, &text);
		if (result != cases[i].want ||
		    strstr(buf_str(&text), cases[i].said) == NULL ||
		    strchr(buf_str(&text), '\n') != NULL)
			fail_msg("%s: %d, %s", cases[i].script, result,
			    buf_str(&text));
		buf_release(&text);
	}
	unlink(fixture_path("bin/ssh"));
	struct buf text = BUF_INIT(4096);
	assert_int_equal(ssh_test(&worker, &text), SSH_TEST_FAILED);
	assert_true(text.len > 0);
	buf_release(&text);
}

static void a_refused_key(void **state)
{
	(void)state;
	static const char *const lines[] = {
	    "u@h: Permission denied (publickey).",
	    "{\"message\": \"Remote: u@h: Permission denied (publickey)\"}",
	    "/etc/x: [Errno 13] Permission denied: '/etc/x'",
	    "Permission denied", "",
	    "dbclient: Connection to u@h:22 exited: No auth methods could be "
	    "used."};
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(ssh_is_refused(lines[i], strlen(lines[i])),
		    i < 2 || i == 5);
}

/* ---- Dropbear ------------------------------------------------------------
 */

#define DROPBEAR "#!/bin/sh\necho 'Dropbear v2022.83' >&2\n"
#define CONVERT                                                           \
	"#!/bin/sh\n[ \"$1 $2\" = 'openssh dropbear' ] || exit 1\n"       \
	"echo x >>\"${0%/*}/converted\"; { echo dropbear; cat \"$3\"; } " \
	">\"$4\"\n"

static void use_dropbear(void)
{
	fixture_file(fixture_path("bin/dropbearconvert"), CONVERT, 0755);
	fake_ssh(DROPBEAR);
	char path[600];
	snprintf(path, sizeof(path), "%s/bin:/usr/bin:/bin", fixture_dir);
	setenv("PATH", path, 1);
}

static void rewrite_below(const char *rsh, const char *key, const char *want)
{
	char text[2048];
	const char *at = strstr(want, "DIR");
	snprintf(text, sizeof(text), "%.*s%s%s",
	    (int)(at != NULL ? (size_t)(at - want) : strlen(want)), want,
	    at != NULL ? fixture_dir : "", at != NULL ? at + 3 : "");
	rewrite(rsh, key, text);
}

static void rsh_for_dropbear(void **state)
{
	(void)state;
	use_dropbear();
	rewrite_below(SERVER_RSH, NULL,
	    "DIR/bin/ssh -y -y -i /etc/bbs-agent/ssh_key -p 2222");
	rewrite_below("ssh -4 -oPort=1  -p22 -l me -T", NULL,
	    "DIR/bin/ssh -y -y -p 22 -l me");
	rewrite_below("ssh -i /tmp/bbs-remote-ssh-key", "/run/k",
	    "DIR/bin/ssh -y -y -i /run/k");
	rewrite_below("dbclient -y -i /x", NULL, "DIR/bin/ssh -y -y -i /x");
	/* What is not plain is left as it is. */
	rewrite("ssh -i '/x y' -p 22", NULL, "ssh -i '/x y' -p 22");
	rewrite("ssh -p", NULL, "ssh -p");
	rewrite("sshx -p 22", NULL, "sshx -p 22");
	/* The server says Dropbear where ssh is another one. */
	fake_ssh(NEW_SSH);
	rewrite("dbclient -i /x -p 1", NULL, "dbclient -y -y -i /x -p 1");
}

static void the_host_key_of_dropbear(void **state)
{
	(void)state;
	char *words[] = {"borg", "create", "ssh://u@bbs.example/./r::a", NULL};
	struct task task = {.command = words};
	struct buf want = BUF_INIT(4096);
	use_root(fixture_dir);
	use_dropbear();
	write_info();
	worker.task = &task;
	fixture_file(fixture_path("etc/bbs-agent/dropbear/.ssh/known_hosts"),
	    "bbs.example.org ssh-rsa A\nbbs.example ssh-rsa A\n", 0600);
	buf_addf(&want, "env HOME=%s/dropbear %s/bin/ssh -y -p 1", paths.etc,
	    fixture_dir);
	rewrite("ssh -p 1", NULL, buf_str(&want));
	static char *const others[] = {"ssh://u@bbs.example.org/./r::a",
	    "ssh://bbs.example/r", "u@bbs.exampl:r", "/r"};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		words[2] = others[i];
		rewrite_below("ssh -p 1", NULL, "DIR/bin/ssh -y -y -p 1");
	}
	words[2] = "u@bbs.example:r";
	rewrite("ssh -p 1", NULL, buf_str(&want));
	config.ssh_host_key = SSH_HOST_KEY_NO;
	rewrite_below("ssh -p 1", NULL, "DIR/bin/ssh -y -y -p 1");
	buf_release(&want);
}

static size_t conversions(void)
{
	struct buf text = BUF_INIT(4096);
	file_read(fixture_path("bin/converted"), &text);
	size_t n = text.len / 2;
	buf_release(&text);
	return n;
}

static void the_key_of_dropbear(void **state)
{
	(void)state;
	struct ssh_command c;
	struct stat st;
	char copy[600];
	use_root(fixture_dir);
	use_dropbear();
	write_info();
	fixture_file(paths.ssh_key, "key", 0600);
	snprintf(copy, sizeof(copy), "%s.dropbear", paths.ssh_key);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(build(&c, false), 0);
		assert_true(has(&c, copy));
		assert_true(has(&c, "-y"));
		assert_null(c.answer);
		ssh_command_release(&c);
	}
	assert_int_equal(conversions(), 1);
	assert_int_equal(stat(copy, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* Another key, older or not, is converted anew. */
	fixture_file(paths.ssh_key, "kez", 0600);
	const struct timespec times[2] = {{1000, 0}, {1000, 0}};
	assert_int_equal(utimensat(AT_FDCWD, paths.ssh_key, times, 0), 0);
	assert_int_equal(build(&c, true), 0);
	assert_true(has(&c, copy));
	assert_true(has(&c, "env"));
	assert_false(has(&c, "-y"));
	assert_string_equal(c.answer, "y\n");
	ssh_command_release(&c);
	assert_int_equal(conversions(), 2);
	/* What is refused is used as it is. */
	fixture_file(paths.ssh_key, "key", 0600);
	fixture_file(
	    fixture_path("bin/dropbearconvert"), "#!/bin/sh\nexit 1\n", 0755);
	assert_int_equal(build(&c, false), 0);
	assert_true(has(&c, paths.ssh_key));
	ssh_command_release(&c);
	/* A host key that is kept must be the one that is met. */
	fixture_file(fixture_path("etc/bbs-agent/dropbear/.ssh/known_hosts"),
	    "bbs.example ssh-rsa A\n", 0600);
	assert_int_equal(build(&c, true), 0);
	assert_string_equal(c.answer, "n\n");
	ssh_command_release(&c);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(rsh_without_host_keys),
	    TEST(rsh_with_host_keys),
	    TEST(rsh_is_quoted),
	    TEST(commands),
	    TEST(rsh_with_a_kept_host_key),
	    TEST(the_connection_test),
	    TEST(a_refused_key),
	    TEST(rsh_for_dropbear),
	    TEST(the_host_key_of_dropbear),
	    TEST(the_key_of_dropbear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
