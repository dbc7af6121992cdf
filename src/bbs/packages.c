/*
 * One row for each package manager, every word of its command line written
 * out. None may ask a question. None updates anything but borg: pacman gets
 * no -y, since new lists with one new package are a system half updated.
 */
#include "bbs/packages.h"
#include "base/proc.h"
#include <stdlib.h>

static const struct package_manager managers[] = {
    {{"apt-get", "-q", "-y", "--no-install-recommends", "-o",
	 "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confold",
	 "install", "borgbackup"},
	{"apt-get", "-q", "update"}},
    {{"dnf", "-y", "--setopt=install_weak_deps=False", "install", "borgbackup"},
	{NULL}},
    {{"yum", "-y", "install", "borgbackup"}, {NULL}},
    {{"zypper", "--non-interactive", "install", "--no-recommends",
	 "borgbackup"},
	{NULL}},
    {{"pacman", "-S", "--noconfirm", "--needed", "borg"}, {NULL}},
    {{"apk", "add", "--no-progress", "--update-cache", "--upgrade",
	 "borgbackup"},
	{NULL}},
    {{"opkg", "install", "borgbackup"}, {"opkg", "update"}},
    {{"xbps-install", "-S", "-y", "borg"}, {NULL}},
};

const struct package_manager *packages_find(void)
{
	const struct package_manager *m = NULL;
	size_t count = sizeof(managers) / sizeof(managers[0]);
	for (size_t i = 0; i < count && m == NULL; i++) {
		char *found =
		    proc_search(managers[i].install[0], getenv("PATH"));
		if (found != NULL)
			m = &managers[i];
		free(found);
	}
	return m;
}

char **packages_env(void)
{
	char **env = proc_env_new();
	if (env != NULL &&
	    proc_env_set(&env, "DEBIAN_FRONTEND", "noninteractive") == 0 &&
	    /* Services are not restarted behind anybody's back. */
	    proc_env_set(&env, "NEEDRESTART_MODE", "l") == 0 &&
	    proc_env_set(&env, "LC_ALL", "C") == 0)
		return env;
	proc_env_free(env);
	return NULL;
}
