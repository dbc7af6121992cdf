/*
 * Files: read whole, replaced atomically. A name that we write is never
 * followed when it is a symbolic link, and a file is either the old one or
 * the new one, whatever happens in between.
 */
#include "base/file.h"
#include "base/clock.h"
#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* Tries of a random name; a second one is needed once in 2^48. */
#define NAME_TRIES 16

static void file_close(int fd)
{
	int saved = errno;
	close(fd);
	errno = saved;
}

static ssize_t file_read_some(int fd, char *to, size_t len)
{
	for (;;) {
		ssize_t n = read(fd, to, len);
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		if (n >= 0 || (errno != EINTR && errno != EAGAIN))
			return n;
		/* A pipe that somebody is writing into, --key-file <(...) */
		if (errno == EAGAIN)
			poll(&wait, 1, -1);
	}
}

/* Room for what is likely there, and never less than one byte. */
static size_t file_guess(int fd, const struct buf *out)
{
	struct stat st;
	size_t room = out->max - out->len, want = 4096;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		want =
		    (uint64_t)st.st_size < room ? (size_t)st.st_size + 1 : room;
	return want < room ? want : room;
}

int file_read_fd(int fd, struct buf *out)
{
	size_t before = out->len;
	for (size_t want = file_guess(fd, out);;) {
		size_t room = out->max - out->len;
		char probe;
		char *to = &probe;
		want = want < room ? want : room;
		if (want > 0 && (to = buf_space(out, want)) == NULL) {
			errno = ENOMEM;
			break;
		}
		ssize_t n = file_read_some(fd, to, want > 0 ? want : 1);
		if (n == 0)
			return buf_add(out, "", 0);
		if (n > 0 && want == 0) {
			mem_wipe(&probe, 1);
			errno = EFBIG;
		}
		if (n < 0 || want == 0)
			break;
		buf_grow(out, (size_t)n);
		size_t spare = out->cap - out->len - 1;
		want = spare > 0 ? spare : 16 * KIB;
	}
	if (out->data != NULL) {
		mem_wipe(out->data + before, out->cap - before);
		out->len = before;
	}
	return -1;
}

int file_read(const char *path, struct buf *out)
{
	/* A pipe without a writer must not hold us up: it is empty. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -1;
	int rc = file_read_fd(fd, out);
	file_close(fd);
	return rc;
}

bool file_is_plain(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

const char *file_flaw(int fd)
{
	const mode_t foreign = S_IWGRP | S_IWOTH;
	struct stat st;
	if (fstat(fd, &st) != 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "it is no file";
	if (st.st_uid != geteuid())
		return "it belongs to another user";
	if (st.st_nlink > 1)
		return "it has a second name (a hard link)";
	if ((st.st_mode & foreign) != 0 &&
	    fchmod(fd, st.st_mode & 07777 & ~foreign) != 0)
		return "others may write into it";
	return NULL;
}

int file_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;
	while (len > 0) {
		ssize_t n = write(fd, p, len);
		if (n >= 0) {
			p += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			struct pollfd wait = {.fd = fd, .events = POLLOUT};
			poll(&wait, 1, -1);
		} else if (errno != EINTR) {
			return -1;
		}
	}
	return 0;
}

/* A number that a stranger cannot guess where the kernel helps; the files are
 * made with O_EXCL, so a guess would only cost a try. */
static uint64_t file_random(void)
{
	uint64_t v = 0;
	if (getrandom(&v, sizeof(v), GRND_NONBLOCK) == (ssize_t)sizeof(v))
		return v;
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		file_read_some(fd, (char *)&v, sizeof(v));
		close(fd);
	}
	static uint64_t count;
	return v ^ (clock_ms() << 20) ^ ((uint64_t)getpid() << 8) ^ ++count;
}

