/*
 * The list of the agent's own files. Nothing else in the program spells out
 * such a path; paths that the server or the administrator names are the
 * host's and do not move with --root.
 */
#include "bbs/paths.h"
#include "base/file.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The same directory as an absolute path: borg and ssh get these names while
 * they stand elsewhere. NULL when out of memory or the directory is gone. */
static char *absolute_root(const char *root)
{
	if (root[0] == '\0' || root[0] == '/')
		return strdup(root);
	char *here = realpath(".", NULL);
	char *path = here != NULL ? file_join(here, root) : NULL;
	free(here);
	return path;
}

int paths_init(struct paths *p, const char *root, const char *config)
{
	memset(p, 0, sizeof(*p));
	p->root = absolute_root(root != NULL ? root : "");
	if (p->root == NULL)
		return -1;
	for (size_t n = strlen(p->root); n > 0 && p->root[n - 1] == '/'; n--)
		p->root[n - 1] = '\0';
	const char *top = p->root[0] != '\0' ? p->root : "/";
	p->config = config != NULL ? strdup(config)
				   : file_join(top, "etc/bbs-agent/config.ini");
	p->etc = file_join(top, "etc/bbs-agent");
	p->ssh_key = file_join(top, "etc/bbs-agent/ssh_key");
	p->ssh_info = file_join(top, "etc/bbs-agent/ssh_info.json");
	p->known_hosts = file_join(top, "etc/bbs-agent/known_hosts");
	p->borg_source = file_join(top, "etc/bbs-agent/borg_source");
	p->state = file_join(top, "var/lib/bbs-agent");
	p->spool = file_join(top, "var/lib/bbs-agent/spool");
	p->journal = file_join(top, "var/lib/bbs-agent/journal");
	p->done = file_join(top, "var/lib/bbs-agent/done");
	p->hooks = file_join(top, "var/lib/bbs-agent/hooks.json");
	p->history = file_join(top, "var/lib/bbs-agent/history.json");
	p->update = file_join(top, "var/lib/bbs-agent/update.json");
	p->run = file_join(top, "run/bbs-agent");
	p->lock = file_join(top, "run/bbs-agent/lock");
	p->status = file_join(top, "run/bbs-agent/status.json");
	if (p->config == NULL || p->etc == NULL || p->ssh_key == NULL ||
	    p->ssh_info == NULL || p->known_hosts == NULL ||
	    p->borg_source == NULL || p->state == NULL || p->spool == NULL ||
	    p->journal == NULL || p->done == NULL || p->hooks == NULL ||
	    p->history == NULL || p->update == NULL || p->run == NULL ||
	    p->lock == NULL || p->status == NULL) {
		paths_release(p);
		return -1;
	}
	return 0;
}

void paths_release(struct paths *p)
{
	free(p->root);
	free(p->config);
	free(p->etc);
	free(p->ssh_key);
	free(p->ssh_info);
	free(p->known_hosts);
	free(p->borg_source);
	free(p->state);
	free(p->spool);
	free(p->journal);
	free(p->done);
	free(p->hooks);
	free(p->history);
	free(p->update);
	free(p->run);
	free(p->lock);
	free(p->status);
	memset(p, 0, sizeof(*p));
}

/* Those that `run` writes to. */
#define DIRS 5
struct wanted {
	const char *dir;
	mode_t mode;
};

static void list_dirs(const struct paths *p, struct wanted to[DIRS])
{
	to[0] = (struct wanted){p->etc, 0755};
	to[1] = (struct wanted){p->state, 0700};
	to[2] = (struct wanted){p->spool, 0700};
	to[3] = (struct wanted){p->journal, 0700};
	to[4] = (struct wanted){p->run, 0755};
}

int paths_make(const struct paths *p, const char **failed)
{
	struct wanted wanted[DIRS];
	list_dirs(p, wanted);
	for (size_t i = 0; i < DIRS; i++) {
		*failed = wanted[i].dir;
		if (file_mkdirs(wanted[i].dir, wanted[i].mode) != 0)
			return -1;
	}
	return 0;
}

/* Nobody else may change what is kept in it, or look where mode forbids. */
static int close_dir(int fd, const struct wanted *w, struct buf *why)
{
	const char *dir = w->dir;
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0) {
		buf_addf(why, "cannot open the directory %s: %s", dir,
		    strerror(errno));
		return -1;
	}
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		buf_addf(why,
		    "the directory %s belongs to another user, who could "
		    "change what is kept there: chown it to root",
		    dir);
		return -1;
	}
	mode_t open_to = st.st_mode & 077 & ~w->mode;
	if (open_to == 0 || st.st_uid != geteuid())
		return 0;
	if (fchmod(fd, st.st_mode & 07777 & ~open_to) != 0) {
		buf_addf(why, "the directory %s is open to other users: %s",
		    dir, strerror(errno));
		return -1;
	}
	log_warning("the directory %s was open to other users (mode %03o): "
		    "now it is not",
	    dir, (unsigned)st.st_mode & 0777);
	return 0;
}

int paths_close(const struct paths *p, struct buf *why)
{
	struct wanted wanted[DIRS];
	int rc = 0;
	list_dirs(p, wanted);
	for (size_t i = 0; i < DIRS && rc == 0; i++) {
		int fd =
		    open(wanted[i].dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		rc = close_dir(fd, &wanted[i], why);
		if (fd >= 0)
			close(fd);
	}
	return rc;
}
