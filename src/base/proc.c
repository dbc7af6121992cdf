/*
 * Children that run: asked, signalled, and counted by what /proc says. A
 * process is known by its number and its start time together, so that a
 * signal never hits a stranger who got the number later.
 */
#include "base/proc.h"
#include "base/file.h"
#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* What a line of /proc/PID/stat says, as far as it is needed. */
struct stat_line {
	char state;
	uint64_t group, session, user, system, start;
};

static uint64_t proc_number(const char *s)
{
	uint64_t v = 0;
	for (; *s >= '0' && *s <= '9'; s++)
		v = v * 10 + (uint64_t)(*s - '0');
	return v;
}

static int proc_read(const char *pid, const char *what, struct buf *text)
{
	char path[300];
	buf_reset(text);
	snprintf(path, sizeof(path), "/proc/%s/%s", pid, what);
	return file_read(path, text);
}

/* The name (field 2) may hold blanks and brackets: fields are counted from
 * the last bracket on. */
static int proc_read_stat(
    const char *pid, struct buf *text, struct stat_line *line)
{
	*line = (struct stat_line){0};
	if (proc_read(pid, "stat", text) != 0)
		return -1;
	const char *p = strrchr(buf_str(text), ')');
	if (p == NULL)
		return -1;
	p++;
	for (int field = 3; *p == ' '; field++) {
		p++;
		if (field == 3)
			line->state = *p;
		else if (field == 5)
			line->group = proc_number(p);
		else if (field == 6)
			line->session = proc_number(p);
		else if (field == 14)
			line->user = proc_number(p);
		else if (field == 15)
			line->system = proc_number(p);
		else if (field == 22)
			line->start = proc_number(p);
		p += strcspn(p, " ");
	}
	return line->start > 0 ? 0 : -1;
}

uint64_t proc_start_time(pid_t pid)
{
	struct buf text = BUF_INIT(PROC_FILE_MAX);
	struct stat_line line;
	char number[16];
	snprintf(number, sizeof(number), "%d", (int)pid);
	int rc = proc_read_stat(number, &text, &line);
	buf_release(&text);
	return rc == 0 ? line.start : 0;
}

bool proc_is_alive(const struct proc *p)
{
	struct buf text = BUF_INIT(PROC_FILE_MAX);
	struct stat_line line;
	char number[16];
	snprintf(number, sizeof(number), "%d", (int)p->pid);
	bool there = p->pid > 0 && proc_read_stat(number, &text, &line) == 0;
	buf_release(&text);
	return there && line.start == p->start && line.state != 'Z' &&
	       line.state != 'X';
}

int proc_sleeps(pid_t pid, uint64_t *count)
{
	static const char name[] = "\nvoluntary_ctxt_switches:\t";
	struct buf text = BUF_INIT(PROC_STATUS_MAX);
	char number[16];
	snprintf(number, sizeof(number), "%d", (int)pid);
	const char *found = proc_read(number, "status", &text) == 0
				? strstr(buf_str(&text), name)
				: NULL;
	if (found != NULL)
		*count = proc_number(found + strlen(name));
	buf_release(&text);
	return found != NULL ? 0 : -1;
}

/* What the kernel waits for, for a process that waits without end. */
static void proc_add_wait(const char *number, struct buf *out)
{
	struct buf text = BUF_INIT(PROC_FILE_MAX);
	bool known = proc_read(number, "wchan", &text) == 0 && text.len > 1;
	buf_addf(out, ": the kernel waits for %s",
	    known ? buf_str(&text) : "a device");
	buf_release(&text);
}

void proc_describe_stuck(const struct proc *p, struct buf *out)
{
	struct buf text = BUF_INIT(PROC_FILE_MAX);
	struct stat_line line;
	char number[16];
	snprintf(number, sizeof(number), "%d", (int)p->pid);
	buf_addf(out, "process %s does not end", number);
	if (proc_read_stat(number, &text, &line) == 0 &&
	    line.start == p->start) {
		buf_addf(out, " (state %c", line.state);
		if (line.state == 'D')
			proc_add_wait(number, out);
		buf_addc(out, ')');
	}
	buf_release(&text);
}

/* False when the number now belongs to another process. While a member of
 * the group lives, the kernel gives its number to nobody. */
static bool proc_is_ours(const struct proc *p)
{
	if (p->pid <= 1)
		return false;
	if (p->start == 0)
		return true;
	uint64_t start = proc_start_time(p->pid);
	return start == 0 || start == p->start;
}

int proc_poll(struct proc *p, int *status)
{
	if (p->pid <= 0)
		return -1;
	pid_t pid;
	do {
		pid = waitpid(p->pid, status, WNOHANG);
	} while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return 0;
	return pid > 0 ? 1 : -1;
}

void proc_signal(const struct proc *p, int sig)
{
	if (proc_is_ours(p))
		kill(p->pid, sig);
}

void proc_signal_group(const struct proc *p, int sig)
{
	if (proc_is_ours(p))
		kill(-p->pid, sig);
}

int proc_exit_code(int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : 255;
}

static uint64_t proc_io_field(const struct buf *text, const char *name)
{
	const char *p = strstr(buf_str(text), name);
	return p != NULL ? proc_number(p + strlen(name)) : 0;
}

/* Bytes read and written, through the cache or not; 0 when not allowed. */
static uint64_t proc_io(const char *pid, struct buf *text)
{
	if (proc_read(pid, "io", text) != 0)
		return 0;
	return proc_io_field(text, "rchar: ") + proc_io_field(text, "wchar: ");
}

/* Walks the living processes of a group: their number, what they used, and
 * how many are of this session. */
struct walk {
	pid_t group, session;
	int of_session;
	uint64_t used;
};

static int proc_group_walk(struct walk *w, bool io)
{
	struct buf text = BUF_INIT(PROC_FILE_MAX);
	struct dirent *e;
	int count = 0;
	DIR *d = opendir("/proc");
	if (d == NULL)
		return -1;
	while ((e = readdir(d)) != NULL) {
		struct stat_line line;
		if (e->d_name[0] < '0' || e->d_name[0] > '9' ||
		    proc_read_stat(e->d_name, &text, &line) != 0 ||
		    line.group != (uint64_t)w->group || line.state == 'Z' ||
		    line.state == 'X')
			continue;
		count++;
		w->of_session += line.session == (uint64_t)w->session;
		w->used += line.user + line.system;
		if (io)
			w->used += proc_io(e->d_name, &text);
	}
	closedir(d);
	buf_release(&text);
	return count;
}

bool proc_group_alive(const struct proc *p)
{
	if (!proc_is_ours(p) || (kill(-p->pid, 0) != 0 && errno == ESRCH))
		return false;
	/* Without /proc the kernel's word stands, zombies included. */
	struct walk w = {.group = p->pid};
	return proc_group_walk(&w, false) != 0;
}

bool proc_group_is(const struct proc *p, pid_t session)
{
	struct walk w = {.group = p->pid, .session = session};
	if (p->pid <= 1 || p->start == 0)
		return false;
	uint64_t start = proc_start_time(p->pid);
	if (start != 0 && start != p->start)
		return false;
	int count = proc_group_walk(&w, false);
	if (count <= 0)
		return false;
	return start != 0 || (session > 1 && w.of_session == count);
}

uint64_t proc_group_activity(pid_t group)
{
	struct walk w = {.group = group};
	if (group > 0)
		proc_group_walk(&w, true);
	return w.used;
}
