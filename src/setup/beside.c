/*
 * A borg on the medium. It is going to be run as root, so it must be nobody's
 * whom root has not trusted already by starting the program there: its owner
 * is root, the program's or the directory's, and no other can change it.
 */
#include "setup/beside.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "bbs/borgfile.h"
#include "bbs/elf.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first part of the names of the borg project's binaries. */
#define RELEASE "borg-linux-"

static bool is_trusted(const char *dir, const struct stat *file)
{
	struct stat self, in;
	if (stat("/proc/self/exe", &self) != 0 || stat(dir, &in) != 0)
		return false;
	bool open_dir =
	    (in.st_mode & S_IWOTH) != 0 && (in.st_mode & S_ISVTX) == 0;
	return !open_dir && (file->st_mode & S_IWOTH) == 0 &&
	       (file->st_uid == 0 || file->st_uid == self.st_uid ||
		   file->st_uid == in.st_uid);
}

int beside_check_sum(const char *file, struct buf *why)
{
	struct buf list = BUF_INIT(8 * KIB), sums = BUF_INIT(CHECKSUMS_MAX);
	char hex[HASH_HEX];
	size_t len;
	enum borgfile_sum is = BORGFILE_UNKNOWN;
	buf_add(&list, file, (size_t)(borgfile_name(file, &len) - file));
	buf_adds(&list, "SHA256SUMS");
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && file_read(buf_str(&list), &sums) == 0)
		is = borgfile_sum(fd, file, buf_str(&sums), hex, why);
	if (fd >= 0)
		close(fd);
	buf_release(&list);
	buf_release(&sums);
	return is == BORGFILE_WRONG ? -1 : 0;
}

/* May dir/name become borg? Nothing is said of what is not there. */
static bool is_usable(const char *dir, const char *name, struct buf *why)
{
	struct stat st;
	char *path = file_join(dir, name);
	bool usable = false;
	int fd =
	    path != NULL
		? open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
		: -1;
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		;
	else if (!is_trusted(dir, &st))
		buf_addf(why, "%s is passed over: others can change it", path);
	else if (borgfile_check(fd, path, why) == 0)
		usable = beside_check_sum(path, why) == 0;
	if (fd >= 0)
		close(fd);
	free(path);
	return usable;
}

/* The best of the project's binaries in dir. */
static char *find_release(const char *dir, struct buf *why)
{
	struct dirent *e;
	char *best = NULL;
	DIR *d = opendir(dir);
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (!text_starts(e->d_name, RELEASE) ||
		    strchr(e->d_name, '.') != NULL ||
		    (best != NULL &&
			elf_glibc_named(e->d_name) <= elf_glibc_named(best)))
			continue;
		buf_reset(why);
		if (!is_usable(dir, e->d_name, why))
			continue;
		free(best);
		best = strdup(e->d_name);
	}
	if (d != NULL)
		closedir(d);
	char *path = best != NULL ? file_join(dir, best) : NULL;
	free(best);
	return path;
}

static char *find_in(const char *dir, struct buf *why)
{
	if (dir[0] == '/' && is_usable(dir, "borg", why))
		return file_join(dir, "borg");
	return dir[0] == '/' ? find_release(dir, why) : NULL;
}

char *beside_find(struct buf *why)
{
	const char *bundle = getenv(BESIDE_ENV);
	char self[4096];
	char *found = NULL;
	buf_reset(why);
	if (bundle != NULL)
		found = find_in(bundle, why);
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (found != NULL || n <= 0)
		return found;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	return find_in(self, why);
}
