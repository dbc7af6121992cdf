/*
 * The reader of ELF headers. Every offset is checked against the file's
 * length before it is used, in numbers that cannot overflow; lists are walked
 * up to a cap. The dynamic section is read by the program headers, as the
 * loader does it: section headers may be missing or lie.
 */
#include "bbs/elf.h"
#include "base/limits.h"
#include "base/text.h"
#include <elf.h>
#include <stdio.h>
#include <string.h>

#ifndef EM_RISCV
#define EM_RISCV 243
#endif

struct reader {
	const unsigned char *bytes;
	size_t len;
	int bits;
	bool big;
	/* program headers */
	uint64_t headers;
	unsigned count, size;
};

static const struct {
	const char *host; /* what uname begins with */
	uint16_t machine;
	int bits;
	bool big;
} machines[] = {
    {"x86_64", EM_X86_64, 64, false},
    {"aarch64", EM_AARCH64, 64, false},
    {"i386", EM_386, 32, false},
    {"i486", EM_386, 32, false},
    {"i586", EM_386, 32, false},
    {"i686", EM_386, 32, false},
    {"armv", EM_ARM, 32, false},
    {"ppc64le", EM_PPC64, 64, false},
    {"riscv64", EM_RISCV, 64, false},
    {"s390x", EM_S390, 64, true},
};

/* `size` bytes at `at` as a number; false when they are not there. */
static bool read_number(
    const struct reader *r, uint64_t at, unsigned size, uint64_t *value)
{
	uint64_t v = 0;

	if (at > r->len || r->len - at < size)
		return false;
	for (unsigned i = 0; i < size; i++) {
		unsigned from = r->big ? i : size - 1 - i;
		v = v << 8 | r->bytes[at + from];
	}
	*value = v;
	return true;
}

/* A field that is 4 bytes in 32-bit files and 8 in the others. */
static bool read_word(const struct reader *r, uint64_t at, uint64_t *value)
{
	return read_number(r, at, r->bits / 8, value);
}

/* The text at `at`, which must end before the file and the limit do. */
static const char *read_text(const struct reader *r, uint64_t at, size_t max)
{
	if (at >= r->len)
		return NULL;
	const char *text = (const char *)r->bytes + at;
	size_t room = r->len - at < max ? r->len - (size_t)at : max;
	return memchr(text, '\0', room) != NULL ? text : NULL;
}

struct segment {
	uint64_t type, offset, address, size;
};

static bool read_segment(const struct reader *r, unsigned i, struct segment *s)
{
	uint64_t at = r->headers + (uint64_t)i * r->size;
	bool wide = r->bits == 64;

	return read_number(r, at, 4, &s->type) &&
	       read_word(r, at + (wide ? 8 : 4), &s->offset) &&
	       read_word(r, at + (wide ? 16 : 8), &s->address) &&
	       read_word(r, at + (wide ? 32 : 16), &s->size);
}

/* Where in the file lies what is at this address in memory? */
static bool find_address(
    const struct reader *r, uint64_t address, uint64_t *offset)
{
	struct segment s;

	for (unsigned i = 0; i < r->count; i++) {
		if (!read_segment(r, i, &s) || s.type != PT_LOAD ||
		    address < s.address || address - s.address >= s.size)
			continue;
		if (s.offset > r->len)
			return false;
		*offset = s.offset + (address - s.address);
		return *offset < r->len;
	}
	return false;
}

/* "GLIBC_2.28": 2028; 0 for other names. */
static int glibc_of(const char *name)
{
	int minor = 0;

	/* The name of a relocation format that came with 2.36. */
	if (strcmp(name, "GLIBC_ABI_DT_RELR") == 0)
		return 2036;
	if (!text_starts(name, "GLIBC_2."))
		return 0;
	for (name += 8; *name >= '0' && *name <= '9' && minor < 100; name++)
		minor = minor * 10 + (*name - '0');
	return 2000 + minor;
}

/* The versions that are needed of one library, `count` entries from `at`. */
static void read_versions(const struct reader *r, struct elf *e, uint64_t at,
    uint64_t count, uint64_t texts)
{
	for (unsigned i = 0; i < count && i < ELF_VERSIONS_MAX; i++) {
		uint64_t name, next;
		const char *text;
		if (!read_number(r, at + 8, 4, &name) ||
		    !read_number(r, at + 12, 4, &next))
			return;
		text = read_text(r, texts + name, 64);
		int version = text != NULL ? glibc_of(text) : 0;
		if (version > e->glibc)
			e->glibc = version;
		if (next == 0)
			return;
		at += next;
	}
}

/* The list of libraries with needed versions (.gnu.version_r). */
static void read_needs(const struct reader *r, struct elf *e, uint64_t at,
    uint64_t count, uint64_t texts)
{
	for (unsigned i = 0; i < count && i < ELF_VERSIONS_MAX; i++) {
		uint64_t versions, first, next;
		if (!read_number(r, at + 2, 2, &versions) ||
		    !read_number(r, at + 8, 4, &first) ||
		    !read_number(r, at + 12, 4, &next))
			return;
		read_versions(r, e, at + first, versions, texts);
		if (next == 0)
			return;
		at += next;
	}
}

