/*
 * The backup of an InterWorx server, by its own backup.pex before borg runs.
 * It writes into a directory of this run's own below the output directory;
 * what lies there afterwards moves up, and only that is ever removed again.
 */
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "job/child.h"
#include "job/dumpdir.h"
#include "job/engine.h"
#include "job/plugin.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define USER "iworx"
#define PROGRAM "/bin/backup.pex"
#define DEFAULT_DIR "/chroot/home/backup/interworx"
/* With less than this free a disk is called full. */
#define FULL_BELOW ((int64_t)MIB)
/* What is told of what it said, from the end. */
#define SAID_MAX 2000

struct interworx {
	struct buf program;
	char *dir;
	char part[40]; /* the run's own directory in it */
	struct words argv;
	struct dumpdir at;
	bool cleanup;
	/* What came of it: what had no namesake, and all files. */
	struct words made, written;
	int64_t bytes;
};

static void interworx_init(struct interworx *x)
{
	memset(x, 0, sizeof(*x));
	x->at = (struct dumpdir)DUMPDIR_INIT;
	buf_init(&x->program, 4 * KIB);
}

static void interworx_release(struct interworx *x)
{
	dumpdir_leave(&x->at);
	buf_release(&x->program);
	free(x->dir);
	words_release(&x->argv);
	words_release(&x->made);
	words_release(&x->written);
}

/* ---- what is to be done ------------------------------------------------ */

static int find_program(struct interworx *x, struct buf *why)
{
	const struct passwd *user = getpwnam(USER);
	if (user == NULL || user->pw_dir == NULL || user->pw_dir[0] != '/') {
		buf_adds(why, "InterWorx is not installed here: there is no "
			      "user " USER);
		return -1;
	}
	buf_addf(&x->program, "%s" PROGRAM, user->pw_dir);
	if (access(buf_str(&x->program), X_OK) == 0)
		return 0;
	buf_addf(why, "InterWorx's backup program %s cannot be run: %s",
	    buf_str(&x->program), strerror(errno));
	return -1;
}

static int add_domains(
    struct interworx *x, const struct json *j, struct buf *why)
{
	char *text = json_strdup(j, json_get(j, 0, "domains"));
	size_t first = x->argv.count;
	words_split(&x->argv, text != NULL ? text : "all", ", \t\r\n");
	free(text);
	if (x->argv.count == first)
		words_add(&x->argv, "all");
	for (size_t i = first; i < x->argv.count; i++) {
		if (x->argv.list[i][0] != '-')
			continue;
		buf_adds(why, "\"");
		text_add_escaped(
		    why, x->argv.list[i], strnlen(x->argv.list[i], 200));
		buf_adds(why, "\" is no domain");
		return -1;
	}
	return 0;
}

/* The parts of a backup that is not of everything. */
static int add_parts(struct interworx *x, const struct json *j, struct buf *why)
{
	static const struct {
		const char *member, *word;
		bool otherwise, is_part;
	} options[] = {{"include_web", "web", true, true},
	    {"include_db", "db", true, true},
	    {"include_mail", "mail", true, true},
	    {"no_logs", "no-logs", false, false},
	    {"no_stats", "no-stats", false, false}};
	bool any = false;
	words_add(&x->argv, "--backup-options");
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (!json_bool(j, json_get(j, 0, options[i].member),
			options[i].otherwise))
			continue;
		words_add(&x->argv, options[i].word);
		any = any || options[i].is_part;
	}
	if (!any)
		buf_adds(why, "a partial backup of neither web, databases nor "
			      "mail holds nothing");
	return any ? 0 : -1;
}

static int add_type(struct interworx *x, const struct json *j, struct buf *why)
{
	int type = json_get(j, 0, "backup_type");
	if (json_is(j, type, "structure_only"))
		return words_add(&x->argv, "--structure-only");
	if (json_is(j, type, "partial"))
		return add_parts(x, j, why);
	words_add(&x->argv, "--backup-options");
	return words_add(&x->argv, "all");
}

