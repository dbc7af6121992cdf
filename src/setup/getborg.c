/*
 * Where borg comes from: what is there, a file given or lying beside the
 * program, the distribution's package, the borg project's own binary. What
 * changes this host beyond a file that was brought along happens only with
 * --borg auto or a yes at the terminal, and a new borg has worked before it
 * gets its place.
 */
#include "setup/getborg.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/proc.h"
#include "base/text.h"
#include "bbs/borg_install.h"
#include "bbs/borgbin.h"
#include "bbs/borgfile.h"
#include "bbs/borgproof.h"
#include "bbs/borgrelease.h"
#include "bbs/glibc.h"
#include "bbs/packages.h"
#include "setup/beside.h"
#include "setup/inikeys.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define PLACE "/usr/local/bin/borg"

struct getting {
	struct plan *p;
	const char *wish; /* --borg; "" when it was not given */
	char *place;	  /* where a borg is put */
	char *dir;	  /* where it is tried; NULL: not made yet */
	struct buf why;	  /* why there is none */
};

static bool is_url(const char *wish)
{
	return text_starts(wish, "https://") || text_starts(wish, "http://");
}

static bool is_file(const char *wish)
{
	return wish[0] != '\0' && strcmp(wish, "auto") != 0 &&
	       strcmp(wish, "none") != 0 && !is_url(wish);
}

int getborg_check(struct plan *p, struct buf *why)
{
	const char *file = p->options->borg;
	struct buf version = BUF_INIT(256), said = BUF_INIT(4 * KIB);
	struct stat st;
	int rc = 0;
	if (file == NULL || !is_file(file))
		goto out;
	rc = -1;
	if (stat(file, &st) != 0)
		buf_addf(why,
		    "--borg %s: %s; it takes a file, a URL, auto or none", file,
		    strerror(errno));
	else if (!S_ISREG(st.st_mode))
		buf_addf(why, "--borg %s is no plain file", file);
	else if (beside_check_sum(file, &said) != 0)
		buf_addf(why, "--borg: %s", buf_str(&said));
	else if (!p->tree && borgbin_version(file, -1, &version, &said) != 0)
		buf_addf(why, "--borg %s does not run here: %s", file,
		    buf_str(&said));
	else
		rc = 0;
	if (rc == 0)
		p->borg_size = (size_t)st.st_size;
out:
	buf_release(&version);
	buf_release(&said);
	return rc;
}

/* The borg that jobs would run, if it works. */
static int find(struct getting *g, struct buf *path, struct buf *version)
{
	struct plan *p = g->p;
	if (p->tree)
		return host_has(p->paths.root, PLACE) ||
			       host_has(p->paths.root, "/usr/bin/borg")
			   ? 0
			   : -1;
	return borgbin_find(p->config.borg_path, path, &g->why) == 0 &&
		       borgbin_version(buf_str(path), -1, version, &g->why) == 0
		   ? 0
		   : -1;
}

static bool is_there(struct getting *g)
{
	struct buf path = BUF_INIT(PATH_MAX), version = BUF_INIT(256);
	bool there = find(g, &path, &version) == 0;
	if (there && !g->p->tree)
		steps_say(&g->p->steps, "borg %s is there: %s",
		    buf_str(&version), buf_str(&path));
	else if (path.len > 0)
		steps_note("%s", buf_str(&g->why));
	buf_reset(&g->why);
	buf_release(&path);
	buf_release(&version);
	return there;
}

static int run_new(void *ctx, struct borgproof_run *run, struct buf *why)
{
	(void)ctx;
	struct proc_spec spec = {run->argv, run->env, run->cwd, PROC_NULL,
	    PROC_NULL, PROC_NULL, 0, 0, 0};
	struct buf err = BUF_INIT(64 * KIB);
	int status = 0;
	int rc = proc_run(
	    &spec, (int)BORGPROOF_STEP_MS, -1, &run->said, &err, &status, why);
	run->timed_out = rc == 1;
	run->code = proc_exit_code(status);
	if (run->code != 0 && err.len > 0) {
		buf_reset(&run->said);
		buf_add(&run->said, err.data, err.len);
	}
	buf_release(&err);
	return rc < 0 ? -1 : 0;
}