static void read_dynamic(
    const struct reader *r, struct elf *e, const struct segment *dynamic)
{
	uint64_t needs = 0, count = 0, texts = 0, tag, value;
	unsigned word = (unsigned)r->bits / 8;
	uint64_t entries = dynamic->size / (2u * word);

	for (uint64_t i = 0; i < entries && i < ELF_DYNAMIC_MAX; i++) {
		uint64_t at = dynamic->offset + i * 2 * word;
		if (dynamic->offset > r->len || !read_word(r, at, &tag) ||
		    !read_word(r, at + word, &value) || tag == DT_NULL)
			break;
		if (tag == DT_STRTAB)
			texts = value;
		else if (tag == DT_VERNEED)
			needs = value;
		else if (tag == DT_VERNEEDNUM)
			count = value;
	}
	if (needs != 0 && find_address(r, needs, &needs) &&
	    find_address(r, texts, &texts))
		read_needs(r, e, needs, count, texts);
}

static int read_segments(const struct reader *r, struct elf *e, struct buf *why)
{
	struct segment s;

	for (unsigned i = 0; i < r->count; i++) {
		if (!read_segment(r, i, &s)) {
			buf_adds(why, "it is broken: its headers lie beyond "
				      "its end");
			return -1;
		}
		if (s.type == PT_LOAD &&
		    (s.offset > r->len || r->len - s.offset < s.size)) {
			buf_adds(why, "it is cut short: parts of the program "
				      "are missing");
			return -1;
		}
		if (s.type == PT_DYNAMIC)
			read_dynamic(r, e, &s);
		if (s.type != PT_INTERP)
			continue;
		const char *loader = read_text(r, s.offset, ELF_LOADER_MAX + 1);
		if (loader == NULL || loader[0] != '/') {
			buf_adds(why, "it is broken: it names no loader");
			return -1;
		}
		text_copy(e->loader, sizeof(e->loader), loader);
	}
	return 0;
}

/* What is it, if it is no program? */
static int say_other(const unsigned char *bytes, size_t len, struct buf *why)
{
	if (len >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b) {
		buf_adds(why, "it is a compressed archive, and only a single "
			      "program can be installed");
		return -1;
	}
	buf_adds(why, "it is no program: it begins \"");
	text_add_escaped(why, (const char *)bytes, len < 40 ? len : 40);
	buf_adds(why, "\"");
	return -1;
}

int elf_read(struct elf *e, const void *bytes, size_t len, struct buf *why)
{
	struct reader r = {.bytes = bytes, .len = len};
	uint64_t type, machine, count, size;

	memset(e, 0, sizeof(*e));
	if (len < EI_NIDENT || memcmp(bytes, ELFMAG, SELFMAG) != 0)
		return say_other(bytes, len, why);
	r.bits = r.bytes[EI_CLASS] == ELFCLASS64 ? 64 : 32;
	r.big = r.bytes[EI_DATA] == ELFDATA2MSB;
	bool wide = r.bits == 64;
	if ((r.bytes[EI_CLASS] != ELFCLASS32 && !wide) ||
	    (r.bytes[EI_DATA] != ELFDATA2LSB && !r.big) ||
	    !read_number(&r, 16, 2, &type) ||
	    !read_number(&r, 18, 2, &machine) ||
	    !read_word(&r, wide ? 32 : 28, &r.headers) ||
	    !read_number(&r, wide ? 54 : 42, 2, &size) ||
	    !read_number(&r, wide ? 56 : 44, 2, &count)) {
		buf_adds(why, "it is broken: its head is not that of a "
			      "program");
		return -1;
	}
	e->bits = r.bits;
	e->big = r.big;
	e->machine = (uint16_t)machine;
	r.count = (unsigned)count;
	r.size = (unsigned)size;
	if ((type != ET_EXEC && type != ET_DYN) || r.count == 0 ||
	    r.size < (wide ? 56u : 32u) || r.headers > len) {
		buf_adds(why, "it is an ELF file, but no program");
		return -1;
	}
	return read_segments(&r, e, why);
}

void elf_machine(char *dst, size_t size, const struct elf *e)
{
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		if (machines[i].machine == e->machine &&
		    machines[i].bits == e->bits && machines[i].big == e->big) {
			bool arm = e->machine == EM_ARM;
			text_copy(dst, size, arm ? "arm" : machines[i].host);
			return;
		}
	}
	snprintf(
	    dst, size, "machine %u (%d bits)", (unsigned)e->machine, e->bits);
}

bool elf_suits(const struct elf *e, const char *host, const struct elf *own)
{
	if (own != NULL && own->machine == e->machine && own->bits == e->bits &&
	    own->big == e->big)
		return true;
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		if (text_starts(host, machines[i].host) &&
		    machines[i].machine == e->machine &&
		    machines[i].bits == e->bits && machines[i].big == e->big)
			return true;
	}
	return false;
}

int elf_glibc_named(const char *name)
{
	const char *p = strstr(name, "glibc2");
	int minor = 0, digits = 0;

	if (p == NULL)
		return 0;
	for (p += 6; *p >= '0' && *p <= '9' && digits < 3; p++, digits++)
		minor = minor * 10 + (*p - '0');
	return digits == 2 ? 2000 + minor : 0;
}
