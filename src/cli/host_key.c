/*
 * `doctor --accept-host-key`. The key that the server shows now is fetched
 * as the first one was: the connection test is run with an empty place for
 * keys. Then the lines of this one host are replaced, and nothing else.
 */
#include "base/file.h"
#include "base/limits.h"
#include "cli/doctor_checks.h"
#include "job/known_hosts.h"
#include "job/ssh.h"
#include "job/ssh_dropbear.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLACE "host-key"

/* Lets ssh meet the server in a place where no key is kept. dropbear: it was
 * Dropbear that kept it. */
static int meet(struct worker *w, const struct ssh_info *info,
    struct buf *shown, bool *dropbear, struct buf *why)
{
	struct paths paths = *w->paths;
	struct worker fresh = *w;
	struct buf said = BUF_INIT(8 * KIB), file = BUF_INIT(PATH_MAX);
	int rc = -1;
	size_t len;
	paths.etc = file_join(w->paths->run, PLACE);
	paths.known_hosts =
	    paths.etc != NULL ? file_join(paths.etc, "known_hosts") : NULL;
	fresh.paths = &paths;
	if (paths.known_hosts == NULL || file_mkdirs(paths.etc, 0700) != 0) {
		buf_addf(why, "cannot make %s: %s",
		    paths.etc != NULL ? paths.etc : PLACE, strerror(errno));
		goto out;
	}
	ssh_test(&fresh, &said);
	ssh_dropbear_hosts(&fresh, &file);
	*dropbear = access(buf_str(&file), F_OK) == 0;
	if (file_read(*dropbear ? buf_str(&file) : paths.known_hosts, shown) ==
		0 &&
	    known_hosts_line(buf_str(shown), info, &len) != NULL)
		rc = 0;
	else
		buf_addf(why, "the server's SSH host key cannot be fetched: %s",
		    buf_str(&said));
	file_remove_tree(paths.etc);
out:
	free(paths.etc);
	free(paths.known_hosts);
	buf_release(&said);
	buf_release(&file);
	return rc;
}

/* Without a terminal the option itself is the consent. */
static bool agreed(FILE *out)
{
	char answer[16] = "";
	if (isatty(STDIN_FILENO) != 1)
		return true;
	fputs("Compare it on the server: ssh-keygen -lf "
	      "/etc/ssh/ssh_host_ed25519_key.pub (or its other keys).\n"
	      "Keep the new key? [y/N] ",
	    out);
	fflush(out);
	return read(STDIN_FILENO, answer, sizeof(answer)) > 0 &&
	       (answer[0] == 'y' || answer[0] == 'Y');
}

static int replace(const char *path, const struct ssh_info *info,
    const struct buf *shown, FILE *out, struct buf *why)
{
	struct buf text = BUF_INIT(KEY_FILE_MAX);
	struct buf next = BUF_INIT(2 * KEY_FILE_MAX);
	struct buf before = BUF_INIT(8 * KIB), now = BUF_INIT(8 * KIB);
	int rc = 0;
	if (file_read(path, &text) != 0 && errno != ENOENT) {
		buf_addf(why, "cannot read %s: %s", path, strerror(errno));
		rc = -1;
		goto out;
	}
	known_hosts_fingerprints(buf_str(&text), info, &before);
	known_hosts_fingerprints(buf_str(shown), info, &now);
	fprintf(out, "SSH host key of %s port %d\n  kept: %s\n  now:  %s\n",
	    info->host, info->port, before.len > 0 ? buf_str(&before) : "none",
	    buf_str(&now));
	if (strcmp(buf_str(&before), buf_str(&now)) == 0) {
		fputs("They are the same; nothing is changed.\n", out);
		goto out;
	}
	if (!agreed(out)) {
		buf_adds(why, "the host key is left as it was");
		rc = -1;
		goto out;
	}
	known_hosts_without(buf_str(&text), info, &next);
	if (next.len > 0 && next.data[next.len - 1] != '\n')
		buf_addc(&next, '\n');
	buf_adds(&next, buf_str(shown));
	rc = next.failed ? -1 : file_write(path, next.data, next.len, 0600);
	if (rc != 0)
		buf_addf(why, "cannot write %s: %s", path, strerror(errno));
	else
		fprintf(out, "The new key is kept in %s.\n", path);
out:
	buf_release(&text);
	buf_release(&next);
	buf_release(&before);
	buf_release(&now);
	return rc;
}

int host_key_accept(struct worker *w, bool json, struct buf *why)
{
	struct buf shown = BUF_INIT(KEY_FILE_MAX), path = BUF_INIT(PATH_MAX);
	struct ssh_info info;
	bool dropbear = false;
	int rc = -1;
	if (w->config->ssh_host_key == SSH_HOST_KEY_NO) {
		buf_adds(why, "[agent] ssh_host_key = no: no host key is kept");
		return -1;
	}
	if (ssh_info_read(w->paths->ssh_info, &info) != 0) {
		buf_addf(why,
		    "the server has not said where its SSH is (no usable %s)",
		    w->paths->ssh_info);
		return -1;
	}
	if (ssh_hosts_check(w, why) == 0 &&
	    meet(w, &info, &shown, &dropbear, why) == 0) {
		if (dropbear)
			ssh_dropbear_hosts(w, &path);
		else
			buf_adds(&path, w->paths->known_hosts);
		rc = replace(
		    buf_str(&path), &info, &shown, json ? stderr : stdout, why);
	}
	buf_release(&shown);
	buf_release(&path);
	return rc;
}
