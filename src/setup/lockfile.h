/*
 * The lock of a running agent: who holds it, and did the server answer it?
 * Its file has the pid in its first line, and LOCKFILE_ANSWERED as its second
 * once the server has taken the agent's registration.
 */
#ifndef SETUP_LOCKFILE_H
#define SETUP_LOCKFILE_H

#include <stdbool.h>

#define LOCKFILE_ANSWERED "answered\n"

struct lockfile {
	int pid; /* 0: no agent runs */
	bool answered;
};

/* Locks the file at path, open as *fd, for this process. Locks for reading,
 * which anybody can take, stop it not: then *fd is a new file of that name.
 * One process at a time may do this. 0, or -1: another holds it. */
int lockfile_take(const char *path, int *fd);
/* For the holder: what the file says. 0 or -1 (errno). */
int lockfile_write(int fd, bool answered);
/* For anybody else. */
void lockfile_read(const char *path, struct lockfile *lock);

#endif
