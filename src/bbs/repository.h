/*
 * Which repository a borg command works on, and what its address says: for
 * people, who ask whether it can be reached. What is kept of an address has
 * no password in it.
 */
#ifndef BBS_REPOSITORY_H
#define BBS_REPOSITORY_H

#include "base/buf.h"
#include "bbs/answer.h"
#include "bbs/task.h"

enum repository_kind {
	REPOSITORY_NONE, /* no address, or one that nobody can read */
	REPOSITORY_LOCAL,
	REPOSITORY_SSH,
	REPOSITORY_OTHER /* sftp, rclone and the like: borg 2 */
};

struct repository {
	enum repository_kind kind;
	const char *path;   /* LOCAL: points into the text */
	struct ssh_info at; /* SSH; user "" and port 0: not said */
	/* Where a password stands in the text, and its length. */
	size_t secret, secret_len;
	size_t port_at; /* where a port would stand; 0: nowhere */
};

/* Reads an address as borg does: /path, file:///path, [user@]host:path,
 * ssh://[user[:password]@]host[:port]/path. Nothing in it begins with a dash
 * or could be an option of ssh's. */
void repository_parse(struct repository *r, const char *text);
/* Appends the address that the task's borg command names, without archive and
 * password, with the port that BORG_RSH has; of other kinds only which.
 * Nothing when there is none. */
void repository_of(const struct task *t, struct buf *out);

#endif
