/* What the server's answers say, apart from tasks. PROTOCOL: "Endpoints". */
#ifndef BBS_ANSWER_H
#define BBS_ANSWER_H

#include "base/json.h"

/* Where the repositories are reached: from register and ssh-key. */
struct ssh_info {
	char user[256], host[256];
	int port;
};

/* The poll interval, 1..3600 s, or `otherwise` when it is not said. */
int answer_poll_interval(const struct json *j, int otherwise);
/* 0 when user and host are both there and can be given to ssh; 1 when the
 * server said nothing; -1 when it said something unusable (why). */
int answer_ssh_info(
    const struct json *j, struct ssh_info *info, struct buf *why);
/* The file ssh_info.json. Encode appends; read is 0 or -1 (none, unusable). */
void ssh_info_encode(const struct ssh_info *info, struct buf *out);
int ssh_info_read(const char *path, struct ssh_info *info);
/* What a 404 to ssh-key means, for the log and for whoever installs. */
#define ANSWER_NO_KEY                                                          \
	"the server has no SSH key for this client yet: provision SSH on the " \
	"client's page there; the agent asks again"
/* The private key with LF line ends and one at its end; 0 or -1. */
int answer_ssh_key(const struct json *j, struct buf *out);
/* Normalises key text the same way (also for remote_ssh_key). */
void ssh_key_normalise(const char *key, struct buf *out);

#endif
