/* status.json: what is written can be read again, and any other text does no
 * harm. */
#include "base/limits.h"
#include "base/log.h"
#include "bbs/statusfile.h"
#include "fixture.h"
#include <stdlib.h>
#include <string.h>

static struct status whole(void)
{
	struct status s = {.version = "3.0.0",
	    .pid = 812,
	    .pid_start = 123456,
	    .started = 1700000000,
	    .written = 1700000100,
	    .stopping = true,
	    .url = "https://backup.example.com",
	    .answered = 1700000090,
	    .failing_since = 1700000050,
	    .failures = 3,
	    .failing = "no \"connection\"",
	    .poll_interval = 30,
	    .next_poll = 1700000130,
	    .ssh_state = "works",
	    .ssh_text = "the SSH connection works",
	    .ssh_checked = 1700000001,
	    .borg_version = "1.2.4",
	    .borg_path = "/usr/bin/borg",
	    .borg_failing = "it does not start",
	    .reports = 2,
	    .reports_failing = "the server answers 500",
	    .tasks = "backup,restore",
	    .commands = "borg",
	    .hooks = "no",
	    .restore_to = "/srv\n/home",
	    .browse = "/home",
	    .backup_from = "/",
	    .layers = "user nobody",
	    .missing = "seccomp",
	    .sandbox_note = "it cannot",
	    .update = "3.0.1 is there",
	    .job_count = 2,
	    .jobs_waiting = 1,
	    .past_count = 1};
	s.job[0] = (struct status_job){12, "backup", "plan1", "running",
	    "Backing up", 1700000010, 1, 2, 3, 4, 5, 6};
	s.job[1] = (struct status_job){
	    13, "restore", NULL, "waiting", NULL, 0, -1, -1, -1, -1, -1, -1};
	s.past[0] = (struct status_past){11, "backup", "plan0", "completed",
	    true, "why", "ssh://u@h/r", 1700000002, 1700000003, 7, 8, 9,
	    "/root/secret.txt: open: Permission denied"};
	return s;
}

static void encode(
    const struct status *s, enum status_part part, struct buf *out)
{
	buf_init(out, STATUS_FILE_MAX);
	status_encode(s, part, out);
	assert_false(out->failed);
	assert_int_equal(out->data[out->len - 1], '\n');
	assert_ptr_equal(strchr(out->data, '\n'), out->data + out->len - 1);
}

static void test_what_is_written_is_read_again(void **state)
{
	struct status s = whole(), back;
	struct buf first, again;
	(void)state;
	encode(&s, STATUS_WHOLE, &first);
	assert_int_equal(
	    status_decode(&back, STATUS_WHOLE, first.data, first.len), 0);
	assert_int_equal(back.pid, 812);
	assert_true(back.stopping);
	assert_string_equal(back.failing, "no \"connection\"");
	assert_string_equal(back.restore_to, "/srv\n/home");
	assert_int_equal(back.written, 1700000100);
	assert_int_equal(back.job_count, 2);
	assert_int_equal(back.job[0].left, 6);
	assert_int_equal(back.job[1].files, -1);
	assert_null(back.job[1].archive);
	assert_int_equal(back.past[0].stored, 9);
	/* Every value, since the texts are the same. */
	encode(&back, STATUS_WHOLE, &again);
	assert_string_equal(first.data, again.data);
	buf_release(&first);
	buf_release(&again);
	status_release(&back);
	status_release(&back);
}

static void test_the_keys_are_promised(void **state)
{
	struct status s = whole();
	struct buf text;
	struct json j = JSON_INIT;
	(void)state;
	encode(&s, STATUS_WHOLE, &text);
	fixture_parse(&j, text.data, text.len);
	fixture_expect(&j, 0, "started", "2023-11-14T22:13:20Z");
	fixture_expect(&j, 0, "pid_start", "123456");
	fixture_expect(
	    &j, json_get(&j, 0, "server"), "reason", "no \"connection\"");
	fixture_expect(&j, json_get(&j, 0, "reports"), "waiting", "2");
	fixture_expect(&j, json_get(&j, 0, "sandbox"), "missing", "seccomp");
	fixture_expect(
	    &j, json_get(&j, 0, "borg"), "reason", "it does not start");
	int jobs = json_get(&j, 0, "jobs");
	assert_int_equal(json_count(&j, jobs), 2);
	fixture_expect(&j, json_first(&j, jobs), "seconds_left", "6");
	int past = json_first(&j, json_get(&j, 0, "history"));
	fixture_expect(&j, past, "stored_bytes", "9");
	fixture_expect(&j, past, "had_warnings", "true");
	/* What borg said names files: not for everybody. */
	fixture_expect(&j, past, "error", NULL);
	json_release(&j);
	buf_release(&text);
}

