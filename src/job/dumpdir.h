/*
 * The directory that dumps are written to and read from. Somebody else may
 * own a directory above it, so its path is walked step by step, and the work
 * is done while standing in it: a name in it then means that very directory,
 * whatever becomes of the path.
 */
#ifndef JOB_DUMPDIR_H
#define JOB_DUMPDIR_H

#include "base/buf.h"
#include <stdint.h>
#include <time.h>

struct dumpdir {
	int fd;		  /* the directory, -1 */
	int before;	  /* where we stood, -1 */
	const char *path; /* the caller's, for people */
};
#define DUMPDIR_INIT         \
	{                    \
		-1, -1, NULL \
	}

/*
 * Opens the directory at an absolute path: O_PATH, or -1 with errno. A link
 * on the way is followed only when nobody but root (or we) can have made it,
 * else ELOOP; a directory of the system is EPERM. make: what is missing is
 * made, the last one with mode 0700.
 */
int dumpdir_walk(const char *path, bool make);
/*
 * Enters it, after having judged it: only root or we may own it and write to
 * it. 0; -1 with a sentence in why. Leave it in both cases.
 */
int dumpdir_enter(
    struct dumpdir *d, const char *path, bool make, struct buf *why);
void dumpdir_leave(struct dumpdir *d);

/* Bytes that can still be written there, -1 when the system does not say. */
int64_t dumpdir_free(const struct dumpdir *d);
/* Names in the directory where we stand: */
/* Removes a file, a link or a whole directory. 0 (also when there is none) or
 * -1 with errno. */
int dumpdir_remove(const char *name);
/* Bytes of a file, or of the files in a directory; -1 when there is none. */
int64_t dumpdir_size(const char *name);
/* Is it a directory with a file that was there, as it is, before that time?
 */
bool dumpdir_has_old(const char *name, time_t time);

#endif
