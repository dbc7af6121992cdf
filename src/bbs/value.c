/*
 * Readers of the single values of config.ini that are more than a text or a
 * number. Pure: a value in, a typed result or -1 out.
 */
#include "bbs/value.h"
#include "base/digits.h"
#include "base/text.h"
#include <string.h>
#include <strings.h>

int value_bool(const char *value, bool *out)
{
	static const char *const yes[] = {"yes", "true", "on", "1"};
	static const char *const no[] = {"no", "false", "off", "0"};
	for (size_t i = 0; i < 4; i++) {
		if (strcasecmp(value, yes[i]) == 0) {
			*out = true;
			return 0;
		}
		if (strcasecmp(value, no[i]) == 0) {
			*out = false;
			return 0;
		}
	}
	return -1;
}

int value_word(const char *value, const char *const *words)
{
	for (int i = 0; words[i] != NULL; i++) {
		if (strcasecmp(value, words[i]) == 0)
			return i;
	}
	return -1;
}

int value_level(const char *value, enum log_level *out)
{
	static const char *const words[] = {
	    "ERROR", "WARNING", "INFO", "DEBUG", "WARN", "CRITICAL", NULL};
	static const enum log_level levels[] = {LOG_LEVEL_ERROR,
	    LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG,
	    LOG_LEVEL_WARNING, LOG_LEVEL_ERROR};
	int i = value_word(value, words);
	if (i < 0)
		return -1;
	*out = levels[i];
	return 0;
}

static int parse_pin_hex(const char *s, uint8_t out[32])
{
	for (int i = 0; i < 32; i++) {
		int high = digits_hex(s[2 * i]), low = digits_hex(s[2 * i + 1]);
		if (high < 0 || low < 0)
			return -1;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

static int parse_pin_base64(const char *s, uint8_t out[32])
{
	struct buf bytes = BUF_INIT(32);
	int rc = digits_add_base64(&bytes, s, 43);
	if (bytes.len != 32)
		rc = -1;
	if (rc == 0)
		memcpy(out, bytes.data, 32);
	buf_release(&bytes);
	return rc;
}

int value_pins(const char *value, uint8_t pins[2][32], int *count)
{
	char copy[256];
	if (strlen(value) >= sizeof(copy))
		return -1;
	text_copy(copy, sizeof(copy), value);
	*count = 0;
	char *rest = NULL;
	for (char *word = strtok_r(copy, " ,\t\n", &rest); word != NULL;
	     word = strtok_r(NULL, " ,\t\n", &rest)) {
		if (text_starts(word, "sha256//"))
			word += strlen("sha256//");
		size_t len = strlen(word);
		if (*count == 2)
			return -1;
		uint8_t *pin = pins[*count];
		bool base64 = len == 43 || (len == 44 && word[43] == '=');
		if (!(len == 64 && parse_pin_hex(word, pin) == 0) &&
		    !(base64 && parse_pin_base64(word, pin) == 0))
			return -1;
		(*count)++;
	}
	return *count > 0 ? 0 : -1;
}
