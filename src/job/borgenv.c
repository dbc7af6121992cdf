/*
 * Preparation of a borg command. The task's words are used as they came, but
 * for the name of borg itself: which borg runs is this host's decision.
 */
#include "job/borgenv.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/text.h"
#include "bbs/answer.h"
#include "bbs/borgbin.h"
#include "job/ssh.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* How far the times of a file and of a process may be apart. */
#define LOCK_MARGIN_S 10

bool borgenv_is_utf8(const char *value)
{
	if (value == NULL)
		return false;
	const char *charset = strchr(value, '.');
	return charset != NULL && (strcasecmp(charset, ".UTF-8") == 0 ||
				      strcasecmp(charset, ".utf8") == 0);
}

static int set_defaults(char ***env)
{
	int rc = 0;
	const char *all = proc_env_get(*env, "LC_ALL");
	const char *lang = proc_env_get(*env, "LANG");
	bool utf8 = all != NULL && all[0] != '\0' ? borgenv_is_utf8(all)
						  : borgenv_is_utf8(lang);
	rc |= proc_env_set(env, "BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes");
	rc |= proc_env_set(
	    env, "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes");
	if (!utf8) {
		rc |= proc_env_set(env, "LC_ALL", "C.UTF-8");
		rc |= proc_env_set(env, "LANG", "C.UTF-8");
	}
	/* A service manager may set none; borg's cache lies below it. */
	const char *home = proc_env_get(*env, "HOME");
	if (home == NULL || home[0] == '\0')
		rc |= proc_env_set(env, "HOME", geteuid() == 0 ? "/root" : "/");
	return rc;
}

#define REMOTE_KEY "remote-key-"

static char *remote_key_path(const struct paths *p, int64_t job_id)
{
	char name[48];
	snprintf(name, sizeof(name), REMOTE_KEY "%lld", (long long)job_id);
	return file_join(p->run, name);
}

/* The key, and the copy that was converted for Dropbear. */
static void remove_key(const char *path)
{
	struct buf copy = BUF_INIT(PATH_MAX);
	unlink(path);
	if (buf_addf(&copy, "%s.dropbear", path) == 0)
		unlink(buf_str(&copy));
	buf_release(&copy);
}

void borgenv_forget_key(const struct paths *p, int64_t job_id)
{
	char *path = remote_key_path(p, job_id);
	if (path != NULL)
		remove_key(path);
	free(path);
}

void borgenv_forget_keys(const struct paths *p)
{
	DIR *d = opendir(p->run);
	struct dirent *e;
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (text_starts(e->d_name, REMOTE_KEY))
			unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d != NULL)
		closedir(d);
}

static int write_remote_key(
    struct borg_command *c, struct worker *w, struct buf *why)
{
	struct buf key = BUF_INIT(KEY_FILE_MAX);
	int rc = -1;
	ssh_key_normalise(w->task->remote_ssh_key, &key);
	c->remote_key = remote_key_path(w->paths, w->task->job_id);
	if (c->remote_key != NULL && !key.failed)
		rc = file_write(c->remote_key, key.data, key.len, 0600);
	if (rc != 0)
		buf_addf(why,
		    "cannot write the key of the remote repository "
		    "into %s: %s",
		    w->paths->run, strerror(errno));
	buf_wipe(&key);
	return rc;
}

static int build_env(struct borg_command *c, struct worker *w, struct buf *why)
{
	struct buf rsh = BUF_INIT(64 * KIB);
	const struct task *t = w->task;
	int rc = -1;
	c->env = proc_env_new();
	if (c->env == NULL || set_defaults(&c->env) != 0)
		goto out;
	for (size_t i = 0; i < t->env_count; i++) {
		const char *value = t->env[i].value;
		if (strcmp(t->env[i].name, "BORG_RSH") == 0) {
			buf_reset(&rsh);
			if (ssh_hosts_check(w, why) != 0 ||
			    ssh_rewrite_rsh(w, value, c->remote_key, &rsh) != 0)
				goto out;
			value = buf_str(&rsh);
		}
		if (proc_env_set(&c->env, t->env[i].name, value) != 0)
			goto out;
	}
	rc = 0;
out:
	if (rc != 0 && why->len == 0)
		buf_adds(why, "out of memory");
	buf_release(&rsh);
	return rc;
}

/* Behind which word the limit for uploads goes, 0: there is none. borg create
 * alone uploads in bulk. */
static size_t limit_after(const struct worker *w)
{
	int verb = task_verb(w->task);
	if (w->config->upload_kib == 0 || verb < 1 ||
	    w->task->command[verb] == NULL ||
	    strcmp(w->task->command[verb], "create") != 0)
		return 0;
	return (size_t)verb;
}

static int build_argv(struct borg_command *c, struct worker *w)
{
	const struct task *t = w->task;
	size_t n = 0, out = 0, after = limit_after(w);
	while (t->command[n] != NULL)
		n++;
	c->argv = calloc(n + 2, sizeof(*c->argv));
	if (c->argv == NULL)
		return -1;
	c->argv[out++] = buf_str(&c->path);
	for (size_t i = 1; i < n; i++) {
		c->argv[out++] = t->command[i];
		if (i != after)
			continue;
		snprintf(c->limit, sizeof(c->limit), "--upload-ratelimit=%llu",
		    (unsigned long long)w->config->upload_kib);
		c->argv[out++] = c->limit;
	}
	return 0;
}

static bool names_borg(const char *word)
{
	const char *slash = strrchr(word, '/');
	return strcmp(slash != NULL ? slash + 1 : word, "borg") == 0;
}

