/*
 * The one place that decides whether an order of the server is carried out.
 * A server that was broken into must not be able to run programs of its
 * choice through borg's options or environment; config.ini narrows further.
 * What is not known here is refused.
 */
#include "agent/policy.h"
#include "agent/policy_hook.h"
#include "base/text.h"
#include "bbs/borgwords.h"
#include "job/allowed.h"
#include <string.h>

/* Commands of borg that a backup server has a use for. */
static const char commands[] =
    "create extract list info check prune compact delete rename diff init "
    "rcreate rlist rinfo repo-create repo-list repo-info recreate break-lock "
    "upgrade";

/* Environment: borg's own names, but for those that run a program, read a
 * passphrase from elsewhere, are evaluated (BORG_LOGGING_CONF), or say where
 * borg writes (BORG_KEY_FILE, BORG_CACHE_DIR), and a locale. */
static const char borg_variables[] =
    "CACHE_IMPL CHECK_I_KNOW_WHAT_I_AM_DOING DELETE_I_KNOW_WHAT_I_AM_DOING "
    "EXIT_CODES FILES_CACHE_SUFFIX FILES_CACHE_TTL HOSTNAME_IS_UNIQUE HOST_ID "
    "LOCK_WAIT NEW_PASSPHRASE OTHER_PASSPHRASE OTHER_REPO PASSPHRASE "
    "RECREATE_I_KNOW_WHAT_I_AM_DOING RELOCATED_REPO_ACCESS_IS_OK REMOTE_PATH "
    "REPO RSH SELFTEST SHOW_SYSINFO UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK "
    "USE_CHUNKS_ARCHIVE WORKAROUNDS";
static const char variables[] = "LANG TZ LC_ALL LC_CTYPE LC_MESSAGES";

/* Options of ssh that only say how to connect. A list of the bad ones would
 * never be complete. */
static const char ssh_options[] =
    "addressfamily batchmode ciphers compression connectionattempts "
    "connecttimeout hostkeyalgorithms identitiesonly identityfile ipqos "
    "kexalgorithms loglevel macs numberofpasswordprompts "
    "passwordauthentication port preferredauthentications "
    "pubkeyacceptedalgorithms pubkeyacceptedkeytypes pubkeyauthentication "
    "serveralivecountmax serveraliveinterval stricthostkeychecking "
    "tcpkeepalive user";
/* ssh adds lines to these files. */
static const char ssh_host_files[] = "userknownhostsfile globalknownhostsfile";

static bool in_words(const char *word, const char *list)
{
	size_t len = strlen(word);
	for (const char *p = list; *p != '\0';) {
		p += strspn(p, ", \t\n");
		size_t n = strcspn(p, ", \t\n");
		/* Behind the last comma there is no word without letters. */
		if (n > 0 && n == len && strncmp(p, word, n) == 0)
			return true;
		p += n;
	}
	return false;
}

static int refuse(struct buf *why, const char *what, const char *word)
{
	buf_addf(why, "%s \"", what);
	text_add_escaped(why, word, strnlen(word, 200));
	buf_adds(why, "\" is refused by this host's policy");
	return -1;
}

/* borg puts a repository's host before ssh as it is, after filling in {…}: a
 * host that begins with a dash would be an option of ssh. */
static bool is_trap(const char *location)
{
	/* rclone takes the name of a program to run in its place of ssh. */
	if (strstr(location, "://-") != NULL ||
	    strstr(location, "://{") != NULL ||
	    text_starts(location, "rclone:"))
		return true;
	if (location[0] != '-' && location[0] != '{')
		return false;
	/* host:path, and not a path, nor {now:%H:%M} in a name. */
	int depth = 0;
	for (const char *p = location; *p != '\0'; p++) {
		depth += (*p == '{') - (*p == '}');
		if (*p == ':' && depth <= 0)
			return true;
	}
	return false;
}

/* {now:TEXT} can become any text, {utcnow} has colons, and older borgs take a
 * dash out of {uuid4[8]}: so any host. Only the archive's name, behind "::",
 * and a plain path may have such a thing. */
static bool is_trap_repository(const char *location)
{
	const char *end = strstr(location, "::");
	const char *brace = strchr(location, '{');
	if (is_trap(location))
		return true;
	if (brace == NULL || (end != NULL && end < brace))
		return false;
	return end != NULL || location[0] != '/' || strchr(location, ':');
}

/* A name or a path that no shell and no format reads anything into. */
static bool is_plain(const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789/._+-@";
	return text[0] != '-' && text[strspn(text, plain)] == '\0' &&
	       strstr(text, "..") == NULL;
}

static bool is_bad_value(const struct borgwords *b)
{
	if (b->text == NULL)
		return false;
	if (borgwords_is(b, "remote-path"))
		return !is_plain(b->text);
	if (borgwords_is(b, "repo") || borgwords_is(b, "r") ||
	    borgwords_is(b, "other-repo"))
		return is_trap_repository(b->text);
	return is_trap(b->text);
}

static int check_words(const struct task *t, struct buf *why)
{
	struct borgwords b;
	enum borgword kind;
	borgwords_init(&b, t);
	while ((kind = borgwords_next(&b)) != BORGWORD_END) {
		if (kind == BORGWORD_UNKNOWN ||
		    (kind == BORGWORD_OPTION && is_bad_value(&b)))
			return refuse(why, "the option", b.word);
		if (kind == BORGWORD_PLAIN &&
		    (b.place == 1 ? is_trap_repository(b.text)
				  : is_trap(b.text)))
			return refuse(why, "the word", b.word);
	}
	return 0;
}

/* Each kind of task has its rules and its place to run in, and these are for
 * the one command that it is made of; NULL: for any. */
