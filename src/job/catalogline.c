/*
 * From borg's line to the catalogue's. The path goes out as borg printed it,
 * made valid UTF-8; the file is looked at by the bytes that borg meant.
 */
#include "job/catalogline.h"
#include "base/digits.h"
#include "base/file.h"
#include "base/json_scan.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define QUARTER 900
/* The years 1 to 9999, a day less at each end for the local time. A file
 * system can hold more; the server's columns cannot. */
#define DATE_MIN (-62135510400)
#define DATE_MAX 253402214400
/* A path, escaped, and the fields around it. */
#define PATH_BYTES_MAX (64u * 1024u)

void catalog_lines_init(struct catalog_lines *c)
{
	memset(c, 0, sizeof(*c));
	c->dir = -1;
	c->quarter = INT64_MIN;
	c->afar = (struct afar)AFAR_INIT;
	buf_init(&c->path, PATH_BYTES_MAX);
}

void catalog_lines_release(struct catalog_lines *c)
{
	if (c->dir >= 0)
		close(c->dir);
	c->dir = -1;
	afar_end(&c->afar);
	buf_release(&c->path);
}

static void put_two(char *dst, int n)
{
	dst[0] = (char)('0' + n / 10 % 10);
	dst[1] = (char)('0' + n % 10);
}

static void put_date(char *stamp, const struct tm *tm)
{
	int year = tm->tm_year + 1900;
	put_two(stamp, year / 100);
	put_two(stamp + 2, year);
	stamp[4] = '-';
	put_two(stamp + 5, tm->tm_mon + 1);
	stamp[7] = '-';
	put_two(stamp + 8, tm->tm_mday);
	stamp[10] = ' ';
	put_two(stamp + 11, tm->tm_hour);
	stamp[13] = ':';
	put_two(stamp + 14, tm->tm_min);
	stamp[16] = ':';
	put_two(stamp + 17, tm->tm_sec);
	stamp[19] = '\0';
}

/* Keeps the quarter if its seconds simply count up: clocks that change inside
 * (in Newfoundland at one past midnight, until 2011) and the local mean times
 * of the 19th century are left to the slow way. */
static void enter_quarter(struct catalog_lines *c, int64_t quarter)
{
	time_t first = (time_t)(quarter * QUARTER);
	time_t last = first + QUARTER - 1;
	struct tm from, to;
	memset(&from, 0, sizeof(from));
	memset(&to, 0, sizeof(to));
	localtime_r(&first, &from);
	localtime_r(&last, &to);
	put_date(c->stamp, &from);
	c->second = from.tm_min * 60 + from.tm_sec;
	bool even =
	    from.tm_gmtoff == to.tm_gmtoff && c->second + QUARTER <= 3600;
	c->quarter = even ? quarter : INT64_MIN;
}

const char *catalog_stamp(struct catalog_lines *c, int64_t t)
{
	if (t < DATE_MIN || t > DATE_MAX)
		return NULL;
	int64_t quarter = t / QUARTER - (t % QUARTER < 0);
	if (quarter != c->quarter)
		enter_quarter(c, quarter);
	if (quarter == c->quarter) {
		int second = c->second + (int)(t - quarter * QUARTER);
		put_two(c->stamp + 14, second / 60);
		put_two(c->stamp + 17, second % 60);
		return c->stamp;
	}
	struct tm tm;
	time_t exact = (time_t)t;
	memset(&tm, 0, sizeof(tm));
	localtime_r(&exact, &tm);
	put_date(c->stamp, &tm);
	return c->stamp;
}

/* ASCII without escapes: the text is its own bytes. */
static bool is_plain(const char *s, size_t len)
{
	return json_plain_end(s, s + len) == s + len;
}

/* The bytes of the file's name, as borg meant them. */
static void decode_path(
    struct catalog_lines *c, const struct borglog_event *e, bool plain)
{
	/* path_b64 is the same path: relative when the text is. */
	buf_reset(&c->path);
	if (e->path[0] != '/')
		buf_addc(&c->path, '/');
	if (e->path_b64 != NULL) {
		digits_add_base64(&c->path, e->path_b64, e->path_b64_len);
	} else if (plain) {
		buf_add(&c->path, e->path, e->path_len);
	} else {
		json_unescape(&c->path, e->path, e->path_len, true);
	}
}

/* Keeps the directory of the first dir_len bytes of path open. */
static int enter_dir(struct catalog_lines *c, const char *path, size_t dir_len)
{
	if (dir_len == c->dir_len && c->dir >= 0 &&
	    memcmp(path, c->dir_name, dir_len) == 0)
		return c->dir;
	if (c->dir >= 0)
		close(c->dir);
	c->dir = -1;
	c->dir_len = 0;
	if (dir_len == 0 || dir_len >= sizeof(c->dir_name))
		return -1;
	memcpy(c->dir_name, path, dir_len);
	c->dir_name[dir_len] = '\0';
	c->dir = open(c->dir_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c->dir >= 0)
		c->dir_len = dir_len;
	return c->dir;
}

