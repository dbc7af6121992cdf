/*
 * Landlock: of the whole file system only what the resolver reads can be
 * opened, and only for reading. resolv.conf is often a link to a file that is
 * replaced when the network changes, so its directory is allowed, not the
 * file. A resolver configuration that moved elsewhere is found again by the
 * next process: this one ends after a look-up that failed.
 */
#include "base/newcall.h"
#include "net/sandbox.h"
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's interface, written out because older headers lack it. */
struct landlock_rules {
	uint64_t access_fs;
};
struct landlock_path {
	uint64_t access;
	int32_t parent;
} __attribute__((packed));
#define LANDLOCK_VERSION 1u /* flag: ask for the interface's version */
#define LANDLOCK_PATH 1	    /* rule type */
#define LANDLOCK_READ_FILE (1u << 2)
#define LANDLOCK_READ_DIR (1u << 3)
/* The same numbers on every architecture that Linux has had since 5.13. */
#define LANDLOCK_CALL_CREATE NEWCALL(444)
#define LANDLOCK_CALL_ADD NEWCALL(445)
#define LANDLOCK_CALL_RESTRICT NEWCALL(446)

/* Rights that each version knows: 1 the first 13, 2 refer, 3 truncate, 5
 * ioctl of devices. */
static uint64_t landlock_rights(long version)
{
	uint64_t rights = (1u << 13) - 1;

	if (version >= 2)
		rights |= 1u << 13;
	if (version >= 3)
		rights |= 1u << 14;
	if (version >= 5)
		rights |= 1u << 15;
	return rights;
}

static void landlock_allow(int rules, const char *path)
{
	struct landlock_path rule = {.access = LANDLOCK_READ_FILE};
	int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		rule.access |= LANDLOCK_READ_DIR;
	rule.parent = fd;
	syscall(LANDLOCK_CALL_ADD, rules, LANDLOCK_PATH, &rule, 0);
	close(fd);
}

/* The directory in which resolv.conf really lies. */
static void landlock_allow_resolver(int rules)
{
	char *path = realpath("/etc/resolv.conf", NULL);
	char *slash = path != NULL ? strrchr(path, '/') : NULL;

	if (slash != NULL && slash != path) {
		*slash = '\0';
		landlock_allow(rules, path);
	}
	free(path);
}

bool sandbox_landlock(void)
{
	long version = syscall(LANDLOCK_CALL_CREATE, NULL, 0, LANDLOCK_VERSION);
	struct landlock_rules set = {0};
	bool done;
	int rules;

	if (version < 1)
		return false;
	set.access_fs = landlock_rights(version);
	rules = (int)syscall(LANDLOCK_CALL_CREATE, &set, sizeof(set), 0);
	if (rules < 0)
		return false;
	landlock_allow(rules, "/etc/hosts");
	landlock_allow(rules, "/etc/services");
	landlock_allow_resolver(rules);
	done = syscall(LANDLOCK_CALL_RESTRICT, rules, 0) == 0;
	close(rules);
	return done;
}
