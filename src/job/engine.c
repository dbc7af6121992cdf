/*
 * What the engines share: finding one by its name, and a dump as a stream
 * between a program and a file of ours.
 */
#include "job/engine.h"
#include "base/limits.h"
#include "base/proc.h"
#include "base/text.h"
#include "job/child.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct engine *const engines[] = {
    &engine_mysql, &engine_postgres, &engine_mongo};
#define ENGINES (sizeof(engines) / sizeof(engines[0]))

const struct engine *engine_of_slug(const char *slug)
{
	for (size_t i = 0; i < ENGINES; i++) {
		if (strcmp(engines[i]->slug, slug) == 0)
			return engines[i];
	}
	return NULL;
}

const struct engine *engine_of_task(const char *type)
{
	for (size_t i = 0; i < ENGINES; i++) {
		if (strcmp(engines[i]->task, type) == 0)
			return engines[i];
	}
	return NULL;
}

int engine_judge(const struct child *c, struct buf *why)
{
	if (c->stopped) {
		buf_adds(why, worker_stop_sentence(c->worker->stop));
		return -1;
	}
	if (c->timed_out) {
		buf_addf(why, "%s did not end within %u min", c->argv[0],
		    (unsigned)(c->timeout_ms / 60000u));
		return -1;
	}
	if (c->exit_code == 0)
		return 0;
	size_t len = c->errors.len;
	while (len > 0 && (unsigned char)c->errors.data[len - 1] <= ' ')
		len--;
	if (len > 0)
		text_add_utf8(why, c->errors.data, len);
	else
		buf_addf(why, "%s ended with code %d and said nothing",
		    c->argv[0], c->exit_code);
	return -1;
}

int engine_dump_stream(struct worker *w, const char *const *argv,
    const char *const *env, const char *dest, bool compress, struct buf *why)
{
	static const char *const gzip[] = {"gzip", "-c", NULL};
	struct child c;
	int rc = -1;
	int fd = open(
	    dest, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		buf_addf(why, "cannot make %s: %s", dest, strerror(errno));
		return -1;
	}
	child_init(&c, w);
	c.argv = argv;
	c.filter = compress ? gzip : NULL;
	c.env = env;
	c.out = fd;
	c.bulk = true;
	c.watched = true;
	if (child_run(&c, why) == 0)
		rc = engine_judge(&c, why);
	if (rc == 0 && fsync(fd) != 0) {
		buf_addf(why, "cannot write %s: %s", dest, strerror(errno));
		rc = -1;
	}
	child_release(&c);
	close(fd);
	if (rc != 0)
		unlink(dest);
	return rc;
}

int engine_open_dump(const char *src, struct buf *why)
{
	struct stat st;
	int fd = open(src, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		buf_addf(why, "cannot open %s: %s", src, strerror(errno));
		return -1;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		buf_addf(why, "%s is not a file", src);
		close(fd);
		return -1;
	}
	return fd;
}

int engine_import_stream(struct worker *w, const char *src,
    const char *const *argv, const char *const *env, struct buf *why)
{
	static const char *const gunzip[] = {"gzip", "-d", "-c", NULL};
	struct child c;
	int rc = -1;
	bool packed = text_ends(src, ".gz");
	int fd = engine_open_dump(src, why);
	if (fd < 0)
		return -1;
	child_init(&c, w);
	c.argv = packed ? gunzip : argv;
	c.filter = packed ? argv : NULL;
	c.env = env;
	c.in = fd;
	c.bulk = true;
	if (child_run(&c, why) == 0)
		rc = engine_judge(&c, why);
	child_release(&c);
	close(fd);
	return rc;
}

int engine_ask(struct worker *w, const char *const *argv,
    const char *const *env, struct buf *output, struct buf *why)
{
	struct child c;
	int rc = -1;
	child_init(&c, w);
	c.argv = argv;
	c.env = env;
	c.out = CHILD_COLLECT;
	c.timeout_ms = ENGINE_ASK_MS;
	if (child_run(&c, why) == 0)
		rc = engine_judge(&c, why);
	if (rc == 0)
		buf_add(output, c.output.data, c.output.len);
	child_release(&c);
	return rc;
}
