/* Programs that are replaced while they may be run: see file.h. */
#include "base/file.h"
#include "base/limits.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_SIZE (256u * KIB)

static int copy_bytes(int from, int to)
{
	static char bytes[COPY_SIZE];
	for (;;) {
		ssize_t n = read(from, bytes, sizeof(bytes));
		if (n == 0)
			return fsync(to);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || file_write_all(to, bytes, (size_t)n) != 0)
			return -1;
	}
}

int file_copy(const char *from, const char *to)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int in = open(from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), out = -1;
	int rc = -1;
	/* One that a crash has left. */
	unlink(to);
	if (in >= 0)
		out = open(to, flags, 0700);
	if (out >= 0 && copy_bytes(in, out) == 0)
		rc = fchmod(out, 0755);
	int saved = errno;
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	if (rc != 0 && out >= 0)
		unlink(to);
	errno = saved;
	return rc;
}

void file_sync_dir(const char *path)
{
	char *dir = strndup(path, (size_t)(strrchr(path, '/') - path) + 1);
	int fd =
	    dir != NULL ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(dir);
}

int file_keep(const char *path, const char *name)
{
	char temp[PATH_MAX + 16];
	snprintf(temp, sizeof(temp), "%s.tmp", name);
	unlink(temp);
	/* Some file systems have no hard links. */
	if (link(path, temp) != 0 && file_copy(path, temp) != 0)
		return -1;
	int rc = rename(temp, name);
	int saved = errno;
	/* When both were one file already, rename does nothing. */
	unlink(temp);
	errno = saved;
	return rc;
}
