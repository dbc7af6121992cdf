/*
 * What looking at files costs without any agent: statloop LIST COUNT looks at
 * the paths of LIST, a line each, over and over until COUNT are done, first by
 * the whole path, then by the name below the directory, which is kept open
 * while it stays the same. Prints both in nanoseconds of CPU each.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct file {
	char *path;
	size_t dir_len; /* up to the last slash */
};

static long long cpu_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static struct file *read_list(const char *name, size_t *count)
{
	FILE *list = fopen(name, "r");
	struct file *files = NULL;
	char *path = NULL;
	size_t size = 0, n = 0;
	ssize_t len;
	if (list == NULL)
		return NULL;
	while ((len = getline(&path, &size, list)) > 0) {
		path[len - (path[len - 1] == '\n')] = '\0';
		const char *slash = strrchr(path, '/');
		files = realloc(files, (n + 1) * sizeof(*files));
		if (files == NULL || slash == NULL)
			return NULL;
		files[n].path = strdup(path);
		files[n++].dir_len = (size_t)(slash - path);
	}
	free(path);
	fclose(list);
	*count = n;
	return files;
}

static bool by_path(const struct file *f)
{
	struct stat st;
	return stat(f->path, &st) == 0;
}

static bool below(const struct file *f)
{
	static int dir = -1;
	static char name[4096];
	struct stat st;
	if (dir < 0 || strncmp(name, f->path, f->dir_len) != 0 ||
	    name[f->dir_len] != '\0') {
		if (dir >= 0)
			close(dir);
		snprintf(name, sizeof(name), "%.*s", (int)f->dir_len, f->path);
		dir = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	return fstatat(dir, f->path + f->dir_len + 1, &st, 0) == 0;
}

static double measure(bool (*look)(const struct file *),
    const struct file *files, size_t count, size_t total)
{
	long long start = cpu_ns();
	for (size_t i = 0; i < total; i++) {
		if (!look(&files[i % count]))
			exit(2);
	}
	return (double)(cpu_ns() - start) / (double)total;
}

int main(int argc, char **argv)
{
	size_t count = 0;
	struct file *files = argc == 3 ? read_list(argv[1], &count) : NULL;
	size_t total = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	if (count == 0 || total == 0)
		return 2;
	printf("%.1f\n", measure(by_path, files, count, total));
	printf("%.1f\n", measure(below, files, count, total));
	return 0;
}
