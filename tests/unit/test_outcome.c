/* The table of results: borg's exit, what it said, what the job then is. */
#include "fixture.h"
#include "job/outcome.h"
#include <stdio.h>
#include <string.h>

#define BOTH (BORGLOG_NOT_LOCKED | BORGLOG_RELEASE_FAILED)

static const enum outcome_kind kinds[] = {
    OUTCOME_BACKUP, OUTCOME_RESTORE, OUTCOME_OTHER};

static void expect(
    const struct outcome *o, enum report_result want, bool want_warnings)
{
	bool warnings = !want_warnings;
	enum report_result result = outcome_judge(o, &warnings);
	if (result != want || warnings != want_warnings)
		fail_msg("kind %d, code %d, warnings %d: result %d, "
			 "had_warnings %d",
		    o->kind, o->exit_code, (int)o->warnings, result, warnings);
}

static bool is_warning(int code)
{
	return code == 1 || (code >= 100 && code <= 127);
}

static void every_exit_code(void **state)
{
	(void)state;
	for (int code = 0; code < 256; code++) {
		for (int w = 0; w < 2; w++) {
			struct outcome o = {.exit_code = code,
			    .warnings = (uint64_t)w * 3,
			    .extracted = 5};
			o.kind = OUTCOME_BACKUP;
			if (code == 0)
				expect(&o, REPORT_COMPLETED, false);
			else if (is_warning(code))
				expect(&o, REPORT_COMPLETED, w);
			else
				expect(&o, REPORT_FAILED, false);
			o.kind = OUTCOME_RESTORE;
			expect(&o, code == 0 ? REPORT_COMPLETED : REPORT_FAILED,
			    false);
			o.kind = OUTCOME_OTHER;
			expect(&o, code == 0 ? REPORT_COMPLETED : REPORT_FAILED,
			    false);
		}
	}
}

static void a_restore_of_nothing_failed(void **state)
{
	(void)state;
	struct outcome o = {.kind = OUTCOME_RESTORE};
	expect(&o, REPORT_FAILED, false);
	o.extracted = 1;
	expect(&o, REPORT_COMPLETED, false);
	o.extracted = 0;
	o.kind = OUTCOME_OTHER;
	expect(&o, REPORT_COMPLETED, false);
	o.kind = OUTCOME_BACKUP;
	expect(&o, REPORT_COMPLETED, false);
}

static void only_the_cache_lock(void **state)
{
	(void)state;
	for (size_t k = 0; k < 3; k++) {
		struct outcome o = {.kind = kinds[k], .exit_code = 2};
		bool backup = kinds[k] == OUTCOME_BACKUP;
		enum report_result good =
		    backup ? REPORT_COMPLETED : REPORT_FAILED;
		o.extracted = 1;
		o.lock_marks = BOTH;
		expect(&o, good, backup);
		o.lock_marks = BORGLOG_NOT_LOCKED;
		expect(&o, REPORT_FAILED, false);
		o.lock_marks = BORGLOG_RELEASE_FAILED;
		expect(&o, REPORT_FAILED, false);
		/* Another error, but the archive's totals were printed. */
		o.lock_marks = BOTH;
		o.other_errors = 1;
		expect(&o, REPORT_FAILED, false);
		o.has_summary = true;
		expect(&o, good, backup);
		/* Killed: only the totals show that the archive is whole. */
		o.exit_code = 137;
		expect(&o, good, backup);
		o.other_errors = 0;
		expect(&o, good, backup);
		o.has_summary = false;
		expect(&o, REPORT_FAILED, false);
	}
}

static struct borg_run run;

static void say(struct excerpt *x, const char *text)
{
	excerpt_add(x, text, strlen(text));
}

static const char *explain(const struct outcome *o)
{
	static struct buf out = BUF_INIT(2 * ERROR_LOG_MAX);
	static char text[2 * ERROR_LOG_MAX];
	bool warnings;
	enum report_result result = outcome_judge(o, &warnings);
	outcome_explain(o, &run, result, warnings, &out);
	snprintf(text, sizeof(text), "%s", buf_str(&out));
	buf_release(&out);
	return text;
}

static int run_setup(void **state)
{
	(void)state;
	excerpt_init(&run.errors);
	excerpt_init(&run.all);
	return 0;
}

static int run_teardown(void **state)
{
	(void)state;
	excerpt_release(&run.errors);
	excerpt_release(&run.all);
	return 0;
}

