/*
 * Command lines for ssh. Nothing of them is ever given to a shell; what the
 * server says (user, host, port) was checked when it came (bbs/answer.c).
 */
#include "job/ssh.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/shellwords.h"
#include "base/text.h"
#include "job/known_hosts.h"
#include "job/ssh_dropbear.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the server writes into BORG_RSH. */
#define SERVER_KEY_PATH "/etc/bbs-agent/ssh_key"
#define SERVER_REMOTE_KEY_PATH "/tmp/bbs-remote-ssh-key"

#define TEST_TIMEOUT_MS 30000

/*
 * How OpenSSH is to judge the host's key; NULL: not at all. A client that is
 * too old for accept-new keeps the first key of the server with "no", and has
 * to be told "yes" from then on. server: is it where the command goes?
 */
static const char *host_key_rule(struct worker *w,
    const struct ssh_client *client, const struct ssh_info *info, bool server)
{
	if (w->config->ssh_host_key == SSH_HOST_KEY_NO)
		return NULL;
	if (client->accept_new)
		return "StrictHostKeyChecking=accept-new";
	if (!server)
		return NULL;
	return known_hosts_has(w->paths->known_hosts, info)
		   ? "StrictHostKeyChecking=yes"
		   : "StrictHostKeyChecking=no";
}

static void add_word(struct buf *words, const char *word)
{
	buf_add(words, word, strlen(word) + 1);
}

static void add_option(struct buf *words, const char *option)
{
	add_word(words, "-o");
	add_word(words, option);
}

/* -i KEY -p PORT: every client knows these. */
static void add_way(
    struct buf *words, const char *key, const struct ssh_info *info)
{
	add_word(words, "-i");
	add_word(words, key);
	add_word(words, "-p");
	buf_addf(words, "%d", info->port);
	buf_addc(words, '\0');
}

static void add_openssh(struct ssh_command *c, struct worker *w,
    const struct ssh_client *client, const struct ssh_info *info, bool test,
    bool server)
{
	struct buf *words = &c->words;
	add_word(words, "ssh");
	add_way(words, w->paths->ssh_key, info);
	const char *rule = server ? host_key_rule(w, client, info, true) : NULL;
	if (rule != NULL) {
		add_option(words, rule);
		add_option(words, "HashKnownHosts=no");
		add_word(words, "-o");
		buf_addf(
		    words, "UserKnownHostsFile=\"%s\"", w->paths->known_hosts);
		buf_addc(words, '\0');
	} else {
		add_option(words, "StrictHostKeyChecking=no");
		add_option(words, "UserKnownHostsFile=/dev/null");
	}
	add_option(words, "BatchMode=yes");
	add_option(words, "LogLevel=ERROR");
	add_option(words, "ServerAliveInterval=30");
	add_option(words, "ServerAliveCountMax=3");
	if (test)
		add_option(words, "ConnectTimeout=10");
}

static void add_dropbear(struct ssh_command *c, struct worker *w,
    const struct ssh_client *client, const struct ssh_info *info, bool test)
{
	struct buf *words = &c->words;
	char *key = ssh_client_key(client, w, w->paths->ssh_key);
	char *home = ssh_dropbear_home(w, info);
	if (test) {
		/* A key that is kept must be this one; else it is kept now. */
		c->answer = home != NULL ? "n\n" : "y\n";
		free(home);
		home = ssh_dropbear_new_home(w);
	}
	if (home != NULL) {
		add_word(words, "env");
		buf_addf(words, "HOME=%s", home);
		buf_addc(words, '\0');
	} else {
		c->answer = NULL;
	}
	add_word(words, client->path);
	if (c->answer == NULL)
		add_word(words, "-y");
	if (home == NULL)
		add_word(words, "-y");
	add_word(words, "-K");
	add_word(words, "30");
	add_way(words, key != NULL ? key : w->paths->ssh_key, info);
	free(key);
	free(home);
}

