/* Which init system keeps a host running, by what PID 1 is. */
#include "bbs/journal.h"
#include "fixture.h"
#include "setup/host.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum init_system judge(const char *comm, const char *exe)
{
	struct buf why = BUF_INIT(4096);
	enum init_system init = host_init_judge(fixture_dir, comm, exe, &why);
	/* A sentence exactly when it is refused, and it names PID 1. */
	assert_int_equal(why.len > 0, init == INIT_UNKNOWN);
	if (init == INIT_UNKNOWN)
		assert_non_null(strstr(buf_str(&why), comm));
	buf_release(&why);
	return init;
}

static void test_by_its_own_name(void **state)
{
	(void)state;
	assert_int_equal(judge("systemd", "systemd"), INIT_SYSTEMD);
	assert_int_equal(judge("init", "systemd"), INIT_SYSTEMD);
	assert_int_equal(judge("procd", "procd"), INIT_PROCD);
	assert_int_equal(judge("openrc-init", "openrc-init"), INIT_OPENRC);
}

static void test_all_called_init(void **state)
{
	(void)state;
	assert_int_equal(judge("init", "init"), INIT_UNKNOWN);
	fixture_mkdir(fixture_path("etc/init.d"));
	assert_int_equal(judge("init", "init"), INIT_UNKNOWN);
	fixture_mkdir(fixture_path("etc/rc2.d"));
	assert_int_equal(judge("init", "init"), INIT_SYSV);
	assert_int_equal(judge("init", ""), INIT_SYSV);
	/* busybox reads no run levels, whoever left them there. */
	assert_int_equal(judge("init", "busybox"), INIT_NONE);
	fixture_mkdir(fixture_path("run/openrc"));
	assert_int_equal(judge("init", "init"), INIT_OPENRC);
	assert_int_equal(judge("init", "busybox"), INIT_OPENRC);
	fixture_mkdir(fixture_path("run/systemd/system"));
	assert_int_equal(judge("init", ""), INIT_SYSTEMD);
}

static void test_nothing_that_keeps_services(void **state)
{
	static const char *const names[] = {"bash", "sh", "tini", "docker-init",
	    "dumb-init", "mysqld", "runit", "s6-svscan", ""};
	(void)state;
	fixture_mkdir(fixture_path("etc/init.d"));
	fixture_mkdir(fixture_path("etc/rc2.d"));
	fixture_mkdir(fixture_path("run/openrc"));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(judge(names[i], names[i]), INIT_UNKNOWN);
}

static void test_names(void **state)
{
	(void)state;
	for (int i = INIT_NONE; i < INIT_UNKNOWN; i++)
		assert_int_equal(
		    host_init_named(host_init_name((enum init_system)i)), i);
	assert_int_equal(host_init_named("upstart"), INIT_UNKNOWN);
	assert_int_equal(host_init_named(""), INIT_UNKNOWN);
}

/* This process is the worker of a job, as its journal says. Is it found? */
static bool finds(const struct paths *p, const char *type)
{
	char own[64];
	struct buf what = BUF_INIT(1024);
	assert_int_equal(journal_begin(p, 12, type, NULL), 0);
	assert_int_equal(journal_worker(p, 12), 0);
	host_job_runs(p, &what);
	snprintf(own, sizeof(own), "(%s, process %d)", type, (int)getpid());
	bool found = strstr(buf_str(&what), own) != NULL;
	buf_release(&what);
	return found;
}

static void test_jobs_by_the_journal(void **state)
{
	(void)state;
	const char *failed;
	struct paths p;
	struct buf what = BUF_INIT(1024);
	assert_int_equal(paths_init(&p, fixture_dir, NULL), 0);
	assert_int_equal(paths_make(&p, &failed), 0);
	assert_true(finds(&p, "backup"));
	assert_true(finds(&p, "restore_mysql"));
	assert_false(finds(&p, "list_dir"));
	/* One that is over counts no more. */
	fixture_file(fixture_path("var/lib/bbs-agent/journal/12.log"),
	    "{\"journal\":1,\"job_id\":12,\"type\":\"backup\",\"boot\":"
	    "\"x\",\"time\":1}\n{\"worker\":999999,\"start\":1,"
	    "\"boot\":\"x\"}\n",
	    0600);
	host_job_runs(&p, &what);
	assert_null(strstr(buf_str(&what), "999999"));
	buf_release(&what);
	paths_release(&p);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_by_its_own_name),
	    TEST(test_all_called_init),
	    TEST(test_nothing_that_keeps_services),
	    TEST(test_names),
	    TEST(test_jobs_by_the_journal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