static int add_words(struct interworx *x, const struct json *j, struct buf *why)
{
	char *level = json_strdup(j, json_get(j, 0, "compression"));
	uint64_t n = 6;
	int rc = 0;
	if (level != NULL && level[0] != '\0')
		rc = text_to_u64(level, 0, 9, &n);
	free(level);
	if (rc != 0) {
		buf_adds(why, "compression is not a number from 0 to 9");
		return -1;
	}
	words_add(&x->argv, buf_str(&x->program));
	words_add(&x->argv, "--output-dir");
	words_addf(&x->argv, "%s/%s", x->dir, x->part);
	words_add(&x->argv, "--tmp-dir");
	words_addf(&x->argv, "%s/%s", x->dir, x->part);
	words_add(&x->argv, "--compression");
	words_addf(&x->argv, "%d", (int)n);
	words_add(&x->argv, "--domains");
	if (add_domains(x, j, why) != 0 || add_type(x, j, why) != 0)
		return -1;
	if (json_bool(j, json_get(j, 0, "no_disabled"), true))
		words_add(&x->argv, "--no-disabled");
	return x->argv.failed ? -1 : 0;
}

static int read_config(
    struct interworx *x, const struct task_plugin *plugin, struct buf *why)
{
	struct json j = JSON_INIT;
	int rc = -1;
	if (json_parse(&j, plugin->config, strlen(plugin->config)) != 0) {
		buf_adds(why, "its configuration cannot be read");
		goto out;
	}
	x->dir = json_strdup(&j, json_get(&j, 0, "output_dir"));
	if (x->dir == NULL || x->dir[0] == '\0') {
		free(x->dir);
		x->dir = strdup(DEFAULT_DIR);
	}
	size_t len = x->dir != NULL ? strlen(x->dir) : 0;
	while (len > 1 && x->dir[len - 1] == '/')
		x->dir[--len] = '\0';
	if (len < 2 || x->dir[0] != '/') {
		buf_adds(why, "output_dir is not the absolute path of a "
			      "directory");
		goto out;
	}
	x->cleanup = json_bool(&j, json_get(&j, 0, "cleanup_after"), true);
	if (find_program(x, why) == 0)
		rc = add_words(x, &j, why);
out:
	json_release(&j);
	return rc;
}

/* ---- the output directory ---------------------------------------------- */

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Takes the run's own directory away with all that is in it. */
static void remove_part(struct interworx *x)
{
	int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fchdir(x->at.fd) == 0)
		(void)dumpdir_remove(x->part);
	if (before < 0 || fchdir(before) != 0)
		(void)!chdir("/");
	if (before >= 0)
		close(before);
}

/* A mode that no directory has: what else stands there by then, put there by
 * the one who owns the place, is not given to him. */
#define UNLIKELY_MODE (S_ISVTX | S_IRUSR)

