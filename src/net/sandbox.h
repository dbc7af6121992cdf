/*
 * The network process gives up what it does not need. Each layer is taken
 * where the kernel has it; what could not be had is no error, because an old
 * kernel must not keep a backup from running.
 */
#ifndef NET_SANDBOX_H
#define NET_SANDBOX_H

#include "base/buf.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SANDBOX_USER 1u	  /* another user than root */
#define SANDBOX_PRIVS 2u  /* no_new_privs */
#define SANDBOX_LIMITS 4u /* rlimits */
#define SANDBOX_FILES 8u  /* Landlock */
#define SANDBOX_CALLS 16u /* seccomp */

/* Enters for good. user: whom to become when root (NULL: stay). file_max:
 * how large a file may be made that was open before, in bytes. 0 with what
 * was obtained in *mask, and in note why another user could not be (in some
 * containers); -1 with a sentence in note when the process must end: root
 * came back, or the parent is gone. */
int sandbox_enter(const char *user, pid_t parent, uint32_t file_max,
    unsigned *mask, struct buf *note);
/* "user nobody, no_new_privs, rlimits, Landlock, seccomp" */
void sandbox_text(struct buf *out, unsigned mask, const char *user);
/* The layers that are not in mask and should be: all where the agent was
 * started by root, without another user where it was not. */
unsigned sandbox_missing(unsigned mask);
/* Appends what was obtained, what this host does not have, and the note. */
void sandbox_describe(
    struct buf *out, unsigned mask, const char *layers, const char *note);

/* The layers of their own files: true when obtained. */
bool sandbox_landlock(void);
bool sandbox_seccomp(void);

#endif
