/*
 * The search for borg. The version that is reported is always that of the
 * very file that jobs will execute.
 */
#include "bbs/borgbin.h"
#include "base/proc.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION_TIMEOUT_MS 30000
#define PATH_TEXT_MAX 4096

static bool is_program(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       access(path, X_OK) == 0;
}

static int take(
    struct buf *path, const char *dir, size_t dir_len, const char *rest)
{
	struct buf candidate = BUF_INIT(PATH_TEXT_MAX);
	buf_add(&candidate, dir, dir_len);
	buf_adds(&candidate, rest);
	int rc = -1;
	if (!candidate.failed && is_program(buf_str(&candidate)))
		rc = buf_adds(path, buf_str(&candidate));
	buf_release(&candidate);
	return rc;
}

static int search_path(struct buf *path)
{
	char *found = proc_search("borg", getenv("PATH"));
	int rc = found != NULL ? buf_adds(path, found) : -1;
	free(found);
	return rc;
}

int borgbin_find(const char *configured, struct buf *path, struct buf *why)
{
	if (configured != NULL) {
		if (take(path, configured, strlen(configured), "") == 0)
			return 0;
		buf_addf(why,
		    "[borg] path = %s is not a program: correct it "
		    "or remove the line",
		    configured);
		return -1;
	}
	if (take(path, "/usr/local/bin/borg", 19, "") == 0 ||
	    take(path, "/usr/bin/borg", 13, "") == 0)
		return 0;
	const char *home = getenv("HOME");
	if (home != NULL && home[0] == '/' &&
	    take(path, home, strlen(home), "/.local/bin/borg") == 0)
		return 0;
	if (take(path, "/root/.local/bin/borg", 21, "") == 0 ||
	    search_path(path) == 0)
		return 0;
	buf_adds(why, "borg is not installed (looked at /usr/local/bin, "
		      "/usr/bin, ~/.local/bin and PATH): install the package "
		      "borgbackup, or set [borg] path");
	return -1;
}

int borgbin_version(
    const char *path, int stop_fd, struct buf *version, struct buf *why)
{
	const char *argv[] = {path, "--version", NULL};
	struct proc_spec spec = {
	    argv, NULL, NULL, PROC_NULL, PROC_NULL, PROC_NULL, 0, 0, 0};
	struct buf out = BUF_INIT(4096), err = BUF_INIT(4096);
	int status = 0, rc = -1;

	if (proc_run(&spec, VERSION_TIMEOUT_MS, stop_fd, &out, &err, &status,
		why) != 0)
		goto out;
	const char *text = buf_str(&out);
	if (proc_exit_code(status) != 0 || !text_starts(text, "borg ")) {
		buf_addf(why, "%s --version failed with code %d: ", path,
		    proc_exit_code(status));
		const char *said = err.len > 0 ? buf_str(&err) : text;
		text_add_escaped(why, said, strnlen(said, 200));
		goto out;
	}
	text += strlen("borg ");
	rc = buf_add(version, text, strcspn(text, " \r\n"));
out:
	buf_release(&out);
	buf_release(&err);
	return rc;
}

uint64_t borgbin_stamp(const char *configured)
{
	struct buf path = BUF_INIT(PATH_TEXT_MAX), why = BUF_INIT(8192);
	struct stat st;
	uint64_t stamp = 0;
	if (borgbin_find(configured, &path, &why) == 0 &&
	    stat(buf_str(&path), &st) == 0)
		stamp = (uint64_t)st.st_ino * 31u +
			(uint64_t)st.st_mtim.tv_sec * 1000003u +
			(uint64_t)st.st_mtim.tv_nsec + (uint64_t)st.st_size;
	buf_release(&path);
	buf_release(&why);
	return stamp;
}

const char *borgbin_install_method(const char *path)
{
	if (text_starts(path, "/usr/local/bin/"))
		return "binary";
	if (strstr(path, "site-packages") != NULL ||
	    strstr(path, ".local/bin") != NULL)
		return "pip";
	return "package";
}
