/*
 * The log's file. Supervisor and workers hold descriptors of it and each turns
 * it over or follows when another did, under a lock of the file itself. It
 * refuses whatever another user could have put in its place, and to lose a
 * line: when no new file can be made, the old one takes it.
 */
#include "base/log_file.h"
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

#define MODE 0640

static struct {
	int fd;
	char *path;
} kept = {.fd = -1};

/* What is wrong with it; NULL: nothing. Devices are nobody's log but take
 * lines. */
static const char *flaw(int fd)
{
	struct stat st;
	if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode))
		return NULL;
	return file_flaw(fd);
}

int log_file_open(const char *path, struct buf *why)
{
	/* A pipe without a reader must not hold us up. */
	int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW |
		    O_NOCTTY | O_NONBLOCK;
	int fd = open(path, flags, MODE);
	const char *wrong = fd < 0 ? strerror(errno) : flaw(fd);
	if (fd < 0 && errno == ELOOP)
		wrong = "it is a symbolic link";
	if (wrong == NULL && fcntl(fd, F_SETFL, O_APPEND) == 0)
		return fd;
	buf_addf(why, "cannot open the log %s: %s", path,
	    wrong != NULL ? wrong : strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

void log_file_keep(int fd, const char *path)
{
	free(kept.path);
	kept.path = path != NULL ? strdup(path) : NULL;
	kept.fd = kept.path != NULL ? fd : -1;
}

bool log_file_is(int fd, const char *path)
{
	struct stat ours, there;
	return fstat(fd, &ours) == 0 && S_ISREG(ours.st_mode) &&
	       lstat(path, &there) == 0 && ours.st_dev == there.st_dev &&
	       ours.st_ino == there.st_ino;
}

static bool set_lock(int fd, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
	return fcntl(fd, F_SETLK, &lock) == 0;
}

/* A new file under the same descriptor; standard error stays open for what we
 * run. */
static void reopen(int fd)
{
	struct buf why = BUF_INIT(PATH_MAX + KIB);
	int next = log_file_open(kept.path, &why);
	if (next >= 0) {
		dup3(next, fd, fd == STDERR_FILENO ? 0 : O_CLOEXEC);
		close(next);
	}
	buf_release(&why);
}

static void move_away(void)
{
	char old[PATH_MAX];
	int n = snprintf(old, sizeof(old), "%s.1", kept.path);
	if (n > 0 && (size_t)n < sizeof(old))
		(void)rename(kept.path, old);
}

void log_file_turn(int fd)
{
	struct stat st;
	if (fd != kept.fd || fd < 0 || fstat(fd, &st) != 0 ||
	    !S_ISREG(st.st_mode))
		return;
	if (st.st_size < (off_t)LOG_FILE_MAX && log_file_is(fd, kept.path))
		return;
	/* Another process is at it: our line goes where it always went. */
	if (!set_lock(fd, F_WRLCK))
		return;
	if (log_file_is(fd, kept.path))
		move_away();
	if (!log_file_is(fd, kept.path))
		reopen(fd);
	/* Gone with the old file, unless that stayed. */
	set_lock(fd, F_UNLCK);
}
