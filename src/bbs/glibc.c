/*
 * The host's C library. A static binary has none of its own to ask, so the
 * files of glibc are read where distributions put them, and only one made
 * for our own machine type counts (a 64 bit host may carry a 32 bit glibc).
 */
#include "bbs/glibc.h"
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The largest libc.so.6 seen is 2.5 MB; debug builds are larger. */
#define LIBC_FILE_MAX (64 * 1024 * 1024)

/* file in dir; or in each directory of dir whose name has `has` in it; or,
 * without file, each file of dir whose name has it. */
static const struct place {
	const char *dir, *has, *file;
} places[] = {
    {"/lib64", NULL, "libc.so.6"},
    {"/usr/lib64", NULL, "libc.so.6"},
    {"/lib", "-linux-gnu", "libc.so.6"},
    {"/usr/lib", "-linux-gnu", "libc.so.6"},
    {"/lib", NULL, "libc.so.6"},
    {"/usr/lib", NULL, "libc.so.6"},
    {"/lib32", NULL, "libc.so.6"},
    {"/lib64", "ld-linux", NULL},
    {"/lib", "ld-linux", NULL},
    {"/lib64", "ld64.so", NULL},
    {"/lib", NULL, "ld.so.1"},
};

static int read_number(const char **p, const char *end)
{
	int n = -1;
	while (*p < end && **p >= '0' && **p <= '9' && n < 100) {
		n = (n < 0 ? 0 : n) * 10 + (**p - '0');
		(*p)++;
	}
	return n;
}

/* A version "2.36" at p: 2036, else 0. */
static int read_version(const char *p, const char *end)
{
	int major = read_number(&p, end);
	if (major != 2 || p == end || *p != '.')
		return 0;
	p++;
	int minor = read_number(&p, end);
	return minor < 0 ? 0 : major * 1000 + minor;
}

int glibc_scan(const char *bytes, size_t len)
{
	static const char banner[] = "release version ";
	static const char symbol[] = "GLIBC_2.";
	const char *end = bytes + len;
	const char *p = memmem(bytes, len, banner, sizeof(banner) - 1);
	if (p != NULL) {
		int version = read_version(p + sizeof(banner) - 1, end);
		if (version != 0)
			return version;
	}
	int newest = 0;
	for (p = bytes;
	     (p = memmem(p, (size_t)(end - p), symbol, sizeof(symbol) - 1));
	     p++) {
		int version = read_version(p + strlen("GLIBC_"), end);
		if (version > newest)
			newest = version;
	}
	return newest;
}

/* Class, byte order and machine of an ELF file, as one number; 0: no ELF. */
static unsigned elf_kind(const unsigned char *head, size_t len)
{
	if (len < 20 || memcmp(head, ELFMAG, SELFMAG) != 0)
		return 0;
	return (unsigned)head[EI_CLASS] << 24 | (unsigned)head[EI_DATA] << 16 |
	       (unsigned)head[18] << 8 | (unsigned)head[19];
}

static unsigned own_kind(void)
{
	unsigned char head[20];
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, head, sizeof(head));
	close(fd);
	return n > 0 ? elf_kind(head, (size_t)n) : 0;
}

static int scan_file(const char *path, unsigned kind)
{
	int version = 0;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= 20 &&
	    st.st_size <= LIBC_FILE_MAX) {
		size_t len = (size_t)st.st_size;
		void *map = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
		if (map != MAP_FAILED) {
			unsigned found = elf_kind(map, len);
			if (found != 0 && (kind == 0 || found == kind))
				version = glibc_scan(map, len);
			munmap(map, len);
		}
	}
	close(fd);
	return version;
}

static int scan_place(const struct place *place, unsigned kind)
{
	char path[PATH_MAX];
	int version = 0;
	struct dirent *e;
	if (place->has == NULL) {
		snprintf(path, sizeof(path), "%s/%s", place->dir, place->file);
		return scan_file(path, kind);
	}
	DIR *d = opendir(place->dir);
	while (d != NULL && version == 0 && (e = readdir(d)) != NULL) {
		if (strstr(e->d_name, place->has) == NULL)
			continue;
		int n = snprintf(path, sizeof(path), "%s/%s%s%s", place->dir,
		    e->d_name, place->file != NULL ? "/" : "",
		    place->file != NULL ? place->file : "");
		if (n > 0 && (size_t)n < sizeof(path))
			version = scan_file(path, kind);
	}
	if (d != NULL)
		closedir(d);
	return version;
}

int glibc_host(void)
{
	unsigned kind = own_kind();
	int version = 0;
	for (size_t i = 0;
	     i < sizeof(places) / sizeof(places[0]) && version == 0; i++)
		version = scan_place(&places[i], kind);
	return version;
}

void glibc_version(char *dst, size_t size)
{
	int version = glibc_host();
	if (version == 0)
		snprintf(dst, size, "glibc0");
	else
		snprintf(
		    dst, size, "glibc%d%d", version / 1000, version % 1000);
}
