/*
 * The agent's known_hosts file: which of its lines are about one host, and
 * the fingerprints of their keys. Pure.
 */
#ifndef JOB_KNOWN_HOSTS_H
#define JOB_KNOWN_HOSTS_H

#include "base/buf.h"
#include "bbs/answer.h"

/* The next line of text that is about info's host: its length in *len, NULL
 * when there is none. It is named "host" or "[host]:port" (a port of 22 is
 * never written). A line whose name is hashed counts: only the server's name
 * is ever in this file. */
const char *known_hosts_line(
    const char *text, const struct ssh_info *info, size_t *len);
/* Is there such a line in the file? No file: no. */
bool known_hosts_has(const char *path, const struct ssh_info *info);
/* Appends text without these lines. */
void known_hosts_without(
    const char *text, const struct ssh_info *info, struct buf *out);
/* Appends "ssh-ed25519 SHA256:…" for each of these lines, commas between. */
void known_hosts_fingerprints(
    const char *text, const struct ssh_info *info, struct buf *out);

#endif
