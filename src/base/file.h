/*
 * Files: read whole up to a cap, replaced atomically, never through a
 * symbolic link at the last step where we write. Every descriptor is
 * close-on-exec. Functions that return -1 leave errno set.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buf.h"
#include <sys/types.h>

/* Appends the whole file (at most out->max bytes; larger is EFBIG). */
int file_read(const char *path, struct buf *out);
int file_read_fd(int fd, struct buf *out);
/* Is there a file, and no pipe or directory? Links are followed. */
bool file_is_plain(const char *path);
/* Why this open file must not be written to as one of our own; NULL: it may.
 * What others may do with it is taken from them. */
const char *file_flaw(int fd);
/* Writes beside path under a temporary name with O_EXCL, fsyncs, renames,
 * fsyncs the directory. On failure path is unchanged and nothing is left. */
int file_write(const char *path, const void *data, size_t len, mode_t mode);
/* All of len, through EINTR and short writes. */
int file_write_all(int fd, const void *data, size_t len);
/* Renames it to PATH.bad, so that it no longer counts but can be looked at. */
int file_set_aside(const char *path);
/* mkdir -p; parents 0755, the last one mode (an existing one is left). */
int file_mkdirs(const char *path, mode_t mode);
/* As openat(2), links and all, but only what lies on the mount of dir: no
 * other one is even asked. -1 with EXDEV; ENOSYS before Linux 5.6. */
int file_open_within(int dir, const char *name, int flags);
/* A new file in dir that has no name and vanishes with its descriptor. */
int file_unnamed(const char *dir);
/* Removes what lies below dir and dir itself, never following links. */
int file_remove_tree(const char *dir);
/* Removes from dir what a file_write that was killed left half written; only
 * of the file of that name, or with "" of all. */
void file_sweep_temporary(const char *dir, const char *of);
/* A program `to` (0755) with the bytes of `from`, synced, whole or not at
 * all; what had the name goes before. */
int file_copy(const char *from, const char *to);
/* Gives a file a second name, in one step that replaces what had it: a hard
 * link, or a copy where there are none. */
int file_keep(const char *path, const char *name);
/* Syncs the directory that path (with a slash in it) stands in. */
void file_sync_dir(const char *path);
/* Appends path, or the nearest of its directories that exists. */
void file_nearest(const char *path, struct buf *out);
/* "a/b" from parts; NULL when out of memory; the caller frees it. */
char *file_join(const char *dir, const char *name);

#endif
