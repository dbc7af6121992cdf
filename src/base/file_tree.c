/*
 * A directory tree removed. It never follows a link, and never leaves the
 * file system or the mount that it began on: what an administrator mounted
 * below one of our directories is not ours to delete.
 */
#include "base/file.h"
#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Arguments of openat2(2), which libc does not wrap. */
struct tree_how {
	uint64_t flags, mode, resolve;
};
#define RESOLVE_NO_XDEV_ 0x01

int file_open_within(int dir, const char *name, int flags)
{
	int fd = -1;
	errno = ENOSYS;
#ifdef SYS_openat2
	struct tree_how how = {(uint64_t)flags, 0, RESOLVE_NO_XDEV_};
	fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
	/* So old containers say it. */
	if (fd < 0 && errno == EPERM)
		errno = ENOSYS;
#endif
	return fd;
}

/* Opens the directory name in dir; EXDEV when another mount begins there. */
static int tree_open(int dir, const char *name, dev_t device)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	struct stat st;
	int fd = file_open_within(dir, name, flags);
	if (fd >= 0 || errno != ENOSYS)
		return fd;
	fd = openat(dir, name, flags);
	if (fd < 0 || (fstat(fd, &st) == 0 && st.st_dev == device))
		return fd;
	close(fd);
	errno = EXDEV;
	return -1;
}

static int tree_empty(int fd, dev_t device, int depth);

/* Removes one entry, of whatever kind. */
static int tree_unlink(int dir, const char *name, dev_t device, int depth)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -1;
	int fd = tree_open(dir, name, device);
	if (fd < 0 || tree_empty(fd, device, depth + 1) != 0)
		return -1;
	return unlinkat(dir, name, AT_REMOVEDIR);
}

/* Removes all entries; closes fd. Goes on past a failure, and says so. */
static int tree_empty(int fd, dev_t device, int depth)
{
	DIR *d = depth < TREE_DEPTH_MAX ? fdopendir(fd) : NULL;
	if (d == NULL) {
		if (depth >= TREE_DEPTH_MAX)
			errno = ELOOP;
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	int failed = 0;
	bool removed = true;
	/* A listing may skip names while entries go: until none goes. */
	while (removed) {
		struct dirent *e;
		removed = false;
		failed = 0;
		rewinddir(d);
		while ((e = readdir(d)) != NULL) {
			const char *name = e->d_name;
			if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
				continue;
			if (tree_unlink(dirfd(d), name, device, depth) == 0)
				removed = true;
			else
				failed = errno;
		}
	}
	closedir(d);
	errno = failed;
	return failed != 0 ? -1 : 0;
}

int file_remove_tree(const char *dir)
{
	struct stat st;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) != 0) {
		close(fd);
		return -1;
	}
	if (tree_empty(fd, st.st_dev, 0) != 0)
		return -1;
	return rmdir(dir);
}
