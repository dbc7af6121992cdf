/* The excerpt: both ends of a long story, within its limit. */
#include "base/limits.h"
#include "base/text.h"
#include "fixture.h"
#include "job/excerpt.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct buf out = BUF_INIT(10 * ERROR_LOG_MAX);

static const char *written(const struct excerpt *x)
{
	buf_reset(&out);
	excerpt_write(x, &out);
	assert_false(x->head.failed);
	assert_false(x->tail.failed);
	assert_true(out.len <= ERROR_LOG_MAX);
	return buf_str(&out);
}

static void short_stories_are_whole(void **state)
{
	(void)state;
	struct excerpt x;
	excerpt_init(&x);
	assert_string_equal(written(&x), "");
	excerpt_add(&x, "", 0);
	excerpt_add(&x, "\r\n", 2);
	assert_int_equal(x.lines, 0);
	excerpt_add(&x, "one\n", 4);
	excerpt_add(&x, "two\r\n\n", 6);
	excerpt_add(&x, "three", 5);
	assert_int_equal(x.lines, 3);
	assert_string_equal(written(&x), "one\ntwo\nthree");
	assert_int_equal(x.dropped, 0);
	excerpt_release(&x);
}

static void long_stories_keep_both_ends(void **state)
{
	(void)state;
	struct excerpt x;
	char line[64];
	excerpt_init(&x);
	for (int i = 0; i < 10000; i++) {
		int n = snprintf(line, sizeof(line), "line %d of it", i);
		excerpt_add(&x, line, (size_t)n);
		if (i % 97 == 0)
			written(&x);
	}
	const char *text = written(&x);
	assert_memory_equal(text, "line 0 of it\nline 1 of it\n", 26);
	assert_string_equal(text + strlen(text) - 15, "line 9999 of it");
	const char *middle = strstr(text, " lines left out)\n");
	assert_non_null(middle);
	/* What was kept and what was dropped is all of it. */
	unsigned long long kept = 0;
	for (const char *p = text; (p = strstr(p, "line ")) != NULL; p++)
		kept++;
	assert_int_equal(x.lines, 10000);
	assert_int_equal(kept + x.dropped, 10000);
	assert_true(out.len > ERROR_LOG_MAX * 8 / 10);
	excerpt_release(&x);
}

static void no_message_takes_it_all(void **state)
{
	(void)state;
	struct excerpt x;
	char *large = malloc(100000);
	excerpt_init(&x);
	excerpt_add(&x, "first", 5);
	for (int round = 0; round < 20; round++) {
		/* Characters of two bytes at either parity. */
		for (size_t i = 0; i + 1 < 100000; i += 2)
			memcpy(large + i, "\xc3\xa4", 2);
		excerpt_add(&x, large, 99998);
		excerpt_add(&x, "x\xc3\xa4", 3);
		large[0] = 'y';
		large[1] = 'y';
		excerpt_add(&x, large + 1, 99997);
	}
	excerpt_add(&x, "last", 4);
	const char *text = written(&x);
	assert_true(text_is_utf8(text, out.len));
	assert_memory_equal(text, "first\n", 6);
	assert_string_equal(text + out.len - 5, "\nlast");
	excerpt_release(&x);
	free(large);
}

/* A cause that fits stays before what does not. */
static void order_is_kept(void **state)
{
	(void)state;
	struct excerpt x;
	char line[3000];
	excerpt_init(&x);
	memset(line, 'a', sizeof(line));
	excerpt_add(&x, line, 2000);
	memset(line, 'b', sizeof(line));
	excerpt_add(&x, line, 2400); /* not into the head any more */
	excerpt_add(&x, "c", 1);     /* would fit, but comes later */
	const char *text = written(&x);
	assert_int_equal(strspn(text, "a"), 2000);
	assert_string_equal(text + out.len - 2, "\nc");
	excerpt_release(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(short_stories_are_whole),
	    cmocka_unit_test(long_stories_keep_both_ends),
	    cmocka_unit_test(no_message_takes_it_all),
	    cmocka_unit_test(order_is_kept),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_release(&out);
	return failed;
}
