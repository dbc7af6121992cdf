/*
 * Final reports on disk: TIME-JOB.json, TIME being 16 hexadecimal digits of
 * microseconds so that names sort by age. Anything else in the directory is
 * left alone.
 */
#include "bbs/spoolfile.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TIME_DIGITS 16

int spoolfile_write(
    const char *dir, int64_t job_id, const char *body, size_t len)
{
	struct timespec now;
	char name[SPOOLFILE_NAME_MAX];
	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t us =
	    (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
	snprintf(
	    name, sizeof(name), "%016" PRIx64 "-%" PRId64 ".json", us, job_id);
	char *path = file_join(dir, name);
	if (path == NULL)
		return -1;
	int rc = file_write(path, body, len, 0600);
	int saved = errno;
	free(path);
	errno = saved;
	return rc;
}

/* The job id in a report's name, -1 when it is no report's. */
static int64_t name_job(const char *name)
{
	uint64_t id;
	char digits[24];
	if (strspn(name, "0123456789abcdef") != TIME_DIGITS ||
	    name[TIME_DIGITS] != '-' || !text_ends(name, ".json"))
		return -1;
	size_t len = strlen(name) - TIME_DIGITS - 1 - strlen(".json");
	if (len == 0 || len >= sizeof(digits))
		return -1;
	memcpy(digits, name + TIME_DIGITS + 1, len);
	digits[len] = '\0';
	if (text_to_u64(digits, 1, INT64_MAX, &id) != 0)
		return -1;
	return (int64_t)id;
}

int spoolfile_next(const char *dir, const char *after, char *name, size_t size,
    int64_t *job_id)
{
	int found = 0;
	DIR *d = opendir(dir);
	if (d == NULL)
		return -1;
	struct dirent *e;
	while ((e = readdir(d)) != NULL) {
		int64_t id = name_job(e->d_name);
		if (id < 0 || strlen(e->d_name) >= size ||
		    (after != NULL && strcmp(e->d_name, after) <= 0) ||
		    (found && strcmp(e->d_name, name) >= 0))
			continue;
		text_copy(name, size, e->d_name);
		*job_id = id;
		found = 1;
	}
	closedir(d);
	return found;
}

int64_t spoolfile_age(const char *name)
{
	char digits[TIME_DIGITS + 1];
	text_copy(digits, sizeof(digits), name);
	uint64_t us = strtoull(digits, NULL, 16);
	int64_t age = clock_wall() - (int64_t)(us / 1000000u);
	return age > 0 ? age : 0;
}

int spoolfile_count(const char *dir, bool aside, char *name, size_t size)
{
	int count = 0;
	struct dirent *e;
	DIR *d = opendir(dir);
	name[0] = '\0';
	while (d != NULL && (e = readdir(d)) != NULL) {
		bool is = aside ? text_ends(e->d_name, ".json.bad")
				: name_job(e->d_name) >= 0;
		if (!is || strlen(e->d_name) >= size)
			continue;
		count++;
		if (name[0] == '\0' || strcmp(e->d_name, name) < 0)
			text_copy(name, size, e->d_name);
	}
	if (d != NULL)
		closedir(d);
	return count;
}

bool spoolfile_has(const char *dir, int64_t job_id)
{
	struct dirent *e;
	bool found = false;
	DIR *d = opendir(dir);
	if (d == NULL)
		return errno != ENOENT;
	do {
		errno = 0;
		e = readdir(d);
		found = e != NULL ? name_job(e->d_name) == job_id : errno != 0;
	} while (e != NULL && !found);
	closedir(d);
	return found;
}

int spoolfile_read(const char *dir, const char *name, struct buf *body)
{
	char *path = file_join(dir, name);
	if (path == NULL)
		return -1;
	int rc = file_read(path, body);
	free(path);
	if (rc == 0 && (body->len == 0 || body->data[0] != '{' ||
			   json_check(buf_str(body), body->len, JSON_DEPTH_MAX,
			       NULL, NULL) != 0)) {
		errno = EILSEQ;
		rc = -1;
	}
	return rc;
}

int spoolfile_remove(const char *dir, const char *name)
{
	char *path = file_join(dir, name);
	if (path == NULL)
		return -1;
	int rc = unlink(path);
	free(path);
	return rc;
}

int spoolfile_set_aside(const char *dir, const char *name)
{
	char *path = file_join(dir, name);
	int rc = path != NULL ? file_set_aside(path) : -1;
	free(path);
	return rc;
}
