/*
 * What the fuzzers share. Each fuzz_*.c is a program of its own, linked with
 * libFuzzer: it gives one input to one part of the agent and looks at what the
 * part promises; the sanitizers look at the rest.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "base/buf.h"
#include <stddef.h>
#include <stdint.h>

/* A promise that was broken ends the program, and the input is kept. */
#define FUZZ_HOLDS(what)                  \
	do {                              \
		if (!(what))              \
			__builtin_trap(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* The input as a text with its NUL; free it. */
char *fuzz_text(const uint8_t *data, size_t len);

#endif