int borg_command_build(
    struct borg_command *c, struct worker *w, struct buf *why)
{
	memset(c, 0, sizeof(*c));
	buf_init(&c->path, PATH_MAX);
	if (!names_borg(w->task->command[0]))
		buf_adds(&c->path, w->task->command[0]);
	else if (borgbin_find(w->config->borg_path, &c->path, why) != 0)
		return -1;
	if (w->task->remote_ssh_key != NULL &&
	    w->task->remote_ssh_key[0] != '\0' &&
	    write_remote_key(c, w, why) != 0)
		return -1;
	if (build_env(c, w, why) != 0)
		return -1;
	if (build_argv(c, w) != 0) {
		buf_adds(why, "out of memory");
		return -1;
	}
	int cleared = borgenv_clear_locks(c->env);
	if (cleared > 0)
		log_info("removed %d lock(s) of a borg that is gone from its "
			 "cache",
		    cleared);
	return 0;
}

void borg_command_release(struct borg_command *c)
{
	if (c->remote_key != NULL)
		remove_key(c->remote_key);
	free(c->remote_key);
	free(c->argv);
	if (c->env != NULL)
		proc_env_free(c->env);
	buf_release(&c->path);
	memset(c, 0, sizeof(*c));
}

int borgenv_cache_dir(char *const *env, struct buf *dir)
{
	const char *value = proc_env_get(env, "BORG_CACHE_DIR");
	if (value != NULL && value[0] == '/')
		return buf_adds(dir, value);
	value = proc_env_get(env, "BORG_BASE_DIR");
	if (value != NULL && value[0] == '/')
		return buf_addf(dir, "%s/.cache/borg", value);
	value = proc_env_get(env, "XDG_CACHE_HOME");
	if (value != NULL && value[0] == '/')
		return buf_addf(dir, "%s/borg", value);
	value = proc_env_get(env, "HOME");
	if (value != NULL && value[0] == '/')
		return buf_addf(dir, "%s/.cache/borg", value);
	return -1;
}

/* Does its command line speak of borg? */
static bool looks_like_borg(pid_t pid)
{
	char path[32];
	struct buf text = BUF_INIT(64 * KIB);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	bool is = file_read(path, &text) != 0;
	for (size_t i = 0; !is && i + 4 <= text.len; i++)
		is = memcmp(text.data + i, "borg", 4) == 0;
	buf_release(&text);
	return is;
}

/* Did the process with this number begin after the lock was made? Its maker
 * is gone then, and a stranger has its number: after a restart of the host
 * above all. A clock that was set in between may say so of the maker itself,
 * so what looks like a borg is one. */
static bool is_stranger(pid_t pid, int64_t locked_at)
{
	uint64_t start = proc_start_time(pid);
	if (start == 0)
		return false;
	int64_t booted = clock_wall() - (int64_t)(clock_ms() / 1000);
	int64_t began = booted + (int64_t)(start / PROC_HZ);
	return began > locked_at + LOCK_MARGIN_S && !looks_like_borg(pid);
}

/* HOST@ID.PID-THREAD: the pid when HOST is this host and it is gone. */
static bool is_dead_owner(int dir, const char *name)
{
	char host[256] = "";
	char digits[16];
	uint64_t pid;
	struct stat st;
	gethostname(host, sizeof(host) - 1);
	size_t len = strlen(host);
	if (len == 0 || strncmp(name, host, len) != 0 ||
	    (name[len] != '@' && name[len] != '.'))
		return false;
	const char *dot = strrchr(name, '.');
	const char *dash = dot != NULL ? strchr(dot, '-') : NULL;
	if (dash == NULL || (size_t)(dash - dot - 1) >= sizeof(digits))
		return false;
	memcpy(digits, dot + 1, (size_t)(dash - dot - 1));
	digits[dash - dot - 1] = '\0';
	if (text_to_u64(digits, 2, INT_MAX, &pid) != 0)
		return false;
	if (kill((pid_t)pid, 0) != 0 && errno == ESRCH)
		return true;
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       is_stranger((pid_t)pid, st.st_mtime);
}

/* Removes the dead owners of one lock and, when none is left, the lock. */
static bool clear_lock(int cache, const char *name)
{
	struct buf path = BUF_INIT(PATH_MAX);
	bool removed = false;
	buf_addf(&path, "%s/lock.exclusive", name);
	int fd = openat(cache, buf_str(&path),
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	if (d == NULL && fd >= 0)
		close(fd);
	if (d != NULL) {
		struct dirent *e;
		while ((e = readdir(d)) != NULL) {
			if (is_dead_owner(dirfd(d), e->d_name))
				unlinkat(dirfd(d), e->d_name, 0);
		}
		closedir(d);
		/* Fails while an owner that lives is in it: as it should. */
		removed = unlinkat(cache, buf_str(&path), AT_REMOVEDIR) == 0;
	}
	buf_release(&path);
	return removed;
}

int borgenv_clear_locks(char *const *env)
{
	struct buf dir = BUF_INIT(PATH_MAX);
	int cleared = 0;
	DIR *d = NULL;
	if (borgenv_cache_dir(env, &dir) == 0)
		d = opendir(buf_str(&dir));
	if (d != NULL) {
		struct dirent *e;
		while ((e = readdir(d)) != NULL) {
			if (e->d_name[0] != '.' &&
			    clear_lock(dirfd(d), e->d_name))
				cleared++;
		}
		closedir(d);
	}
	buf_release(&dir);
	return cleared;
}
