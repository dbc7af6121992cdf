/*
 * What an ELF program says of itself, before it is run: for which machine it
 * is, which loader it asks for, which glibc it needs. Pure; the bytes may be
 * anybody's.
 */
#ifndef BBS_ELF_H
#define BBS_ELF_H

#include "base/buf.h"
#include <stdint.h>

#define ELF_LOADER_MAX 255

struct elf {
	int bits;			 /* 32 or 64 */
	bool big;			 /* big-endian */
	uint16_t machine;		 /* EM_… */
	char loader[ELF_LOADER_MAX + 1]; /* "": it needs none, it is static */
	int glibc; /* the newest version it needs: 2028 is 2.28; 0: none */
};

/* Reads the headers of the program in bytes. 0; -1 with a fragment in why
 * ("it is no program: it begins …"). */
int elf_read(struct elf *e, const void *bytes, size_t len, struct buf *why);
/* "x86_64" and the like, for sentences; "machine 62" when not known. */
void elf_machine(char *dst, size_t size, const struct elf *e);
/* Does the host run programs of that kind? `host` is uname's machine, `own`
 * our own program's headers (NULL: not known). */
bool elf_suits(const struct elf *e, const char *host, const struct elf *own);
/* The glibc that a file's name speaks of: "borg-linux-glibc228-x86_64" needs
 * 2028; 0 when it speaks of none. A program that unpacks others cannot be
 * asked in any other way. */
int elf_glibc_named(const char *name);

#endif
