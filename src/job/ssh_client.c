/*
 * The ssh client of this host. Asking one what it is costs a process, so the
 * answer is kept beside the lock, with what tells one file from another.
 */
#include "job/ssh_client.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/text.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY "ssh-client"
#define ASK_TIMEOUT_MS 5000
#define CONVERT_TIMEOUT_MS 10000
/* What a client is, as it is remembered. */
#define IS_DROPBEAR "dropbear"
#define IS_ACCEPT_NEW "accept-new"
#define IS_OLD "old"

/* The client's path and what changes when it is another one. */
static int identify(const char *path, struct buf *out)
{
	struct stat st;
	if (stat(path, &st) != 0)
		return -1;
	return buf_addf(out, "%s %llu %llu %lld %lld.%09ld ", path,
	    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
	    (long long)st.st_size, (long long)st.st_mtim.tv_sec,
	    (long)st.st_mtim.tv_nsec);
}

/* Runs `path -o StrictHostKeyChecking=accept-new -V`: OpenSSH says that it
 * does not know the value before its version, Dropbear says who it is. */
static const char *ask(struct worker *w, const char *path)
{
	const char *const argv[] = {
	    path, "-o", "StrictHostKeyChecking=accept-new", "-V", NULL};
	const char *const plain[] = {path, "-V", NULL};
	struct buf out = BUF_INIT(KIB), why = BUF_INIT(KIB);
	int status = -1;
	struct proc_spec spec = {
	    plain, NULL, NULL, PROC_NULL, PROC_NULL, PROC_NULL, 0, 0, 0};
	const char *is = NULL;
	if (proc_run(&spec, ASK_TIMEOUT_MS, w->link.sock, &out, &out, &status,
		&why) == 0) {
		is = IS_OLD;
		if (strcasestr(buf_str(&out), "dropbear") != NULL)
			is = IS_DROPBEAR;
	}
	spec.argv = argv;
	if (is != NULL && strcmp(is, IS_OLD) == 0 &&
	    proc_run(&spec, ASK_TIMEOUT_MS, w->link.sock, NULL, NULL, &status,
		&why) == 0 &&
	    status == 0)
		is = IS_ACCEPT_NEW;
	if (is == NULL)
		log_debug("%s", buf_str(&why));
	buf_release(&out);
	buf_release(&why);
	return is;
}

static void set(struct ssh_client *c, const char *is)
{
	c->dropbear = text_starts(is, IS_DROPBEAR);
	c->accept_new = text_starts(is, IS_ACCEPT_NEW);
}

/* What is remembered of this very file, else what it says now. */
static void remember(struct ssh_client *c, struct worker *w)
{
	struct buf id = BUF_INIT(2 * PATH_MAX), known = BUF_INIT(2 * PATH_MAX);
	char *memory = file_join(w->paths->run, MEMORY);
	if (identify(c->path, &id) != 0 || memory == NULL)
		goto out;
	if (file_read(memory, &known) == 0 &&
	    text_starts(buf_str(&known), buf_str(&id))) {
		set(c, buf_str(&known) + id.len);
		goto out;
	}
	const char *is = ask(w, c->path);
	if (is == NULL)
		goto out;
	set(c, is);
	buf_addf(&id, "%s\n", is);
	if (file_write(memory, buf_str(&id), id.len, 0644) != 0)
		log_debug("cannot write %s: %s", memory, strerror(errno));
out:
	free(memory);
	buf_release(&id);
	buf_release(&known);
}

int ssh_client_find(struct ssh_client *c, struct worker *w)
{
	const char *path = getenv("PATH");
	memset(c, 0, sizeof(*c));
	char *file = proc_search("ssh", path);
	if (file == NULL)
		file = proc_search("dbclient", path);
	if (file != NULL && strlen(file) < sizeof(c->path))
		text_copy(c->path, sizeof(c->path), file);
	free(file);
	if (c->path[0] == '\0')
		return -1;
	remember(c, w);
	return 0;
}

/* The converted key into out, by way of a pipe: no half file, nothing left. */
static int convert(struct worker *w, const char *key, struct buf *out)
{
	const char *const argv[] = {"dropbearconvert", "openssh", "dropbear",
	    key, "/proc/self/fd/1", NULL};
	struct proc_spec spec = {
	    argv, NULL, NULL, PROC_NULL, PROC_NULL, PROC_NULL, 0, 0, 0};
	struct buf said = BUF_INIT(4 * KIB), why = BUF_INIT(4 * KIB);
	int status = -1;
	int rc = proc_run(
	    &spec, CONVERT_TIMEOUT_MS, w->link.sock, out, &said, &status, &why);
	if (rc == 0 && (status != 0 || out->len == 0)) {
		rc = -1;
		buf_adds(&why, "dropbearconvert: ");
		text_add_escaped(&why, buf_str(&said),
		    text_cut(buf_str(&said), said.len, 300));
	}
	if (rc != 0)
		log_warning("the SSH key %s is not converted for Dropbear, "
			    "which may not read it as it is: %s",
		    key, buf_str(&why));
	buf_release(&said);
	buf_release(&why);
	return rc == 0 ? 0 : -1;
}

/* Was the copy made from the key as it is now? It bears the key's time. */
static bool is_fresh(const char *copy, const struct stat *key)
{
	struct stat st;
	return stat(copy, &st) == 0 && st.st_size > 0 &&
	       st.st_mtim.tv_sec == key->st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == key->st_mtim.tv_nsec;
}

static int write_copy(
    struct worker *w, const char *key, const char *copy, const struct stat *st)
{
	struct buf bytes = BUF_INIT(KEY_FILE_MAX);
	const struct timespec times[2] = {st->st_mtim, st->st_mtim};
	int rc = convert(w, key, &bytes);
	if (rc == 0) {
		rc = file_write(copy, bytes.data, bytes.len, 0600);
		if (rc != 0)
			log_warning(
			    "cannot write %s: %s", copy, strerror(errno));
	}
	/* Without it the copy is made once more the next time. */
	if (rc == 0)
		(void)utimensat(AT_FDCWD, copy, times, AT_SYMLINK_NOFOLLOW);
	buf_wipe(&bytes);
	return rc;
}

char *ssh_client_key(
    const struct ssh_client *c, struct worker *w, const char *key)
{
	struct buf name = BUF_INIT(PATH_MAX);
	struct stat st;
	char *copy = NULL;
	if (!c->dropbear || stat(key, &st) != 0)
		return strdup(key);
	buf_addf(&name, "%s.dropbear", key);
	if (!name.failed && (is_fresh(buf_str(&name), &st) ||
				write_copy(w, key, buf_str(&name), &st) == 0))
		copy = strdup(buf_str(&name));
	buf_release(&name);
	return copy != NULL ? copy : strdup(key);
}
