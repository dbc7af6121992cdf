/*
 * What a disk has when the power goes. Linked with --wrap to the very objects
 * of the release into build/tests/bbs-agent-power; nothing of this is in
 * build/bbs-agent.
 *
 * Each fsync(2) and fdatasync(2) leaves a copy of what it wrote in the
 * directory $SOAK_DISK: of a file its bytes (file-INODE), of a directory its
 * names and their inodes (dir-INODE). tests/soak/power.py puts together from
 * these what a host finds that lost its power.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

static void keep_bytes(int from, int to)
{
	char block[4096];
	ssize_t n;
	while ((n = read(from, block, sizeof(block))) > 0) {
		if (write(to, block, (size_t)n) != n)
			return;
	}
}

static void keep_names(int from, int to)
{
	struct dirent *e;
	DIR *d = fdopendir(dup(from));
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] != '.' || strlen(e->d_name) > 2)
			dprintf(to, "%" PRIu64 " %s\n", (uint64_t)e->d_ino,
			    e->d_name);
	}
	if (d != NULL)
		closedir(d);
}

/* It may be open for writing alone: opened once more. */
static void keep(int fd, const char *disk)
{
	char path[64], half[PATH_MAX], whole[PATH_MAX];
	struct stat st;
	if (fstat(fd, &st) != 0)
		return;
	bool is_dir = S_ISDIR(st.st_mode);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	snprintf(whole, sizeof(whole), "%s/%s-%" PRIu64, disk,
	    is_dir ? "dir" : "file", (uint64_t)st.st_ino);
	snprintf(half, sizeof(half), "%s/half-%d", disk, (int)getpid());
	int from = open(path, O_RDONLY | O_CLOEXEC);
	int to = open(half, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (from >= 0 && to >= 0) {
		(is_dir ? keep_names : keep_bytes)(from, to);
		rename(half, whole);
	}
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
}

int __wrap_fsync(int fd)
{
	const char *disk = getenv("SOAK_DISK");
	int rc = __real_fsync(fd);
	if (rc == 0 && disk != NULL)
		keep(fd, disk);
	return rc;
}

int __wrap_fdatasync(int fd)
{
	const char *disk = getenv("SOAK_DISK");
	int rc = __real_fdatasync(fd);
	if (rc == 0 && disk != NULL)
		keep(fd, disk);
	return rc;
}
