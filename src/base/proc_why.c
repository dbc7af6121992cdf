/*
 * The diagnosis of a failed execve(2). The kernel answers "No such file" for
 * a missing ELF interpreter or a script saved with CR LF as well; here the
 * file is looked at, and what is really missing is named.
 */
#include "base/proc_why.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

/* What is read of the file: the kernel looks at 256 bytes of a first line. */
#define START_MAX 4096

struct start {
	int fd;
	size_t len;
	char bytes[START_MAX + 1];
};

static const char *elf_machine(unsigned machine)
{
	static const struct {
		unsigned machine;
		const char *name;
	} known[] = {{EM_386, "i386"}, {EM_X86_64, "x86_64"}, {EM_ARM, "arm"},
	    {EM_AARCH64, "aarch64"}, {EM_MIPS, "mips"}, {EM_PPC, "ppc"},
	    {EM_PPC64, "ppc64"}, {EM_S390, "s390x"}, {EM_RISCV, "riscv"},
	    {EM_SPARCV9, "sparc64"}, {EM_68K, "m68k"}};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].machine == machine)
			return known[i].name;
	return "an unknown one";
}

static bool elf_is(const struct start *s)
{
	return s->len >= EI_NIDENT && memcmp(s->bytes, ELFMAG, SELFMAG) == 0;
}

/* The byte order that this program was built for. */
static bool elf_is_ours(const struct start *s)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return s->bytes[EI_DATA] == ELFDATA2LSB;
#else
	return s->bytes[EI_DATA] == ELFDATA2MSB;
#endif
}

static unsigned elf_machine_of(const struct start *s)
{
	unsigned char low = (unsigned char)s->bytes[18];
	unsigned char high = (unsigned char)s->bytes[19];
	if (s->bytes[EI_DATA] == ELFDATA2MSB)
		return (unsigned)low << 8 | high;
	return (unsigned)high << 8 | low;
}

/* The path in PT_INTERP, or false: none, or a file that is not whole. */
static bool elf_interpreter(const struct start *s, char *path, size_t size)
{
	Elf64_Ehdr e64;
	Elf32_Ehdr e32;
	bool wide = s->bytes[EI_CLASS] == ELFCLASS64;
	if (s->len < sizeof(e64) || !elf_is_ours(s))
		return false;
	memcpy(&e64, s->bytes, sizeof(e64));
	memcpy(&e32, s->bytes, sizeof(e32));
	uint64_t at = wide ? e64.e_phoff : e32.e_phoff;
	unsigned count = wide ? e64.e_phnum : e32.e_phnum;
	size_t each = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	for (unsigned i = 0; i < count && i < 64; i++, at += each) {
		Elf64_Phdr p64 = {0};
		Elf32_Phdr p32 = {0};
		void *to = wide ? (void *)&p64 : (void *)&p32;
		if (at > INT_MAX ||
		    pread(s->fd, to, each, (off_t)at) != (ssize_t)each)
			return false;
		if ((wide ? p64.p_type : p32.p_type) != PT_INTERP)
			continue;
		uint64_t from = wide ? p64.p_offset : p32.p_offset;
		uint64_t len = wide ? p64.p_filesz : p32.p_filesz;
		if (from > INT_MAX || len == 0 || len > size)
			return false;
		ssize_t n = pread(s->fd, path, (size_t)len, (off_t)from);
		return n == (ssize_t)len && path[len - 1] == '\0';
	}
	return false;
}

static void why_elf(struct buf *why, const struct start *s, int error)
{
	char interpreter[PATH_MAX];
	if (error == ENOEXEC) {
		struct utsname un = {0};
		uname(&un);
		buf_addf(why,
		    "it is a program for another machine (%s, %s bit; this "
		    "one is %s) or damaged",
		    elf_machine(elf_machine_of(s)),
		    s->bytes[EI_CLASS] == ELFCLASS64 ? "64" : "32", un.machine);
	} else if (elf_interpreter(s, interpreter, sizeof(interpreter)) &&
		   access(interpreter, F_OK) != 0) {
		buf_addf(why,
		    "its ELF interpreter %s does not exist: it was built for "
		    "another C library or system",
		    interpreter);
	} else {
		buf_adds(why, strerror(error));
	}
}

