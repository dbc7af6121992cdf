/*
 * A walk that opens each directory once, takes the type from readdir, and
 * never follows a link. It is an estimate: excludes are borg's business. So a
 * mount that borg is told to leave out is walked into, and may never answer:
 * the walk is a process aside.
 */
#include "job/precount.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "job/aside.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Each level keeps one directory open. */
#define DEPTH_MAX 512
/* Entries between two looks at the clock. */
#define LOOK_EVERY 128
/* How often the walk says how far it is. */
#define TELL_MS 200

/* What the walk says. */
struct told {
	int64_t files;
	bool done;
};

struct walk {
	const char *directories;
	bool one_file_system;
	dev_t device;
	int sock;
	struct told told;
	uint64_t tell_at;
	unsigned seen;
};

static void tell(struct walk *k)
{
	/* Nobody listens any more: the end comes by a signal. */
	(void)!send(k->sock, &k->told, sizeof(k->told), MSG_NOSIGNAL);
}

static void look_at_clock(struct walk *k)
{
	if (++k->seen % LOOK_EVERY != 0 || clock_ms() < k->tell_at)
		return;
	k->tell_at = clock_ms() + TELL_MS;
	tell(k);
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
		struct dirent *e = readdir(d);
		look_at_clock(k);
		if (e == NULL) {
			closedir(d);
			depth--;
			continue;
		}
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (!is_directory(dirfd(d), e)) {
			k->told.files++;
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
		k->told.files++;
		return;
	}
	k->device = st.st_dev;
	int fd = enter(k, AT_FDCWD, path);
	if (fd >= 0)
		count_below(k, fd);
}

static void walk(int sock, const void *ctx)
{
	struct walk k = *(const struct walk *)ctx;
	const char *line = k.directories;
	char path[PATH_MAX];
	k.sock = sock;
	while (line != NULL && *line != '\0') {
		size_t len = strcspn(line, "\r\n");
		if (len > 0 && len < sizeof(path)) {
			memcpy(path, line, len);
			path[len] = '\0';
			count_path(&k, path);
		}
		line += len;
		line += strspn(line, "\r\n");
	}
	k.told.done = true;
	tell(&k);
}

int64_t precount_files(struct worker *w, const char *directories,
    bool one_file_system, void (*on_wait)(void *), void *ctx)
{
	struct walk k = {
	    .directories = directories, .one_file_system = one_file_system};
	struct aside a = ASIDE_INIT;
	uint64_t now = clock_ms(), until = now + PRECOUNT_SECONDS * 1000u;
	uint64_t heard_at = now, wait_at = now + 1000;
	if (aside_start(&a, walk, &k) != 0)
		return 0;
	while (!k.told.done && now < until &&
	       now - heard_at < PRECOUNT_SILENT_MS) {
		struct pollfd fds[3] = {{w->signals, POLLIN, 0},
		    {w->link.sock, POLLIN, 0}, {a.sock, POLLIN, 0}};
		poll(fds, 3, clock_wait(now, wait_at, -1));
		worker_listen(w);
		if (w->stop != STOP_NONE)
			break;
		now = clock_ms();
		if (fds[2].revents != 0) {
			if (recv(a.sock, &k.told, sizeof(k.told), 0) <= 0)
				break;
			heard_at = now;
		}
		if (now >= wait_at) {
			wait_at = now + 1000;
			on_wait(ctx);
		}
	}
	if (!k.told.done && w->stop == STOP_NONE)
		log_info("counting files takes too long, or a mount does not "
			 "answer: the total is an estimate");
	aside_end(&a);
	return k.told.files;
}
