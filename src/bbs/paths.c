/*
 * The list of the agent's own files. Nothing else in the program spells out
 * such a path; paths that the server or the administrator names are the
 * host's and do not move with --root.
 */
#include "bbs/paths.h"
#include "base/file.h"
#include <stdlib.h>
#include <string.h>

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

int paths_make(const struct paths *p, const char **failed)
{
	const struct {
		const char *dir;
		mode_t mode;
	} wanted[] = {{p->etc, 0755}, {p->state, 0700}, {p->spool, 0700},
	    {p->journal, 0700}, {p->run, 0755}};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		*failed = wanted[i].dir;
		if (file_mkdirs(wanted[i].dir, wanted[i].mode) != 0)
			return -1;
	}
	return 0;
}
