/* What a job needs on this host, and its SSH to the server. */
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/version.h"
#include "bbs/answer.h"
#include "bbs/borgbin.h"
#include "bbs/elf.h"
#include "bbs/spoolfile.h"
#include "bbs/update_state.h"
#include "cli/doctor_checks.h"
#include "job/borgenv.h"
#include "job/known_hosts.h"
#include "job/ssh.h"
#include "setup/service.h"
#include "setup/update_fetch.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Reports have some KiB, and a list of directories some MiB. */
#define SPOOL_WARN (64ull * MIB)
#define SPOOL_FAIL (4ull * MIB)
/* A server that works takes a report within minutes. */
#define SPOOL_AGE_S 3600

enum found doctor_ssh_key(struct doctor *d, struct buf *out)
{
	struct buf key = BUF_INIT(KEY_FILE_MAX);
	struct stat st;
	const struct buf *theirs = &d->answer.ssh_key;
	const char *path = d->paths.ssh_key, *wrong = NULL;
	buf_adds(out, path);
	errno = 0;
	d->has_key = file_read(path, &key) == 0 && key.len > 0;
	if (errno == EACCES)
		wrong = " may not be read: run doctor as root";
	else if (!d->has_key && theirs->len == 0 && d->broken == LINK_NONE)
		wrong = ": there is none yet, and the server has none for "
			"this client: provision SSH on the client's page";
	else if (!d->has_key)
		wrong = ": there is none yet: start the agent, which fetches "
			"it from the server";
	else if (theirs->len > 0 &&
		 (theirs->len != key.len ||
		     memcmp(theirs->data, key.data, key.len) != 0))
		wrong = " is not the one that the server has now: restart the "
			"agent, which fetches it";
	else if (stat(path, &st) == 0 && (st.st_mode & 077) != 0)
		wrong = " can be read by others, which ssh refuses: chmod 600";
	else if (theirs->len > 0)
		buf_adds(out, ", the same as the server has");
	buf_wipe(&key);
	if (wrong == NULL)
		return FOUND_OK;
	buf_adds(out, wrong);
	return d->has_key ? FOUND_WARN : FOUND_FAIL;
}

static void add_host_key(struct doctor *d, struct buf *out)
{
	struct buf text = BUF_INIT(KEY_FILE_MAX), print = BUF_INIT(4 * KIB);
	struct ssh_info info;
	if (ssh_info_read(d->paths.ssh_info, &info) == 0 &&
	    file_read(d->paths.known_hosts, &text) == 0)
		known_hosts_fingerprints(buf_str(&text), &info, &print);
	if (d->config.ssh_host_key == SSH_HOST_KEY_NO)
		buf_adds(out, "; its host key is not checked (ssh_host_key = "
			      "no)");
	else if (print.len > 0)
		buf_addf(out, "; host key %s", buf_str(&print));
	buf_release(&text);
	buf_release(&print);
}

enum found doctor_ssh(struct doctor *d, struct buf *out)
{
	if (!d->has_key) {
		buf_adds(out, "not checked: needs ssh_key");
		return FOUND_NOTHING;
	}
	d->ssh_works = ssh_test(&d->worker, out) == SSH_TEST_OK;
	if (!d->ssh_works)
		return FOUND_FAIL;
	add_host_key(d, out);
	return FOUND_OK;
}

/* What the file is, by its first bytes. */
static void add_kind(const char *path, struct buf *out)
{
	struct buf head = BUF_INIT(PROGRAM_FILE_MAX), why = BUF_INIT(KIB);
	struct elf e;
	char machine[40];
	if (file_read(path, &head) == 0) {
		if (elf_read(&e, head.data, head.len, &why) == 0) {
			elf_machine(machine, sizeof(machine), &e);
			buf_addf(out, ", a program for %s", machine);
			if (e.glibc > 0)
				buf_addf(out, " and glibc %d.%d",
				    e.glibc / 1000, e.glibc % 1000);
		} else if (text_starts(buf_str(&head), "#!")) {
			buf_adds(out, ", a script");
		}
	}
	buf_release(&head);
	buf_release(&why);
}

enum found doctor_borg(struct doctor *d, struct buf *out)
{
	struct buf path = BUF_INIT(PATH_MAX), version = BUF_INIT(256);
	enum found found = FOUND_FAIL;
	if (borgbin_find(d->config.borg_path, &path, out) == 0 &&
	    borgbin_version(buf_str(&path), -1, &version, out) == 0) {
		buf_addf(out, "%s %s", buf_str(&path), buf_str(&version));
		found = FOUND_OK;
	} else if (path.len > 0) {
		buf_addf(out, " (%s", buf_str(&path));
	}
	if (path.len > 0)
		add_kind(buf_str(&path), out);
	if (found == FOUND_FAIL && path.len > 0)
		buf_adds(out, "): install one that is made for this host");
	buf_release(&path);
	buf_release(&version);
	return found;
}

enum found doctor_space(
    const char *path, uint64_t warn, uint64_t fail, struct buf *out)
{
	struct buf dir = BUF_INIT(PATH_MAX);
	struct statvfs fs = {0};
	char text[TEXT_AMOUNT];
	enum found found = FOUND_FAIL;
	file_nearest(path, &dir);
	if (statvfs(buf_str(&dir), &fs) != 0 ||
	    access(buf_str(&dir), W_OK | X_OK) != 0) {
		buf_addf(out, "%s cannot be written: %s", buf_str(&dir),
		    strerror(errno));
	} else {
		uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
		found = free_bytes < fail   ? FOUND_FAIL
			: free_bytes < warn ? FOUND_WARN
					    : FOUND_OK;
		buf_addf(out, "%s: %s free%s", path,
		    text_size(text, free_bytes),
		    found == FOUND_OK ? "" : ": make room there");
	}
	buf_release(&dir);
	return found;
}