/* The first word behind #!, which the kernel wants as a path. */
static void why_script(struct buf *why, struct start *s, int error)
{
	char *line = s->bytes + 2;
	line[strcspn(line, "\n")] = '\0';
	line += strspn(line, " \t");
	line[strcspn(line, " \t")] = '\0';
	size_t len = strlen(line);
	bool cr = len > 0 && line[len - 1] == '\r';
	if (cr)
		line[len - 1] = '\0';
	if (line[0] == '\0')
		buf_adds(why, "its first line names no interpreter");
	else if (cr)
		buf_addf(why,
		    "its lines end in CR LF, so that its interpreter %s is "
		    "not found; save it with LF line ends",
		    line);
	else if (access(line, F_OK) != 0)
		buf_addf(why, "its interpreter %s does not exist", line);
	else if (access(line, X_OK) != 0)
		buf_addf(why, "its interpreter %s is not executable", line);
	else
		buf_adds(why, strerror(error));
}

static void why_content(struct buf *why, struct start *s, int error)
{
	ssize_t n = pread(s->fd, s->bytes, START_MAX, 0);
	s->len = n > 0 ? (size_t)n : 0;
	s->bytes[s->len] = '\0';
	if (n == 0)
		buf_adds(why, "it is empty");
	else if (n > 0 && elf_is(s))
		why_elf(why, s, error);
	else if (n > 1 && memcmp(s->bytes, "#!", 2) == 0)
		why_script(why, s, error);
	else if (n > 0 && error == ENOEXEC)
		buf_adds(why, "it is neither a program nor a script that "
			      "begins with #!");
	else
		buf_adds(why, strerror(error));
}

/* The first directory above path that is not there, or not to be entered. */
static bool why_parent(struct buf *why, const char *path)
{
	char dir[PATH_MAX];
	struct stat st;
	for (const char *at = strchr(path + 1, '/'); at != NULL;
	     at = strchr(at + 1, '/')) {
		size_t len = (size_t)(at - path);
		if (len >= sizeof(dir))
			return false;
		memcpy(dir, path, len);
		dir[len] = '\0';
		if (stat(dir, &st) != 0) {
			buf_addf(why, "the directory %s %s", dir,
			    errno == ENOENT ? "does not exist"
					    : strerror(errno));
			return true;
		}
		if (!S_ISDIR(st.st_mode)) {
			buf_addf(why, "%s is not a directory", dir);
			return true;
		}
		if (access(dir, X_OK) != 0) {
			buf_addf(why,
			    "the directory %s may not be entered by user %u "
			    "(its owner is %u, its mode %04o)",
			    dir, (unsigned)getuid(), (unsigned)st.st_uid,
			    (unsigned)st.st_mode & 07777);
			return true;
		}
	}
	return false;
}

static void why_missing(struct buf *why, const char *path, int error)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	if (error == ENOENT && n > 0) {
		target[n] = '\0';
		buf_addf(
		    why, "it is a link to %s, which does not exist", target);
	} else if (path[0] == '/' && why_parent(why, path)) {
		return;
	} else if (error == ENOENT) {
		buf_adds(why, "it does not exist");
	} else if (error == EACCES) {
		buf_adds(why, "a directory above it may not be entered");
	} else {
		buf_adds(why, strerror(error));
	}
}

void proc_why_failed(struct buf *why, const char *path)
{
	char line[256];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd >= 0 ? pread(fd, line, sizeof(line), 0) : -1;
	if (fd >= 0)
		close(fd);
	const char *end = n > 2 ? memchr(line, '\n', (size_t)n) : NULL;
	if (end != NULL && memcmp(line, "#!", 2) == 0 && end[-1] == '\r')
		buf_adds(why, " (its lines end in CR LF, save it with LF line "
			      "ends)");
}

void proc_why(struct buf *why, const char *path, int error)
{
	struct stat st;
	struct statvfs fs;
	if (stat(path, &st) != 0) {
		why_missing(why, path, errno);
		return;
	}
	if (!S_ISREG(st.st_mode)) {
		buf_adds(why, S_ISDIR(st.st_mode) ? "it is a directory"
						  : "it is not a file");
		return;
	}
	if (error == EACCES && access(path, X_OK) != 0 &&
	    (statvfs(path, &fs) != 0 || (fs.f_flag & ST_NOEXEC) == 0)) {
		buf_addf(why,
		    "it is not executable (mode %04o): chmod +x helps",
		    (unsigned)st.st_mode & 07777);
		return;
	}
	if (error == EACCES && statvfs(path, &fs) == 0 &&
	    (fs.f_flag & ST_NOEXEC) != 0) {
		buf_adds(why, "its file system is mounted noexec");
		return;
	}
	struct start s = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
	if (s.fd < 0) {
		buf_adds(why, strerror(error));
		return;
	}
	why_content(why, &s, error);
	close(s.fd);
}
