/*
 * The lock's file, written by its holder and read by others, for whom it
 * counts only while the process that wrote it holds the lock. Whoever may read
 * it can lock it, too, but only for reading: such locks count for nothing.
 */
#include "setup/lockfile.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int set_lock(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	return fcntl(fd, F_SETLK, &lock);
}

/* The new file can be opened by nobody else before it is locked. */
int lockfile_take(const char *path, int *fd)
{
	struct flock held = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	int rc = set_lock(*fd);
	if (rc != 0 && fcntl(*fd, F_GETLK, &held) == 0 &&
	    held.l_type == F_UNLCK && unlink(path) == 0) {
		close(*fd);
		*fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		rc = *fd >= 0 ? set_lock(*fd) : -1;
	}
	/* Whatever the umask: anybody may ask whether an agent runs. */
	return rc == 0 ? fchmod(*fd, 0644) : -1;
}

/* The holder before may have been answered: its words go before ours come, so
 * that they are never taken for ours. */
int lockfile_write(int fd, bool answered)
{
	char text[48];
	int n = snprintf(text, sizeof(text), "%d\n%s", (int)getpid(),
	    answered ? LOCKFILE_ANSWERED : "");
	if (!answered && ftruncate(fd, 0) != 0)
		return -1;
	ssize_t written = pwrite(fd, text, (size_t)n, 0);
	if (written >= 0 && written != n)
		errno = ENOSPC;
	return written == n ? 0 : -1;
}

static void parse(struct buf *text, struct lockfile *lock)
{
	uint64_t pid = 0;
	if (text->len == 0)
		return;
	size_t len = strcspn(text->data, "\n");
	lock->answered = strcmp(text->data + len, "\n" LOCKFILE_ANSWERED) == 0;
	text->data[len] = '\0';
	if (text_to_u64(text->data, 1, INT32_MAX, &pid) == 0)
		lock->pid = (int)pid;
}

void lockfile_read(const char *path, struct lockfile *lock)
{
	struct flock held = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	struct buf text = BUF_INIT(256);
	memset(lock, 0, sizeof(*lock));
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return;
	if (fcntl(fd, F_GETLK, &held) == 0 && held.l_type != F_UNLCK &&
	    file_read_fd(fd, &text) == 0) {
		parse(&text, lock);
		/* Its file is not written anew yet. */
		if (held.l_pid > 0 && held.l_pid != lock->pid)
			lock->answered = false;
		/* The kernel knows better than a text that may be old. */
		if (held.l_pid > 0)
			lock->pid = held.l_pid;
	}
	close(fd);
	buf_release(&text);
}
