/* See fuzz.h. */
#include "fuzz.h"
#include <stdlib.h>
#include <string.h>

char *fuzz_text(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);
	FUZZ_HOLDS(text != NULL);
	memcpy(text, data, len);
	text[len] = '\0';
	return text;
}
