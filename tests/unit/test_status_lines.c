/* The screen of `status`: 80 columns, 24 lines, whatever it has to show. */
#include "base/limits.h"
#include "cli/status.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define NOW 1700000000

static const struct term window = {
    .tty = true, .utf8 = true, .rows = 24, .cols = 80};
static const struct term file = {.utf8 = true, .rows = 24, .cols = 80};
static struct buf page = BUF_INIT(STATUS_FILE_MAX);

static struct status idle(void)
{
	struct status s = {.version = "3.0.0",
	    .pid = 812,
	    .started = NOW - 3 * 86400,
	    .url = "https://backup.example.com",
	    .answered = NOW - 12,
	    .next_poll = NOW + 18,
	    .ssh_state = "works",
	    .borg_version = "1.2.4",
	    .borg_path = "/usr/bin/borg",
	    .layers = "user nobody, no_new_privs, rlimits, Landlock, seccomp"};
	return s;
}

static const char *show(
    const struct term *t, const struct status *s, unsigned rows)
{
	buf_reset(&page);
	status_lines(t, s, NOW, rows, &page);
	return buf_str(&page);
}

static void expect_fit(const char *text, size_t rows, size_t columns)
{
	size_t count = 0;
	for (; *text != '\0'; count++) {
		size_t n = strcspn(text, "\n");
		if (n > columns)
			fail_msg("%zu columns, not %zu: %.*s", n, columns,
			    (int)n, text);
		text += n + (text[n] == '\n');
	}
	assert_true(count <= rows);
}

static void expect(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("no \"%s\" in:\n%s", part, text);
}

static void test_an_idle_agent(void **state)
{
	struct status s = idle();
	(void)state;
	const char *text = show(&window, &s, 23);
	expect(text, "bbs-agent 3.0.0 runs for 3 d (pid 812)");
	expect(text, "Server    https://backup.example.com\n");
	expect(text, "answered 12 s ago; next poll in 18 s\n");
	expect(text, "SSH key   accepted by the server\n");
	expect(text, "borg      1.2.4 at /usr/bin/borg\n");
	expect(text, "Reports   none waits\n");
	expect(text, "Policy    all tasks, only borg, any hook\n");
	expect(text, "Job       none\n");
	assert_null(strstr(text, "Last jobs"));
	assert_null(strstr(text, "Update"));
	expect_fit(text, 23, 80);
}

static void test_nothing_is_known(void **state)
{
	struct status s = {.pid = -1, .reports = -1};
	(void)state;
	s.job_count = s.past_count = 1;
	s.job[0].started = 1;
	expect(show(&window, &s, 23), "has not answered yet");
	expect_fit(show(&window, &s, 23), 23, 80);
}

static void test_the_bar(void **state)
{
	struct status s = idle();
	(void)state;
	s.job_count = 3;
	s.job[0] = (struct status_job){12, "backup", "plan1", "running",
	    "Backing up", NOW - 124, 1204, 2408, 3100000000, -1, 25300000, 60};
	const char *text = show(&window, &s, 23);
	expect(text, "Job       12 backup for 2 min 4 s, 2 more: plan1\n");
	expect(text, "          [####################--------------------]  "
		     "50 %  Backing up\n");
	expect(text, "          1,204 of 2,408 files, 3.1 GB, 25.3 MB/s, "
		     "1 min left\n");
	/* Bytes count more than files, and nothing overflows. */
	s.job[0].bytes_total = INT64_MAX;
	s.job[0].bytes = INT64_MAX / 200 * 51;
	expect(show(&window, &s, 23), " 25 %  ");
	s.job[0].bytes = INT64_MAX;
	expect(show(&window, &s, 23),
	    "[########################################"
	    "] 100 %");
	/* Without a total its message stands there alone. */
	s.job[0].bytes_total = s.job[0].files_total = -1;
	text = show(&window, &s, 23);
	expect(text, "\n          Backing up\n");
	assert_null(strchr(text, '['));
	expect(text, "\n          1,204 files, 9.2 EB, 25.3 MB/s, "
		     "1 min left\n");
	s.job[0].bytes = s.job[0].rate = s.job[0].left = -1;
	expect(show(&window, &s, 23), "\n          1,204 files\n");
	s.job[0].files = -1;
	s.job[0].bytes = 5000000;
	expect(show(&window, &s, 23), "\n          5.0 MB\n");
	/* One that waits has no more to tell. */
	s.job[0].started = 0;
	s.job[0].state = "waiting";
	expect(show(&window, &s, 23), "12 backup is waiting, 2 more: plan1\n");
	assert_null(strstr(show(&window, &s, 23), "Backing up"));
}

static void fill_past(struct status *s)
{
	static const char *const archives[] = {"plan-1",
	    "a\033[2J\xff name that is much too long for one line of eighty"};
	for (int i = 0; i < STATUS_PAST_MAX; i++)
		s->past[s->past_count++] = (struct status_past){1000 - i,
		    "backup_dry_run", archives[i % 2],
		    i % 3 != 0 ? "completed" : "failed", i % 2 == 0,
		    i % 3 != 0 ? NULL : "Interrupted: the host was restarted",
		    "ssh://u1@backup.example.com/./web-1", NOW - 9000,
		    NOW - 100, 5, 1234567890, 3, NULL};
}