int ssh_hosts_check(struct worker *w, struct buf *why)
{
	struct ssh_client client;
	struct buf path = BUF_INIT(PATH_MAX);
	int rc = 0;
	ssh_client_find(&client, w);
	if (client.dropbear)
		ssh_dropbear_hosts(w, &path);
	else
		buf_adds(&path, w->paths->known_hosts);
	if (w->config->ssh_host_key != SSH_HOST_KEY_NO &&
	    access(buf_str(&path), F_OK) == 0 &&
	    !file_is_plain(buf_str(&path))) {
		buf_addf(why,
		    "%s, where the server's SSH host key is kept, is no file: "
		    "remove it, and the key is kept anew at the next "
		    "connection",
		    buf_str(&path));
		rc = -1;
	}
	buf_release(&path);
	return rc;
}

/* at NULL: at the server, which ssh_info.json names. */
static int build_at(struct ssh_command *c, struct worker *w,
    const struct ssh_info *at, const char *remote, bool test, struct buf *why)
{
	struct ssh_info info;
	struct ssh_client client;
	memset(c, 0, sizeof(*c));
	buf_init(&c->words, 64 * KIB);
	if (at != NULL) {
		info = *at;
	} else if (ssh_info_read(w->paths->ssh_info, &info) != 0) {
		buf_addf(why,
		    "the server has not said where its SSH is (no "
		    "usable %s)",
		    w->paths->ssh_info);
		return -1;
	}
	if (!file_is_plain(w->paths->ssh_key)) {
		buf_addf(
		    why, "there is no SSH key at %s yet", w->paths->ssh_key);
		return -1;
	}
	if (ssh_hosts_check(w, why) != 0)
		return -1;
	/* Without any, the start says what is missing. */
	ssh_client_find(&client, w);
	if (client.dropbear)
		add_dropbear(c, w, &client, &info, test);
	else
		add_openssh(c, w, &client, &info, test, at == NULL);
	buf_addf(&c->words, "%s@%s", info.user, info.host);
	buf_addc(&c->words, '\0');
	add_word(&c->words, remote);
	if (c->words.failed) {
		buf_adds(why, "out of memory");
		return -1;
	}
	const char *p = c->words.data, *end = p + c->words.len;
	for (int n = 0; p < end && n < SSH_WORDS_MAX; p += strlen(p) + 1)
		c->argv[n++] = p;
	return 0;
}

int ssh_command_build(struct ssh_command *c, struct worker *w,
    const char *remote, bool test, struct buf *why)
{
	return build_at(c, w, NULL, remote, test, why);
}

void ssh_command_release(struct ssh_command *c)
{
	buf_release(&c->words);
}

bool ssh_is_refused(const char *text, size_t len)
{
	/* Followed by what was tried; a file that is not readable is not
	 * meant. */
	static const char openssh[] = "Permission denied (";
	static const char dropbear[] = "No auth methods could be used";
	return memmem(text, len, openssh, sizeof(openssh) - 1) != NULL ||
	       memmem(text, len, dropbear, sizeof(dropbear) - 1) != NULL;
}

static bool is_other_host(const char *text, size_t len)
{
	static const char marks[][32] = {"IDENTIFICATION HAS CHANGED",
	    "Host key verification failed", "host key mismatch",
	    "Didn't validate host key"};
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (memmem(text, len, marks[i], strlen(marks[i])) != NULL)
			return true;
	}
	return false;
}

void ssh_notice(struct worker *w, const char *text, size_t len)
{
	if (ssh_is_refused(text, len))
		w->key_refused = true;
	if (w->config->ssh_host_key != SSH_HOST_KEY_NO &&
	    is_other_host(text, len))
		w->host_changed = true;
}