/* Below --root nobody would look for it: config.ini says where it is. */
static int tell_config(struct getting *g)
{
	struct plan *p = g->p;
	if (p->paths.root[0] == '\0' || p->tree)
		return 0;
	const struct inikey key = {"borg", "path", g->place};
	struct buf text = BUF_INIT(CONFIG_FILE_MAX);
	int rc = inikeys_set(buf_str(&p->text), p->text.len, &key, &text);
	if (rc == 0)
		rc = steps_file(
		    &p->steps, p->paths.config, &text, 0600, &g->why);
	if (rc == 0) {
		free(p->config.borg_path);
		p->config.borg_path = strdup(g->place);
	}
	buf_wipe(&p->text);
	p->text = text;
	return rc;
}

/* In its place, and used from there; else all is as it was. */
static int settle(struct getting *g, const char *file, const char *how)
{
	struct buf path = BUF_INIT(PATH_MAX), version = BUF_INIT(256);
	bool had_old;
	int rc = -1;
	if (borg_install(file, g->place, &had_old, &g->why) != 0)
		goto out;
	if (tell_config(g) == 0)
		rc = g->p->tree ? 0 : find(g, &path, &version);
	if (rc == 0 && !g->p->tree && strcmp(buf_str(&path), g->place) != 0) {
		buf_addf(&g->why,
		    "%s would not be used, since this host's borg is %s: it "
		    "was taken back",
		    g->place, buf_str(&path));
		rc = -1;
	}
	if (rc == 0)
		steps_say(&g->p->steps, "borg is %s (%s)", g->place, how);
	else
		borg_uninstall(g->place, had_old);
out:
	buf_release(&path);
	buf_release(&version);
	return rc;
}

/* file lies in g->dir. A tree's cannot be run here. */
static int prove(struct getting *g, const char *file)
{
	struct buf version = BUF_INIT(4 * KIB);
	if (g->p->tree)
		return 0;
	steps_say(&g->p->steps, "trying the new borg");
	int rc = borgproof(file, g->dir, run_new, NULL, &version, &g->why);
	buf_release(&version);
	return rc;
}

static bool is_same(const char *a, const char *b)
{
	char sums[2][HASH_HEX] = {"", ""};
	int fds[2] = {
	    open(a, O_RDONLY | O_CLOEXEC), open(b, O_RDONLY | O_CLOEXEC)};
	bool same = true;
	for (int i = 0; i < 2; i++) {
		same = same && fds[i] >= 0 && hash_file(fds[i], sums[i]) == 0;
		if (fds[i] >= 0)
			close(fds[i]);
	}
	return same && strcmp(sums[0], sums[1]) == 0;
}

/* The file's name in a new directory, for the caller to free; NULL. */
static char *make_dir(struct getting *g)
{
	if (g->dir == NULL && borg_place_check(g->place, &g->why) == 0)
		g->dir = borg_try_dir(g->p->paths.state, g->place, &g->why);
	return g->dir != NULL ? file_join(g->dir, "borg") : NULL;
}

/* A file of this host: copied first, where it lies may forbid to run it. */
static int from_file(struct getting *g, const char *file)
{
	const struct steps *s = &g->p->steps;
	char *real = realpath(file, NULL), *copy = NULL;
	bool had_old;
	int rc = -1;
	if (real == NULL) {
		buf_addf(&g->why, "%s: %s", file, strerror(errno));
	} else if (is_same(real, g->place)) {
		steps_say(s, "%s is as it should be", g->place);
		rc = tell_config(g);
	} else if (s->dry) {
		steps_say(s, "would copy %s to %s", real, g->place);
		rc = 0;
	} else if ((copy = make_dir(g)) != NULL &&
		   borg_install(real, copy, &had_old, &g->why) == 0 &&
		   prove(g, copy) == 0) {
		rc = settle(g, copy, real);
	}
	free(real);
	free(copy);
	return rc;
}

/* A SHA256SUMS beside the address: 0 with its text, empty when there is none;
 * -1 when nobody knows. */
