/* Tasks: what a real server recorded, and what none should ever send. */
#include "bbs/task.h"
#include "fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct task task;
static char why_text[1024];

static int decode(const char *text)
{
	struct json j;
	struct buf why = BUF_INIT(sizeof(why_text));
	task_release(&task);
	fixture_parse(&j, text, strlen(text));
	int rc = task_decode(&task, &j, 0, &why);
	snprintf(why_text, sizeof(why_text), "%s", buf_str(&why));
	/* A failure has its sentence, success none. */
	assert_int_equal(why.len == 0, rc == 0);
	json_release(&j);
	buf_release(&why);
	return rc;
}

static void good(const char *text)
{
	if (decode(text) != 0)
		fail_msg("%s: %s", why_text, text);
}

static void bad(const char *text, const char *named)
{
	if (decode(text) == 0)
		fail_msg("decoded: %s", text);
	if (strstr(why_text, named) == NULL)
		fail_msg("\"%s\" does not name %s", why_text, named);
}

static int release(void **state)
{
	(void)state;
	task_release(&task);
	return 0;
}

static void a_backup_in_full(void **state)
{
	(void)state;
	good("{\"task\":\"backup\",\"job_id\":\"12\",\"command\":[\"borg\","
	     "\"create\",\"r::a\",\"\\/gr\\u00f6\\u00dfe\"],\"env\":{"
	     "\"BORG_PASSPHRASE\":\"p\\\"\\ud83d\\ude00\",\"N\":5,\"B\":true,"
	     "\"E\":\"\"},\"archive_name\":\"a\",\"directories\":"
	     "\"\\/a\\r\\n\\/b\",\"expected_files\":\"1204\","
	     "\"precount_files\":\"yes\",\"repo_path\":\"r\",\"plan_name\":"
	     "\"p\",\"client_name\":\"c\",\"remote_ssh_key\":\"k\",\"cwd\":"
	     "\"\\/\",\"plugins\":[{\"slug\":\"shell_hook\",\"config\":{"
	     "\"abort_on_failure\":\"1\"}},{\"slug\":\"x\",\"config\":[]}],"
	     "\"more\":{\"of\":[\"it\"]}}");
	assert_int_equal(task.kind, TASK_BACKUP);
	assert_string_equal(task.type, "backup");
	assert_int_equal(task.job_id, 12);
	assert_string_equal(task.command[3], "/größe");
	assert_null(task.command[4]);
	assert_int_equal(task.env_count, 4);
	assert_string_equal(task.env[0].name, "BORG_PASSPHRASE");
	assert_string_equal(task.env[0].value, "p\"\xf0\x9f\x98\x80");
	assert_string_equal(task.env[1].value, "5");
	assert_string_equal(task.env[2].value, "true");
	assert_string_equal(task.env[3].value, "");
	assert_string_equal(task.archive_name, "a");
	assert_string_equal(task.directories, "/a\r\n/b");
	assert_int_equal(task.expected_files, 1204);
	assert_true(task.precount_files);
	assert_string_equal(task.repo_path, "r");
	assert_string_equal(task.plan_name, "p");
	assert_string_equal(task.client_name, "c");
	assert_string_equal(task.remote_ssh_key, "k");
	assert_string_equal(task.cwd, "/");
	assert_int_equal(task.plugin_count, 2);
	assert_string_equal(task.plugins[0].slug, "shell_hook");
	assert_true(task.plugins[0].abort_on_failure);
	assert_false(task.plugins[1].abort_on_failure);
}

