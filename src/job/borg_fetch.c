/*
 * The download of a new borg. The network process writes into a file that is
 * opened here, in a directory that only root can enter. What came must be as
 * large as a borg, be what SHA256SUMS says where there is one, and be a
 * program that this host can run by its headers.
 */
#include "job/borg_fetch.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "bbs/elf.h"
#include "bbs/glibc.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define TICK_MS 1000
/* The supervisor answers when a download's time is up; should it not: */
#define ANSWER_GRACE_MS 60000u

static void tell_size(struct short_job *s, int file)
{
	struct stat st;
	char size[TEXT_AMOUNT];
	if (fstat(file, &st) != 0)
		return;
	text_size(size, (uint64_t)st.st_size);
	snprintf(s->progress.message, sizeof(s->progress.message),
	    "Downloading borg: %s", size);
	s->progress.bytes_processed = st.st_size;
	worker_progress(s->worker, &s->progress);
}

/* Waits for the answer: 0, or -1 when none comes or the job is to stop. */
static int await(struct short_job *s, struct fetched *f, int file, bool tell)
{
	struct worker *w = s->worker;
	uint64_t now = clock_ms();
	uint64_t until = now + DOWNLOAD_TOTAL_MS + ANSWER_GRACE_MS;
	while (!f->answered && w->stop == STOP_NONE && now < until) {
		struct pollfd fds[2] = {
		    {w->signals, POLLIN, 0}, {w->link.sock, POLLIN, 0}};
		if (poll(fds, 2, TICK_MS) < 0 && errno != EINTR)
			break;
		worker_listen(w);
		if (tell)
			tell_size(s, file);
		now = clock_ms();
	}
	w->fetched = NULL;
	return f->answered ? 0 : -1;
}

static int download(struct short_job *s, const char *url, uint64_t most,
    int file, bool tell, struct fetched *f)
{
	if (worker_fetch(s->worker, url, most, file, f) == 0 &&
	    await(s, f, file, tell) == 0)
		return 0;
	short_fail(s, "the agent did not answer a request for a download");
	return -1;
}

/* The last part of the path, where it begins and how long it is. */
static const char *file_name(const char *url, size_t *len)
{
	size_t path = strcspn(url, "?#"), at = path;
	while (at > 0 && url[at - 1] != '/')
		at--;
	*len = path - at;
	return url + at;
}

/* SHA256SUMS beside the file: 0 with its text, which is empty when there is
 * none; -1 when nobody knows whether there is one. */
static int fetch_sums(
    struct short_job *s, const char *url, const char *dir, struct buf *sums)
{
	struct buf beside = BUF_INIT(URL_LINK_MAX);
	struct fetched f;
	size_t len;
	const char *name = file_name(url, &len);
	int rc = -1, file = file_unnamed(dir);
	buf_add(&beside, url, (size_t)(name - url));
	buf_adds(&beside, "SHA256SUMS");
	if (file < 0) {
		short_fail(s, "cannot write into %s: %s", dir, strerror(errno));
		goto out;
	}
	if (download(s, buf_str(&beside), CHECKSUMS_MAX, file, false, &f) != 0)
		goto out;
	if (f.done && lseek(file, 0, SEEK_SET) == 0)
		rc = file_read_fd(file, sums);
	else if (f.status >= 400 && f.status < 500)
		rc = 0;
	if (rc != 0)
		short_fail(s, "cannot read %s: %s", buf_str(&beside),
		    f.done ? strerror(errno) : f.text);
out:
	if (file >= 0)
		close(file);
	buf_release(&beside);
	return rc;
}

