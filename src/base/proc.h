/*
 * Child processes: started without a shell, in a group of their own, with
 * signals and mask reset, descriptors from 3 on closed, PDEATHSIG none (a
 * child outlives a crash only until its group is ended by whoever watches).
 */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include "base/buf.h"
#include <stdint.h>
#include <sys/types.h>

struct proc {
	pid_t pid;	/* 0: none; also the number of its process group */
	uint64_t start; /* start time in clock ticks since boot, 0: unknown */
};

#define PROC_NULL (-1) /* /dev/null */
struct proc_spec {
	const char *const *argv; /* argv[0] is searched in PATH of env
				    unless it contains a slash */
	const char *const *env;	 /* NULL: our own */
	const char *cwd;	 /* NULL: our own */
	int in, out, err;	 /* descriptors of ours, or PROC_NULL */
	int nice;		 /* 0: unchanged */
	int ioprio_class;	 /* 0: unchanged; 1..3 as ionice(1) */
	int ioprio_level;
};

/* Starts it. 0, or -1 with a sentence in why: "cannot start /x/borg: …";
 * an existing file that the kernel cannot run names the reason (missing
 * ELF interpreter or script interpreter, wrong architecture, mode). */
int proc_spawn(struct proc *p, const struct proc_spec *spec, struct buf *why);
/* The program of that name in a list of directories as PATH has it (NULL: the
 * usual ones), for the caller to free; NULL when there is none. */
char *proc_search(const char *name, const char *path);
/* Has it ended? 1 with *status as of waitpid(2), 0 not yet, -1 no child. */
int proc_poll(struct proc *p, int *status);
/* Signals the process alone / its whole group; nothing when p->pid is 0. */
void proc_signal(const struct proc *p, int sig);
void proc_signal_group(const struct proc *p, int sig);
/* Is any process of its group left (zombies do not count)? */
bool proc_group_alive(const struct proc *p);
/* Is it there, and no zombie? start must be known. */
bool proc_is_alive(const struct proc *p);
/* Is any of a group left that was written down long ago? Its leader must be the
 * one of then or, where that has ended, each member of this session, which no
 * stranger is. start must be known. */
bool proc_group_is(const struct proc *p, pid_t session);
/* How often it has gone to sleep so far: a process whose number stays hangs.
 * 0, or -1 when that cannot be read. */
int proc_sleeps(pid_t pid, uint64_t *count);
/* Appends "process 12 does not end (state D: the kernel waits for …)". */
void proc_describe_stuck(const struct proc *p, struct buf *out);
/* Exit code as a shell has it: code, or 128 + signal. */
int proc_exit_code(int status);
/* The status of a child whose own nobody can tell any more: code 255. */
#define PROC_STATUS_LOST (255 << 8)
/* Start time of a pid from /proc, in 1/PROC_HZ s since the host started; 0 when
 * there is none. 100 wherever this agent runs (proc(5): USER_HZ). */
#define PROC_HZ 100u
uint64_t proc_start_time(pid_t pid);
/* CPU ticks and bytes of I/O that a process group has used so far (from
 * /proc/PID/stat and io); for noticing a hang. */
uint64_t proc_group_activity(pid_t group);

/* Runs it to its end within timeout_ms, collecting at most out->max and
 * err->max bytes (the rest is read and dropped). TERM, then KILL to the
 * group after 2 s when time is up or stop_fd (-1: none) becomes readable.
 * 0 with *status; -1 not started (why); 1 ended by us (why says so). With out
 * or err NULL that stream goes where the spec says; when they are the same
 * buffer, both streams share a pipe and keep their order. timeout_ms -1: no
 * end. */
int proc_run(const struct proc_spec *spec, int timeout_ms, int stop_fd,
    struct buf *out, struct buf *err, int *status, struct buf *why);

/* Closes the descriptors from first to last, both included. */
void proc_close_range(int first, int last);

/* Environment block: copies ours, then sets. Freed with proc_env_free. */
char **proc_env_new(void); /* NULL when out of memory */
/* value NULL removes the name. 0, or -1 when out of memory. */
int proc_env_set(char ***env, const char *name, const char *value);
const char *proc_env_get(char *const *env, const char *name);
void proc_env_free(char **env); /* values are wiped */

#endif