static void what_php_writes_for_nothing(void **state)
{
	(void)state;
	good("{\"task\":\"backup\",\"job_id\":1,\"command\":[\"borg\"],"
	     "\"env\":[],\"plugins\":[],\"plugin\":[],\"config\":[],"
	     "\"archive_name\":null,\"cwd\":null,\"expected_files\":null,"
	     "\"precount_files\":0,\"remote_ssh_key\":null}");
	assert_int_equal(task.env_count, 0);
	assert_int_equal(task.plugin_count, 0);
	assert_null(task.archive_name);
	assert_null(task.cwd);
	assert_null(task.remote_ssh_key);
	assert_int_equal(task.expected_files, 0);
	assert_false(task.precount_files);
	good("{\"task\":\"backup\",\"job_id\":1,\"command\":[\"borg\"],"
	     "\"env\":{},\"plugins\":{},\"expected_files\":-5}");
	assert_int_equal(task.expected_files, 0);
	good("{\"task\":\"backup\",\"job_id\":1,\"command\":[\"borg\"],"
	     "\"env\":null,\"plugins\":null,\"expected_files\":\"many\"}");
	assert_int_equal(task.expected_files, 0);
	/* The same as a configuration; a plugin that is gone is an error. */
	good("{\"task\":\"plugin_test\",\"job_id\":5,\"plugin\":{"
	     "\"slug\":\"shell_hook\",\"config\":[]}}");
	assert_int_equal(task.plugin_count, 1);
	assert_string_equal(task.plugins[0].config, "{}");
	assert_null(task.command);
	bad("{\"task\":\"plugin_post\",\"job_id\":5,\"plugin\":[]}",
	    "without its plugin");
	assert_int_equal(task.job_id, 5);
	/* A list that lost an element is a map for PHP. */
	good("{\"task\":\"backup\",\"job_id\":1,\"command\":[\"borg\"],"
	     "\"plugins\":{\"1\":{\"slug\":\"a\",\"config\":{"
	     "\"abort_on_failure\":true}},\"3\":{\"slug\":\"b\"}}}");
	assert_int_equal(task.plugin_count, 2);
	assert_string_equal(task.plugins[0].slug, "a");
	assert_true(task.plugins[0].abort_on_failure);
	assert_string_equal(task.plugins[1].slug, "b");
}

static void what_is_decoded_later(void **state)
{
	(void)state;
	good("{\"task\":\"backup\",\"job_id\":1,\"command\":[\"borg\"],"
	     "\"plugins\":[{\"slug\":\"pg_dump\",\"config_id\":7,"
	     "\"config_name\":\"n\",\"config\":{\"port\":\"1\"}}]}");
	assert_string_equal(task.plugins[0].config, "{\"port\":\"1\"}");
	assert_string_equal(task.plugins[0].config_id, "7");
	assert_string_equal(task.plugins[0].config_name, "n");
	assert_null(task.details);
	good("{\"task\":\"list_dir\",\"job_id\":1,\"path\":\"/a\"}");
	assert_string_equal(task.details,
	    "{\"task\":\"list_dir\",\"job_id\":1,\"path\":\"/a\"}");
}

static void every_type(void **state)
{
	(void)state;
	static const struct {
		const char *type;
		enum task_kind kind;
		bool command, exclusive;
	} types[] = {
	    {"backup", TASK_BACKUP, true, true},
	    {"backup_dry_run", TASK_BACKUP_DRY_RUN, true, true},
	    {"restore", TASK_RESTORE, true, true},
	    {"restore_mysql", TASK_RESTORE_DATABASE, true, true},
	    {"restore_pg", TASK_RESTORE_DATABASE, true, true},
	    {"restore_mongo", TASK_RESTORE_DATABASE, true, true},
	    {"update_borg", TASK_UPDATE_BORG, false, true},
	    {"update_agent", TASK_UPDATE_AGENT, false, true},
	    {"list_dir", TASK_LIST_DIR, false, false},
	    {"plugin_test", TASK_PLUGIN_TEST, false, false},
	    {"plugin_post", TASK_PLUGIN_POST, false, true},
	    {"prune", TASK_COMMAND, true, true},
	    {"Backup", TASK_COMMAND, true, true},
	    {"", TASK_COMMAND, true, true},
	};
	char text[256];
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		snprintf(text, sizeof(text),
		    "{\"task\":\"%s\",\"job_id\":1,\"command\":[\"borg\"],"
		    "\"plugin\":{\"slug\":\"x\"}}",
		    types[i].type);
		good(text);
		assert_int_equal(task.kind, types[i].kind);
		assert_int_equal(task_is_exclusive(&task), types[i].exclusive);
		snprintf(text, sizeof(text),
		    "{\"task\":\"%s\",\"job_id\":1,"
		    "\"plugin\":{\"slug\":\"x\"}}",
		    types[i].type);
		if (!types[i].command)
			good(text);
		else
			bad(text, types[i].type);
	}
}

