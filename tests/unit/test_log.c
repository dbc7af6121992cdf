/* The log's lines as a reader sees them: form, secrets, escapes, cuts. */
#include "base/limits.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int out[2];
static char line[4 * LOG_LINE_MAX];

/* The time stamp and its blank. */
#define HEAD 21

static int setup(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	if (pipe2(out, O_NONBLOCK | O_CLOEXEC) != 0)
		return -1;
	log_open(LOG_LEVEL_INFO, out[1]);
	log_prefix("");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_forget();
	close(out[0]);
	close(out[1]);
	return 0;
}

/* What was written since: one write(2) is one read(2) here. */
static const char *logged(void)
{
	ssize_t n = read(out[0], line, sizeof(line) - 1);
	line[n > 0 ? n : 0] = '\0';
	return line;
}

static void has_the_form(void **state)
{
	(void)state;
	int year, month, day, hour, minute, second, end = 0;
	log_info("backup finished: %d files", 7);
	assert_int_equal(sscanf(logged(), "%4d-%2d-%2dT%2d:%2d:%2dZ %n", &year,
			     &month, &day, &hour, &minute, &second, &end),
	    6);
	assert_int_equal(end, HEAD);
	assert_true(year >= 2020);
	assert_string_equal(line + HEAD, "INFO  backup finished: 7 files\n");
	log_prefix("job 12: ");
	log_warning("text");
	assert_string_equal(logged() + HEAD, "WARN  job 12: text\n");
	log_error("text");
	assert_string_equal(logged() + HEAD, "ERROR job 12: text\n");
}

static void keeps_to_its_level(void **state)
{
	(void)state;
	log_debug("not this");
	assert_string_equal(logged(), "");
	log_open(LOG_LEVEL_DEBUG, out[1]);
	log_debug("this");
	assert_string_equal(logged() + HEAD, "DEBUG this\n");
	log_open(LOG_LEVEL_ERROR, out[1]);
	log_warning("not this");
	assert_string_equal(logged(), "");
}

static void speaks_to_the_journal(void **state)
{
	(void)state;
	struct stat st;
	char stream[64];
	assert_int_equal(fstat(out[1], &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu",
	    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_open(LOG_LEVEL_DEBUG, out[1]);
	log_error("e");
	assert_string_equal(logged(), "<3>e\n");
	log_warning("w");
	assert_string_equal(logged(), "<4>w\n");
	log_info("i");
	assert_string_equal(logged(), "<6>i\n");
	log_debug("d");
	assert_string_equal(logged(), "<7>d\n");
	/* The stream of somebody else. */
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_open(LOG_LEVEL_INFO, out[1]);
	log_info("i");
	assert_string_equal(logged() + HEAD, "INFO  i\n");
}

static void hides_secrets(void **state)
{
	(void)state;
	log_hide("hunter22");
	log_hide("hunter2");	 /* begins another one */
	log_hide("22 and then"); /* overlaps it */
	log_hide("new\nline\x01\xff");
	log_hide("abc"); /* too short: would blank out words */
	log_hide(NULL);
	log_hide("");
	log_info("pw=hunter22, hunter2, hunter22 and then some");
	assert_string_equal(logged() + HEAD, "INFO  pw=***, ***, *** some\n");
	log_info("a new\nline\x01\xff b abc hunter");
	assert_string_equal(logged() + HEAD, "INFO  a *** b abc hunter\n");
	log_info("hunter22hunter22");
	assert_string_equal(logged() + HEAD, "INFO  ******\n");
	log_forget();
	log_info("hunter22");
	assert_string_equal(logged() + HEAD, "INFO  hunter22\n");
}

static void replaces_the_oldest_secret(void **state)
{
	(void)state;
	char secret[32];
	for (int i = 0; i <= LOG_SECRETS_MAX; i++) {
		snprintf(secret, sizeof(secret), "secret-%02d", i);
		log_hide(secret);
		log_hide(secret); /* known already: takes no second place */
	}
	log_info("secret-00 secret-01 secret-%02d", LOG_SECRETS_MAX);
	assert_string_equal(logged() + HEAD, "INFO  secret-00 *** ***\n");
}

/* A secret that the cut would split must not show its first half. */
static void hides_across_the_cut(void **state)
{
	(void)state;
	char *text = malloc(LOG_TEXT_MAX + 10);
	log_hide("0123456789abcdef");
	for (size_t at = LOG_LINE_MAX - 80; at < LOG_LINE_MAX; at++) {
		memset(text, 'x', at);
		strcpy(text + at, "0123456789abcdef");
		log_info("%s", text);
		assert_null(strstr(logged(), "0123"));
		assert_true(strlen(line) <= LOG_LINE_MAX);
		assert_int_equal(line[strlen(line) - 1], '\n');
	}
	memset(text, 'x', LOG_TEXT_MAX);
	strcpy(text + LOG_TEXT_MAX - 8, "0123456789abcdef");
	log_info("%s", text);
	assert_string_equal(
	    logged() + HEAD, "INFO  (a message too long for the log)\n");
	free(text);
}

static void stays_on_one_line(void **state)
{
	(void)state;
	log_prefix("");
	log_info("a\nb\r\x1b[0m\xff%s", "\xc3\xa9");
	assert_string_equal(
	    logged() + HEAD, "INFO  a\\nb\\r\\x1b[0m\\xff\xc3\xa9\n");
	/* Cut between characters. */
	char text[LOG_LINE_MAX + 1];
	for (size_t i = 0; i + 1 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 3);
	for (int odd = 0; odd < 2; odd++) {
		log_info("%s%s", odd == 0 ? "" : "x", text);
		size_t len = strlen(logged());
		assert_in_range(len, LOG_LINE_MAX - 4, LOG_LINE_MAX);
		assert_memory_equal(line + len - 3, "\xc3\xa9\n", 3);
	}
}

static void goes_on_when_nobody_reads(void **state)
{
	(void)state;
	char text[LOG_LINE_MAX];
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	errno = 4711;
	for (int i = 0; i < 1000; i++)
		log_info("%s", text); /* the pipe is full after a few */
	assert_int_equal(errno, 4711);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(has_the_form, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		keeps_to_its_level, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		speaks_to_the_journal, setup, teardown),
	    cmocka_unit_test_setup_teardown(hides_secrets, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		replaces_the_oldest_secret, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		hides_across_the_cut, setup, teardown),
	    cmocka_unit_test_setup_teardown(stays_on_one_line, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		goes_on_when_nobody_reads, setup, teardown),
	};
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
