/* Lists of words: added, split, found, ended by a NULL. */
#include "base/words.h"
#include "fixture.h"

static void splits(void **state)
{
	(void)state;
	struct words w = WORDS_INIT;
	assert_int_equal(words_split(&w, "", ","), 0);
	assert_null(w.list);
	assert_int_equal(words_split(&w, " a , b c,,\n d\r\n", ",\n"), 0);
	assert_int_equal(w.count, 3);
	assert_string_equal(w.list[0], "a");
	assert_string_equal(w.list[1], "b c");
	assert_string_equal(w.list[2], "d");
	assert_null(w.list[3]);
	words_release(&w);
	assert_null(w.list);
}

static void adds_and_finds(void **state)
{
	(void)state;
	struct words w = WORDS_INIT;
	assert_false(words_has(&w, "a"));
	assert_int_equal(words_add(&w, ""), 0);
	assert_int_equal(words_add_n(&w, "abc", 2), 0);
	assert_int_equal(words_addf(&w, "--%s=%d", "x", 7), 0);
	assert_int_equal(w.count, 3);
	assert_true(words_has(&w, "") && words_has(&w, "ab"));
	assert_true(words_has(&w, "--x=7"));
	assert_false(words_has(&w, "abc") || words_has(&w, "a"));
	words_release(&w);
	words_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(splits),
	    cmocka_unit_test(adds_and_finds),
	};
	return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
