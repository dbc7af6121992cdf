/* Where the agent's own files lie; all of them below --root. */
#ifndef BBS_PATHS_H
#define BBS_PATHS_H

#include "base/buf.h"

struct paths {
	char *root;	   /* "" or /DIR without a slash at its end */
	char *config;	   /* /etc/bbs-agent/config.ini, or --config */
	char *etc;	   /* /etc/bbs-agent */
	char *ssh_key;	   /* /etc/bbs-agent/ssh_key */
	char *ssh_info;	   /* /etc/bbs-agent/ssh_info.json */
	char *known_hosts; /* /etc/bbs-agent/known_hosts */
	char *borg_source; /* /etc/bbs-agent/borg_source */
	char *state;	   /* /var/lib/bbs-agent */
	char *spool;	   /* /var/lib/bbs-agent/spool */
	char *journal;	   /* /var/lib/bbs-agent/journal */
	char *done;	   /* /var/lib/bbs-agent/done */
	char *hooks;	   /* /var/lib/bbs-agent/hooks.json */
	char *history;	   /* /var/lib/bbs-agent/history.json */
	char *update;	   /* /var/lib/bbs-agent/update.json */
	char *run;	   /* /run/bbs-agent */
	char *lock;	   /* /run/bbs-agent/lock */
	char *status;	   /* /run/bbs-agent/status.json */
};

/* root and config may be NULL; a relative root is taken from where we stand.
 * All paths are absolute (but for config). 0 or -1 (errno). */
int paths_init(struct paths *p, const char *root, const char *config);
void paths_release(struct paths *p);
/* Makes the directories that `run` writes to. 0, or -1 with errno set and
 * *failed naming the directory. */
int paths_make(const struct paths *p, const char **failed);
/* Takes from others what they may do in these directories beyond our modes.
 * -1 with a sentence in why where one of them belongs to another user. */
int paths_close(const struct paths *p, struct buf *why);

#endif
