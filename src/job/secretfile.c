/* Secrets in files for a moment; see job/secretfile.h. */
#include "job/secretfile.h"
#include "base/file.h"
#include "base/text.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PREFIX "secret-"

#define JS ".js"

static char *path_of(const struct paths *p, int64_t job_id, const char *end)
{
	char name[48];
	snprintf(name, sizeof(name), PREFIX "%lld%s", (long long)job_id, end);
	return file_join(p->run, name);
}

static char *write_at(char *path, const void *data, size_t len)
{
	if (path != NULL && file_write(path, data, len, 0600) == 0)
		return path;
	int saved = path != NULL ? errno : ENOMEM;
	free(path);
	errno = saved;
	return NULL;
}

char *secretfile_write(
    const struct paths *p, int64_t job_id, const void *data, size_t len)
{
	return write_at(path_of(p, job_id, ""), data, len);
}

char *secretfile_write_js(
    const struct paths *p, int64_t job_id, const void *data, size_t len)
{
	return write_at(path_of(p, job_id, JS), data, len);
}

void secretfile_remove(char *path)
{
	if (path != NULL)
		unlink(path);
	free(path);
}

void secretfile_forget(const struct paths *p, int64_t job_id)
{
	secretfile_remove(path_of(p, job_id, ""));
	secretfile_remove(path_of(p, job_id, JS));
}

void secretfile_forget_all(const struct paths *p)
{
	DIR *d = opendir(p->run);
	struct dirent *e;
	while (d != NULL && (e = readdir(d)) != NULL) {
		/* A temporary name, too, if a write was cut short. */
		if (text_starts(e->d_name, PREFIX) ||
		    text_starts(e->d_name, "." PREFIX))
			unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d != NULL)
		closedir(d);
}