static void test_the_fullest_screen_fits(void **state)
{
	struct status s = idle();
	(void)state;
	s.update = "3.0.1 is there";
	s.job_count = 1;
	s.job[0] = (struct status_job){1000000, "restore_mysql",
	    "an archive with a name that is rather long-2026-11-25_10-10-10",
	    "running", "Importing databases...", NOW - 1240000, 1204000,
	    2408000, 3100000000, 6200000000, 25300000, 6000000};
	fill_past(&s);
	const char *text = show(&window, &s, 24);
	expect(text, "Update    3.0.1 is there\n");
	expect_fit(text, 24, 80);
	expect(text, "    992 "); /* the ninth */
	expect(text, "completed 2 h 28 min     1.2 GB");
	expect(text, "failed    Interrupted: the host");
	/* The newest one's reason is whole. */
	expect(text, "\n          Interrupted: the host was restarted\n");
	assert_null(strchr(text, '\033'));
	s.past[0].reason = "Cancelled by user";
	expect(show(&window, &s, 24), "    991 "); /* the tenth */
	expect_fit(show(&window, &s, 24), 24, 80);
	/* Sentences take lines from the oldest jobs. */
	s.failures = 1;
	s.failing_since = NOW - 7500;
	s.failing =
	    "no connection to backup.example.com (192.0.2.1 port 443: "
	    "connection refused): is the server running, is its port right, "
	    "does a firewall stand in between? And this goes on and on, for "
	    "as long as nobody stops it, and still on, up to the third line";
	text = show(&window, &s, 23);
	expect_fit(text, 23, 80);
	expect(text, "fails for 2 h 5 min: no connection");
	expect(text, "...\n");
	assert_null(strstr(text, "    991 "));
	expect_fit(show(&window, &s, 5), 5, 80);
	expect_fit(show(&window, &s, 1), 1, 80);
}

/* Columns are left out, not broken at the edge. */
static void test_a_narrow_window(void **state)
{
	struct status s = idle();
	struct term narrow = window;
	(void)state;
	fill_past(&s);
	s.job_count = 1;
	s.job[0] = (struct status_job){12, "backup", "plan1", "running",
	    "Backing up", NOW - 124, 1204, 2408, 3100000000, -1, 25300000, 60};
	for (narrow.cols = 1; narrow.cols < 80; narrow.cols++) {
		buf_reset(&page);
		status_lines(&narrow, &s, NOW, 23, &page);
		assert_false(page.failed);
		if (narrow.cols >= 40)
			expect_fit(buf_str(&page), 23, narrow.cols);
	}
	narrow.cols = 40;
	const char *text = show(&narrow, &s, 23);
	expect(text, "          [##########----------]  50 %  \n");
	expect(text, "Last jobs              result\n");
	expect(text, "    999 backup_dry_run completed \n");
	narrow.cols = 50;
	expect(show(&narrow, &s, 23), "result\n");
	expect(show(&narrow, &s, 23), "2023-11-14 22:11 completed \n");
}

/* Why is this client red? */
static void test_what_is_wrong_is_seen(void **state)
{
	struct status s = idle();
	static const char doctor[] =
	    "Trouble   bbs-agent doctor (as root) looks at each link and says "
	    "what to do\n";
	(void)state;
	assert_null(strstr(show(&window, &s, 23), "Trouble"));
	/* The last job failed; of the ones before it the numbers give way. */
	fill_past(&s);
	s.past[0].reason = NULL;
	s.past[0].error = "Connection closed by remote host. Is borg working "
			  "on the server?";
	s.past[3].reason = NULL;
	s.past[3].error = "Repository /r does not exist.";
	const char *text = show(&window, &s, 23);
	expect(text, "failed    2 h 28 min");
	expect(text, "\n          Connection closed by remote host. Is borg "
		     "working on the server?\n");
	expect(text, "failed    Repository /r does not exist.\n");
	expect(text, doctor);
	expect(show(&file, &s, 0), "failed    Connection closed by remote");
	/* What the agent has a sentence for needs no doctor. */
	s.past[0].reason = "Cancelled by user";
	text = show(&window, &s, 23);
	expect(text, "failed    Cancelled by user\n");
	assert_null(strstr(text, "Connection closed"));
	assert_null(strstr(text, "Trouble"));
	/* Warnings keep their numbers. */
	s.past[0] = (struct status_past){1000, "backup", "plan-1", "completed",
	    true, NULL, NULL, NOW - 9000, NOW - 100, 5, 1234567890, 3,
	    "/home/x: open: [Errno 5] Input/output error"};
	text = show(&file, &s, 0);
	expect(text, "warnings  2 h 28 min     1.2 GB  plan-1\n          "
		     "/home/x: open: [Errno 5] Input/output error\n");
	assert_null(strstr(text, "Trouble"));

	s = idle();
	s.borg_version = NULL;
	s.borg_failing = "borg is not installed: install it";
	text = show(&window, &s, 23);
	expect(text, "borg      borg is not installed: install it\n");
	expect(text, doctor);

	s = idle();
	s.ssh_state = "refused";
	expect(show(&window, &s, 23), doctor);
	s.ssh_state = "failed";
	s.ssh_text = "no SSH connection";
	text = show(&window, &s, 23);
	expect(text, "SSH key   no SSH connection\n");
	expect(text, doctor);
	s.ssh_state = "missing";
	expect(show(&window, &s, 23), "none yet; the server is asked for one");
	assert_null(strstr(show(&window, &s, 23), "Trouble"));
	s.ssh_state = NULL;
	expect(show(&window, &s, 23), "SSH key   not tried yet\n");

	s = idle();
	s.reports = 1204;
	text = show(&window, &s, 23);
	expect(text, "Reports   1,204 to be sent\n");
	assert_null(strstr(text, "Trouble"));
	s.reports_failing = "the server answers 500";
	text = show(&window, &s, 23);
	expect(text, "1,204 to be sent: the server answers 500\n");
	expect(text, doctor);
}

