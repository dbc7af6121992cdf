/*
 * What is asked before anything is written. Each refusal is one sentence with
 * the remedy in it, and leaves the host as it was.
 */
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/version.h"
#include "setup/getborg.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

/* pipe2, signalfd4 and accept4 are there; what is newer is done without. */
#define KERNEL_MAJOR 2
#define KERNEL_MINOR 6
#define KERNEL_PATCH 32
/* Beside the program: configuration, keys, spool. */
#define SPACE_NEEDED (4u * MIB)

static int check_user(const struct plan *p, struct buf *why)
{
	if (geteuid() == 0 || p->paths.root[0] != '\0')
		return 0;
	buf_adds(why, "only root can install: run it with sudo, or as root");
	return -1;
}

/* The next number of "3.10.0-1160.el7", 0 at its end; at most 255. */
static unsigned next_number(const char **p)
{
	unsigned n = 0;
	while (**p >= '0' && **p <= '9' && n < 255)
		n = n * 10 + (unsigned)(*(*p)++ - '0');
	*p += strspn(*p, "0123456789");
	*p += **p == '.';
	return n < 255 ? n : 255;
}

static int check_kernel(const struct plan *p, struct buf *why)
{
	struct utsname u;
	if (p->tree || uname(&u) != 0)
		return 0;
	const char *release = u.release;
	unsigned have = 0;
	for (int i = 0; i < 3; i++)
		have = have << 8 | next_number(&release);
	if (have >= (KERNEL_MAJOR << 16 | KERNEL_MINOR << 8 | KERNEL_PATCH))
		return 0;
	buf_addf(why,
	    "this host runs Linux %s: the agent needs 2.6.32 or newer",
	    u.release);
	return -1;
}

static int check_server_host(const struct plan *p, struct buf *why)
{
	if (p->options->on_server || !host_has(p->paths.root, "/var/www/bbs"))
		return 0;
	buf_adds(why, "this host is the backup server itself (/var/www/bbs is "
		      "there): back it up from another host, or install with "
		      "--on-server if you know that you want this");
	return -1;
}

static int check_place(const char *path, size_t size, struct buf *why)
{
	struct buf dir = BUF_INIT(8 * KIB);
	struct statvfs fs;
	struct stat st;
	char need[TEXT_AMOUNT], have[TEXT_AMOUNT];
	int rc = -1;
	file_nearest(path, &dir);
	if (stat(buf_str(&dir), &st) == 0 && !S_ISDIR(st.st_mode)) {
		buf_addf(
		    why, "%s is no directory: move it away", buf_str(&dir));
	} else if (statvfs(buf_str(&dir), &fs) != 0) {
		buf_addf(why, "cannot look at %s: %s", buf_str(&dir),
		    strerror(errno));
	} else if ((fs.f_flag & ST_RDONLY) != 0 ||
		   access(buf_str(&dir), W_OK | X_OK) != 0) {
		buf_addf(why,
		    "%s cannot be written (%s): make it writable, or put the "
		    "agent elsewhere with --root DIR",
		    buf_str(&dir),
		    (fs.f_flag & ST_RDONLY) != 0 ? "it is mounted read-only"
						 : strerror(errno));
	} else if ((uint64_t)fs.f_bavail * fs.f_frsize < size) {
		buf_addf(why,
		    "%s has %s left, and the installation needs %s there: "
		    "free some space first",
		    buf_str(&dir),
		    text_size(have, (uint64_t)fs.f_bavail * fs.f_frsize),
		    text_size(need, size));
	} else {
		rc = 0;
	}
	buf_release(&dir);
	return rc;
}

