/*
 * The end of the catalogue's ssh: one that hangs is told to end, then killed,
 * and waited for. A shell stands in for it; tests/e2e/test_faults_ssh.py has
 * the real one.
 */
#include "base/file.h"
#include "base/limits.h"
#include "fixture.h"
#include "job/catalog.h"
#include <poll.h>
#include <stdio.h>
#include <string.h>

static struct worker worker;
static struct catalog catalog;

static void start(const char *script)
{
	struct buf why = BUF_INIT(KIB);
	char text[300];
	snprintf(text, sizeof(text), "%s", fixture_path("ready"));
	const char *argv[] = {"/bin/sh", "-c", script, "sh", text, NULL};
	struct proc_spec spec = {
	    .argv = argv, .in = PROC_NULL, .out = PROC_NULL, .err = PROC_NULL};
	memset(&catalog, 0, sizeof(catalog));
	catalog.worker = &worker;
	catalog.pipe = catalog.errors = catalog.spill = -1;
	buf_init(&catalog.batch, KIB);
	buf_init(&catalog.broken, KIB);
	catalog_lines_init(&catalog.lines);
	assert_int_equal(proc_spawn(&catalog.ssh, &spec, &why), 0);
	while (!file_is_plain(text))
		poll(NULL, 0, 5);
	buf_release(&why);
}

static void is_told_to_end(void **state)
{
	(void)state;
	start("trap 'exit 7' TERM; : >$1; sleep 60 & wait");
	catalog_close(&catalog);
	assert_true(catalog.reaped);
	assert_int_equal(catalog.exit_code, 7);
}

static void is_killed(void **state)
{
	(void)state;
	start("trap '' TERM; : >$1; exec sleep 60");
	catalog_close(&catalog);
	assert_true(catalog.reaped);
	assert_int_equal(catalog.exit_code, 128 + 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		is_told_to_end, fixture_setup, fixture_teardown),
	    cmocka_unit_test_setup_teardown(
		is_killed, fixture_setup, fixture_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