void ssh_say_other_host(struct worker *w, struct buf *out)
{
	struct ssh_info info;
	struct ssh_client client;
	ssh_client_find(&client, w);
	buf_adds(out, "the server's SSH host key is not the one that was kept "
		      "at first use");
	if (ssh_info_read(w->paths->ssh_info, &info) == 0)
		buf_addf(out, " for %s", info.host);
	buf_adds(out, " in ");
	if (client.dropbear)
		ssh_dropbear_hosts(w, out);
	else
		buf_adds(out, w->paths->known_hosts);
	buf_adds(out, ": if the server was reinstalled, run bbs-agent doctor "
		      "--accept-host-key");
	if (w->paths->root[0] != '\0')
		buf_addf(out, " --root %s", w->paths->root);
	buf_adds(out, " on this host; if not, somebody may be listening in");
}

static void say_failure(const char *err, struct buf *text)
{
	text_add_escaped(text, err, text_cut(err, strlen(err), 300));
	buf_adds(text, ": is SSH running there, and its port open?");
}

static enum ssh_test judge(struct worker *w, int code, const char *out,
    const char *err, struct buf *text)
{
	if (code == 0 && text_starts(out, "pong")) {
		buf_adds(text, "the SSH connection works");
		return SSH_TEST_OK;
	}
	if (strstr(out, "command not allowed") != NULL ||
	    strstr(err, "command not allowed") != NULL) {
		buf_adds(text, "the SSH connection works (this server knows "
			       "no ping)");
		return SSH_TEST_OK;
	}
	if (is_other_host(err, strlen(err))) {
		ssh_say_other_host(w, text);
		return SSH_TEST_FAILED;
	}
	if (strstr(err, "Permission denied") != NULL ||
	    ssh_is_refused(err, strlen(err))) {
		buf_adds(text, "the server refuses this host's SSH key: a new "
			       "one is fetched; if it stays so, provision SSH "
			       "for this client anew there");
		return SSH_TEST_STALE;
	}
	buf_addf(text, "no SSH connection to the server (code %d): ", code);
	say_failure(err, text);
	return SSH_TEST_FAILED;
}

/* What answers there knows no ping, perhaps: any end but ssh's own is one of
 * the other side. */
static enum ssh_test judge_at(int code, const char *err, struct buf *text)
{
	if (ssh_is_refused(err, strlen(err)))
		return SSH_TEST_STALE;
	if (code != 255 && strstr(err, " exited: ") == NULL)
		return SSH_TEST_OK;
	buf_adds(text, "no SSH connection: ");
	say_failure(err, text);
	return SSH_TEST_FAILED;
}

/* A pipe that holds the answer to Dropbear's question; its reading end. */
static int open_answer(const char *answer)
{
	int ends[2];
	if (answer == NULL || pipe2(ends, O_CLOEXEC) != 0)
		return PROC_NULL;
	if (file_write_all(ends[1], answer, strlen(answer)) != 0)
		log_debug("cannot answer ssh: %s", strerror(errno));
	close(ends[1]);
	return ends[0];
}

enum ssh_test ssh_test_at(
    struct worker *w, const struct ssh_info *at, struct buf *text)
{
	struct ssh_command c;
	struct buf out = BUF_INIT(4 * KIB), err = BUF_INIT(16 * KIB);
	struct buf clean = BUF_INIT(48 * KIB);
	enum ssh_test result = SSH_TEST_FAILED;
	int status = 0, in = PROC_NULL;
	if (build_at(&c, w, at, "ping", true, text) != 0)
		goto out;
	in = open_answer(c.answer);
	struct proc_spec spec = {
	    c.argv, NULL, NULL, in, PROC_NULL, PROC_NULL, 0, 0, 0};
	if (proc_run(&spec, TEST_TIMEOUT_MS, w->link.sock, &out, &err, &status,
		text) != 0)
		goto out;
	while (err.len > 0 && strchr("\r\n", err.data[err.len - 1]) != NULL)
		err.data[--err.len] = '\0';
	text_add_utf8(&clean, buf_str(&err), err.len);
	result = at != NULL
		     ? judge_at(proc_exit_code(status), buf_str(&clean), text)
		     : judge(w, proc_exit_code(status), buf_str(&out),
			   buf_str(&clean), text);
out:
	if (in >= 0)
		close(in);
	ssh_command_release(&c);
	buf_release(&out);
	buf_release(&err);
	buf_release(&clean);
	return result;
}

