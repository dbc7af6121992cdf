/*
 * Paths against lists of directories. What does not exist yet (a restore makes
 * its directory) is judged by the part that does.
 */
#include "job/allowed.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "bbs/borgwords.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One rule of [policy] as it is being applied. */
struct rule {
	const char *key;  /* in config.ini */
	const char *what; /* what the task wants with the path */
	const char *list;
	bool resolve;
};

static bool is_verb(const struct task *t, const char *verb)
{
	int n = t->command != NULL ? task_verb(t) : -1;
	return n > 0 && t->command[n] != NULL &&
	       strcmp(t->command[n], verb) == 0;
}

/* Is path one of the newline separated directories, or below one? */
static bool is_below(const char *path, const char *list)
{
	if (strstr(path, "/../") != NULL || text_ends(path, "/.."))
		return false;
	while (*list != '\0') {
		size_t len = strcspn(list, "\n");
		size_t n = len;
		while (n > 0 && list[n - 1] == '/')
			n--;
		if (len > 0 && strncmp(path, list, n) == 0 &&
		    (path[n] == '/' || path[n] == '\0'))
			return true;
		list += len;
		list += *list == '\n';
	}
	return false;
}

/* Appends path (absolute) with its links resolved, as far as it exists. */
static int resolve_path(const char *path, struct buf *out)
{
	char head[PATH_MAX];
	struct stat st;
	size_t len = strlen(path);
	if (len >= sizeof(head) || path[0] != '/')
		return -1;
	memcpy(head, path, len + 1);
	for (;;) {
		char *real = realpath(len > 0 ? head : "/", NULL);
		if (real != NULL) {
			buf_adds(out, strcmp(real, "/") == 0 ? "" : real);
			buf_adds(out, path + len);
			free(real);
			return out->len > 0 ? 0 : buf_addc(out, '/');
		}
		/* A link that leads nowhere could be given a target. */
		if (errno != ENOENT || lstat(head, &st) == 0 || len == 0)
			return -1;
		while (len > 0 && head[len - 1] != '/')
			len--;
		while (len > 0 && head[len - 1] == '/')
			len--;
		head[len] = '\0';
	}
}

void allowed_resolve(const char *list, struct buf *out)
{
	char path[PATH_MAX];
	while (*list != '\0') {
		size_t len = strcspn(list, "\n");
		if (len > 0 && len < sizeof(path)) {
			memcpy(path, list, len);
			path[len] = '\0';
			if (resolve_path(path, out) == 0)
				buf_addc(out, '\n');
		}
		list += len;
		list += *list == '\n';
	}
}

bool allowed_fd(const char *list, int fd)
{
	char name[40], path[PATH_MAX];
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(name, path, sizeof(path) - 1);
	if (n <= 0 || n == (ssize_t)sizeof(path) - 1)
		return false;
	path[n] = '\0';
	return is_below(path, list);
}

static int refuse(
    const struct rule *r, const char *path, const char *real, struct buf *why)
{
	buf_addf(why, "%s \"", r->what);
	text_add_escaped(why, path, strnlen(path, 200));
	buf_addf(
	    why, "\" is refused by this host's policy ([policy] %s)", r->key);
	if (real != NULL) {
		buf_adds(why, ": it leads to ");
		text_add_escaped(why, real, strnlen(real, 200));
	}
	return -1;
}

static int check_path(const struct rule *r, const char *path, struct buf *why)
{
	if (!is_below(path, r->list))
		return refuse(r, path, NULL, why);
	if (!r->resolve)
		return 0;
	struct buf real = BUF_INIT(2 * PATH_MAX), list = BUF_INIT(MIB);
	int rc = 0;
	allowed_resolve(r->list, &list);
	if (resolve_path(path, &real) != 0)
		rc = refuse(r, path, "a place that cannot be told", why);
	else if (real.failed || list.failed ||
		 !is_below(buf_str(&real), buf_str(&list)))
		rc = refuse(r, path, buf_str(&real), why);
	buf_release(&real);
	buf_release(&list);
	return rc;
}

/* What borg is told to save. */
static int check_words(
    const struct rule *r, const struct task *t, struct buf *why)
{
	struct borgwords b;
	enum borgword kind;
	borgwords_init(&b, t);
	while ((kind = borgwords_next(&b)) != BORGWORD_END) {
		/* Files and pipes of patterns can name directories, too, and
		 * what a file has in it can come back in a message. */
		bool odd = kind == BORGWORD_UNKNOWN ||
			   (kind == BORGWORD_OPTION &&
			       (text_starts(b.name, "pat") ||
				   borgwords_is(&b, "exclude-from")));
		if (odd) {
			struct rule option = *r;
			option.what = "the option";
			return refuse(&option, b.word, NULL, why);
		}
		if (kind == BORGWORD_PLAIN && b.place > 1 &&
		    check_path(r, b.text, why) != 0)
			return -1;
	}
	return 0;
}

