/* Text for a terminal: nothing from outside steers it or makes a line longer
 * than it is told to be. */
#include "base/text.h"
#include "cli/term.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct term utf8 = {.utf8 = true, .rows = 24, .cols = 80};
static const struct term ascii = {.rows = 24, .cols = 80};

static void expect(
    const struct term *t, const char *text, unsigned cells, const char *line)
{
	struct buf out = BUF_INIT(65536);
	unsigned used = term_add(t, &out, text, cells);
	assert_string_equal(buf_str(&out), line);
	assert_true(used <= cells);
	buf_release(&out);
}

static void test_what_fits_stays(void **state)
{
	(void)state;
	expect(&utf8, "", 10, "");
	expect(&utf8, "plan-1", 6, "plan-1");
	expect(&utf8, "Büro", 4, "Büro");
	expect(&utf8, "plan-1", TERM_WHOLE, "plan-1");
}

static void test_what_is_too_long_is_cut(void **state)
{
	(void)state;
	expect(&utf8, "plan-12", 6, "pla...");
	expect(&utf8, "plan-12", 2, "..");
	expect(&utf8, "plan-12", 0, "");
	/* A wide character is taken or left as a whole. */
	expect(&utf8, "日本語日本語", 8, "日本...");
	expect(&utf8, "日本語", 6, "日本語");
	/* What is put onto another one takes no room. */
	expect(&utf8, "e\xcc\x81t\xcc\x81", 2, "e\xcc\x81t\xcc\x81");
}

static void test_nothing_steers_the_terminal(void **state)
{
	(void)state;
	expect(&utf8, "a\033[2Jb\n\t\a\x7f", 80, "a\\x1b[2Jb\\n\\t\\x07\\x7f");
	expect(&utf8,
	    "\xc2\x9b"
	    "2J",
	    80, "\\xc2\\x9b2J");
	expect(&utf8, "\xff\xc0\xaf", 80, "\\xff\\xc0\\xaf");
	/* The direction of writing, and characters of nobody. */
	expect(&utf8,
	    "a\xe2\x80\xae"
	    "b\xe2\x81\xa7"
	    "c\xee\x80\x80",
	    80, "a?b?c?");
}

static void test_without_utf8_there_is_only_ascii(void **state)
{
	(void)state;
	expect(&ascii, "Büro 日本", 80, "B?ro ??");
	expect(&ascii, "Büro 日本", 7, "B?ro ??");
}

static void test_a_column_is_filled(void **state)
{
	struct buf out = BUF_INIT(1024);
	(void)state;
	term_column(&utf8, &out, "日本", 6);
	term_column(&utf8, &out, "backup", 4);
	assert_string_equal(buf_str(&out), "日本  b...");
	buf_release(&out);
}

static void expect_wrapped(
    const struct term *t, const char *text, unsigned indent, const char *lines)
{
	struct buf out = BUF_INIT(65536);
	term_wrap(t, &out, text, indent);
	assert_string_equal(buf_str(&out), lines);
	buf_release(&out);
}

static void test_words_are_not_broken(void **state)
{
	struct term t = {.tty = true, .utf8 = true, .rows = 24, .cols = 10};
	(void)state;
	expect_wrapped(&t, "", 2, "");
	expect_wrapped(&t, "one two", 2, "one two");
	/* The last column stays free. */
	expect_wrapped(&t, "three two", 2, "three\n  two");
	expect_wrapped(&t, "four four", 0, "four four");
	expect_wrapped(&t, "four fours", 0, "four\nfours");
	expect_wrapped(
	    &t, "a word_that_is_longer b", 2, "a\n  word_that_is_longer\n  b");
	/* What is wide takes two, what steers the terminal is not let through.
	 */
	expect_wrapped(&t, "日本 日本", 2, "日本\n  日本");
	expect_wrapped(&t, "a\033[2J \xe2\x80\xae", 2, "a\\x1b[2J\n  ?");
	/* A file gets it whole. */
	expect_wrapped(&utf8,
	    "four fours five six seven eight nine ten eleven "
	    "twelve thirteen fourteen fifteen sixteen",
	    2,
	    "four fours five six seven eight nine ten eleven twelve thirteen "
	    "fourteen fifteen sixteen");
	t.utf8 = false;
	expect_wrapped(&t, "Büro", 2, "B?ro");
}

static void test_styles_only_in_colour(void **state)
{
	struct term t = {.colour = true};
	struct buf out = BUF_INIT(1024);
	(void)state;
	term_style(&utf8, &out, TERM_RED);
	assert_int_equal(out.len, 0);
	term_style(&t, &out, TERM_RED);
	assert_string_equal(buf_str(&out), "\033[31m");
	buf_release(&out);
}

static void look(struct term *t, const char *lc_all, const char *lang)
{
	setenv("LC_ALL", lc_all, 1);
	setenv("LANG", lang, 1);
	unsetenv("LC_CTYPE");
	memset(t, 0xff, sizeof(*t));
	term_look(t, -1);
}

static void test_the_locale_tells_utf8(void **state)
{
	struct term t;
	(void)state;
	look(&t, "", "de_DE.UTF-8");
	assert_true(t.utf8);
	look(&t, "C", "de_DE.UTF-8");
	assert_false(t.utf8);
	look(&t, "C.utf8", "");
	assert_true(t.utf8);
	look(&t, "", "de_DE");
	assert_false(t.utf8);
	assert_false(t.tty);
	assert_false(t.colour);
	assert_int_equal(t.cols, TERM_COLS);
	assert_int_equal(t.rows, TERM_ROWS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_fits_stays),
	    cmocka_unit_test(test_what_is_too_long_is_cut),
	    cmocka_unit_test(test_nothing_steers_the_terminal),
	    cmocka_unit_test(test_without_utf8_there_is_only_ascii),
	    cmocka_unit_test(test_a_column_is_filled),
	    cmocka_unit_test(test_words_are_not_broken),
	    cmocka_unit_test(test_styles_only_in_colour),
	    cmocka_unit_test(test_the_locale_tells_utf8),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