static void job_ids(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t id;
	} ids[] = {
	    {"1", 1},
	    {"\"7\"", 7},
	    {"9223372036854775807", INT64_MAX},
	    {"\"9223372036854775807\"", INT64_MAX},
	    {"12.0", 12},
	    {"0", -1},
	    {"-1", -1},
	    {"null", -1},
	    {"true", -1},
	    {"\"\"", -1},
	    {"\"x\"", -1},
	    {"\"1x\"", -1},
	    {"[1]", -1},
	    {"{}", -1},
	    {"9223372036854775808", -1},
	    {"1e30", -1},
	};
	char text[256];
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct json j;
		snprintf(text, sizeof(text),
		    "{\"task\":\"update_agent\",\"job_id\":%s}", ids[i].text);
		fixture_parse(&j, text, strlen(text));
		if (task_job_id(&j, 0) != ids[i].id)
			fail_msg("job_id %s", ids[i].text);
		json_release(&j);
		if (ids[i].id > 0)
			good(text);
		else
			bad(text, "job_id");
	}
	bad("{\"task\":\"update_agent\"}", "job_id");
	bad("{}", "job_id");
	bad("[]", "job_id");
	bad("null", "job_id");
	bad("\"backup\"", "job_id");
}

static void forms_that_cannot_be_meant(void **state)
{
	(void)state;
	static const struct {
		const char *member, *named;
	} cases[] = {
	    {"\"command\":\"borg create\"", "command"},
	    {"\"command\":[]", "command"},
	    {"\"command\":{}", "command"},
	    {"\"command\":{\"0\":\"borg\"}", "command"},
	    {"\"command\":5", "command"},
	    {"\"command\":[null]", "word 1"},
	    {"\"command\":[\"borg\",[\"x\"]]", "word 2"},
	    {"\"command\":[\"borg\",\"x\",{}]", "word 3"},
	    {"\"command\":[\"borg\"],\"env\":[\"A=b\"]", "env"},
	    {"\"command\":[\"borg\"],\"env\":\"A=b\"", "env"},
	    {"\"command\":[\"borg\"],\"env\":5", "env"},
	    {"\"command\":[\"borg\"],\"env\":{\"A\":[]}", "entry 1"},
	    {"\"command\":[\"borg\"],\"env\":{\"A\":\"b\",\"\":\"x\"}",
		"entry 2"},
	    {"\"command\":[\"borg\"],\"env\":{\"A=B\":\"x\"}", "entry 1"},
	    {"\"command\":[\"borg\"],\"cwd\":[]", "cwd"},
	    {"\"command\":[\"borg\"],\"directories\":[\"/a\"]", "directories"},
	    {"\"command\":[\"borg\"],\"archive_name\":{}", "archive_name"},
	    {"\"command\":[\"borg\"],\"remote_ssh_key\":[\"k\"]",
		"remote_ssh_key"},
	    {"\"command\":[\"borg\"],\"plugins\":[{}]", "plugin 1"},
	    {"\"command\":[\"borg\"],\"plugins\":[\"x\"]", "plugin 1"},
	    {"\"command\":[\"borg\"],\"plugins\":[{\"slug\":\"a\"},{\"slug\":"
	     "[]}]",
		"plugin 2"},
	};
	char text[512];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text),
		    "{\"task\":\"backup\",\"job_id\":1,%s}", cases[i].member);
		bad(text, cases[i].named);
		/* The job is known, so that it can be reported. */
		assert_int_equal(task.job_id, 1);
	}
	bad("{\"job_id\":1,\"command\":[\"borg\"]}", "task type");
	bad("{\"job_id\":1,\"task\":[],\"command\":[\"borg\"]}", "task type");
	bad("{\"job_id\":1,\"task\":\"make\\u001b_coffee\"}",
	    "unknown task type \"make\\x1b_coffee\"");
}

static void numbers_in_a_command_are_texts(void **state)
{
	(void)state;
	good("{\"task\":\"prune\",\"job_id\":1,\"command\":[\"borg\","
	     "\"prune\",\"--keep-daily\",7,true,\"\"]}");
	assert_string_equal(task.command[3], "7");
	assert_string_equal(task.command[4], "true");
	assert_string_equal(task.command[5], "");
	assert_null(task.command[6]);
}

