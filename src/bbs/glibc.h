/* The host's glibc, found without linking to it. */
#ifndef BBS_GLIBC_H
#define BBS_GLIBC_H

#include <stddef.h>

/* "glibc236" for 2.36, "glibc0" on a host without glibc for our own
 * architecture (musl, uClibc, none). Reads files only. */
void glibc_version(char *dst, size_t size);
/* The same as a number: 2036 for 2.36, 0 for none. */
int glibc_host(void);
/* Looks for a version in the bytes of a libc.so.6 or of glibc's dynamic
 * loader: its banner, else the newest GLIBC_2.N it defines. major * 1000 +
 * minor, or 0. */
int glibc_scan(const char *bytes, size_t len);

#endif
