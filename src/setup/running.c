/*
 * What runs on this host already: agents, and whether one has a job. Read from
 * /proc and the agent's journal; a process that vanishes meanwhile is no
 * error.
 */
#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "bbs/journal.h"
#include "setup/host.h"
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Parents of a borg that are looked at. */
#define ANCESTORS_MAX 16

static int read_proc(int pid, const char *name, struct buf *out)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	buf_reset(out);
	return file_read(path, out);
}

/* A container's processes are seen from outside, but are not this host's. */
static bool is_of_this_host(int pid)
{
	char path[64], theirs[128] = "", ours[128] = "";
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	if (readlink(path, theirs, sizeof(theirs) - 1) < 0 ||
	    readlink("/proc/self/ns/pid", ours, sizeof(ours) - 1) < 0)
		return true;
	return strcmp(theirs, ours) == 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

/* Does the command line run this program, itself or through an interpreter?
 * words: how many of its first words are looked at. */
static bool runs(const struct buf *line, const char *name, int words)
{
	const char *p = buf_str(line), *end = p + line->len;
	for (int i = 0; i < words && p < end; i++, p += strlen(p) + 1) {
		if (strcmp(base_name(p), name) == 0)
			return true;
	}
	return false;
}

static bool is_stock(const struct buf *line)
{
	return runs(line, "bbs-agent.py", 3);
}

static bool is_agent(const struct buf *line)
{
	return is_stock(line) || runs(line, "bbs-agent", 1);
}

static int parent_of(int pid)
{
	struct buf stat = BUF_INIT(PROC_FILE_MAX);
	int parent = 0;
	if (read_proc(pid, "stat", &stat) == 0) {
		const char *p = strrchr(buf_str(&stat), ')');
		uint64_t value;
		char digits[16] = "";
		/* ") S PPID …" */
		if (p != NULL && strlen(p) > 4) {
			size_t len = strcspn(p + 4, " ");
			if (len < sizeof(digits))
				memcpy(digits, p + 4, len);
			if (text_to_u64(digits, 0, INT32_MAX, &value) == 0)
				parent = (int)value;
		}
	}
	buf_release(&stat);
	return parent;
}

static bool is_below_agent(int pid)
{
	struct buf line = BUF_INIT(64 * KIB);
	bool found = false;
	for (int i = 0; i < ANCESTORS_MAX && !found; i++) {
		pid = parent_of(pid);
		if (pid <= 1)
			break;
		found =
		    read_proc(pid, "cmdline", &line) == 0 && is_agent(&line);
	}
	buf_release(&line);
	return found;
}

/* Calls back for each process of this host until one is wanted: its pid, or
 * 0. */
static int find_process(bool (*wanted)(int pid, const struct buf *line))
{
	struct buf line = BUF_INIT(4 * MIB);
	DIR *d = opendir("/proc");
	struct dirent *e;
	int found = 0;
	while (d != NULL && found == 0 && (e = readdir(d)) != NULL) {
		uint64_t pid;
		if (text_to_u64(e->d_name, 1, INT32_MAX, &pid) == 0 &&
		    (int)pid != getpid() &&
		    read_proc((int)pid, "cmdline", &line) == 0 &&
		    wanted((int)pid, &line) && is_of_this_host((int)pid))
			found = (int)pid;
	}
	if (d != NULL)
		closedir(d);
	buf_wipe(&line);
	return found;
}

/* Agents ask it whenever they start. */
static bool asks_version(const struct buf *line)
{
	static const char word[] = "--version";
	const char *end = buf_str(line) + line->len;
	for (const char *p = buf_str(line); p < end; p += strlen(p) + 1) {
		if (strcmp(p, word) == 0)
			return true;
	}
	return false;
}

/* borg serve is the other side of somebody's backup, not below an agent. */
static bool is_job(int pid, const struct buf *line)
{
	return runs(line, "borg", 3) && !asks_version(line) &&
	       is_below_agent(pid);
}

static bool is_stock_agent(int pid, const struct buf *line)
{
	(void)pid;
	return is_stock(line);
}

/* By the agent's own word: its journal names the processes of its jobs. A
 * look into a directory is over in seconds. */
static bool has_worker(
    const struct paths *p, int64_t id, const char *boot, struct buf *what)
{
	struct journal j;
	journal_read(p, id, &j);
	bool runs = strcmp(j.boot, boot) == 0 && proc_is_alive(&j.worker) &&
		    strcmp(j.type, "list_dir") != 0;
	if (runs)
		buf_addf(what, "a job of the agent runs (%s, process %d)",
		    j.type, (int)j.worker.pid);
	journal_release(&j);
	return runs;
}

int host_job_runs(const struct paths *p, struct buf *what)
{
	char boot[BOOT_ID_SIZE];
	int64_t id = 0;
	journal_boot_id(boot);
	while (journal_next(p, id, &id) == 1) {
		if (has_worker(p, id, boot, what))
			return 1;
	}
	int pid = find_process(is_job);
	if (pid != 0)
		buf_addf(
		    what, "a job of the agent runs (borg, process %d)", pid);
	return pid != 0;
}

int host_stock_agent(void)
{
	return find_process(is_stock_agent);
}
