/* Command lines for Dropbear's client; see job/ssh_dropbear.h. */
#include "job/ssh_dropbear.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/shellwords.h"
#include "base/text.h"
#include "job/known_hosts.h"
#include "job/ssh.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HOME_NAME "dropbear"
#define HOSTS_NAME "dropbear/.ssh/known_hosts"

void ssh_dropbear_hosts(const struct worker *w, struct buf *out)
{
	char *path = file_join(w->paths->etc, HOSTS_NAME);
	buf_adds(out, path != NULL ? path : HOSTS_NAME);
	free(path);
}

char *ssh_dropbear_home(const struct worker *w, const struct ssh_info *info)
{
	char *home = NULL;
	char *hosts = file_join(w->paths->etc, HOSTS_NAME);
	if (w->config->ssh_host_key != SSH_HOST_KEY_NO && hosts != NULL &&
	    known_hosts_has(hosts, info))
		home = file_join(w->paths->etc, HOME_NAME);
	free(hosts);
	return home;
}

char *ssh_dropbear_new_home(const struct worker *w)
{
	char *home = NULL;
	if (w->config->ssh_host_key != SSH_HOST_KEY_NO)
		home = file_join(w->paths->etc, HOME_NAME);
	if (home != NULL && file_mkdirs(home, 0700) != 0) {
		log_warning("cannot make %s, where the server's SSH host key "
			    "is to be kept: %s",
		    home, strerror(errno));
		free(home);
		home = NULL;
	}
	return home;
}

/* The next word: its start, its length in *len (0 at the end). */
static const char *next_word(const char *p, size_t *len)
{
	p += strspn(p, " ");
	*len = strcspn(p, " ");
	return p;
}

/* The words after the program: -i, -p and -l stay, with their values. */
static int add_words(const char *p, struct buf *out)
{
	size_t len;
	while (p = next_word(p, &len), len > 0) {
		if (p[0] != '-' || len < 2)
			return -1;
		char option = p[1];
		p += 2;
		len -= 2;
		if (strchr("iplo", option) == NULL)
			continue;
		if (len == 0)
			p = next_word(p, &len);
		if (len == 0)
			return -1;
		if (option != 'o')
			buf_addf(out, " -%c %.*s", option, (int)len, p);
		p += len;
	}
	return 0;
}

int ssh_dropbear_rsh(const struct ssh_client *c, const char *home,
    const char *rsh, struct buf *out)
{
	struct buf words = BUF_INIT(64 * KIB);
	size_t len;
	const char *p = next_word(rsh, &len);
	int rc = -1;
	if (strpbrk(rsh, "'\"\\") == NULL &&
	    ((len == 3 && text_starts(p, "ssh")) ||
		(len == 8 && text_starts(p, "dbclient"))))
		rc = add_words(p + len, &words);
	if (rc == 0 && home != NULL) {
		buf_adds(out, "env HOME=");
		shellwords_quote(out, home);
		buf_addc(out, ' ');
	}
	if (rc == 0) {
		shellwords_quote(out, c->path);
		buf_adds(out, home != NULL ? " -y" : " -y -y");
		buf_adds(out, buf_str(&words));
	}
	buf_release(&words);
	return rc;
}
