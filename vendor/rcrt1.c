/*
 * The start of a static program at any address, as musl's crt/rcrt1.c, with
 * two things that musl 1.2.3 leaves to a dynamic linker: relative relocations
 * in the packed form (DT_RELR, a bit instead of 24 bytes each), and what needs
 * no change after them becomes read-only (PT_GNU_RELRO). Built by musl's make.
 */
#define START "_start"
#define _dlstart_c _start_c
/* There is no thread yet, where i386 would look for the way into the kernel. */
#define SYSCALL_NO_TLS 1
#include "ldso/dlstart.c"
#include "syscall.h"
#include <sys/mman.h>

#ifndef DT_RELR
#define DT_RELRSZ 35
#define DT_RELR 36
#endif

int main();
weak void _init();
weak void _fini();
int __libc_start_main(
    int (*)(), int, char **, void (*)(), void (*)(), void (*)());

/* An even word is the address of a word to relocate; the bits of an odd one
 * stand for the words behind the last. */
static void relocate(unsigned char *base, const size_t *relr, size_t words)
{
	size_t *at = 0;

	for (; words > 0; words--, relr++) {
		if ((*relr & 1) == 0) {
			at = (size_t *)(base + *relr);
			*at++ += (size_t)base;
			continue;
		}
		for (size_t i = 0, bits = *relr >> 1; bits != 0;
		     i++, bits >>= 1)
			if ((bits & 1) != 0)
				at[i] += (size_t)base;
		at += 8 * sizeof(*at) - 1;
	}
}

static void relocate_packed(unsigned char *base)
{
	extern hidden const size_t _DYNAMIC[];
	const size_t *relr = 0;
	size_t size = 0;

	for (const size_t *tag = _DYNAMIC; *tag != 0; tag += 2) {
		if (*tag == DT_RELR)
			relr = (const size_t *)(base + tag[1]);
		else if (*tag == DT_RELRSZ)
			size = tag[1];
	}
	relocate(base, relr, size / sizeof(*relr));
}

/* A kernel whose pages are larger than the linker thought protects less. */
static void protect(unsigned char *base, const size_t *aux)
{
	const Phdr *header = (const Phdr *)aux[AT_PHDR];
	size_t page = aux[AT_PAGESZ];

	for (size_t n = aux[AT_PHNUM]; n > 0; n--) {
		if (header->p_type == PT_GNU_RELRO) {
			size_t from = header->p_vaddr & -page;
			size_t to = (header->p_vaddr + header->p_memsz) & -page;
			__syscall(
			    SYS_mprotect, base + from, to - from, PROT_READ);
		}
		header = (const Phdr *)((const char *)header + aux[AT_PHENT]);
	}
}

/* Called when the relocations of the usual form are done. */
hidden void __dls2(unsigned char *base, size_t *sp)
{
	size_t aux[AUX_CNT] = {0};
	size_t *word = sp + 1 + *sp + 1;

	while (*word++ != 0)
		;
	for (; *word != 0; word += 2)
		if (*word < AUX_CNT)
			aux[*word] = word[1];
	relocate_packed(base);
	protect(base, aux);
	__libc_start_main(main, *sp, (void *)(sp + 1), _init, _fini, 0);
}