static int fetch_sums(struct getting *g, const char *url, struct buf *sums)
{
	struct buf beside = BUF_INIT(URL_LINK_MAX);
	size_t len;
	int file = file_unnamed(g->dir), rc = -1;
	buf_add(&beside, url, (size_t)(borgfile_name(url, &len) - url));
	buf_adds(&beside, "SHA256SUMS");
	struct buf why = BUF_INIT(4 * KIB);
	int status = file < 0
			 ? 0
			 : server_fetch(&g->p->config, buf_str(&beside),
			       CHECKSUMS_MAX, DOWNLOAD_TOTAL_MS, file, &why);
	if (status == 200 && lseek(file, 0, SEEK_SET) == 0)
		rc = file_read_fd(file, sums);
	else if (status >= 400 && status < 500)
		rc = 0;
	if (rc != 0)
		buf_addf(&g->why, "cannot read %s: %s", buf_str(&beside),
		    why.len > 0 ? buf_str(&why) : strerror(errno));
	if (file >= 0)
		close(file);
	buf_release(&why);
	buf_release(&beside);
	return rc;
}

/* known: the sum it must have, NULL when nobody here knows one. */
static int fetch_file(struct getting *g, const char *url, const char *known,
    int fd, bool *verified)
{
	const struct config *c = &g->p->config;
	struct buf sums = BUF_INIT(CHECKSUMS_MAX);
	char hex[HASH_HEX];
	size_t len;
	int rc = -1;
	if (known != NULL)
		buf_addf(&sums, "%s  %s\n", known, borgfile_name(url, &len));
	else if (fetch_sums(g, url, &sums) != 0)
		goto out;
	steps_say(&g->p->steps, "downloading borg");
	if (server_fetch(
		c, url, DOWNLOAD_MAX, DOWNLOAD_TOTAL_MS, fd, &g->why) != 200 ||
	    borgfile_check(fd, url, &g->why) != 0)
		goto out;
	enum borgfile_sum is =
	    borgfile_sum(fd, url, buf_str(&sums), hex, &g->why);
	*verified = is == BORGFILE_SAME;
	if (is == BORGFILE_UNKNOWN)
		steps_note("no checksum of this borg is known: it is taken "
			   "as the connection brought it (SHA-256 %s)",
		    hex);
	rc = is == BORGFILE_WRONG ? -1 : 0;
out:
	buf_release(&sums);
	return rc;
}

static int from_url(struct getting *g, const char *url, const char *known)
{
	char *copy = make_dir(g);
	bool verified = false;
	int rc = -1;
	int fd = copy == NULL
		     ? -1
		     : open(copy, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	if (copy != NULL && fd < 0)
		buf_addf(&g->why, "cannot write %s: %s", copy, strerror(errno));
	if (fd >= 0) {
		rc = fetch_file(g, url, known, fd, &verified);
		/* Nobody may hold it open for writing when it is run. */
		close(fd);
	}
	if (rc == 0 && prove(g, copy) == 0)
		rc = settle(g, copy,
		    verified ? "its SHA-256 is the known one"
			     : "its SHA-256 is not known from elsewhere");
	else
		rc = -1;
	if (rc == 0 && text_starts(url, BORGRELEASE_BASE))
		file_write(g->p->paths.borg_source, "official\n", 9, 0644);
	free(copy);
	return rc;
}

/* May this be done? Without a yes, nothing is. */
static bool may(struct getting *g, const char *what)
{
	char answer[16];
	if (g->p->steps.dry) {
		steps_say(&g->p->steps, "would obtain borg: %s", what);
		return false;
	}
	if (strcmp(g->wish, "auto") == 0 || is_url(g->wish))
		return true;
	if (g->wish[0] != '\0' || isatty(STDIN_FILENO) != 1 ||
	    isatty(STDOUT_FILENO) != 1)
		return false;
	printf("There is no borg on this host. Obtain it now?\n  %s\n[y/N] ",
	    what);
	fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) != NULL &&
	       (answer[0] == 'y' || answer[0] == 'Y');
}

