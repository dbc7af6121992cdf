/* Command lines taken apart as a POSIX shell would quote them. */
#include "base/shellwords.h"
#include "fixture.h"
#include <stdio.h>
#include <string.h>

/* wanted: the words, each in [] */
static void split(const char *line, const char *wanted)
{
	struct words words = WORDS_INIT;
	struct buf got = BUF_INIT(4096);
	const char *why = NULL;
	if (shellwords_split(&words, line, &why) != 0)
		fail_msg("%s: %s", line, why);
	for (size_t i = 0; i < words.count; i++)
		buf_addf(&got, "[%s]", words.list[i]);
	assert_string_equal(buf_str(&got), wanted);
	words_release(&words);
	buf_release(&got);
}

static void broken(const char *line, const char *wanted)
{
	struct words words = WORDS_INIT;
	const char *why = NULL;
	assert_int_equal(shellwords_split(&words, line, &why), -1);
	assert_string_equal(why, wanted);
	words_release(&words);
}

static void words_of_a_line(void **state)
{
	(void)state;
	split("", "");
	split(" \t\r\n", "");
	split("/a/b", "[/a/b]");
	split("  /a/b  c\td\r\n", "[/a/b][c][d]");
	split("''", "[]");
	split("a '' \"\"", "[a][][]");
	split("/my\\ script.sh", "[/my script.sh]");
	split("'/my script.sh' 'it'\\''s'", "[/my script.sh][it's]");
	split("\"a b\"c'd e'", "[a bcd e]");
	split("a\\\\b", "[a\\b]");
	split("a\\\nb", "[ab]");
	split("a \\\n b", "[a][b]");
}

static void quotes(void **state)
{
	(void)state;
	/* Nothing is special between single quotes. */
	split("'a\\b$c\"d'", "[a\\b$c\"d]");
	/* Between double quotes a backslash covers four characters alone. */
	split("\"\\$ \\` \\\" \\\\ \\a \\n\"", "[$ ` \" \\ \\a \\n]");
	split("\"a\\\nb\"", "[ab]");
	split("\"it's\"", "[it's]");
}

/* Nothing is expanded, and nothing is a command but the first word. */
static void no_shell(void **state)
{
	(void)state;
	split("/a $HOME `id` $(id) *; rm -rf / | b > c & # d",
	    "[/a][$HOME][`id`][$(id)][*;][rm][-rf][/][|][b][>][c][&][#][d]");
	split("~/x", "[~/x]");
	split("/a --plan=T\xc3\xa4glich", "[/a][--plan=T\xc3\xa4glich]");
}

static void broken_lines(void **state)
{
	(void)state;
	broken("/a 'b", "a quote is not closed");
	broken("/a \"b", "a quote is not closed");
	broken("/a \"b\\\"", "a quote is not closed");
	broken("/a b\\", "it ends in a backslash");
}

/* Whatever is quoted comes back as it was. */
static void quoted(void **state)
{
	static const char *const texts[] = {"/run/bbs-agent/x-1", "", " ",
	    "a b", "it's", "\\", "\"", "$HOME", "a\nb", "'", "''", "--x=y"};
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct words words = WORDS_INIT;
		struct buf line = BUF_INIT(256);
		const char *why = NULL;
		buf_adds(&line, "cat ");
		shellwords_quote(&line, texts[i]);
		assert_int_equal(
		    shellwords_split(&words, buf_str(&line), &why), 0);
		assert_int_equal(words.count, 2);
		assert_string_equal(words.list[1], texts[i]);
		words_release(&words);
		buf_release(&line);
	}
	struct buf plain = BUF_INIT(64);
	shellwords_quote(&plain, "/run/bbs-agent/x-1");
	assert_string_equal(buf_str(&plain), "/run/bbs-agent/x-1");
	buf_release(&plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words_of_a_line),
	    cmocka_unit_test(quotes),
	    cmocka_unit_test(no_shell),
	    cmocka_unit_test(broken_lines),
	    cmocka_unit_test(quoted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
