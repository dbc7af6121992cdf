/*
 * What several unit tests need: a directory of their own, a strict reader of
 * the JSON that comes out, a log that can be read back, and the recorded
 * exchanges with a real server, which lie outside of the project and may be
 * absent.
 */
#ifndef TESTS_FIXTURE_H
#define TESTS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include <sys/types.h>

/* cmocka fixtures: an empty directory, and its end with all that is in it. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* Its absolute path. */
extern char fixture_dir[256];
/* A path below it, in one of a few static buffers that take turns. */
const char *fixture_path(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));
/* Makes a file with its parent directories; text "" is an empty one. */
const char *fixture_file(const char *path, const char *text, mode_t mode);
/* Makes a directory with its parents. */
const char *fixture_mkdir(const char *path);

/* Parses text that must be strict JSON. Release with json_release. */
void fixture_parse(struct json *j, const char *text, size_t len);
/* Is the member that text (NULL: absent)? The test fails when not. */
void fixture_expect(
    const struct json *j, int object, const char *name, const char *text);

/* The log goes to a file from now on; reading gives what came since then. */
void fixture_log_begin(void);
const char *fixture_log_end(void);

/* Calls each for every recorded file below `dir` (in $BBS_SHARED or
 * ../shared) whose name ends in `suffix`, in order. The number of files; 0,
 * after a line that says so, when there are none. */
int fixture_recorded(const char *dir, const char *suffix,
    void (*each)(const char *name, const struct buf *text));

#endif
