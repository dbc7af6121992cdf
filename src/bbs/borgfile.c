/*
 * What a new borg must be before it is tried: as large as a borg, a program
 * for this machine and its C library, and what SHA256SUMS says where there
 * is one.
 */
#include "bbs/borgfile.h"
#include "base/limits.h"
#include "bbs/elf.h"
#include "bbs/glibc.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

const char *borgfile_name(const char *url, size_t *len)
{
	size_t path = strcspn(url, "?#"), at = path;
	while (at > 0 && url[at - 1] != '/')
		at--;
	*len = path - at;
	return url + at;
}

/* The headers of our own program, for comparison. */
static bool read_own(struct elf *own)
{
	struct buf why = BUF_INIT(KIB);
	struct stat st;
	bool found = false;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && st.st_size > 0) {
		size_t len = (size_t)st.st_size;
		void *map = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
		if (map != MAP_FAILED) {
			found = elf_read(own, map, len, &why) == 0;
			munmap(map, len);
		}
	}
	close(fd);
	buf_release(&why);
	return found;
}

static int check_glibc(const struct elf *e, const char *name, struct buf *why)
{
	int named = e->loader[0] != '\0' ? elf_glibc_named(name) : 0;
	int need = named > e->glibc ? named : e->glibc;
	int have = need > 0 ? glibc_host() : 0;
	if (need <= have)
		return 0;
	buf_addf(why, "this borg needs glibc %d.%d, this host has ",
	    need / 1000, need % 1000);
	if (have == 0)
		buf_adds(why, "none");
	else
		buf_addf(why, "%d.%d", have / 1000, have % 1000);
	return -1;
}

static int check_headers(
    const void *bytes, size_t len, const char *name, struct buf *why)
{
	struct elf e, own;
	struct utsname u;
	char machine[40];
	struct buf wrong = BUF_INIT(KIB);
	int rc = -1;
	memset(&u, 0, sizeof(u));
	uname(&u);
	bool known = read_own(&own);
	if (elf_read(&e, bytes, len, &wrong) != 0) {
		buf_addf(why, "what came is no borg: %s", buf_str(&wrong));
	} else if (!elf_suits(&e, u.machine, known ? &own : NULL)) {
		elf_machine(machine, sizeof(machine), &e);
		buf_addf(why, "this borg is made for %s, this host is %s",
		    machine, u.machine);
	} else if (e.loader[0] != '\0' && access(e.loader, X_OK) != 0) {
		buf_addf(why,
		    "this borg needs the loader %s, which this host does not "
		    "have: it is made for another C library",
		    e.loader);
	} else {
		rc = check_glibc(&e, name, why);
	}
	buf_release(&wrong);
	return rc;
}

int borgfile_check(int fd, const char *url, struct buf *why)
{
	struct stat st;
	size_t len;
	const char *name = borgfile_name(url, &len);
	if (fstat(fd, &st) != 0 || st.st_size <= 0) {
		buf_adds(why, "what came is empty");
		return -1;
	}
	void *map =
	    mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED) {
		buf_addf(why, "cannot read what was downloaded: %s",
		    strerror(errno));
		return -1;
	}
	int rc = check_headers(map, (size_t)st.st_size, name, why);
	munmap(map, (size_t)st.st_size);
	if (rc == 0 && st.st_size < (off_t)DOWNLOAD_LEAST) {
		buf_addf(why,
		    "what came is no borg: it has only %lld bytes, and a borg "
		    "has over 1 MiB",
		    (long long)st.st_size);
		rc = -1;
	}
	return rc;
}

enum borgfile_sum borgfile_sum(int fd, const char *url, const char *sums,
    char hex[HASH_HEX], struct buf *why)
{
	char name[256], want[HASH_HEX];
	size_t len;
	const char *last = borgfile_name(url, &len);
	snprintf(name, sizeof(name), "%.*s", (int)len, last);
	if (hash_file(fd, hex) != 0) {
		buf_addf(why, "cannot read what was downloaded: %s",
		    strerror(errno));
		return BORGFILE_WRONG;
	}
	if (hash_find(sums, name, want) == 0)
		return BORGFILE_UNKNOWN;
	if (strcmp(want, hex) == 0)
		return BORGFILE_SAME;
	buf_addf(why,
	    "%s is not what SHA256SUMS says: it has %s, and %s is right. It "
	    "was not run",
	    name, hex, want);
	return BORGFILE_WRONG;
}
