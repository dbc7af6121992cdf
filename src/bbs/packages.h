/* The package managers of the distributions, and how each installs borg. */
#ifndef BBS_PACKAGES_H
#define BBS_PACKAGES_H

/* The lists of a slow mirror, and another package manager's lock. */
#define PACKAGES_INSTALL_MS (30u * 60u * 1000u)
/* For sentences: those that are known. */
#define PACKAGES_KNOWN \
	"apt-get, dnf, yum, zypper, pacman, apk, opkg, xbps-install"

#define PACKAGES_WORDS 12
struct package_manager {
	/* argv[0] is looked for in PATH; the first that is found is it */
	const char *const install[PACKAGES_WORDS];
	const char *const refresh[4]; /* before it; its failure is no end */
};

/* The one of this host, NULL when none is known. */
const struct package_manager *packages_find(void);
/* The environment for it, for proc_env_free; NULL when out of memory. */
char **packages_env(void);

#endif
