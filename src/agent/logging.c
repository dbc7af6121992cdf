/*
 * The log's place: log_file, or standard error. Where a service's standard
 * error is the file that nothing else watches over, that file is kept small
 * like one of our own.
 */
#include "agent/logging.h"
#include "base/file.h"
#include "base/log_file.h"
#include "setup/service.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* OpenRC and the SysV script let standard error end in a file. */
static void keep_service_log(const struct paths *p)
{
	char *path = file_join(p->root, SERVICE_LOG);
	bool is = path != NULL && log_file_is(STDERR_FILENO, path);
	log_file_keep(STDERR_FILENO, is ? path : NULL);
	free(path);
}

int logging_open(const struct config *c, bool debug, int *fd, struct buf *why)
{
	*fd = -1;
	if (c->log_file == NULL || debug)
		return 0;
	*fd = log_file_open(c->log_file, why);
	return *fd >= 0 ? 0 : -1;
}

void logging_use(
    const struct config *c, const struct paths *p, bool debug, int fd)
{
	log_open(debug ? LOG_LEVEL_DEBUG : c->log_level, fd);
	if (fd >= 0)
		log_file_keep(fd, c->log_file);
	else
		keep_service_log(p);
}

void logging_warn(const struct buf *lines)
{
	const char *line = buf_str(lines);
	while (*line != '\0') {
		size_t len = strcspn(line, "\n");
		log_warning("%.*s", (int)len, line);
		line += len;
		line += *line == '\n';
	}
}

void logging_fail(const struct buf *why)
{
	log_open(LOG_LEVEL_INFO, -1);
	if (log_in_journal())
		log_error("%s", buf_str(why));
	else
		fprintf(stderr, "bbs-agent: %s\n", buf_str(why));
}
