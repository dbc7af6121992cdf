/*
 * ELF headers: made by hand for both classes and byte orders, taken from this
 * very program, cut at every length and spoiled at every place. Copies are
 * exactly as long as they claim, so that a read beyond their end shows.
 */
#include "base/file.h"
#include "base/limits.h"
#include "bbs/elf.h"
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IMAGE 1024

struct image {
	unsigned char bytes[IMAGE];
	int bits;
	bool big;
};

static void put(struct image *m, size_t at, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++) {
		unsigned shift = 8 * (m->big ? size - 1 - i : i);
		m->bytes[at + i] = (unsigned char)(value >> shift);
	}
}

static void put_segment(struct image *m, int i, uint32_t type, uint64_t offset,
    uint64_t address, uint64_t size)
{
	bool wide = m->bits == 64;
	size_t at = 64 + (size_t)i * (wide ? 56 : 32);
	unsigned word = wide ? 8 : 4;
	put(m, at, 4, type);
	put(m, at + (wide ? 8 : 4), word, offset);
	put(m, at + (wide ? 16 : 8), word, address);
	put(m, at + (wide ? 32 : 16), word, size);
}

static void put_tag(struct image *m, int i, uint64_t tag, uint64_t value)
{
	unsigned word = (unsigned)m->bits / 8;
	size_t at = 400 + (size_t)i * 2 * word;
	put(m, at, word, tag);
	put(m, at + word, word, value);
}

#define TEXTS "\0libc.so.6\0GLIBC_2.4\0GLIBC_2.28\0GLIBC_PRIVATE\0FOO_2.99\0"

/* A program at address 0x10000 that needs glibc 2.28. */
static void make(struct image *m, int bits, bool big, unsigned machine)
{
	bool wide = bits == 64;
	memset(m, 0, sizeof(*m));
	m->bits = bits;
	m->big = big;
	memcpy(m->bytes, ELFMAG, SELFMAG);
	m->bytes[EI_CLASS] = wide ? ELFCLASS64 : ELFCLASS32;
	m->bytes[EI_DATA] = big ? ELFDATA2MSB : ELFDATA2LSB;
	put(m, 16, 2, ET_EXEC);
	put(m, 18, 2, machine);
	put(m, wide ? 32 : 28, wide ? 8 : 4, 64);
	put(m, wide ? 54 : 42, 2, wide ? 56 : 32);
	put(m, wide ? 56 : 44, 2, 3);
	put_segment(m, 0, PT_INTERP, 300, 0x10000 + 300, 20);
	put_segment(m, 1, PT_LOAD, 0, 0x10000, IMAGE);
	put_segment(m, 2, PT_DYNAMIC, 400, 0x10000 + 400, 200);
	memcpy(m->bytes + 300, "/lib/ld-test.so.1", 18);
	put_tag(m, 0, DT_STRTAB, 0x10000 + 700);
	put_tag(m, 1, DT_VERNEED, 0x10000 + 600);
	put_tag(m, 2, DT_VERNEEDNUM, 1);
	memcpy(m->bytes + 700, TEXTS, sizeof(TEXTS));
	put(m, 602, 2, 4);  /* versions */
	put(m, 608, 4, 16); /* the first */
	static const unsigned names[] = {11, 21, 32, 46};
	for (unsigned i = 0; i < 4; i++) {
		put(m, 616 + i * 16 + 8, 4, names[i]);
		put(m, 616 + i * 16 + 12, 4, i < 3 ? 16 : 0);
	}
}

/* Reads a copy that is exactly as long. */
static int read_copy(
    struct elf *e, const unsigned char *bytes, size_t len, struct buf *why)
{
	unsigned char *copy = malloc(len > 0 ? len : 1);
	assert_non_null(copy);
	memcpy(copy, bytes, len);
	int rc = elf_read(e, copy, len, why);
	free(copy);
	return rc;
}

static void every_kind(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct image m;
		struct elf e;
		struct buf why = BUF_INIT(KIB);
		int bits = i & 1 ? 64 : 32;
		bool big = (i & 2) != 0;
		make(&m, bits, big, EM_ARM);
		assert_int_equal(read_copy(&e, m.bytes, IMAGE, &why), 0);
		assert_int_equal(e.bits, bits);
		assert_true(e.big == big);
		assert_int_equal(e.machine, EM_ARM);
		assert_string_equal(e.loader, "/lib/ld-test.so.1");
		assert_int_equal(e.glibc, 2028);
		buf_release(&why);
	}
}

static void refuse(const void *bytes, size_t len, const char *reason)
{
	struct elf e;
	struct buf why = BUF_INIT(KIB);
	assert_int_equal(read_copy(&e, bytes, len, &why), -1);
	if (strstr(buf_str(&why), reason) == NULL)
		fail_msg("%s, and not %s", buf_str(&why), reason);
	buf_release(&why);
}

