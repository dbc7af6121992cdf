/*
 * A walk that opens each directory once, takes the type from readdir, and
 * never follows a link. It is an estimate: excludes are borg's business.
 */
#include "job/precount.h"
#include "base/clock.h"
#include "base/log.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Each level keeps one directory open. */
#define DEPTH_MAX 512
/* Entries between two looks at the clock: on a slow mount each may take
 * milliseconds, and a cancel is waited for. */
#define LOOK_EVERY 128

struct walk {
	struct worker *worker;
	bool one_file_system;
	dev_t device;
	int64_t files;
	uint64_t until, wait_at;
	unsigned seen;
	bool over;
	void (*on_wait)(void *);
	void *ctx;
};

/* Is it time to end, or to say that we are still here? */
static bool is_over(struct walk *k)
{
	if (k->over || ++k->seen % LOOK_EVERY != 0)
		return k->over;
	uint64_t now = clock_ms();
	worker_listen(k->worker);
	if (now >= k->wait_at) {
		k->wait_at = now + 1000;
		k->on_wait(k->ctx);
	}
	k->over = k->worker->stop != STOP_NONE || now >= k->until;
	return k->over;
}

/* /proc, /sys and their like hold no files that anybody backs up. */
static bool is_pseudo(int fd)
{
	static const unsigned long kinds[] = {0x9fa0 /* proc */,
	    0x62656572 /* sysfs */, 0x27e0eb /* cgroup */,
	    0x63677270 /* cgroup2 */, 0x64626720 /* debugfs */,
	    0x74726163 /* tracefs */, 0x1cd1 /* devpts */};
	struct statfs fs;
	if (fstatfs(fd, &fs) != 0)
		return false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if ((unsigned long)fs.f_type == kinds[i])
			return true;
	}
	return false;
}

static int enter(struct walk *k, int parent, const char *name)
{
	struct stat st;
	int fd = openat(parent, name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) != 0 ||
	    (k->one_file_system && st.st_dev != k->device) || is_pseudo(fd)) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool is_directory(int parent, const struct dirent *e)
{
	struct stat st;
	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return fstatat(parent, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(st.st_mode);
}

/* Depth first with a stack of open directories. Takes over fd. */
static void count_below(struct walk *k, int fd)
{
	DIR *stack[DEPTH_MAX];
	int depth = 0;
	stack[0] = fdopendir(fd);
	if (stack[0] == NULL) {
		close(fd);
		return;
	}
	while (depth >= 0) {
		DIR *d = stack[depth];
		struct dirent *e = is_over(k) ? NULL : readdir(d);
		if (e == NULL) {
			closedir(d);
			depth--;
			continue;
		}
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (!is_directory(dirfd(d), e)) {
			k->files++;
			continue;
		}
		if (depth + 1 == DEPTH_MAX)
			continue;
		int sub = enter(k, dirfd(d), e->d_name);
		if (sub < 0)
			continue;
		stack[depth + 1] = fdopendir(sub);
		if (stack[depth + 1] == NULL)
			close(sub);
		else
			depth++;
	}
}

static void count_path(struct walk *k, const char *path)
{
	struct stat st;
	if (lstat(path, &st) != 0)
		return;
	if (!S_ISDIR(st.st_mode)) {
		k->files++;
		return;
	}
	k->device = st.st_dev;
	int fd = enter(k, AT_FDCWD, path);
	if (fd >= 0)
		count_below(k, fd);
}

int64_t precount_files(struct worker *w, const char *directories,
    bool one_file_system, void (*on_wait)(void *), void *ctx)
{
	struct walk k = {.worker = w,
	    .one_file_system = one_file_system,
	    .on_wait = on_wait,
	    .ctx = ctx};
	char path[PATH_MAX];
	uint64_t now = clock_ms();
	k.until = now + PRECOUNT_SECONDS * 1000u;
	k.wait_at = now + 1000;
	while (directories != NULL && *directories != '\0' && !k.over) {
		size_t len = strcspn(directories, "\r\n");
		if (len > 0 && len < sizeof(path)) {
			memcpy(path, directories, len);
			path[len] = '\0';
			count_path(&k, path);
		}
		directories += len;
		directories += strspn(directories, "\r\n");
	}
	if (k.over && w->stop == STOP_NONE)
		log_info("counting files took longer than %d s: the total is "
			 "an estimate",
		    PRECOUNT_SECONDS);
	return k.files;
}