static void explains_a_silent_failure(void **state)
{
	(void)state;
	struct outcome o = {.kind = OUTCOME_BACKUP, .exit_code = 2};
	assert_string_equal(explain(&o), "borg exited with code 2");
	o.exit_code = 128;
	assert_string_equal(explain(&o), "borg exited with code 128");
	o.exit_code = 137;
	assert_non_null(strstr(explain(&o), "code 137"));
	assert_non_null(strstr(explain(&o), "signal 9:"));
}

static void explains_with_what_borg_said(void **state)
{
	(void)state;
	struct outcome o = {.kind = OUTCOME_BACKUP, .exit_code = 2};
	say(&run.all, "/x: file changed while we backed it up");
	/* Routine warnings alone: better than a bare code. */
	assert_non_null(strstr(explain(&o), "file changed"));
	say(&run.all, "Repository /r does not exist.");
	say(&run.errors, "Repository /r does not exist.");
	assert_string_equal(explain(&o), "Repository /r does not exist.");
	o.kind = OUTCOME_RESTORE;
	assert_string_equal(explain(&o), "Repository /r does not exist.");
}

static void says_nothing_of_what_went_well(void **state)
{
	(void)state;
	struct outcome o = {.kind = OUTCOME_BACKUP};
	say(&run.all, "routine");
	say(&run.errors, "/x: read: [Errno 5] I/O error");
	assert_string_equal(explain(&o), "");
	o.exit_code = 1; /* no warning left: not worth a word */
	assert_string_equal(explain(&o), "");
	o.warnings = 1;
	assert_string_equal(explain(&o), "/x: read: [Errno 5] I/O error");
	o.exit_code = 107;
	assert_string_equal(explain(&o), "/x: read: [Errno 5] I/O error");
}

static void explains_a_restore_of_nothing(void **state)
{
	(void)state;
	struct outcome o = {.kind = OUTCOME_RESTORE};
	say(&run.all, "something");
	say(&run.errors, "something");
	const char *text = explain(&o);
	assert_memory_equal(text, "Restore extracted nothing — ",
	    strlen("Restore extracted nothing — "));
}

static int totals(const char *text, struct outcome_totals *t)
{
	struct buf b = BUF_INIT(1 << 16);
	buf_adds(&b, text);
	int rc = outcome_totals(&b, t);
	buf_release(&b);
	return rc;
}

static void reads_the_totals(void **state)
{
	(void)state;
	struct outcome_totals t;
	assert_int_equal(
	    totals("{\"archive\":{\"name\":\"a\",\"stats\":{\"nfiles\":12,"
		   "\"original_size\":630402635,"
		   "\"deduplicated_size\":9007199254740993}},\"cache\":{}}\n",
		&t),
	    0);
	assert_int_equal(t.nfiles, 12);
	assert_int_equal(t.original_size, 630402635);
	assert_true(t.deduplicated_size == 9007199254740993);
	assert_int_equal(
	    totals("{\"archive\":{\"stats\":{\"nfiles\":\"x\"}}}", &t), 0);
	assert_int_equal(t.nfiles, 0);
	static const char *const none[] = {"", "{}", "[]", "null",
	    "{\"archive\":[]}", "{\"archive\":{}}",
	    "{\"archive\":{\"stats\":[]}}", "{\"archive\":{\"stats\":null}}",
	    "{\"archive\":{\"stats\":{\"nfiles\":1}}",
	    "{\"archive\":{\"stats\":{\"nfiles\":1}}} x",
	    "Traceback (most recent call last):\n"};
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		t.nfiles = 7;
		assert_int_equal(totals(none[i], &t), -1);
		assert_int_equal(t.nfiles, 0);
	}
}

static int summaries;

static void read_summary(const char *name, const struct buf *text)
{
	struct outcome_totals t;
	if (outcome_totals(text, &t) != 0)
		return;
	summaries++;
	if (t.nfiles <= 0 || t.original_size <= 0 || t.deduplicated_size <= 0)
		fail_msg("%s: no totals", name);
}

static void reads_recorded_totals(void **state)
{
	(void)state;
	if (fixture_recorded("wire/borg", ".stdout", read_summary) > 0)
		assert_true(summaries >= 4);
}

int main(void)
{
#define WITH_RUN(test) \
	cmocka_unit_test_setup_teardown(test, run_setup, run_teardown)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_exit_code),
	    cmocka_unit_test(a_restore_of_nothing_failed),
	    cmocka_unit_test(only_the_cache_lock),
	    WITH_RUN(explains_a_silent_failure),
	    WITH_RUN(explains_with_what_borg_said),
	    WITH_RUN(says_nothing_of_what_went_well),
	    WITH_RUN(explains_a_restore_of_nothing),
	    cmocka_unit_test(reads_the_totals),
	    cmocka_unit_test(reads_recorded_totals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
