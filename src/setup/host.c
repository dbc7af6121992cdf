/*
 * PID 1 recognised. It is called "init" under SysV, OpenRC and busybox alike,
 * so what these leave on the file system decides between them. A shell, a
 * database or a container's little reaper as PID 1 is refused: an agent would
 * run once and never again.
 */
#include "setup/host.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const names[] = {
    [INIT_NONE] = "none",
    [INIT_SYSTEMD] = "systemd",
    [INIT_OPENRC] = "openrc",
    [INIT_SYSV] = "sysv",
    [INIT_PROCD] = "procd",
    [INIT_UNKNOWN] = "unknown",
};

const char *host_init_name(enum init_system init)
{
	return names[init];
}

enum init_system host_init_named(const char *name)
{
	int i = INIT_NONE;
	while (i < INIT_UNKNOWN && strcmp(names[i], name) != 0)
		i++;
	return (enum init_system)i;
}

bool host_has(const char *root, const char *path)
{
	struct stat st;
	char *whole = root[0] != '\0' ? file_join(root, path) : strdup(path);
	bool has = whole != NULL && lstat(whole, &st) == 0;
	free(whole);
	return has;
}

bool host_has_program(const char *name)
{
	struct buf path = BUF_INIT(4 * KIB);
	const char *dirs = getenv("PATH");
	bool found = false;
	while (dirs != NULL && *dirs != '\0' && !found) {
		size_t len = strcspn(dirs, ":");
		buf_reset(&path);
		buf_add(&path, dirs, len);
		buf_addf(&path, "/%s", name);
		found = dirs[0] == '/' && access(buf_str(&path), X_OK) == 0;
		dirs += len;
		dirs += *dirs == ':';
	}
	buf_release(&path);
	return found;
}

/* Scripts of run levels: Debian, Red Hat, SUSE. */
static bool has_run_levels(const char *root)
{
	return host_has(root, "/etc/init.d") &&
	       (host_has(root, "/etc/rc2.d") ||
		   host_has(root, "/etc/rc.d/rc2.d") ||
		   host_has(root, "/etc/init.d/rc2.d"));
}

static bool is_one_of(const char *word, const char *const *list)
{
	while (*list != NULL && strcmp(*list, word) != 0)
		list++;
	return *list != NULL;
}

enum init_system host_init_judge(
    const char *root, const char *comm, const char *exe, struct buf *why)
{
	static const char *const other[] = {"runit", "s6-svscan",
	    "s6-linux-init", "dinit", "shepherd", "finit", "launchd", NULL};
	if (strcmp(comm, "systemd") == 0 || strcmp(exe, "systemd") == 0 ||
	    (strcmp(comm, "init") == 0 &&
		host_has(root, "/run/systemd/system")))
		return INIT_SYSTEMD;
	if (strcmp(comm, "procd") == 0 || strcmp(exe, "procd") == 0)
		return INIT_PROCD;
	if (strcmp(comm, "openrc-init") == 0)
		return INIT_OPENRC;
	if (strcmp(comm, "init") == 0) {
		if (host_has(root, "/run/openrc") ||
		    host_has(root, "/lib/rc/init.d/softlevel"))
			return INIT_OPENRC;
		if (strcmp(exe, "busybox") == 0)
			return INIT_NONE;
		if (has_run_levels(root))
			return INIT_SYSV;
	}
	buf_adds(why, "PID 1 is \"");
	text_add_escaped(why, comm, strlen(comm));
	if (is_one_of(comm, other))
		buf_adds(why, "\", for which there is no service description: "
			      "install with --service none and let it run the "
			      "agent");
	else
		buf_adds(why,
		    "\", which keeps no service running (is this a "
		    "container?): install on the host itself, or with "
		    "--service none if something else will start the agent");
	return INIT_UNKNOWN;
}

enum init_system host_init_running(struct buf *why)
{
	struct buf comm = BUF_INIT(256);
	char link[4096];
	ssize_t n = readlink("/proc/1/exe", link, sizeof(link) - 1);
	link[n > 0 ? n : 0] = '\0';
	if (text_ends(link, " (deleted)"))
		link[strlen(link) - strlen(" (deleted)")] = '\0';
	const char *slash = strrchr(link, '/');
	enum init_system init = INIT_UNKNOWN;
	if (file_read("/proc/1/comm", &comm) != 0) {
		buf_adds(why, "cannot read /proc/1/comm: mount /proc first");
	} else {
		comm.data[strcspn(buf_str(&comm), "\n")] = '\0';
		init = host_init_judge(
		    "", buf_str(&comm), slash != NULL ? slash + 1 : link, why);
	}
	buf_release(&comm);
	return init;
}

bool host_is_tree(const char *root)
{
	return host_has(root, "/sbin/init") ||
	       host_has(root, "/usr/sbin/init") ||
	       host_has(root, "/etc/os-release") ||
	       host_has(root, "/usr/lib/os-release") ||
	       host_has(root, "/bin/sh");
}

enum init_system host_init_of_tree(const char *root)
{
	char link[4096] = "";
	char *path = file_join(root, "/sbin/init");
	ssize_t n = path != NULL ? readlink(path, link, sizeof(link) - 1) : -1;
	free(path);
	link[n > 0 ? n : 0] = '\0';
	if (text_ends(link, "/systemd"))
		return INIT_SYSTEMD;
	if (host_has(root, "/sbin/procd"))
		return INIT_PROCD;
	if (host_has(root, "/sbin/openrc-run") ||
	    host_has(root, "/usr/sbin/openrc-run"))
		return INIT_OPENRC;
	/* A tree of which only /usr/lib was looked at by its builder yet. */
	if (!host_has(root, "/sbin/init") &&
	    (host_has(root, "/usr/lib/systemd/systemd") ||
		host_has(root, "/lib/systemd/systemd")))
		return INIT_SYSTEMD;
	if (!text_ends(link, "busybox") && has_run_levels(root))
		return INIT_SYSV;
	return INIT_NONE;
}
