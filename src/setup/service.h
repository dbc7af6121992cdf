/*
 * The service: one description, written in the idiom of each init system,
 * and the commands that enable, start and stop it there.
 */
#ifndef SETUP_SERVICE_H
#define SETUP_SERVICE_H

#include "setup/host.h"
#include "setup/steps.h"

#define SERVICE_NAME "bbs-agent"
/* In every file that we make; one without it is somebody else's. */
#define SERVICE_MARK "written by bbs-agent install"
#define SERVICE_LOG "/var/log/bbs-agent.log"

struct service {
	enum init_system init;
	const char *root;    /* "" or where the service's files lie below */
	const char *command; /* program and its arguments, words of
				service_is_plain characters */
	bool booted;	     /* its service manager runs and can be asked */
};

/* Does the file say that we wrote it? Not when it is not there. */
bool service_is_ours(const char *path);
/* May this stand unquoted in a unit file, a script and a shell? */
bool service_is_plain(const char *word);
/* The service's own file, below no root; NULL for INIT_NONE. */
const char *service_path(enum init_system init);
mode_t service_mode(enum init_system init);
/* Its text; nothing for INIT_NONE. */
int service_text(const struct service *v, struct buf *out);
/* A line for who starts it in another way, without its end. */
void service_hint(const struct service *v, struct buf *out);

/* Each returns 0, or -1 with a sentence in why. A service that is not there
 * is stopped and disabled already. */
int service_enable(
    const struct service *v, const struct steps *s, struct buf *why);
int service_restart(
    const struct service *v, const struct steps *s, struct buf *why);
int service_stop(
    const struct service *v, const struct steps *s, struct buf *why);
/* Before its file is removed, and after. */
int service_disable(
    const struct service *v, const struct steps *s, struct buf *why);
int service_forget(
    const struct service *v, const struct steps *s, struct buf *why);

#endif
