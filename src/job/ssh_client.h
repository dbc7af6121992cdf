/*
 * Which ssh client this host has, and what it can: OpenSSH's of one age or
 * another, or Dropbear's, under its own name or called ssh.
 */
#ifndef JOB_SSH_CLIENT_H
#define JOB_SSH_CLIENT_H

#include "job/worker.h"
#include <limits.h>

struct ssh_client {
	char path[PATH_MAX]; /* "" when there is none */
	bool dropbear;
	bool accept_new; /* knows StrictHostKeyChecking=accept-new */
};

/*
 * Looks for ssh in PATH, else for dbclient. What a client can is asked once
 * and remembered in the run directory until its file changes. 0, or -1 when
 * there is none (c is OpenSSH's without a path then).
 */
int ssh_client_find(struct ssh_client *c, struct worker *w);

/*
 * The private key's file in the form that this client reads: for Dropbear a
 * converted copy beside it (KEY.dropbear, 0600), made anew when the key has
 * changed, or the key itself where it cannot be converted. For the caller to
 * free; NULL when out of memory.
 */
char *ssh_client_key(
    const struct ssh_client *c, struct worker *w, const char *key);

#endif
