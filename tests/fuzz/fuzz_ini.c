/* config.ini: any bytes give a configuration or a sentence with a line. */
#include "base/limits.h"
#include "bbs/config.h"
#include "fuzz.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct config c;
	struct buf warnings = BUF_INIT(MIB), why = BUF_INIT(64 * KIB);
	FUZZ_HOLDS(config_init(&c) == 0);
	int rc = config_parse(
	    &c, "config.ini", (const char *)data, len, &warnings, &why);
	FUZZ_HOLDS((rc == 0) == (why.len == 0));
	FUZZ_HOLDS(memchr(buf_str(&why), '\n', why.len) == NULL);
	FUZZ_HOLDS(c.poll_interval >= 1 && c.poll_interval <= 3600);
	FUZZ_HOLDS(c.pin_count >= 0 && c.pin_count <= 2);
	config_release(&c);
	buf_release(&warnings);
	buf_release(&why);
	return 0;
}
