/*
 * What keeps services running on this host, judged by what PID 1 really is,
 * not by which programs lie about; or in a tree that is not booted, by what
 * its /sbin/init would be.
 */
#ifndef SETUP_HOST_H
#define SETUP_HOST_H

#include "base/buf.h"
#include "bbs/paths.h"

enum init_system {
	INIT_NONE, /* somebody else starts the agent: cron, inittab */
	INIT_SYSTEMD,
	INIT_OPENRC,
	INIT_SYSV,
	INIT_PROCD,
	INIT_UNKNOWN
};

const char *host_init_name(enum init_system init);
/* The other way round; INIT_UNKNOWN for any other word. */
enum init_system host_init_named(const char *name);

/* From PID 1's name and the file name of its program ("" unknown). root: ""
 * or where the rest of the host is looked at. INIT_UNKNOWN with a sentence in
 * why when nothing that PID 1 does would keep an agent running. */
enum init_system host_init_judge(
    const char *root, const char *comm, const char *exe, struct buf *why);
/* The same for this host, as it runs. */
enum init_system host_init_running(struct buf *why);
/* Is DIR a system of its own, and not just a directory? */
bool host_is_tree(const char *root);
/* What an unbooted tree will be started by. */
enum init_system host_init_of_tree(const char *root);

/* Is there such a file below root (path begins with a slash)? */
bool host_has(const char *root, const char *path);
/* Is a program of that name in PATH? */
bool host_has_program(const char *name);

/* Does the agent run a job that a restart would end, a dump or a hook too, or
 * borg below the stock one? 1 with a sentence in what; 0. Processes of
 * containers do not count. */
int host_job_runs(const struct paths *p, struct buf *what);
/* A stock agent that runs here: its pid, or 0. */
int host_stock_agent(void);

#endif