/* What a link leads to counts; behind another mount it is asked for from
 * afar, and the link counts if no answer comes. */
static bool look_behind(struct catalog_lines *c, const char *path, int dir,
    const char *name, struct stat *st)
{
	int fd = file_open_within(dir, name, O_PATH | O_CLOEXEC);
	if (fd >= 0) {
		bool seen = fstat(fd, st) == 0;
		close(fd);
		return seen;
	}
	if (errno != EXDEV && errno != ENOSYS)
		return false;
	return afar_stat(&c->afar, path, st) == 0 || c->afar.given_up;
}

static bool look_up(struct catalog_lines *c, const char *path, int dir,
    const char *name, struct stat *st)
{
	const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
	if (fstatat(dir, name, st, flags) != 0)
		return false;
	return !S_ISLNK(st->st_mode) || look_behind(c, path, dir, name, st);
}

static bool look_at(
    struct catalog_lines *c, const char *path, size_t len, struct stat *st)
{
	const char *slash = memrchr(path, '/', len);
	if (slash != NULL && slash[1] != '\0') {
		int dir = enter_dir(c, path, (size_t)(slash - path));
		if (dir >= 0)
			return look_up(c, path, dir, slash + 1, st);
	}
	return look_up(c, path, AT_FDCWD, path, st);
}

/* A text of a known length becomes a few moves: calls that copy a few bytes
 * each cost half of what the file's stat does. */
#define PUT(p, text) \
	(memcpy((p), (text), sizeof(text) - 1), (p) + sizeof(text) - 1)
#define BEFORE_PATH "{\"path\":\""

/* The path for the server: as it came when that is sound, else mended. */
static void put_path(const struct borglog_event *e, bool plain, struct buf *out)
{
	if (plain) {
		size_t len = sizeof(BEFORE_PATH) - 1 + e->path_len;
		char *p = buf_space(out, len);
		if (p == NULL)
			return;
		memcpy(PUT(p, BEFORE_PATH), e->path, e->path_len);
		buf_grow(out, len);
		return;
	}
	struct buf text = BUF_INIT(PATH_BYTES_MAX * 3);
	json_unescape(&text, e->path, e->path_len, false);
	buf_adds(out, BEFORE_PATH);
	json_escape(out, buf_str(&text), text.len);
	buf_release(&text);
}

/* What comes behind the path. */
static void put_rest(struct catalog_lines *c, char status,
    const struct stat *st, struct buf *out)
{
	char rest[128], digits[24];
	size_t at = sizeof(digits);
	uint64_t size = st != NULL ? (uint64_t)st->st_size : 0;
	char *p = PUT(rest, "\",\"status\":\"");
	*p++ = status;
	p = PUT(p, "\",\"size\":");
	do {
		digits[--at] = (char)('0' + size % 10);
		size /= 10;
	} while (size > 0);
	while (at < sizeof(digits))
		*p++ = digits[at++];
	const char *stamp = st != NULL ? catalog_stamp(c, st->st_mtime) : NULL;
	if (stamp != NULL) {
		p = PUT(p, ",\"mtime\":\"");
		memcpy(p, stamp, 19);
		p = PUT(p + 19, "\"}\n");
	} else {
		p = PUT(p, ",\"mtime\":null}\n");
	}
	buf_add(out, rest, (size_t)(p - rest));
}

int catalog_line(
    struct catalog_lines *c, const struct borglog_event *e, struct buf *out)
{
	if (e->status == 'x' || e->status == 'e' || e->path_len == 0)
		return 1;
	char status = e->status;
	if (status >= 'a' && status <= 'z')
		status = (char)(status - 'a' + 'A');
	if (status <= 0x20 || status > 0x7e || status == '"' || status == '\\')
		status = '?';

	struct stat st;
	bool plain = is_plain(e->path, e->path_len), seen = false;
	size_t before = out->len;
	size_t at = before + sizeof(BEFORE_PATH) - 1;
	put_path(e, plain, out);
	if (!plain || e->path[0] != '/' || e->path_b64 != NULL) {
		decode_path(c, e, plain);
		seen = look_at(c, buf_str(&c->path), c->path.len, &st);
	} else if (!out->failed) {
		/* What is shown is what there is: not copied once more. */
		seen = look_at(c, out->data + at, out->len - at, &st);
	}
	put_rest(c, status, seen ? &st : NULL, out);
	if (!out->failed)
		return 0;
	/* All of a line or nothing. */
	out->len = before;
	out->failed = false;
	if (out->data != NULL)
		out->data[before] = '\0';
	return -1;
}