static void secrets_are_in_no_sentence(void **state)
{
	(void)state;
	bad("{\"task\":\"backup\",\"job_id\":1,\"command\":[\"borg\"],"
	    "\"env\":{\"P\":\"topsecret\",\"Q=topsecret\":\"topsecret\"}}",
	    "entry 2");
	assert_null(strstr(why_text, "topsecret"));
	bad("{\"task\":\"backup\",\"job_id\":1,\"command\":[\"borg\"],"
	    "\"remote_ssh_key\":[\"topsecret\"]}",
	    "remote_ssh_key");
	assert_null(strstr(why_text, "topsecret"));
}

static void a_text_with_a_nul_stays_one(void **state)
{
	(void)state;
	good("{\"task\":\"x\",\"job_id\":1,\"command\":[\"borg\",\"a\\u0000b\","
	     "\"\\udc80\"]}");
	assert_string_equal(task.command[1], "a\xef\xbf\xbd"
					     "b");
	assert_string_equal(task.command[2], "\xef\xbf\xbd");
}

static int decoded, with_plugins, with_env, without_plugin;

static void decode_recorded(const char *name, const struct buf *text)
{
	struct json outer, j;
	struct buf body = BUF_INIT(1 << 20), why = BUF_INIT(4096);
	fixture_parse(&outer, text->data, text->len);
	int response = json_get(&outer, 0, "response");
	assert_int_equal(
	    json_text(&outer, json_get(&outer, response, "body"), &body), 0);
	fixture_parse(&j, body.data, body.len);
	int tasks = json_get(&j, 0, "tasks");
	assert_int_equal(json_type(&j, tasks), JSON_ARRAY);
	for (int e = json_first(&j, tasks); e != JSON_NONE;
	     e = json_next(&j, tasks, e)) {
		struct task t;
		if (task_decode(&t, &j, e, &why) != 0) {
			/* The server sends these, and they cannot be done. */
			if (strstr(buf_str(&why), "its plugin") == NULL)
				fail_msg("%s: %s", name, buf_str(&why));
			without_plugin++;
			buf_reset(&why);
			task_release(&t);
			continue;
		}
		fixture_expect(&j, e, "task", t.type);
		assert_int_equal(t.kind == TASK_COMMAND, false);
		size_t words = 0;
		while (t.command != NULL && t.command[words] != NULL)
			words++;
		assert_int_equal(
		    words, json_count(&j, json_get(&j, e, "command")));
		assert_int_equal(
		    t.env_count, json_count(&j, json_get(&j, e, "env")));
		if (json_type(&j, json_get(&j, e, "plugin")) == JSON_ABSENT)
			assert_int_equal(t.plugin_count,
			    json_count(&j, json_get(&j, e, "plugins")));
		else
			assert_int_equal(t.plugin_count, 1);
		if (t.kind == TASK_BACKUP)
			assert_non_null(t.archive_name);
		decoded++;
		with_plugins += t.plugin_count > 0;
		with_env += t.env_count > 0;
		task_release(&t);
	}
	json_release(&j);
	json_release(&outer);
	buf_release(&body);
	buf_release(&why);
}

static void decodes_what_was_recorded(void **state)
{
	(void)state;
	if (fixture_recorded("wire", "-GET-tasks.json", decode_recorded) == 0)
		return;
	assert_true(decoded > 20);
	assert_true(with_plugins > 0);
	assert_true(without_plugin > 0);
	assert_true(with_env > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_backup_in_full),
	    cmocka_unit_test(what_php_writes_for_nothing),
	    cmocka_unit_test(what_is_decoded_later),
	    cmocka_unit_test(every_type),
	    cmocka_unit_test(job_ids),
	    cmocka_unit_test(forms_that_cannot_be_meant),
	    cmocka_unit_test(numbers_in_a_command_are_texts),
	    cmocka_unit_test(secrets_are_in_no_sentence),
	    cmocka_unit_test(a_text_with_a_nul_stays_one),
	    cmocka_unit_test(decodes_what_was_recorded),
	};
	return cmocka_run_group_tests(tests, NULL, release);
}
