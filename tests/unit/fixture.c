/* Scratch directories, JSON that must be right, recorded exchanges. */
#include "fixture.h"
#include "base/file.h"
#include "base/log.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char fixture_dir[256];

int fixture_setup(void **state)
{
	(void)state;
	const char *tmp = getenv("TMPDIR");
	snprintf(fixture_dir, sizeof(fixture_dir), "%s/bbs-unit-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	return mkdtemp(fixture_dir) != NULL ? 0 : -1;
}

int fixture_teardown(void **state)
{
	(void)state;
	return file_remove_tree(fixture_dir);
}

const char *fixture_path(const char *fmt, ...)
{
	static char paths[8][PATH_MAX];
	static unsigned turn;
	char *path = paths[turn++ % 8];
	int n = snprintf(path, PATH_MAX, "%s/", fixture_dir);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(path + n, PATH_MAX - (size_t)n, fmt, ap);
	va_end(ap);
	return path;
}

const char *fixture_mkdir(const char *path)
{
	assert_int_equal(file_mkdirs(path, 0755), 0);
	return path;
}

const char *fixture_file(const char *path, const char *text, mode_t mode)
{
	char dir[PATH_MAX];
	snprintf(dir, sizeof(dir), "%s", path);
	*strrchr(dir, '/') = '\0';
	fixture_mkdir(dir);
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
	close(fd);
	return path;
}

void fixture_parse(struct json *j, const char *text, size_t len)
{
	const char *why = "";
	size_t at = 0;
	memset(j, 0, sizeof(*j));
	if (json_check(text, len, 32, &why, &at) != 0)
		fail_msg("no JSON, %s at %zu: %.*s", why, at, (int)len, text);
	assert_int_equal(json_parse(j, text, len), 0);
}

void fixture_expect(
    const struct json *j, int object, const char *name, const char *text)
{
	char *value = json_strdup(j, json_get(j, object, name));
	if ((text == NULL) != (value == NULL) ||
	    (text != NULL && strcmp(text, value) != 0))
		fail_msg("%s is %s, not %s", name, value ? value : "absent",
		    text ? text : "absent");
	free(value);
}

static int log_fd = -1;

void fixture_log_begin(void)
{
	if (log_fd < 0)
		log_fd = file_unnamed(fixture_dir);
	assert_true(log_fd >= 0);
	assert_int_equal(ftruncate(log_fd, 0), 0);
	lseek(log_fd, 0, SEEK_SET);
	log_open(LOG_LEVEL_INFO, log_fd);
}

const char *fixture_log_end(void)
{
	static char text[64 * 1024];
	ssize_t n = pread(log_fd, text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	log_open(LOG_LEVEL_INFO, -1);
	return text;
}

static int by_name(const void *a, const void *b)
{
	const char *const *left = a, *const *right = b;
	return strcmp(*left, *right);
}

static bool ends(const char *name, const char *suffix)
{
	size_t n = strlen(name), s = strlen(suffix);
	return n >= s && strcmp(name + n - s, suffix) == 0;
}

int fixture_recorded(const char *dir, const char *suffix,
    void (*each)(const char *name, const struct buf *text))
{
	char path[PATH_MAX];
	char *names[1024];
	int count = 0;
	const char *shared = getenv("BBS_SHARED");
	snprintf(path, sizeof(path), "%s/%s",
	    shared != NULL ? shared : "../shared", dir);
	DIR *d = opendir(path);
	struct dirent *e;
	while (d != NULL && (e = readdir(d)) != NULL && count < 1024) {
		if (ends(e->d_name, suffix))
			names[count++] = strdup(e->d_name);
	}
	if (d != NULL)
		closedir(d);
	if (count == 0)
		printf(
		    "   skipped: no %s/*%s (see BBS_SHARED)\n", path, suffix);
	qsort(names, (size_t)count, sizeof(*names), by_name);
	for (int i = 0; i < count; i++) {
		struct buf text = BUF_INIT(64u * 1024 * 1024);
		char *file = file_join(path, names[i]);
		assert_int_equal(file_read(file, &text), 0);
		each(names[i], &text);
		free(file);
		free(names[i]);
		buf_release(&text);
	}
	return count;
}
