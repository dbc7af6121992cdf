/* The headers of a program that the server calls a borg. */
#include "bbs/elf.h"
#include "fuzz.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct elf e;
	struct buf why = BUF_INIT(4096);
	char machine[40];
	/* A copy of its own size, so that a byte too far is seen. */
	void *bytes = malloc(len > 0 ? len : 1);
	FUZZ_HOLDS(bytes != NULL);
	memcpy(bytes, data, len);
	if (elf_read(&e, bytes, len, &why) == 0) {
		FUZZ_HOLDS(e.bits == 32 || e.bits == 64);
		FUZZ_HOLDS(strlen(e.loader) <= ELF_LOADER_MAX);
		elf_machine(machine, sizeof(machine), &e);
		elf_suits(&e, "x86_64", NULL);
	} else {
		FUZZ_HOLDS(why.len > 0);
	}
	free(bytes);
	buf_release(&why);
	return 0;
}