/* What the plan says. */
static int check_lines(const struct rule *r, const char *line, struct buf *why)
{
	while (line != NULL && *line != '\0') {
		char path[PATH_MAX];
		size_t len = strcspn(line, "\r\n");
		if (len >= sizeof(path))
			return refuse(r, "(too long)", NULL, why);
		memcpy(path, line, len);
		path[len] = '\0';
		if (len > 0 && check_path(r, path, why) != 0)
			return -1;
		line += len;
		line += strspn(line, "\r\n");
	}
	return 0;
}

static int check_browse(
    const struct rule *r, const struct task *t, struct buf *why)
{
	struct json j = JSON_INIT;
	int rc = 0;
	/* The look itself judges what it has open. */
	if (r->resolve || t->details == NULL)
		return 0;
	if (json_parse(&j, t->details, strlen(t->details)) == 0) {
		char *path = json_strdup(&j, json_get(&j, 0, "path"));
		rc = check_path(r, path != NULL ? path : "", why);
		free(path);
	}
	json_release(&j);
	return rc;
}

static bool restores(const struct task *t)
{
	return t->kind == TASK_RESTORE || t->kind == TASK_RESTORE_DATABASE ||
	       is_verb(t, "extract");
}

/* Absent means the root: archives hold paths without the leading slash. */
static const char *cwd_of(const struct task *t)
{
	return t->cwd != NULL && t->cwd[0] != '\0' ? t->cwd : "/";
}

int allowed_check(
    const struct config *c, const struct task *t, bool resolve, struct buf *why)
{
	int rc = 0;
	/* By what borg is told to do, whatever the task calls itself. */
	if (is_verb(t, "create") && c->backup_from != NULL) {
		struct rule r = {
		    "backup_from", "the directory", c->backup_from, resolve};
		rc = check_words(&r, t, why) != 0
			 ? -1
			 : check_lines(&r, t->directories, why);
	}
	/* A restore makes this directory, whatever borg is told. */
	if (rc == 0 && restores(t) && c->restore_to != NULL) {
		struct rule r = {
		    "restore_to", "restoring to", c->restore_to, resolve};
		rc = check_path(&r, cwd_of(t), why);
	}
	if (rc == 0 && t->kind == TASK_LIST_DIR && c->browse != NULL) {
		struct rule r = {"browse", "looking into", c->browse, resolve};
		rc = check_browse(&r, t, why);
	}
	return rc;
}

/* What is open now is where borg will stand, whatever was moved since. */
static int judge_open(
    const struct config *c, const struct task *t, int fd, struct buf *why)
{
	struct buf list = BUF_INIT(MIB);
	struct rule r = {"restore_to", "restoring to", c->restore_to, true};
	int rc = 0;
	if (!restores(t) || c->restore_to == NULL)
		return 0;
	allowed_resolve(c->restore_to, &list);
	if (list.failed || !allowed_fd(buf_str(&list), fd))
		rc = refuse(&r, cwd_of(t), "somewhere else by now", why);
	buf_release(&list);
	return rc;
}

/* The next part of a path: made if it is missing, but never through a link,
 * and without a look at what stood there. Closes dir. */
static int enter_part(int dir, const char **path)
{
	char name[NAME_MAX + 1];
	size_t len = strcspn(*path, "/");
	int fd = -1;
	snprintf(name, sizeof(name), "%.*s", (int)len, *path);
	if (len > NAME_MAX || strcmp(name, "..") == 0) {
		errno = len > NAME_MAX ? ENAMETOOLONG : ENOENT;
	} else {
		mode_t before = umask(022);
		if (mkdirat(dir, name, 0755) == 0 || errno == EEXIST)
			fd = openat(dir, name,
			    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		umask(before);
	}
	int saved = errno;
	close(dir);
	errno = saved;
	if (fd >= 0)
		*path += len;
	return fd;
}

int allowed_enter(const struct config *c, const struct task *t, struct buf *why)
{
	const char *cwd = cwd_of(t);
	bool make = t->kind == TASK_RESTORE || t->kind == TASK_RESTORE_DATABASE;
	struct buf there = BUF_INIT(PATH_MAX);
	if (make)
		file_nearest(cwd, &there);
	else
		buf_adds(&there, cwd);
	const char *rest = cwd + there.len;
	int fd = open(buf_str(&there), O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc = fd >= 0 ? judge_open(c, t, fd, why) : -1;
	/* Only where it may is anything made. */
	while (rc == 0 && fd >= 0 && *(rest += strspn(rest, "/")) != '\0')
		fd = enter_part(fd, &rest);
	if (fd < 0 || (rc == 0 && fchdir(fd) != 0)) {
		buf_addf(why, "cannot %s the directory %s: %s",
		    *rest != '\0' ? "make" : "enter", cwd, strerror(errno));
		rc = -1;
	}
	if (fd >= 0)
		close(fd);
	buf_release(&there);
	return rc;
}