/* base: with a slash at its end. */
static int from_release(struct getting *g, const char *base)
{
	struct utsname u;
	struct buf url = BUF_INIT(URL_LINK_MAX);
	int glibc = glibc_host(), rc = -1;
	memset(&u, 0, sizeof(u));
	uname(&u);
	const struct borgrelease *r = borgrelease_find(u.machine, glibc);
	if (r == NULL) {
		buf_addf(&g->why,
		    "the borg project has no binary for this host (%s, ",
		    u.machine);
		if (glibc == 0)
			buf_adds(&g->why, "no glibc)");
		else
			buf_addf(&g->why, "glibc %d.%d)", glibc / 1000,
			    glibc % 1000);
		return -1;
	}
	buf_addf(&url, "%s%s", base, r->path);
	if (may(g, buf_str(&url)))
		rc = from_url(g, buf_str(&url), r->sha256);
	else
		buf_addf(&g->why, "the borg project has %s", buf_str(&url));
	buf_release(&url);
	return rc;
}

static int run_manager(struct getting *g, const char *const *argv)
{
	char **env = packages_env();
	struct proc_spec spec = {argv, (const char *const *)env, "/", PROC_NULL,
	    STDERR_FILENO, STDERR_FILENO, 0, 0, 0};
	int status = 0;
	int rc = proc_run(
	    &spec, (int)PACKAGES_INSTALL_MS, -1, NULL, NULL, &status, &g->why);
	if (rc == 0 && proc_exit_code(status) != 0) {
		buf_addf(&g->why, "%s failed with code %d", argv[0],
		    proc_exit_code(status));
		rc = -1;
	}
	proc_env_free(env);
	return rc;
}

static int from_package(struct getting *g)
{
	const struct package_manager *m = packages_find();
	struct buf line = BUF_INIT(KIB);
	int rc = -1;
	if (m == NULL)
		return -1;
	for (size_t i = 0; m->install[i] != NULL; i++)
		buf_addf(&line, "%s%s", i > 0 ? " " : "", m->install[i]);
	if (!may(g, buf_str(&line))) {
		buf_addf(&g->why, "\"%s\" installs it", buf_str(&line));
	} else {
		steps_say(&g->p->steps, "run: %s", buf_str(&line));
		/* Old lists may do. */
		if (m->refresh[0] != NULL)
			run_manager(g, m->refresh);
		buf_reset(&g->why);
		rc = run_manager(g, m->install) == 0 && is_there(g) ? 0 : -1;
	}
	buf_release(&line);
	return rc;
}

/* Package managers look after this very host, and are root's. */
static int from_elsewhere(struct getting *g)
{
	struct plan *p = g->p;
	if (p->tree)
		return -1;
	if (p->paths.root[0] == '\0' && geteuid() == 0) {
		buf_reset(&g->why);
		if (from_package(g) == 0)
			return 0;
		if (g->why.len > 0)
			buf_adds(&g->why, "; ");
	}
	return from_release(g, BORGRELEASE_BASE);
}

static int obtain(struct getting *g)
{
	const char *wish = g->wish;
	char *beside;
	int rc = -1;
	if (is_file(wish))
		return from_file(g, wish);
	if (is_url(wish) && text_ends(wish, "/"))
		return from_release(g, wish);
	if (is_url(wish))
		return may(g, wish) ? from_url(g, wish, NULL) : -1;
	if (is_there(g))
		return 0;
	beside = beside_find(&g->why);
	if (beside != NULL)
		rc = from_file(g, beside);
	else
		rc = from_elsewhere(g);
	free(beside);
	return rc;
}

void getborg(struct plan *p)
{
	const char *root = p->paths.root[0] != '\0' ? p->paths.root : "/";
	struct getting g = {.p = p,
	    .wish = p->options->borg != NULL ? p->options->borg : "",
	    .place = file_join(root, PLACE),
	    .why = BUF_INIT(64 * KIB)};
	if (g.place != NULL && strcmp(g.wish, "none") != 0 && obtain(&g) != 0 &&
	    !p->steps.dry)
		steps_note("there is no borg yet%s%s. No backup runs until it "
			   "is there; install again with --borg auto, or the "
			   "server can order it",
		    g.why.len > 0 ? ": " : "", buf_str(&g.why));
	if (g.dir != NULL)
		file_remove_tree(g.dir);
	free(g.dir);
	free(g.place);
	buf_release(&g.why);
}