/* Compares what came with what SHA256SUMS says of it. */
static int check_sum(struct short_job *s, const char *url,
    const struct buf *sums, int fd, struct borg_file *file)
{
	char name[256], want[HASH_HEX];
	size_t len;
	const char *last = file_name(url, &len);
	snprintf(name, sizeof(name), "%.*s", (int)len, last);
	if (hash_file(fd, file->hex) != 0) {
		short_fail(
		    s, "cannot read what was downloaded: %s", strerror(errno));
		return -1;
	}
	if (hash_find(buf_str(sums), name, want) == 0) {
		worker_log(s->worker, "info",
		    "%s: the file is taken without a known checksum (it has "
		    "SHA-256 %s)",
		    sums->len > 0 ? "SHA256SUMS does not name it"
				  : "there is no SHA256SUMS beside it",
		    file->hex);
		return 0;
	}
	file->verified = strcmp(want, file->hex) == 0;
	if (file->verified)
		return 0;
	short_fail(s,
	    "%s is not what SHA256SUMS says: it has %s, and %s is right. It "
	    "was not run",
	    name, file->hex, want);
	return -1;
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

static int check_glibc(
    struct short_job *s, const struct elf *e, const char *name)
{
	int named = e->loader[0] != '\0' ? elf_glibc_named(name) : 0;
	int need = named > e->glibc ? named : e->glibc;
	int have = need > 0 ? glibc_host() : 0;
	if (need <= have)
		return 0;
	if (have == 0)
		short_fail(s, "this borg needs glibc %d.%d, this host has none",
		    need / 1000, need % 1000);
	else
		short_fail(s,
		    "this borg needs glibc %d.%d, this host has %d.%d",
		    need / 1000, need % 1000, have / 1000, have % 1000);
	return -1;
}

/* Can this host run it? name: as the server calls it. */
static int check_headers(
    struct short_job *s, const void *bytes, size_t len, const char *name)
{
	struct elf e, own;
	struct utsname u;
	char machine[40];
	struct buf why = BUF_INIT(KIB);
	int rc = -1;
	memset(&u, 0, sizeof(u));
	uname(&u);
	bool known = read_own(&own);
	if (elf_read(&e, bytes, len, &why) != 0) {
		short_fail(s, "what came is no borg: %s", buf_str(&why));
	} else if (!elf_suits(&e, u.machine, known ? &own : NULL)) {
		elf_machine(machine, sizeof(machine), &e);
		short_fail(s, "this borg is made for %s, this host is %s",
		    machine, u.machine);
	} else if (e.loader[0] != '\0' && access(e.loader, X_OK) != 0) {
		short_fail(s,
		    "this borg needs the loader %s, which this host does not "
		    "have: it is made for another C library",
		    e.loader);
	} else {
		rc = check_glibc(s, &e, name);
	}
	buf_release(&why);
	return rc;
}

static int check_program(struct short_job *s, const char *url, int fd)
{
	struct stat st;
	size_t len;
	const char *name = file_name(url, &len);
	if (fstat(fd, &st) != 0 || st.st_size <= 0) {
		short_fail(s, "what came is empty");
		return -1;
	}
	void *map =
	    mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED) {
		short_fail(
		    s, "cannot read what was downloaded: %s", strerror(errno));
		return -1;
	}
	int rc = check_headers(s, map, (size_t)st.st_size, name);
	munmap(map, (size_t)st.st_size);
	if (rc == 0 && st.st_size < (off_t)DOWNLOAD_LEAST) {
		short_fail(s,
		    "what came is no borg: it has only %lld bytes, and a borg "
		    "has over 1 MiB",
		    (long long)st.st_size);
		rc = -1;
	}
	return rc;
}

static int fetch_file(struct short_job *s, const char *url, const char *dir,
    int fd, struct borg_file *file)
{
	struct buf sums = BUF_INIT(CHECKSUMS_MAX);
	struct fetched f;
	int rc = -1;
	if (fetch_sums(s, url, dir, &sums) != 0 ||
	    download(s, url, DOWNLOAD_MAX, fd, true, &f) != 0)
		goto out;
	if (!f.done) {
		short_fail(s, "cannot download borg: %s", f.text);
		goto out;
	}
	if (check_program(s, url, fd) == 0 &&
	    check_sum(s, url, &sums, fd, file) == 0)
		rc = 0;
out:
	buf_release(&sums);
	return rc;
}

int borg_fetch(struct short_job *s, const char *url, const char *dir,
    struct borg_file *file)
{
	memset(file, 0, sizeof(*file));
	if ((size_t)snprintf(file->path, sizeof(file->path), "%s/borg", dir) >=
	    sizeof(file->path)) {
		short_fail(s, "the path %s is too long", dir);
		return -1;
	}
	int fd = open(file->path,
	    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0700);
	if (fd < 0) {
		short_fail(
		    s, "cannot write %s: %s", file->path, strerror(errno));
		return -1;
	}
	if (text_starts(url, "http://"))
		worker_log(s->worker, "warning",
		    "the new borg comes over http://, where anybody on the "
		    "way can replace it");
	int rc = fetch_file(s, url, dir, fd, file);
	/* Nobody may hold it open for writing when it is run. */
	close(fd);
	return rc;
}