/* Creates .NAME.random.tmp in dir; its name goes to temp (NAME_MAX + 1). */
static int file_temp(int dir, const char *name, char *temp)
{
	int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	for (int i = 0; i < NAME_TRIES; i++) {
		snprintf(temp, NAME_MAX + 1, ".%.200s.%012llx.tmp", name,
		    (unsigned long long)(file_random() & 0xffffffffffffu));
		int fd = openat(dir, temp, flags, 0600);
		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
	return -1;
}

static int file_fill_in(
    int dir, const char *name, const void *data, size_t len, mode_t mode)
{
	char temp[NAME_MAX + 1];
	int fd = file_temp(dir, name, temp);
	if (fd < 0)
		return -1;
	int rc = file_write_all(fd, data, len);
	if (rc == 0)
		rc = fchmod(fd, mode);
	if (rc == 0)
		rc = fsync(fd);
	file_close(fd);
	if (rc == 0)
		rc = renameat(dir, temp, dir, name);
	if (rc != 0) {
		int saved = errno;
		unlinkat(dir, temp, 0);
		errno = saved;
	}
	return rc;
}

/* Opens the directory that path stands in; *name is path's last part. */
static int file_open_parent(const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	*name = slash != NULL ? slash + 1 : path;
	if (**name == '\0') {
		errno = EISDIR;
		return -1;
	}
	char *dir = slash == NULL   ? strdup(".")
		    : slash == path ? strdup("/")
				    : strndup(path, (size_t)(slash - path));
	if (dir == NULL)
		return -1;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	return fd;
}

int file_write(const char *path, const void *data, size_t len, mode_t mode)
{
	const char *name;
	int dir = file_open_parent(path, &name);
	if (dir < 0)
		return -1;
	int rc = file_fill_in(dir, name, data, len, mode);
	/* The new file is in its place; some file systems cannot do this. */
	if (rc == 0)
		(void)fsync(dir);
	file_close(dir);
	return rc;
}

/* Makes one directory with exactly this mode; one that exists is left. */
static int file_mkdir(const char *path, mode_t mode)
{
	struct stat st;
	if (mkdir(path, 0700) != 0) {
		if (errno != EEXIST || stat(path, &st) != 0)
			return -1;
		if (S_ISDIR(st.st_mode))
			return 0;
		errno = ENOTDIR;
		return -1;
	}
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	int rc = fchmod(fd, mode);
	file_close(fd);
	return rc;
}

int file_set_aside(const char *path)
{
	char bad[PATH_MAX];
	int n = snprintf(bad, sizeof(bad), "%s.bad", path);
	if (n < 0 || (size_t)n >= sizeof(bad)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return rename(path, bad);
}

int file_mkdirs(const char *path, mode_t mode)
{
	char *copy = strdup(path);
	if (copy == NULL)
		return -1;
	size_t len = strlen(copy);
	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	int rc = 0;
	for (size_t i = 1; i < len && rc == 0; i++) {
		if (copy[i] != '/' || copy[i - 1] == '/')
			continue;
		copy[i] = '\0';
		rc = file_mkdir(copy, 0755);
		copy[i] = '/';
	}
	if (rc == 0)
		rc = file_mkdir(copy, mode);
	int saved = errno;
	free(copy);
	errno = saved;
	return rc;
}

int file_unnamed(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	/* Old kernels and some file systems do not have it. */
	int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return -1;
	char temp[NAME_MAX + 1];
	fd = file_temp(at, "unnamed", temp);
	if (fd >= 0 && unlinkat(at, temp, 0) != 0) {
		file_close(fd);
		fd = -1;
	}
	file_close(at);
	return fd;
}

/* .NAME.12 hexadecimal digits.tmp */
#define TEMPORARY_TAIL (1u + 12u + 4u)

static bool file_is_temporary(const char *name)
{
	size_t len = strlen(name), tail = TEMPORARY_TAIL;
	return name[0] == '.' && len > tail + 1 && name[len - tail] == '.' &&
	       strspn(name + len - tail + 1, "0123456789abcdef") == 12 &&
	       strcmp(name + len - 4, ".tmp") == 0;
}

void file_sweep_temporary(const char *dir, const char *of)
{
	struct dirent *e;
	size_t len = strlen(of);
	DIR *d = opendir(dir);
	while (d != NULL && (e = readdir(d)) != NULL) {
		const char *name = e->d_name;
		if (file_is_temporary(name) &&
		    (len == 0 || (strncmp(name + 1, of, len) == 0 &&
				     strlen(name + 1 + len) == TEMPORARY_TAIL)))
			unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d != NULL)
		closedir(d);
}

char *file_join(const char *dir, const char *name)
{
	size_t n = strlen(dir);
	if (n == 0)
		return strdup(name);
	while (n > 0 && dir[n - 1] == '/')
		n--;
	while (*name == '/')
		name++;
	size_t m = strlen(name);
	char *path = malloc(n + 1 + m + 1);
	if (path == NULL)
		return NULL;
	memcpy(path, dir, n);
	path[n] = '/';
	memcpy(path + n + 1, name, m + 1);
	return path;
}

void file_nearest(const char *path, struct buf *out)
{
	struct stat st;
	buf_adds(out, path);
	while (out->len > 1 && stat(buf_str(out), &st) != 0) {
		while (out->len > 1 && out->data[out->len - 1] != '/')
			out->data[--out->len] = '\0';
		if (out->len > 1)
			out->data[--out->len] = '\0';
	}
}