static void test_the_history_alone(void **state)
{
	struct status s = whole(), back;
	struct buf text;
	(void)state;
	encode(&s, STATUS_HISTORY, &text);
	assert_null(strstr(text.data, "server"));
	assert_int_equal(
	    status_decode(&back, STATUS_HISTORY, text.data, text.len), 0);
	assert_int_equal(back.past_count, 1);
	assert_string_equal(back.past[0].reason, "why");
	assert_string_equal(
	    back.past[0].error, "/root/secret.txt: open: Permission denied");
	status_past_release(&back.past[0]);
	assert_null(back.past[0].reason);
	status_release(&back);
	buf_release(&text);
}

static void test_what_is_unknown_is_null(void **state)
{
	struct status s = {.pid = -1, .reports = -1}, back;
	struct buf text;
	(void)state;
	encode(&s, STATUS_WHOLE, &text);
	assert_non_null(strstr(text.data, "\"pid\":null"));
	assert_non_null(strstr(text.data, "\"started\":null"));
	assert_non_null(strstr(text.data, "\"version\":null"));
	assert_int_equal(
	    status_decode(&back, STATUS_WHOLE, text.data, text.len), 0);
	assert_int_equal(back.pid, -1);
	assert_int_equal(back.started, 0);
	assert_null(back.version);
	status_release(&back);
	buf_release(&text);
}

static void test_damage_is_told(void **state)
{
	struct status s = whole(), back;
	struct buf text;
	(void)state;
	encode(&s, STATUS_WHOLE, &text);
	for (size_t len = 0; len + 2 < text.len; len++) {
		assert_int_equal(
		    status_decode(&back, STATUS_WHOLE, text.data, len), -1);
		assert_int_equal(back.job_count, 0);
		status_release(&back);
	}
	buf_release(&text);
	assert_int_equal(status_decode(&back, STATUS_WHOLE, "[1]", 3), -1);
	status_release(&back);
}

/* Values of another kind, and more than there is room for. */
static void test_other_values_do_no_harm(void **state)
{
	static const char odd[] =
	    "{\"pid\":[],\"server\":7,\"ssh\":{\"state\":{}},\"started\":"
	    "\"2023-13-99T99:99:99Z\",\"written\":\"yesterday\",\"next_poll\":"
	    "\"2023-11-14 22:13:20\",\"jobs\":{\"a\":{}},\"history\":[1,{},"
	    "null,{\"job_id\":\"5\"},{},{},{},{},{},{},{},{},{},{},{},{},{}]}";
	struct status back;
	(void)state;
	assert_int_equal(
	    status_decode(&back, STATUS_WHOLE, odd, strlen(odd)), 0);
	assert_int_equal(back.pid, -1);
	assert_int_equal(back.written, 0);
	assert_int_equal(back.next_poll, 0);
	assert_null(back.url);
	assert_null(back.ssh_state);
	assert_int_equal(back.job_count, 0);
	assert_int_equal(back.past_count, STATUS_PAST_MAX);
	assert_int_equal(back.past[1].id, 5);
	status_release(&back);
}

static void test_secrets_are_hidden(void **state)
{
	struct status s = whole();
	struct buf text;
	(void)state;
	log_hide("backup.example");
	encode(&s, STATUS_WHOLE, &text);
	log_forget();
	assert_null(strstr(text.data, "backup.example"));
	assert_non_null(strstr(text.data, "https://***.com"));
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_is_written_is_read_again),
	    cmocka_unit_test(test_the_keys_are_promised),
	    cmocka_unit_test(test_the_history_alone),
	    cmocka_unit_test(test_what_is_unknown_is_null),
	    cmocka_unit_test(test_damage_is_told),
	    cmocka_unit_test(test_other_values_do_no_harm),
	    cmocka_unit_test(test_secrets_are_hidden),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
