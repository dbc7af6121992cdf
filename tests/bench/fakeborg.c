/*
 * A borg that does nothing but write its log as fast as the pipe takes it, for
 * the speed of the agent and not of borg. The file $BENCH_LIST names paths, a
 * line each, which need no escape in JSON; they come as file_status lines over
 * and over until $BENCH_LINES are out. Its start is left in $BENCH_CLOCK, in
 * nanoseconds of the monotonic clock. The lines are made beforehand, so that
 * writing them costs next to nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BEFORE "{\"type\": \"file_status\", \"status\": \"A\", \"path\": \""
#define AFTER "\"}\n"

/* One round of lines, and where each ends. */
struct round {
	char *text;
	size_t *end;
	size_t lines, room, len, size;
};

static void *must(void *p)
{
	if (p == NULL) {
		perror("fakeborg");
		exit(2);
	}
	return p;
}

static void put(struct round *r, const char *text, size_t len)
{
	if (r->len + len > r->size) {
		r->size = 2 * (r->len + len);
		r->text = must(realloc(r->text, r->size));
	}
	memcpy(r->text + r->len, text, len);
	r->len += len;
}

static void read_list(struct round *r, const char *name)
{
	FILE *list = must(fopen(name, "r"));
	char *path = NULL;
	size_t room = 0;
	ssize_t n;
	while ((n = getline(&path, &room, list)) > 0) {
		n -= path[n - 1] == '\n';
		put(r, BEFORE, sizeof(BEFORE) - 1);
		put(r, path, (size_t)n);
		put(r, AFTER, sizeof(AFTER) - 1);
		if (r->lines == r->room) {
			r->room = 2 * r->room + 1024;
			r->end =
			    must(realloc(r->end, r->room * sizeof(*r->end)));
		}
		r->end[r->lines++] = r->len;
	}
	free(path);
	fclose(list);
}

static void write_all(const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			exit(2);
		p += n;
		len -= (size_t)n;
	}
}

static void leave_time(const char *name)
{
	struct timespec now;
	FILE *f = must(fopen(name, "w"));
	clock_gettime(CLOCK_MONOTONIC, &now);
	fprintf(f, "%lld%09ld\n", (long long)now.tv_sec, now.tv_nsec);
	fclose(f);
}

int main(int argc, char **argv)
{
	struct round r = {0};
	const char *list = getenv("BENCH_LIST");
	const char *count = getenv("BENCH_LINES");
	const char *start = getenv("BENCH_CLOCK");
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		puts("borg 1.2.4");
		return 0;
	}
	if (list == NULL || count == NULL || start == NULL)
		return 2;
	read_list(&r, list);
	unsigned long lines = strtoul(count, NULL, 10);
	if (r.lines == 0)
		return 2;
	leave_time(start);
	for (unsigned long left = lines; left > 0;) {
		size_t now = left < r.lines ? left : r.lines;
		write_all(r.text, r.end[now - 1]);
		left -= now;
	}
	printf("{\"archive\": {\"stats\": {\"nfiles\": %lu, "
	       "\"original_size\": 1, \"deduplicated_size\": 1}}}\n",
	    lines);
	return 0;
}