enum ssh_test ssh_test(struct worker *w, struct buf *text)
{
	return ssh_test_at(w, NULL, text);
}

/* Does the task's repository lie on this host? */
static bool is_bound_for(const struct task *t, const char *host)
{
	size_t len = strlen(host);
	for (int i = 1; t != NULL && t->command != NULL && t->command[0] &&
			t->command[i] != NULL;
	     i++) {
		const char *at = strchr(t->command[i], '@');
		if (at != NULL && strncmp(at + 1, host, len) == 0 &&
		    (at[1 + len] == '/' || at[1 + len] == ':'))
			return true;
	}
	return false;
}

static int rewrite_for_dropbear(struct worker *w,
    const struct ssh_client *client, const struct ssh_info *info,
    const char *rsh, struct buf *out)
{
	char *home = info != NULL ? ssh_dropbear_home(w, info) : NULL;
	int rc = ssh_dropbear_rsh(client, home, rsh, out);
	free(home);
	return rc;
}

/* Replaces the server's words by ours. */
static void replace_words(
    const char *rsh, const char *words[][2], size_t count, struct buf *out)
{
	while (*rsh != '\0') {
		size_t i;
		for (i = 0; i < count; i++) {
			if (words[i][1] != NULL &&
			    text_starts(rsh, words[i][0]))
				break;
		}
		if (i == count) {
			buf_addc(out, *rsh++);
			continue;
		}
		shellwords_quote(out, words[i][1]);
		rsh += strlen(words[i][0]);
	}
}

int ssh_rewrite_rsh(
    struct worker *w, const char *rsh, const char *remote_key, struct buf *out)
{
	struct ssh_client client;
	struct ssh_info info;
	struct buf hosts = BUF_INIT(8 * KIB), plain = BUF_INIT(64 * KIB);
	ssh_client_find(&client, w);
	/* The server may know what this host has. */
	if (text_starts(rsh, "dbclient ") && !client.dropbear) {
		memset(&client, 0, sizeof(client));
		text_copy(client.path, sizeof(client.path), "dbclient");
		client.dropbear = true;
	}
	bool server = remote_key == NULL &&
		      ssh_info_read(w->paths->ssh_info, &info) == 0 &&
		      is_bound_for(w->task, info.host);
	const char *rule = client.dropbear || remote_key != NULL
			       ? NULL
			       : host_key_rule(w, &client, &info, server);
	const char *space = strchr(w->paths->known_hosts, ' ');
	buf_addf(&hosts, "UserKnownHostsFile=%s%s%s", space ? "\"" : "",
	    w->paths->known_hosts, space ? "\"" : "");
	char *key = ssh_client_key(&client, w, w->paths->ssh_key);
	char *other =
	    remote_key != NULL ? ssh_client_key(&client, w, remote_key) : NULL;
	const char *words[][2] = {
	    {SERVER_KEY_PATH, key},
	    {SERVER_REMOTE_KEY_PATH, other},
	    {"StrictHostKeyChecking=no", rule},
	    {"UserKnownHostsFile=/dev/null",
		rule != NULL ? buf_str(&hosts) : NULL},
	};
	const size_t count = sizeof(words) / sizeof(words[0]);
	/* Plain words first: a path of ours may need quotes. */
	if (!client.dropbear || rewrite_for_dropbear(w, &client,
				    server ? &info : NULL, rsh, &plain) != 0)
		buf_adds(&plain, rsh);
	replace_words(buf_str(&plain), words, count, out);
	free(key);
	free(other);
	buf_release(&hosts);
	buf_release(&plain);
	return out->failed ? -1 : 0;
}
