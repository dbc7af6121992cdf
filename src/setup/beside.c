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

/* -1 when it is not a plain file that root may trust. Nothing is said of what
 * is not there. */
static int open_trusted(const char *dir, const char *path, struct buf *why)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		if (is_trusted(dir, &st))
			return fd;
		buf_addf(why, "%s is passed over: others can change it", path);
	}
	close(fd);
	return -1;
}

/* May dir/name become borg? */
static bool is_usable(const char *dir, const char *name, struct buf *why)
{
	char *path = file_join(dir, name);
	int fd = path != NULL ? open_trusted(dir, path, why) : -1;
	bool usable = fd >= 0 && borgfile_check(fd, path, why) == 0 &&
		      beside_check_sum(path, why) == 0;
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

/* The directory that this program lies in; empty when that is not known. */
static void own_directory(char self[4096])
{
	ssize_t n = readlink("/proc/self/exe", self, 4095);
	self[n > 0 ? n : 0] = '\0';
	char *slash = strrchr(self, '/');
	if (slash != NULL)
		*slash = '\0';
}

char *beside_find(struct buf *why)
{
	const char *bundle = getenv(BESIDE_ENV);
	char self[4096];
	char *found = NULL;
	buf_reset(why);
	if (bundle != NULL)
		found = find_in(bundle, why);
	own_directory(self);
	return found != NULL ? found : find_in(self, why);
}

int beside_read(const char *name, struct buf *text, struct buf *why)
{
	char self[4096];
	int rc = -1;
	own_directory(self);
	char *path = file_join(self, name);
	int fd = path != NULL ? open_trusted(self, path, why) : -1;
	if (fd >= 0 && beside_check_sum(path, why) == 0)
		rc = file_read_fd(fd, text);
	if (fd >= 0)
		close(fd);
	free(path);
	return rc;
}
