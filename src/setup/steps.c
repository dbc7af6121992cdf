/*
 * The hands of install and uninstall. What is said before a step in a dry run
 * is what the step does otherwise; there is no second list of it anywhere.
 */
#include "setup/steps.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/proc.h"
#include "base/text.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A service manager's program: a stop of the agent takes 15 s at most. */
#define STEP_TIMEOUT_MS 90000

void steps_say(const struct steps *s, const char *fmt, ...)
{
	struct buf line = BUF_INIT(64 * KIB), clean = BUF_INIT(256 * KIB);
	va_list ap;
	if (!s->loud && !s->dry)
		return;
	va_start(ap, fmt);
	buf_addv(&line, fmt, ap);
	va_end(ap);
	text_add_escaped(&clean, buf_str(&line), line.len);
	printf("%s\n", buf_str(&clean));
	fflush(stdout);
	buf_release(&line);
	buf_release(&clean);
}

void steps_note(const char *fmt, ...)
{
	struct buf line = BUF_INIT(64 * KIB), clean = BUF_INIT(256 * KIB);
	va_list ap;
	va_start(ap, fmt);
	buf_addv(&line, fmt, ap);
	va_end(ap);
	text_add_escaped(&clean, buf_str(&line), line.len);
	fprintf(stderr, "bbs-agent: note: %s\n", buf_str(&clean));
	buf_release(&line);
	buf_release(&clean);
}

static int failed(struct buf *why, const char *what, const char *path)
{
	buf_addf(why, "cannot %s %s: %s", what, path, strerror(errno));
	return -1;
}

int steps_dir(
    const struct steps *s, const char *path, mode_t mode, struct buf *why)
{
	struct stat st;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	steps_say(s, "%s the directory %s (%04o)",
	    s->dry ? "would make" : "make", path, (unsigned)mode);
	if (!s->dry && file_mkdirs(path, mode) != 0)
		return failed(why, "make the directory", path);
	return 0;
}

/* Is there a plain file of these bytes and this mode? */
static bool is_same(const char *path, const struct buf *data, mode_t mode)
{
	struct stat st;
	struct buf there = BUF_INIT(data->len + 1);
	bool same = lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
		    (st.st_mode & 07777) == mode &&
		    st.st_size == (off_t)data->len &&
		    file_read(path, &there) == 0 && there.len == data->len &&
		    memcmp(buf_str(&there), buf_str(data), data->len) == 0;
	buf_wipe(&there);
	return same;
}

int steps_file(const struct steps *s, const char *path, const struct buf *data,
    mode_t mode, struct buf *why)
{
	if (is_same(path, data, mode)) {
		steps_say(s, "%s is as it should be", path);
		return 0;
	}
	steps_say(s, "%s %s (%u bytes, %04o)", s->dry ? "would write" : "write",
	    path, data->len, (unsigned)mode);
	if (!s->dry && file_write(path, buf_str(data), data->len, mode) != 0)
		return failed(why, "write", path);
	return 0;
}

int steps_link(const struct steps *s, const char *target, const char *path,
    struct buf *why)
{
	char there[4096];
	ssize_t n = readlink(path, there, sizeof(there));
	if (n > 0 && (size_t)n == strlen(target) &&
	    memcmp(there, target, (size_t)n) == 0)
		return 0;
	steps_say(
	    s, "%s %s to %s", s->dry ? "would link" : "link", path, target);
	if (s->dry)
		return 0;
	if (n >= 0 && unlink(path) != 0)
		return failed(why, "replace", path);
	return symlink(target, path) == 0 ? 0 : failed(why, "link", path);
}

int steps_remove(const struct steps *s, const char *path, struct buf *why)
{
	struct stat st;
	if (lstat(path, &st) != 0)
		return 0;
	steps_say(s, "%s %s", s->dry ? "would remove" : "remove", path);
	if (s->dry || unlink(path) == 0 || errno == ENOENT)
		return 0;
	return failed(why, "remove", path);
}

int steps_remove_tree(const struct steps *s, const char *path, struct buf *why)
{
	struct stat st;
	if (lstat(path, &st) != 0)
		return 0;
	steps_say(s, "%s %s and what is in it",
	    s->dry ? "would remove" : "remove", path);
	if (s->dry)
		return 0;
	if (S_ISDIR(st.st_mode) ? file_remove_tree(path) == 0
				: unlink(path) == 0)
		return 0;
	return failed(why, "remove all of", path);
}

int steps_run(const struct steps *s, const char *const *argv, struct buf *why)
{
	struct proc_spec spec = {
	    argv, NULL, "/", PROC_NULL, PROC_NULL, PROC_NULL, 0, 0, 0};
	struct buf line = BUF_INIT(4 * KIB), said = BUF_INIT(16 * KIB);
	int status = 0, rc = -1;

	for (size_t i = 0; argv[i] != NULL; i++)
		buf_addf(&line, "%s%s", i > 0 ? " " : "", argv[i]);
	steps_say(s, "%s: %s", s->dry ? "would run" : "run", buf_str(&line));
	if (s->dry) {
		rc = 0;
	} else if (proc_run(&spec, STEP_TIMEOUT_MS, -1, &said, &said, &status,
		       why) == 0) {
		rc = proc_exit_code(status) == 0 ? 0 : -1;
		if (rc != 0)
			buf_addf(why, "\"%s\" failed with code %d%s%s",
			    buf_str(&line), proc_exit_code(status),
			    said.len > 0 ? ":\n" : "", buf_str(&said));
	}
	while (rc != 0 && why->len > 0 && why->data[why->len - 1] == '\n')
		why->data[--why->len] = '\0';
	buf_release(&line);
	buf_release(&said);
	return rc;
}
