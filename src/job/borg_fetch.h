/* A new borg's file: downloaded, its checksum compared, its headers read. */
#ifndef JOB_BORG_FETCH_H
#define JOB_BORG_FETCH_H

#include "base/hash.h"
#include "job/short.h"

struct borg_file {
	char path[512];	    /* where it lies, mode 0700 */
	char hex[HASH_HEX]; /* its SHA-256 */
	bool verified;	    /* a SHA256SUMS beside it says the same */
};

/* Downloads url to dir/borg. 0 when what came may be tried; -1 when not, said
 * in the job. Nothing of it is executed here. */
int borg_fetch(struct short_job *s, const char *url, const char *dir,
    struct borg_file *file);

#endif
