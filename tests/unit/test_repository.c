/* Addresses of repositories: what borg's forms say, and that no password of
 * one is kept. */
#include "base/limits.h"
#include "bbs/repository.h"
#include "fixture.h"
#include <stdio.h>
#include <string.h>

static void expect_ssh(
    const char *text, const char *user, const char *host, int port)
{
	struct repository r;
	repository_parse(&r, text);
	if (r.kind != REPOSITORY_SSH)
		fail_msg("%s", text);
	assert_string_equal(r.at.user, user);
	assert_string_equal(r.at.host, host);
	assert_int_equal(r.at.port, port);
}

static void test_forms(void **state)
{
	struct repository r;
	(void)state;
	expect_ssh("ssh://u@h/./repo", "u", "h", 0);
	expect_ssh("ssh://u@h.example:2222/srv/a@b", "u", "h.example", 2222);
	expect_ssh("ssh://u:pw@h:22/r", "u", "h", 22);
	expect_ssh("ssh://[2001:db8::1]:23/r", "", "2001:db8::1", 23);
	expect_ssh("u@h:repo", "u", "h", 0);
	expect_ssh("u@[::1]:/repo", "u", "::1", 0);
	expect_ssh("h:r", "", "h", 0);
	repository_parse(&r, "/srv/x:y@z");
	assert_int_equal(r.kind, REPOSITORY_LOCAL);
	assert_string_equal(r.path, "/srv/x:y@z");
	repository_parse(&r, "file:///srv");
	assert_string_equal(r.path, "/srv");
}

static void test_what_is_none(void **state)
{
	static const char *const none[] = {"", "repo", "./repo", "a/b:c",
	    "ssh://", "ssh://h", "ssh:///r", "ssh://u@/r", "ssh://h:0/r",
	    "ssh://h:99999/r", "ssh://u:p/w@h/r", "ssh://-oProxy=x@h/r",
	    "ssh://-h/r", "u@h", "h:", "u;v@h:r", "ssh://[::1/r"};
	struct repository r;
	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		repository_parse(&r, none[i]);
		if (r.kind != REPOSITORY_NONE)
			fail_msg("%s", none[i]);
	}
}

static void expect_with(const char *word, const char *address, bool port)
{
	char borg[] = "/usr/bin/borg", create[] = "create", list[] = "--list";
	char copy[4 * KIB];
	char *command[] = {borg, create, list, copy, NULL};
	char name[] = "BORG_RSH", value[] = "ssh -i /k -p 2222 -o X=y";
	struct task_env rsh = {name, value};
	struct task t = {
	    .command = command, .env = &rsh, .env_count = port ? 1 : 0};
	struct buf out = BUF_INIT(REPOSITORY_MAX);
	snprintf(copy, sizeof(copy), "%s", word);
	repository_of(&t, &out);
	assert_string_equal(buf_str(&out), address);
	buf_release(&out);
}

static void expect_of(const char *word, const char *address)
{
	expect_with(word, address, false);
}

/* As the server sends it: the port stands elsewhere. */
static void test_port_of_the_command(void **state)
{
	(void)state;
	expect_with("ssh://u@h/./r::x", "ssh://u@h:2222/./r", true);
	expect_with("ssh://u:pw@[::1]/r::x", "ssh://u@[::1]:2222/r", true);
	expect_with("ssh://u@h:23/r::x", "ssh://u@h:23/r", true);
	expect_with("/srv/r::x", "/srv/r", true);
}

static void test_what_is_kept(void **state)
{
	char longest[2 * KIB];
	(void)state;
	expect_of("ssh://u@h:22/r::plan-{now}", "ssh://u@h:22/r");
	expect_of("/srv/repo::x", "/srv/repo");
	expect_of("ssh://[::1]/r::x", "ssh://[::1]/r");
	expect_of("ssh://u:secret@h/r::x", "ssh://u@h/r");
	expect_of("u:secret@h:r::x", "");
	expect_of("ssh://u:se/cret@h/r::x", "");
	expect_of("sftp://u:secret@h/r", "sftp:");
	expect_of("s3:id:secret@/bucket", "s3:");
	expect_of("rclone:remote,pass=secret:x", "rclone:");
	expect_of("export", "");
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	expect_of(longest, "");
}

static void test_whose_command(void **state)
{
	char program[] = "rm", create[] = "create", repo[] = "--repo=/srv/r";
	char *command[] = {program, repo, create, NULL};
	struct task t = {.command = command};
	struct buf out = BUF_INIT(REPOSITORY_MAX);
	(void)state;
	repository_of(&t, &out);
	assert_int_equal(out.len, 0);
	char borg[] = "borg";
	command[0] = borg;
	repository_of(&t, &out);
	assert_string_equal(buf_str(&out), "/srv/r");
	buf_reset(&out);
	t.command = NULL;
	repository_of(&t, &out);
	assert_int_equal(out.len, 0);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_forms),
	    cmocka_unit_test(test_what_is_none),
	    cmocka_unit_test(test_port_of_the_command),
	    cmocka_unit_test(test_what_is_kept),
	    cmocka_unit_test(test_whose_command),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