/* The directories that are written to. */
static int check_places(const struct plan *p, struct buf *why)
{
	char *bin = strndup(
	    p->program, (size_t)(strrchr(p->program, '/') - p->program));
	char *init = p->service_file == NULL
			 ? NULL
			 : strndup(p->service_file,
			       (size_t)(strrchr(p->service_file, '/') -
					p->service_file));
	int rc = -1;
	if (bin == NULL || (init == NULL && p->service_file != NULL))
		buf_adds(why, "out of memory");
	else if (check_place(bin, SPACE_NEEDED + p->self.len + p->borg_size,
		     why) == 0 &&
		 check_place(p->paths.etc, SPACE_NEEDED, why) == 0 &&
		 check_place(
		     p->paths.state, SPACE_NEEDED + p->borg_size, why) == 0 &&
		 (init == NULL || check_place(init, 64 * KIB, why) == 0))
		rc = 0;
	free(bin);
	free(init);
	return rc;
}

static int check_clock(struct buf *why)
{
	if (clock_wall() >= BBS_RELEASED)
		return 0;
	buf_adds(why, "this host's clock is before the day on which this "
		      "program was made, so no certificate would be valid: "
		      "set the date first");
	return -1;
}

static int read_self(struct plan *p, struct buf *why)
{
	if (file_read("/proc/self/exe", &p->self) == 0)
		return 0;
	buf_addf(why, "cannot read this program through /proc/self/exe: %s",
	    strerror(errno));
	return -1;
}

/* A program of another machine in a tree would never start. Judged by the
 * shell, where one can be found: class, byte order and machine of its ELF
 * head. */
static int check_architecture(const struct plan *p, struct buf *why)
{
	static const char *const samples[] = {"/bin/busybox", "/bin/dash",
	    "/bin/bash", "/usr/bin/dash", "/usr/bin/bash", "/usr/bin/busybox"};
	struct buf head = BUF_INIT(32 * MIB);
	int rc = 0;
	for (size_t i = 0; p->tree && head.len == 0 &&
			   i < sizeof(samples) / sizeof(samples[0]);
	     i++) {
		char *path = file_join(p->paths.root, samples[i]);
		struct stat st;
		if (path != NULL && lstat(path, &st) == 0 &&
		    S_ISREG(st.st_mode))
			file_read(path, &head);
		free(path);
	}
	const char *theirs = buf_str(&head), *ours = buf_str(&p->self);
	if (head.len > 20 && p->self.len > 20 &&
	    memcmp(theirs, "\177ELF", 4) == 0 &&
	    memcmp(ours, "\177ELF", 4) == 0 &&
	    (memcmp(theirs + 4, ours + 4, 2) != 0 ||
		memcmp(theirs + 18, ours + 18, 2) != 0)) {
		buf_addf(why,
		    "%s holds a system for another kind of machine than this "
		    "program: take the bbs-agent for that one",
		    p->paths.root);
		rc = -1;
	}
	buf_release(&head);
	return rc;
}

static int check_running(const struct plan *p, struct buf *why)
{
	if (!p->service.booted || host_job_runs(&p->paths, why) == 0)
		return 0;
	buf_adds(why, ": install again when it is done");
	return -1;
}

/* The answer is kept: it holds the SSH key. */
static int check_server(struct plan *p, struct buf *why)
{
	char *ca = p->config.ca_file, *inside = NULL;
	const char *source = p->options->ca_file;
	/* A tree's own paths lie below it for us. */
	if (source == NULL && p->tree && ca != NULL)
		source = inside = file_join(p->paths.root, ca);
	if (source != NULL)
		p->config.ca_file = strdup(source);
	int rc = server_ask(&p->config, &p->answer, why);
	if (source != NULL) {
		free(p->config.ca_file);
		p->config.ca_file = ca;
	}
	free(inside);
	return rc;
}

int preflight(struct plan *p, struct buf *why)
{
	if (read_self(p, why) != 0 || check_user(p, why) != 0 ||
	    check_kernel(p, why) != 0 || check_architecture(p, why) != 0 ||
	    check_server_host(p, why) != 0 || getborg_check(p, why) != 0 ||
	    check_places(p, why) != 0 || check_clock(why) != 0 ||
	    check_running(p, why) != 0 || check_server(p, why) != 0)
		return EXIT_FAILED;
	return EXIT_DONE;
}