enum found doctor_cache(struct doctor *d, struct buf *out)
{
	struct buf dir = BUF_INIT(PATH_MAX);
	enum found found = FOUND_WARN;
	(void)d;
	if (borgenv_cache_dir(environ, &dir) != 0)
		buf_adds(&dir, "/root/.cache/borg");
	found = doctor_space(buf_str(&dir), SPACE_WARN, SPACE_FAIL, out);
	buf_release(&dir);
	return found;
}

enum found doctor_spool(struct doctor *d, struct buf *out)
{
	char oldest[SPOOLFILE_NAME_MAX] = "", name[SPOOLFILE_NAME_MAX] = "";
	char age[TEXT_AMOUNT];
	const char *spool = d->paths.spool;
	enum found found = doctor_space(spool, SPOOL_WARN, SPOOL_FAIL, out);
	int waiting = spoolfile_count(spool, false, oldest, sizeof(oldest));
	int aside = spoolfile_count(spool, true, name, sizeof(name));
	int64_t old = waiting > 0 ? spoolfile_age(oldest) : 0;
	buf_addf(out, "; waiting reports: %d", waiting > 0 ? waiting : 0);
	if (old >= SPOOL_AGE_S) {
		found = found == FOUND_OK ? FOUND_WARN : found;
		buf_addf(out,
		    ", the oldest for %s: the agent's log says what the "
		    "server answers to them",
		    text_duration(age, (uint64_t)old));
	}
	if (aside > 0) {
		found = found == FOUND_OK ? FOUND_WARN : found;
		buf_addf(out,
		    "; refused by the server or unreadable, and set aside: %d "
		    "(%s): look at them and remove them",
		    aside, name);
	}
	return found;
}

enum found doctor_locale(struct doctor *d, struct buf *out)
{
	const char *value = getenv("LC_ALL");
	(void)d;
	if (value == NULL || value[0] == '\0')
		value = getenv("LANG");
	if (borgenv_is_utf8(value))
		buf_addf(out, "borg runs with %s", value);
	else
		buf_addf(out,
		    "borg runs with C.UTF-8 in place of \"%s\", so that names "
		    "with any letters are right",
		    value != NULL ? value : "");
	return FOUND_OK;
}

/* Where the service's file lies for this --root; "" when none is needed. */
static enum init_system find_service(
    struct doctor *d, struct buf *file, struct buf *why)
{
	const char *root = d->paths.root;
	enum init_system init = INIT_NONE;
	if (root[0] == '\0')
		init = host_init_running(why);
	else if (host_is_tree(root))
		init = host_init_of_tree(root);
	const char *path = init != INIT_UNKNOWN ? service_path(init) : NULL;
	if (path != NULL)
		buf_addf(file, "%s%s", root, path);
	return init;
}

enum found doctor_service(struct doctor *d, struct buf *out)
{
	struct buf file = BUF_INIT(PATH_MAX), text = BUF_INIT(64 * KIB);
	enum found found = FOUND_WARN;
	enum init_system init = find_service(d, &file, out);
	if (init == INIT_NONE) {
		buf_adds(out, "none for this --root: see to it that something "
			      "starts the agent");
		found = FOUND_OK;
	} else if (init == INIT_UNKNOWN) {
		/* The sentence stands there. */
	} else if (file_read(buf_str(&file), &text) != 0) {
		buf_addf(out,
		    "%s would start the agent, but there is no %s: run "
		    "bbs-agent install",
		    host_init_name(init), buf_str(&file));
		found = FOUND_FAIL;
	} else if (strstr(buf_str(&text), SERVICE_MARK) == NULL) {
		buf_addf(out,
		    "%s was not written by this agent (the stock agent's?): "
		    "run bbs-agent install",
		    buf_str(&file));
	} else {
		buf_addf(out, "%s, %s", host_init_name(init), buf_str(&file));
		found = FOUND_OK;
	}
	buf_release(&file);
	buf_release(&text);
	return found;
}

/* Where nobody asked for updates there need be none. */
static enum found look_for_update(struct doctor *d, struct buf *out)
{
	const struct config *c = &d->config;
	struct buf base = BUF_INIT(URL_LINK_MAX);
	struct release r;
	enum found found = FOUND_OK;
	if (c->update_key == NULL && release_keys[0] == '\0') {
		buf_addf(out, "updates are off: %s", release_no_key);
		found = c->auto_update ? FOUND_WARN : FOUND_NOTHING;
	} else if (update_look(c, &d->paths, NULL, UPDATE_DOCTOR_MS, &base, &r,
		       out) != 0) {
		found = c->auto_update || c->update_url != NULL ? FOUND_WARN
								: FOUND_NOTHING;
	} else {
		buf_addf(out, "%s offers bbs-agent %s, signed by a known key%s",
		    buf_str(&base), r.version,
		    release_compare(r.version, BBS_VERSION) > 0
			? ": bbs-agent update installs it"
			: "; nothing is newer than this");
	}
	buf_release(&base);
	return found;
}

enum found doctor_update(struct doctor *d, struct buf *out)
{
	struct update_state s;
	if (!d->configured) {
		buf_adds(out, "not checked: needs config");
		return FOUND_NOTHING;
	}
	enum found found = look_for_update(d, out);
	update_state_read(&d->paths, &s);
	if (s.phase != UPDATE_FAILED && s.phase != UPDATE_ROLLED_BACK)
		return found;
	buf_adds(out, "; ");
	update_state_tell(&s, out);
	return FOUND_WARN;
}
