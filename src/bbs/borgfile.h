/* A file that is to become borg, judged before anything of it is run. */
#ifndef BBS_BORGFILE_H
#define BBS_BORGFILE_H

#include "base/buf.h"
#include "base/hash.h"

/* The last part of an address or path, where it begins and how long it is. */
const char *borgfile_name(const char *url, size_t *len);
/* Can this host run it, by its size and its ELF headers? url: where it came
 * from; its name may speak of a glibc. 0, or -1 with a sentence in why. */
int borgfile_check(int fd, const char *url, struct buf *why);

enum borgfile_sum { BORGFILE_WRONG = -1, BORGFILE_UNKNOWN, BORGFILE_SAME };
/* Compares it with what sums (the text of a SHA256SUMS) says of its name. hex
 * gets its SHA-256. BORGFILE_WRONG with a sentence in why. */
enum borgfile_sum borgfile_sum(int fd, const char *url, const char *sums,
    char hex[HASH_HEX], struct buf *why);

#endif
