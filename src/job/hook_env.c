/*
 * A script's environment: the agent's own without what concerns its service
 * manager, and the BBS_* names. The passphrase reaches a script by a file in
 * the agent's run directory, 0600, that BORG_PASSCOMMAND reads.
 */
#include "job/hook_env.h"
#include "base/file.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/shellwords.h"
#include "base/text.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECRET "hook-passphrase-"
#define JOB_DIGITS 24

struct variable {
	const char *name, *value;
};
#define VARIABLES_MAX 8

static const char *or_empty(const char *text)
{
	return text != NULL ? text : "";
}

/* The task's own; how many. job_id: JOB_DIGITS bytes for its number. */
static size_t list(struct variable *v, const struct task *t, const char *status,
    bool expose, char *job_id)
{
	size_t n = 0;
	snprintf(job_id, JOB_DIGITS, "%lld", (long long)t->job_id);
	v[n++] =
	    (struct variable){"BBS_ARCHIVE_NAME", or_empty(t->archive_name)};
	v[n++] = (struct variable){"BBS_REPO_PATH", or_empty(t->repo_path)};
	v[n++] = (struct variable){"BBS_BACKUP_PLAN", or_empty(t->plan_name)};
	v[n++] = (struct variable){"BBS_CLIENT_NAME", or_empty(t->client_name)};
	v[n++] = (struct variable){"BBS_BACKUP_STATUS", status};
	v[n++] = (struct variable){"BBS_DIRECTORIES", or_empty(t->directories)};
	v[n++] = (struct variable){"BBS_JOB_ID", job_id};
	if (expose)
		v[n++] = (struct variable){"BORG_REPO", or_empty(t->repo_path)};
	return n;
}

/* Lines may end in CR LF; a script reads lines. */
static int set(char ***env, const char *name, const char *value)
{
	struct buf clean = BUF_INIT(strlen(value));
	for (const char *p = value; *p != '\0'; p++) {
		if (*p != '\r')
			buf_addc(&clean, *p);
	}
	int rc = clean.failed ? -1 : proc_env_set(env, name, buf_str(&clean));
	buf_release(&clean);
	return rc;
}

/* Ours, without what is between the agent and its service manager. */
static char **begin(void)
{
	static const char *const own[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC",
	    "WATCHDOG_PID", "JOURNAL_STREAM", "BBS_AGENT_KEY"};
	char **env = proc_env_new();
	for (size_t i = 0; env != NULL && i < sizeof(own) / sizeof(own[0]); i++)
		proc_env_set(&env, own[i], NULL);
	/* A service manager may set none. */
	const char *home = env != NULL ? proc_env_get(env, "HOME") : NULL;
	if (env != NULL && (home == NULL || home[0] == '\0'))
		proc_env_set(&env, "HOME", geteuid() == 0 ? "/root" : "/");
	return env;
}

static const char *passphrase(const struct task *t)
{
	for (size_t i = 0; i < t->env_count; i++) {
		if (strcmp(t->env[i].name, "BORG_PASSPHRASE") == 0)
			return t->env[i].value;
	}
	return NULL;
}

static int expose(struct hook_env *e, const struct worker *w, struct buf *why)
{
	const char *secret = passphrase(w->task);
	struct buf command = BUF_INIT(PATH_MAX * 4 + 8);
	char name[sizeof(SECRET) + JOB_DIGITS];
	/* A repository without encryption has none. */
	if (secret == NULL)
		return 0;
	snprintf(name, sizeof(name), SECRET "%lld", (long long)w->task->job_id);
	e->secret = file_join(w->paths->run, name);
	if (e->secret == NULL ||
	    file_write(e->secret, secret, strlen(secret), 0600) != 0) {
		buf_addf(why, "cannot write the passphrase's file into %s: %s",
		    w->paths->run, strerror(errno));
		return -1;
	}
	buf_adds(&command, "cat ");
	shellwords_quote(&command, e->secret);
	int rc = proc_env_set(&e->env, "BORG_PASSCOMMAND", buf_str(&command));
	rc |= proc_env_set(&e->env, "BORG_PASSPHRASE", NULL);
	rc |= proc_env_set(&e->env, "BORG_PASSPHRASE_FD", NULL);
	buf_release(&command);
	if (rc != 0)
		buf_adds(why, "out of memory");
	return rc;
}

int hook_env_build(struct hook_env *e, struct worker *w, const char *status,
    bool expose_passphrase, struct buf *why)
{
	struct variable v[VARIABLES_MAX];
	char job_id[JOB_DIGITS];
	size_t n = list(v, w->task, status, expose_passphrase, job_id);
	int rc = 0;
	*e = (struct hook_env){begin(), NULL};
	for (size_t i = 0; e->env != NULL && i < n; i++)
		rc |= set(&e->env, v[i].name, v[i].value);
	if (e->env == NULL || rc != 0) {
		buf_adds(why, "out of memory");
		return -1;
	}
	return expose_passphrase ? expose(e, w, why) : 0;
}

int hook_env_rebuild(struct hook_env *e, const struct json *j, int object)
{
	int env = json_get(j, object, "env");
	int rc = 0;
	*e = (struct hook_env){begin(), NULL};
	for (int at = json_first(j, env);
	     at != JSON_NONE && e->env != NULL && rc == 0;
	     at = json_next(j, env, at)) {
		char *name = json_strdup(j, at);
		char *value = json_strdup(j, json_value(j, at));
		if (name == NULL || value == NULL)
			rc = -1;
		else if (text_starts(name, "BBS_") ||
			 strcmp(name, "BORG_REPO") == 0)
			rc = set(&e->env, name, value);
		free(name);
		free(value);
	}
	return e->env != NULL ? rc : -1;
}

void hook_env_encode(struct json_writer *json, const struct task *t,
    const char *status, bool expose_passphrase)
{
	struct variable v[VARIABLES_MAX];
	char job_id[JOB_DIGITS];
	size_t n = list(v, t, status, expose_passphrase, job_id);
	json_open(json, "env", '{');
	for (size_t i = 0; i < n; i++)
		json_put(json, v[i].name, v[i].value);
	json_close(json, '}');
}

void hook_env_release(struct hook_env *e)
{
	if (e->secret != NULL && unlink(e->secret) != 0 && errno != ENOENT)
		log_error("cannot remove the passphrase's file %s: %s",
		    e->secret, strerror(errno));
	free(e->secret);
	proc_env_free(e->env);
	*e = (struct hook_env){NULL, NULL};
}

/* Is it the file of that job (0: any), or its temporary name, should the
 * worker have died just as it was written? */
static bool is_secret_of(const char *name, int64_t job_id)
{
	char wanted[sizeof(SECRET) + JOB_DIGITS];
	snprintf(wanted, sizeof(wanted), SECRET "%lld", (long long)job_id);
	if (name[0] == '.')
		name++;
	if (job_id == 0)
		return text_starts(name, SECRET);
	if (!text_starts(name, wanted))
		return false;
	char next = name[strlen(wanted)];
	return next < '0' || next > '9';
}

void hook_env_forget(const struct paths *p, int64_t job_id)
{
	DIR *d = opendir(p->run);
	struct dirent *e;
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (is_secret_of(e->d_name, job_id))
			unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d != NULL)
		closedir(d);
}
