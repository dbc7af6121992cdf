/* The borg project's own binaries: which there is for a host, and its sum. */
#ifndef BBS_BORGRELEASE_H
#define BBS_BORGRELEASE_H

/* Where the project publishes them; a mirror has the same paths below it. */
#define BORGRELEASE_BASE "https://github.com/borgbackup/borg/releases/download/"

struct borgrelease {
	const char *machine; /* as uname says it */
	int glibc;	     /* the oldest that it runs with: 2031 is 2.31 */
	const char *path;    /* version/name below the base */
	const char *sha256;  /* NULL: not known here */
};

/* The newest that a host of this machine and glibc can run, NULL when there
 * is none. */
const struct borgrelease *borgrelease_find(const char *machine, int glibc);

#endif