static int make_part(const struct interworx *x, const struct stat *owner)
{
	struct stat st;
	if (mkdirat(x->at.fd, x->part, UNLIKELY_MODE) != 0)
		return -1;
	int fd = openat(
	    x->at.fd, x->part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	int rc = fstat(fd, &st);
	if (rc == 0 &&
	    (st.st_uid != geteuid() || (st.st_mode & 01777) != UNLIKELY_MODE)) {
		errno = EEXIST;
		rc = -1;
	}
	if (rc == 0)
		rc = fchmod(fd, 0700);
	if (rc == 0 && geteuid() == 0)
		rc = fchown(fd, owner->st_uid, owner->st_gid);
	int saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

/* InterWorx may own it, so it is not judged as a dump directory is; and what
 * is made in it belongs to the same user, as whom it may run its parts. */
static int enter(struct interworx *x, struct buf *why)
{
	struct stat st;
	x->at.path = x->dir;
	x->at.fd = dumpdir_walk(x->dir, true);
	if (x->at.fd < 0) {
		buf_addf(why, "cannot open the directory %s: %s", x->dir,
		    strerror(errno));
		return -1;
	}
	int64_t room = dumpdir_free(&x->at);
	if (room >= 0 && room < FULL_BELOW) {
		buf_addf(why, "the disk that holds %s is full", x->dir);
		return -1;
	}
	remove_part(x);
	if (fstat(x->at.fd, &st) == 0 && make_part(x, &st) == 0)
		return 0;
	buf_addf(
	    why, "cannot make a directory in %s: %s", x->dir, strerror(errno));
	return -1;
}

static void move_up(struct interworx *x, int part, const char *name)
{
	struct stat st, other;
	if (fstatat(part, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	bool is_new = fstatat(x->at.fd, name, &other, AT_SYMLINK_NOFOLLOW) != 0;
	if (renameat(part, name, x->at.fd, name) != 0) {
		log_warning("cannot move %s/%s/%s up: %s", x->dir, x->part,
		    name, strerror(errno));
		return;
	}
	if (is_new)
		words_add(&x->made, name);
	if (!S_ISREG(st.st_mode))
		return;
	words_add(&x->written, name);
	x->bytes += st.st_size;
}

/* Moves what was made to where it belongs. */
static void take(struct interworx *x)
{
	struct dirent *e;
	int fd = openat(
	    x->at.fd, x->part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	if (d == NULL && fd >= 0)
		close(fd);
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (!is_dots(e->d_name))
			move_up(x, fd, e->d_name);
	}
	if (d != NULL)
		closedir(d);
}

/* ---- the run ----------------------------------------------------------- */

static int run_program(struct interworx *x, struct worker *w, struct buf *why)
{
	struct child c;
	int rc = -1;
	child_init(&c, w);
	c.argv = (const char *const *)x->argv.list;
	c.out = CHILD_COLLECT;
	c.join = true;
	c.bulk = true;
	c.watched = true;
	c.timeout_ms = INTERWORX_MS;
	if (child_run(&c, why) != 0)
		goto out;
	const char *said = buf_str(&c.output);
	size_t len = c.output.len;
	while (len > 0 && (unsigned char)said[len - 1] <= ' ')
		len--;
	size_t from = len > SAID_MAX ? len - SAID_MAX : 0;
	int64_t room = dumpdir_free(&x->at);
	if (c.stopped || c.timed_out || (c.exit_code != 0 && len == 0))
		engine_judge(&c, why);
	else if (c.exit_code != 0 && room >= 0 && room < FULL_BELOW)
		buf_addf(why, "the disk that holds %s is full", x->dir);
	else if (c.exit_code != 0)
		text_add_utf8(why, said + from, len - from);
	else
		rc = 0;
out:
	child_release(&c);
	return rc;
}

static void tell(const struct interworx *x, struct buf *out)
{
	char size[TEXT_AMOUNT];
	buf_addf(out, "%zu file%s", x->written.count,
	    x->written.count == 1 ? "" : "s");
	for (size_t i = 0; i < x->written.count && out->len < 1000; i++) {
		const char *name = x->written.list[i];
		buf_adds(out, i == 0 ? " (" : ", ");
		text_add_escaped(out, name, strlen(name));
	}
	buf_addf(out, "%s, %s, in %s", x->written.count > 0 ? ")" : "",
	    text_size(size, (uint64_t)x->bytes), x->dir);
}

static int interworx_run(struct plugins *p, const struct task_plugin *plugin,
    struct buf *summary, struct buf *why)
{
	struct interworx x;
	struct worker *w = p->worker;
	int rc = -1;
	interworx_init(&x);
	snprintf(x.part, sizeof(x.part), ".bbs-agent-%lld",
	    (long long)w->task->job_id);
	if (read_config(&x, plugin, why) != 0 || enter(&x, why) != 0)
		goto out;
	rc = run_program(&x, w, why);
	/* Of many domains one may have failed: what is whole is backed up. */
	if (w->stop == STOP_NONE && (rc == 0 || !plugin->abort_on_failure))
		take(&x);
	remove_part(&x);
	if (rc == 0 && x.written.count == 0) {
		buf_addf(why, "backup.pex wrote no backup into %s", x.dir);
		rc = -1;
	}
	for (size_t i = 0; x.cleanup && i < x.made.count; i++)
		plugins_add_made(p, x.at.fd, x.dir, x.made.list[i]);
	if (rc == 0)
		tell(&x, summary);
out:
	interworx_release(&x);
	return rc;
}

static int interworx_test(struct worker *w, const struct task_plugin *plugin,
    struct buf *output, struct buf *why)
{
	struct interworx x;
	(void)w;
	interworx_init(&x);
	int rc = read_config(&x, plugin, why);
	if (rc == 0)
		buf_addf(output, "Found %s; backups would go to %s",
		    buf_str(&x.program), x.dir);
	interworx_release(&x);
	return rc;
}

const struct plugin plugin_interworx = {
    "interworx", "InterWorx", interworx_run, interworx_test};
