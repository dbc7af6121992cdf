/*
 * The installation. The new file is copied into the directory of the old one
 * (so it gets the labels of that place) and synced before it takes the name;
 * there is no moment without a borg, and one that runs keeps its own.
 */
#include "bbs/borg_install.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define NEW_SUFFIX ".bbs-new"
#define OLD_SUFFIX ".bak"

/* Is it written as it is meant, without a step back or a hidden one? */
static bool is_plain_path(const char *place)
{
	size_t len = strlen(place);
	for (const char *p = place; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	}
	return place[0] == '/' && len < PATH_MAX - 32 &&
	       place[len - 1] != '/' && strstr(place, "//") == NULL &&
	       strstr(place, "/../") == NULL && strstr(place, "/./") == NULL &&
	       !text_ends(place, "/..") && !text_ends(place, "/.");
}

/* Where packages of distributions lie, and nothing else should. */
static bool is_of_packages(const char *place)
{
	static const char *const dirs[] = {"/usr/", "/bin/", "/sbin/", "/lib",
	    "/nix/", "/gnu/", "/boot/", "/etc/", "/proc/", "/sys/", "/dev/"};
	if (text_starts(place, "/usr/local/"))
		return false;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		if (text_starts(place, dirs[i]))
			return true;
	}
	return false;
}

static int check_dir(const char *place, struct buf *why)
{
	struct stat st;
	char *dir = strndup(place, (size_t)(strrchr(place, '/') - place));
	int rc = -1;
	if (dir == NULL) {
		buf_adds(why, "out of memory");
		return -1;
	}
	if (file_mkdirs(dir[0] != '\0' ? dir : "/", 0755) != 0 ||
	    stat(dir[0] != '\0' ? dir : "/", &st) != 0)
		buf_addf(why, "cannot make the directory %s: %s", dir,
		    strerror(errno));
	else if ((st.st_uid != 0 && st.st_uid != geteuid()) ||
		 (st.st_mode & S_IWOTH) != 0)
		buf_addf(why,
		    "others can write into the directory %s: nothing is "
		    "installed there",
		    dir);
	else
		rc = 0;
	free(dir);
	return rc;
}

int borg_place_check(const char *place, struct buf *why)
{
	struct stat st;
	if (!is_plain_path(place)) {
		buf_adds(why, "binary_path \"");
		text_add_escaped(why, place, strnlen(place, 200));
		buf_adds(why, "\" is no plain absolute path");
		return -1;
	}
	if (is_of_packages(place)) {
		buf_addf(why,
		    "%s is where the distribution keeps its own files: "
		    "nothing is installed there",
		    place);
		return -1;
	}
	if (check_dir(place, why) != 0)
		return -1;
	if (lstat(place, &st) != 0 || S_ISREG(st.st_mode))
		return 0;
	buf_addf(why, "%s is %s: it is left as it is", place,
	    S_ISLNK(st.st_mode) ? "a symbolic link, made by hand"
				: "no plain file");
	return -1;
}

char *borg_try_dir(const char *state, const char *place, struct buf *why)
{
	struct statvfs fs;
	const char *below = state;
	char *parent = strndup(place, (size_t)(strrchr(place, '/') - place));
	if (parent != NULL && statvfs(below, &fs) == 0 &&
	    (fs.f_flag & ST_NOEXEC) != 0)
		below = parent;
	char *dir = file_join(below, ".borg-update");
	if (dir != NULL && file_remove_tree(dir) != 0)
		unlink(dir); /* what is no directory */
	if (dir == NULL || mkdir(dir, 0700) != 0) {
		buf_addf(why, "cannot make a directory in %s: %s", below,
		    strerror(errno));
		free(dir);
		dir = NULL;
	}
	free(parent);
	return dir;
}

int borg_install(
    const char *from, const char *place, bool *had_old, struct buf *why)
{
	char temp[PATH_MAX], old[PATH_MAX];
	struct stat st;
	snprintf(temp, sizeof(temp), "%s" NEW_SUFFIX, place);
	snprintf(old, sizeof(old), "%s" OLD_SUFFIX, place);
	*had_old = lstat(place, &st) == 0;
	if (*had_old && file_keep(place, old) != 0) {
		buf_addf(why, "cannot keep the old borg as %s: %s", old,
		    strerror(errno));
		return -1;
	}
	if (file_copy(from, temp) != 0 || rename(temp, place) != 0) {
		buf_addf(why, "cannot install %s: %s", place, strerror(errno));
		unlink(temp);
		return -1;
	}
	file_sync_dir(place);
	return 0;
}

void borg_uninstall(const char *place, bool had_old)
{
	char old[PATH_MAX];
	snprintf(old, sizeof(old), "%s" OLD_SUFFIX, place);
	if (had_old ? rename(old, place) != 0 : unlink(place) != 0)
		log_error("cannot take back %s: %s", place, strerror(errno));
	file_sync_dir(place);
}
