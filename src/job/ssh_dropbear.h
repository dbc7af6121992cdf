/*
 * Dropbear's client in OpenSSH's place. It knows none of the options that
 * the server writes. Of host keys it checks what HOME/.ssh/known_hosts says:
 * the agent gives it a HOME of its own, where the connection test has written
 * the server's key at first use. Afterwards a key that changed is refused.
 * Its limits: the place below HOME is fixed, so env(1) must be there; the port
 * is no part of a name, so that two servers on one host share their line; and
 * a key of another algorithm is refused by the test alone: in other
 * connections Dropbear, without a terminal, could only hang over its
 * question.
 */
#ifndef JOB_SSH_DROPBEAR_H
#define JOB_SSH_DROPBEAR_H

#include "bbs/answer.h"
#include "job/ssh_client.h"

/* The HOME in which the host's key is kept, for the caller to free; NULL when
 * it is not kept (yet), or host keys are not to be checked. */
char *ssh_dropbear_home(const struct worker *w, const struct ssh_info *info);
/* The same, made when it is missing, for the test that is to keep the key. */
char *ssh_dropbear_new_home(const struct worker *w);
/* The file that a user has to mend when the host's key has changed. */
void ssh_dropbear_hosts(const struct worker *w, struct buf *out);

/*
 * A plain ssh command of the server (BORG_RSH) for this client: key, port
 * and login stay, all else is Dropbear's own. home as above, or NULL. 0; -1
 * when it is not plain: nothing is added then.
 */
int ssh_dropbear_rsh(const struct ssh_client *c, const char *home,
    const char *rsh, struct buf *out);

#endif
