/*
 * The way to the dumps' directory, and what is asked of it there. It refuses
 * links that another user can have planted, and a directory that another user
 * can write to: a dump is read by root when it is restored.
 */
#include "job/dumpdir.h"
#include "base/file.h"
#include "job/allowed.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define WALK_FLAGS (O_PATH | O_CLOEXEC)

/* Some programs act on every file that they find in such a directory, and the
 * text of a dump is whatever the named database server says. */
static const char system_dirs[] =
    "/etc\n/usr\n/bin\n/sbin\n/lib\n/lib32\n/lib64\n/boot\n/dev\n/proc\n/sys\n"
    "/run\n/var/spool/cron";

static bool is_ours(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

/* Can nobody but root (or us) change what stands in this directory? */
static bool is_safe(int dir)
{
	struct stat st;
	return fstat(dir, &st) == 0 && is_ours(&st) &&
	       (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int give_up(int fd, int error)
{
	close(fd);
	errno = error;
	return -1;
}

/* One step: the directory `name` in dir, a new descriptor. */
static int step(int dir, const char *name, bool make, mode_t mode)
{
	struct stat st;
	int fd = openat(dir, name, WALK_FLAGS | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT && make) {
		if (mkdirat(dir, name, mode) != 0 && errno != EEXIST)
			return -1;
		fd = openat(dir, name, WALK_FLAGS | O_NOFOLLOW);
	}
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) != 0)
		return give_up(fd, errno);
	if (S_ISDIR(st.st_mode))
		return fd;
	if (!S_ISLNK(st.st_mode))
		return give_up(fd, ENOTDIR);
	if (!is_ours(&st) || !is_safe(dir))
		return give_up(fd, ELOOP);
	close(fd);
	return openat(dir, name, WALK_FLAGS | O_DIRECTORY);
}

int dumpdir_walk(const char *path, bool make)
{
	char name[NAME_MAX + 1];
	int dir = open("/", WALK_FLAGS | O_DIRECTORY);
	if (path[0] != '/')
		return give_up(dir, EINVAL);
	while (dir >= 0) {
		path += strspn(path, "/");
		size_t len = strcspn(path, "/");
		if (len == 0)
			break;
		if (len > NAME_MAX)
			return give_up(dir, ENAMETOOLONG);
		memcpy(name, path, len);
		name[len] = '\0';
		path += len;
		if (strcmp(name, "..") == 0)
			return give_up(dir, EINVAL);
		bool last = path[strspn(path, "/")] == '\0';
		int next = step(dir, name, make, last ? 0700 : 0755);
		int saved = errno;
		close(dir);
		errno = saved;
		dir = next;
		if (dir >= 0 && allowed_fd(system_dirs, dir))
			return give_up(dir, EPERM);
	}
	return dir;
}

static int judge(const struct dumpdir *d, struct buf *why)
{
	struct stat st;
	if (fstat(d->fd, &st) != 0) {
		buf_addf(why, "cannot look at the directory %s: %s", d->path,
		    strerror(errno));
		return -1;
	}
	if (is_ours(&st) && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return 0;
	buf_addf(why,
	    "the directory %s is not safe for dumps: another user can write to "
	    "it (chown root and chmod 700 would mend that)",
	    d->path);
	return -1;
}

static void explain(const char *path, struct buf *why)
{
	if (errno == ELOOP)
		buf_addf(why,
		    "a part of the path %s is a link that another user can "
		    "change: it is not followed",
		    path);
	else if (errno == EPERM)
		buf_addf(why,
		    "dumps in %s are refused by this host's policy: "
		    "it is one of the system's directories",
		    path);
	else
		buf_addf(why, "cannot open the directory %s: %s", path,
		    strerror(errno));
}

int dumpdir_enter(
    struct dumpdir *d, const char *path, bool make, struct buf *why)
{
	*d = (struct dumpdir)DUMPDIR_INIT;
	d->path = path;
	int at = dumpdir_walk(path, make);
	if (at >= 0) {
		d->fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int saved = errno;
		close(at);
		errno = saved;
	}
	if (d->fd < 0) {
		explain(path, why);
		return -1;
	}
	if (judge(d, why) != 0)
		return -1;
	d->before = open(".", WALK_FLAGS | O_DIRECTORY);
	if (fchdir(d->fd) == 0)
		return 0;
	buf_addf(
	    why, "cannot enter the directory %s: %s", path, strerror(errno));
	return -1;
}

void dumpdir_leave(struct dumpdir *d)
{
	if (d->before >= 0) {
		if (fchdir(d->before) != 0)
			(void)!chdir("/");
		close(d->before);
	}
	if (d->fd >= 0)
		close(d->fd);
	*d = (struct dumpdir)DUMPDIR_INIT;
}

int64_t dumpdir_free(const struct dumpdir *d)
{
	struct statvfs fs;
	if (fstatvfs(d->fd, &fs) != 0 || fs.f_frsize == 0)
		return -1;
	uint64_t blocks = (uint64_t)fs.f_bavail, size = (uint64_t)fs.f_frsize;
	return blocks > INT64_MAX / size ? INT64_MAX : (int64_t)(blocks * size);
}

int dumpdir_remove(const char *name)
{
	struct stat st;
	int rc = 0;
	if (lstat(name, &st) == 0)
		rc =
		    S_ISDIR(st.st_mode) ? file_remove_tree(name) : unlink(name);
	else if (errno != ENOENT)
		rc = -1;
	return rc;
}

/* The directory `name`, not through a link; NULL: it is none. */
static DIR *open_list(const char *name)
{
	int fd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	if (d == NULL && fd >= 0)
		close(fd);
	return d;
}

int64_t dumpdir_size(const char *name)
{
	struct stat st;
	if (lstat(name, &st) != 0)
		return -1;
	if (S_ISREG(st.st_mode))
		return st.st_size;
	DIR *d = open_list(name);
	if (d == NULL)
		return -1;
	int64_t total = 0;
	struct dirent *e;
	while ((e = readdir(d)) != NULL) {
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
			0 &&
		    S_ISREG(st.st_mode))
			total += st.st_size;
	}
	closedir(d);
	return total;
}

bool dumpdir_has_old(const char *name, time_t time)
{
	struct stat st;
	struct dirent *e;
	bool old = false;
	DIR *d = open_list(name);
	while (d != NULL && !old && (e = readdir(d)) != NULL)
		old = fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
			  0 &&
		      S_ISREG(st.st_mode) && st.st_ctim.tv_sec < time;
	if (d != NULL)
		closedir(d);
	return old;
}