static void others(void **state)
{
	(void)state;
	struct image m;
	refuse("", 0, "it begins \"\"");
	refuse("<html>", 6, "it begins \"<html>\"");
	refuse("\x1f\x8b\x08\x00", 4, "archive");
	make(&m, 64, false, EM_X86_64);
	put(&m, 16, 2, ET_REL);
	refuse(m.bytes, IMAGE, "no program");
	make(&m, 64, false, EM_X86_64);
	m.bytes[EI_CLASS] = 3;
	refuse(m.bytes, IMAGE, "broken");
	make(&m, 64, false, EM_X86_64);
	put_segment(&m, 1, PT_LOAD, 0, 0x10000, IMAGE + 1);
	refuse(m.bytes, IMAGE, "cut short");
	put_segment(&m, 1, PT_LOAD, UINT64_MAX, 0x10000, 2);
	refuse(m.bytes, IMAGE, "cut short");
	make(&m, 64, false, EM_X86_64);
	put_segment(&m, 0, PT_INTERP, UINT64_MAX - 1, 0, 20);
	refuse(m.bytes, IMAGE, "no loader");
	make(&m, 64, false, EM_X86_64);
	put(&m, 32, 8, UINT64_MAX - 8);
	refuse(m.bytes, IMAGE, "no program");
}

/* Whatever is done to it, nothing is read beyond its end. */
static void hostile(void **state)
{
	(void)state;
	unsigned seed = 1;
	for (int kind = 0; kind < 4; kind++) {
		struct image m;
		struct elf e;
		struct buf why = BUF_INIT(KIB);
		make(&m, kind & 1 ? 64 : 32, (kind & 2) != 0, EM_386);
		for (size_t len = 0; len < IMAGE; len++)
			read_copy(&e, m.bytes, len, &why);
		for (int round = 0; round < 20000; round++) {
			struct image bad = m;
			for (int n = 0; n < 3; n++) {
				seed = seed * 1103515245u + 12345u;
				size_t at = (seed >> 8) % IMAGE;
				bad.bytes[at] = (unsigned char)(seed >> 24);
			}
			buf_reset(&why);
			read_copy(&e, bad.bytes, IMAGE, &why);
			assert_true(strlen(e.loader) <= ELF_LOADER_MAX);
		}
		buf_release(&why);
	}
}

/* A list that leads back to itself ends. */
static void circles(void **state)
{
	(void)state;
	struct image m;
	struct elf e;
	struct buf why = BUF_INIT(KIB);
	make(&m, 64, false, EM_X86_64);
	put_tag(&m, 2, DT_VERNEEDNUM, UINT32_MAX);
	put(&m, 602, 2, UINT16_MAX);
	put(&m, 612, 4, 1);
	put(&m, 616 + 12, 4, 1);
	read_copy(&e, m.bytes, IMAGE, &why);
	buf_release(&why);
}

static void a_real_one(void **state)
{
	(void)state;
	struct buf bytes = BUF_INIT(64 * MIB), why = BUF_INIT(KIB);
	struct elf e;
	char machine[40];
	assert_int_equal(file_read("/proc/self/exe", &bytes), 0);
	assert_int_equal(
	    read_copy(&e, (unsigned char *)bytes.data, bytes.len, &why), 0);
	assert_int_equal(e.bits, 8 * sizeof(void *));
	assert_int_equal(e.loader[0], '/');
	assert_true(e.glibc >= 2002 && e.glibc < 2100);
	elf_machine(machine, sizeof(machine), &e);
	assert_true(strlen(machine) > 0);
	buf_release(&bytes);
	buf_release(&why);
}

static void hosts(void **state)
{
	(void)state;
	struct elf e = {.bits = 64, .machine = EM_X86_64};
	struct elf own = {.bits = 32, .machine = EM_386};
	char name[40];
	assert_true(elf_suits(&e, "x86_64", &own));
	assert_true(elf_suits(&own, "i686", NULL));
	assert_true(elf_suits(&own, "x86_64", &own));
	assert_false(elf_suits(&e, "aarch64", NULL));
	assert_false(elf_suits(&e, "i686", &own));
	e.bits = 32; /* x32 */
	assert_false(elf_suits(&e, "x86_64", &own));
	elf_machine(name, sizeof(name), &own);
	assert_string_equal(name, "i386");
	e.machine = 4711;
	elf_machine(name, sizeof(name), &e);
	assert_string_equal(name, "machine 4711 (32 bits)");
}

static void names(void **state)
{
	(void)state;
	assert_int_equal(elf_glibc_named("borg-linux-glibc228"), 2028);
	assert_int_equal(
	    elf_glibc_named("borg-linux-glibc235-x86_64-gh"), 2035);
	assert_int_equal(elf_glibc_named("borg-glibc25"), 0);
	assert_int_equal(elf_glibc_named("borg-glibc2288"), 0);
	assert_int_equal(elf_glibc_named("borg"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_kind),
	    cmocka_unit_test(others),
	    cmocka_unit_test(hostile),
	    cmocka_unit_test(circles),
	    cmocka_unit_test(a_real_one),
	    cmocka_unit_test(hosts),
	    cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