/* One that hangs still holds its lock, and its last word looks well. */
static void test_an_agent_that_hangs(void **state)
{
	struct status s = idle();
	(void)state;
	s.poll_interval = 30;
	s.next_poll = 0;
	s.answered = NOW - 900;
	expect(show(&window, &s, 23), "answered 15 min ago\n");
	s.answered = NOW - 7200;
	const char *text = show(&window, &s, 23);
	expect(text, "answered 2 h ago: the agent hangs, see its log\n");
	expect(text, "Trouble   ");
	s.stopping = true;
	expect(show(&window, &s, 23), "is stopping; it ran for 3 d");
}

static void test_colours_tell_good_from_bad(void **state)
{
	struct status s = idle();
	struct term colour = window;
	(void)state;
	colour.colour = true;
	expect(show(&colour, &s, 23), "\033[32manswered 12 s ago");
	expect(show(&colour, &s, 23), "\033[32maccepted by the server");
	s.failures = 1;
	s.failing_since = NOW - 5;
	s.ssh_state = "refused";
	s.missing = "seccomp";
	fill_past(&s);
	const char *text = show(&colour, &s, 23);
	expect(text, "\033[31mfails for 5 s: no answer");
	expect(text, "\033[31mrefused by the server");
	expect(text, "\033[33muser nobody");
	expect(text, "\033[31mfailed    \033[0m");
	expect(text, "\033[33mwarnings  \033[0m");
	expect(text, "\033[32mcompleted \033[0m");
	s.past[0].result = "abandoned";
	expect(show(&colour, &s, 23), "\033[31mabandoned \033[0m");
}

static void test_a_file_has_all_of_it(void **state)
{
	struct status s = idle();
	(void)state;
	fill_past(&s);
	const char *text = show(&file, &s, 0);
	expect(text, "    991 ");
	expect(text, "a\\x1b[2J\\xff name that is much too long for one line "
		     "of eighty\n");
}

static void test_a_poor_sandbox_and_a_narrow_policy(void **state)
{
	struct status s = idle();
	(void)state;
	s.missing = "Landlock, seccomp";
	s.tasks = "backup";
	s.commands = "any";
	s.hooks = "/etc/hooks";
	s.restore_to = "/srv\n/home";
	s.backup_from = "/var/www";
	s.browse = "/opt";
	s.sandbox_note = "it cannot become nobody";
	const char *text = show(&file, &s, 0);
	expect(text, "seccomp; not to be had");
	expect(text, "tasks backup, any command, hooks in /etc/hooks, "
		     "restores to /srv\n");
	expect(text, "          /home, backups from /var/www, browsing /opt\n");
	expect(text, "seccomp (it cannot become nobody)\n");
}

static void test_times_are_local(void **state)
{
	struct status s = idle();
	(void)state;
	fill_past(&s);
	setenv("TZ", "XYZ-5", 1);
	tzset();
	expect(show(&file, &s, 0), "2023-11-15 03:13 XYZ\n");
	expect(show(&file, &s, 0), " 2023-11-15 03:11 ");
	setenv("TZ", "UTC0", 1);
	tzset();
	expect(show(&file, &s, 0), "2023-11-14 22:13 UTC\n");
}

static int release(void **state)
{
	(void)state;
	buf_release(&page);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_an_idle_agent),
	    cmocka_unit_test(test_nothing_is_known),
	    cmocka_unit_test(test_the_bar),
	    cmocka_unit_test(test_the_fullest_screen_fits),
	    cmocka_unit_test(test_a_narrow_window),
	    cmocka_unit_test(test_what_is_wrong_is_seen),
	    cmocka_unit_test(test_an_agent_that_hangs),
	    cmocka_unit_test(test_colours_tell_good_from_bad),
	    cmocka_unit_test(test_a_file_has_all_of_it),
	    cmocka_unit_test(test_a_poor_sandbox_and_a_narrow_policy),
	    cmocka_unit_test(test_times_are_local),
	};
	return cmocka_run_group_tests(tests, NULL, release);
}
