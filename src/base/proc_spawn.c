/*
 * Starting a child. Between fork(2) and execve(2) the child puts itself in
 * order: own process group, given descriptors as 0 to 2 and none else, default
 * signals. An error on that way comes back through a pipe that execve(2)
 * closes, so that "started" means that the program runs.
 */
#include "base/file.h"
#include "base/limits.h"
#include "base/proc.h"
#include "base/proc_why.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where programs are searched when the environment has no PATH. */
#define PATH_DEFAULT \
	"/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
/* From linux/ioprio.h, which old kernels' headers do not export. */
#define IOPRIO_WHO_PROCESS_ 1
#define IOPRIO_CLASS_SHIFT_ 13

/* The step at which a child failed, and errno. */
enum step { STEP_FDS, STEP_CWD, STEP_EXEC };
struct failure {
	enum step step;
	int error;
};

static bool proc_is_program(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       access(path, X_OK) == 0;
}

char *proc_search(const char *name, const char *path)
{
	if (path == NULL || path[0] == '\0')
		path = PATH_DEFAULT;
	for (const char *p = path; *name != '\0' && *p != '\0';) {
		size_t n = strcspn(p, ":");
		char dir[PATH_MAX];
		/* A relative part would be the server's or a user's choice. */
		if (*p == '/' && n < sizeof(dir)) {
			memcpy(dir, p, n);
			dir[n] = '\0';
			char *file = file_join(dir, name);
			if (file == NULL || proc_is_program(file))
				return file;
			free(file);
		}
		p += n + (p[n] == ':');
	}
	return NULL;
}

/* The file to execute, for the caller to free; NULL with *why. */
static char *proc_find(const struct proc_spec *spec, struct buf *why)
{
	const char *name = spec->argv[0];
	char *const *env =
	    spec->env != NULL ? (char *const *)(uintptr_t)spec->env : environ;
	const char *path = proc_env_get(env, "PATH");
	if (strchr(name, '/') != NULL)
		return strdup(name);
	char *file = proc_search(name, path);
	if (file == NULL)
		buf_addf(why, "cannot start %s: it is not in PATH (%s)", name,
		    path != NULL && path[0] != '\0' ? path : PATH_DEFAULT);
	return file;
}

/* On old kernels /proc knows which are open; a loop alone would take long
 * where the limit is a million. */
void proc_close_range(int first, int last)
{
	if (first > last)
		return;
#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned)first, (unsigned)last, 0u) == 0)
		return;
#endif
	struct dirent *e;
	DIR *d = opendir("/proc/self/fd");
	while (d != NULL && (e = readdir(d)) != NULL) {
		uint64_t fd;
		if (text_to_u64(e->d_name, 0, INT_MAX, &fd) == 0 &&
		    (int)fd >= first && (int)fd <= last && (int)fd != dirfd(d))
			close((int)fd);
	}
	if (d != NULL) {
		closedir(d);
		return;
	}
	struct rlimit limit;
	int max = PROC_FD_MAX;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_cur < PROC_FD_MAX)
		max = (int)limit.rlim_cur;
	for (int fd = first; fd < max && fd <= last; fd++)
		close(fd);
}

/* Descriptors 0 to 2 as wanted. The given ones may themselves be 0 to 2 in any
 * order, so all are copied up first; 3 stays free for the report. */
static int proc_wire(const struct proc_spec *spec)
{
	const int given[3] = {spec->in, spec->out, spec->err};
	int copy[3];
	for (int i = 0; i < 3; i++) {
		int fd = given[i];
		if (fd == PROC_NULL)
			fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		copy[i] = fcntl(fd, F_DUPFD_CLOEXEC, 4);
		if (copy[i] < 0)
			return -1;
	}
	for (int i = 0; i < 3; i++)
		if (dup2(copy[i], i) < 0)
			return -1;
	return 0;
}

static void proc_reset_signals(void)
{
	struct sigaction sa = {.sa_handler = SIG_DFL};
	sigset_t none;
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The agent may be protected from the kernel's killer; its children, which
 * take the memory, must not be. */
static void proc_reset_oom(void)
{
	char text[16] = "";
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text) - 1) > 0 && text[0] == '-' &&
	    lseek(fd, 0, SEEK_SET) == 0)
		(void)!write(fd, "0", 1);
	close(fd);
}

static void proc_set_priority(const struct proc_spec *spec)
{
	if (spec->nice != 0)
		(void)!nice(spec->nice);
	if (spec->ioprio_class != 0)
		syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS_, 0,
		    spec->ioprio_class << IOPRIO_CLASS_SHIFT_ |
			spec->ioprio_level);
}

/* The child's part; it does not return. */
static void proc_child(
    const struct proc_spec *spec, const char *file, int report)
{
	struct failure f = {STEP_FDS, 0};
	setpgid(0, 0);
	report = fcntl(report, F_DUPFD_CLOEXEC, 4);
	if (report < 0 || proc_wire(spec) != 0)
		goto fail;
	if (dup3(report, 3, O_CLOEXEC) < 0)
		goto fail;
	report = 3;
	proc_close_range(4, INT_MAX);
	proc_reset_oom();
	proc_set_priority(spec);
	f.step = STEP_CWD;
	if (spec->cwd != NULL && chdir(spec->cwd) != 0)
		goto fail;
	proc_reset_signals();
	f.step = STEP_EXEC;
	char **argv = (char **)(uintptr_t)spec->argv;
	char **env = (char **)(uintptr_t)spec->env;
	execve(file, argv, env != NULL ? env : environ);
fail:
	f.error = errno;
	(void)!write(report, &f, sizeof(f));
	_exit(127);
}

static void proc_explain(const struct proc_spec *spec, const char *file,
    const struct failure *f, struct buf *why)
{
	buf_addf(why, "cannot start %s: ", file);
	if (f->step == STEP_EXEC)
		proc_why(why, file, f->error);
	else if (f->step == STEP_CWD)
		buf_addf(why, "cannot enter directory %s: %s", spec->cwd,
		    strerror(f->error));
	else
		buf_addf(why, "cannot set up its input and output: %s",
		    strerror(f->error));
}

/* Forks with all signals held back, so that no handler of ours runs in the
 * child. */
static pid_t proc_fork(
    const struct proc_spec *spec, const char *file, const int report[2])
{
	sigset_t all, before;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	if (pid == 0)
		proc_child(spec, file, report[1]);
	int saved = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = saved;
	return pid;
}

/* 0 when the program runs; -1 with *f. */
static int proc_await(pid_t pid, int report, struct failure *f)
{
	ssize_t n;
	do {
		n = read(report, f, sizeof(*f));
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return 0;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	return -1;
}

int proc_spawn(struct proc *p, const struct proc_spec *spec, struct buf *why)
{
	int report[2];
	*p = (struct proc){0};
	char *file = proc_find(spec, why);
	if (file == NULL)
		return -1;
	pid_t pid = -1;
	if (pipe2(report, O_CLOEXEC) == 0) {
		pid = proc_fork(spec, file, report);
		int saved = errno;
		close(report[1]);
		if (pid < 0)
			close(report[0]);
		errno = saved;
	}
	if (pid < 0) {
		buf_addf(why, "cannot start %s: %s", file, strerror(errno));
		free(file);
		return -1;
	}
	setpgid(pid, pid);
	struct failure f;
	int rc = proc_await(pid, report[0], &f);
	close(report[0]);
	if (rc != 0)
		proc_explain(spec, file, &f, why);
	else
		*p = (struct proc){pid, proc_start_time(pid)};
	free(file);
	return rc;
}