static const char *command_of(enum task_kind kind)
{
	switch (kind) {
	case TASK_BACKUP:
	case TASK_BACKUP_DRY_RUN:
		return "create";
	case TASK_RESTORE:
	case TASK_RESTORE_DATABASE:
		return "extract";
	default:
		return NULL;
	}
}

static int check_command(const struct task *t, struct buf *why)
{
	const char *program = strrchr(t->command[0], '/');
	program = program != NULL ? program + 1 : t->command[0];
	if (strcmp(program, "borg") != 0)
		return refuse(why, "the program", t->command[0]);
	int n = task_verb(t);
	if (n < 0)
		return refuse(
		    why, "an option before borg's command,", t->command[1]);
	if (n == 1 && t->command[n] == NULL) {
		buf_adds(why, "borg without a command");
		return -1;
	}
	const char *verb = t->command[n], *only = command_of(t->kind);
	if (verb != NULL && !in_words(verb, commands))
		return refuse(why, "borg's command", verb);
	if (only != NULL && (verb == NULL || strcmp(verb, only) != 0)) {
		buf_addf(why, "in a %s, ", t->type);
		return refuse(why, "borg's command", verb != NULL ? verb : "");
	}
	return check_words(t, why);
}

/* NAME=VALUE of ssh's -o. */
static bool is_ssh_option(const char *word, size_t len)
{
	char name[32];
	const char *equals = memchr(word, '=', len);
	if (equals == NULL || (size_t)(equals - word) >= sizeof(name))
		return false;
	size_t n = 0;
	for (; word + n < equals; n++) {
		bool upper = word[n] >= 'A' && word[n] <= 'Z';
		name[n] = (char)(upper ? word[n] - 'A' + 'a' : word[n]);
	}
	name[n] = '\0';
	if (in_words(name, ssh_options))
		return true;
	static const char null[] = "/dev/null", hosts[] = "/known_hosts";
	const char *end = word + len;
	size_t value = (size_t)(end - equals - 1);
	return in_words(name, ssh_host_files) &&
	       ((value == strlen(null) &&
		    memcmp(equals + 1, null, value) == 0) ||
		   (value >= strlen(hosts) &&
		       memcmp(end - strlen(hosts), hosts, strlen(hosts)) == 0));
}

/* BORG_RSH: ssh or Dropbear's client, with options that only say where and how
 * to connect, and written so plainly that borg and ssh cannot read anything
 * else in it. */
static bool is_plain_ssh(const char *rsh)
{
	const char *word = rsh;
	size_t len = strcspn(word, " ");
	bool dropbear = len == 8 && memcmp(word, "dbclient", 8) == 0;
	if (!dropbear && (len != 3 || memcmp(word, "ssh", 3) != 0))
		return false;
	/* The same letter is not the same option there. */
	const char *alone = dropbear ? "Ty" : "46CTaqxy";
	const char *valued = dropbear ? "ilp" : "ilop";
	for (const char *p = rsh; *p != '\0'; p++) {
		if (strchr("'\"\\", *p) || (unsigned char)*p < ' ')
			return false;
	}
	for (;;) {
		word += len;
		word += strspn(word, " ");
		len = strcspn(word, " ");
		if (len == 0)
			return true;
		if (len == 2 && word[0] == '-' && strchr(alone, word[1]))
			continue;
		if (len < 2 || word[0] != '-' || !strchr(valued, word[1]))
			return false;
		bool named = word[1] == 'o';
		/* Its value: the rest of the word, or the next one. */
		word += 2;
		len -= 2;
		if (len == 0) {
			word += strspn(word, " ");
			len = strcspn(word, " ");
		}
		if (len == 0 || (named && !is_ssh_option(word, len)))
			return false;
	}
}

/* Its value, where that matters. */
static bool is_bad_variable(const char *name, const char *value)
{
	if (strcmp(name, "BORG_RSH") == 0)
		return !is_plain_ssh(value);
	if (strcmp(name, "BORG_REPO") == 0 ||
	    strcmp(name, "BORG_OTHER_REPO") == 0)
		return is_trap_repository(value);
	/* A locale with a path in it is read from there. */
	return (strcmp(name, "BORG_REMOTE_PATH") == 0 ||
		   in_words(name, variables)) &&
	       !is_plain(value);
}

static int check_env(const struct task *t, struct buf *why)
{
	for (size_t i = 0; i < t->env_count; i++) {
		const char *name = t->env[i].name, *value = t->env[i].value;
		bool of_borg = text_starts(name, "BORG_") &&
			       in_words(name + 5, borg_variables);
		if (!of_borg && !in_words(name, variables))
			return refuse(why, "the environment variable", name);
		if (is_bad_variable(name, value))
			return refuse(why, name, value);
	}
	return 0;
}

int policy_check(const struct config *c, const struct task *t, struct buf *why)
{
	if (c->tasks != NULL && strcmp(c->tasks, "all") != 0 &&
	    !in_words(t->type, c->tasks)) {
		refuse(why, "the task type", t->type);
		buf_adds(why, " ([policy] tasks)");
		return -1;
	}
	if (t->kind == TASK_UPDATE_AGENT && !c->auto_update) {
		buf_adds(why, "this agent does not install the server's "
			      "script, and updates itself only with [agent] "
			      "auto_update = yes in its config.ini");
		return -1;
	}
	if (policy_check_hook(c, t, why) != 0)
		return -1;
	if (t->command != NULL && !c->any_command &&
	    (check_command(t, why) != 0 || check_env(t, why) != 0))
		return -1;
	/* By their letters: nothing here may wait for a dead mount. */
	return allowed_check(c, t, false, why);
}
