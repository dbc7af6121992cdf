/*
 * The list and its signature come first and are judged before anything else
 * is asked for; then the program, which must have the sum that was signed.
 * From a directory the same is asked as from an address: a medium is no
 * better a witness than a web server.
 */
#include "setup/update_fetch.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "bbs/elf.h"
#include "setup/server.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

static bool is_url(const char *from)
{
	return text_starts(from, "https://") || text_starts(from, "http://");
}

/* One file of the release into `file`. */
static int get(const struct config *c, const char *base, const char *name,
    uint32_t most, uint32_t ms, int file, struct buf *why)
{
	struct buf from = BUF_INIT(URL_LINK_MAX), data = BUF_INIT(most);
	struct buf wrong = BUF_INIT(4 * KIB);
	int rc = -1;
	buf_addf(&from, "%s/%s", base, name);
	if (from.failed)
		buf_adds(&wrong, "the name is too long");
	else if (is_url(base))
		rc = server_fetch(c, buf_str(&from), most, ms, file, &wrong) ==
			     200
			 ? 0
			 : -1;
	else if (file_read(buf_str(&from), &data) == 0 &&
		 file_write_all(file, buf_str(&data), data.len) == 0)
		rc = 0;
	else
		buf_adds(&wrong, strerror(errno));
	if (rc != 0)
		/* A password may be in an address, or what is meant as one. */
		buf_addf(why, "cannot get %s: %s",
		    is_url(base) && strchr(base, '@') != NULL ? name
							      : buf_str(&from),
		    buf_str(&wrong));
	buf_release(&from);
	buf_release(&data);
	buf_release(&wrong);
	return rc;
}

static int get_whole(const struct config *c, const struct paths *p,
    const char *base, const char *name, uint32_t ms, struct buf *text,
    struct buf *why)
{
	struct buf dir = BUF_INIT(PATH_MAX);
	/* An agent that never ran has no directory for its state yet. */
	file_nearest(p->state, &dir);
	int rc = -1, file = file_unnamed(buf_str(&dir));
	if (file < 0)
		buf_addf(why, "cannot write into %s: %s", buf_str(&dir),
		    strerror(errno));
	buf_release(&dir);
	if (file < 0)
		return -1;
	if (get(c, base, name, (uint32_t)text->max, ms, file, why) == 0) {
		rc = lseek(file, 0, SEEK_SET) == 0 ? file_read_fd(file, text)
						   : -1;
		if (rc != 0)
			buf_addf(why, "%s: %s", name, strerror(errno));
	}
	close(file);
	return rc;
}

/* The keys of this host, PEM: the configured ones, else those built in. */
static int read_keys(const struct config *c, struct buf *keys, struct buf *why)
{
	if (c->update_key == NULL) {
		buf_adds(keys, release_keys);
		if (keys->len > 0)
			return 0;
		buf_adds(why, release_no_key);
		return -1;
	}
	if (file_read(c->update_key, keys) == 0)
		return 0;
	buf_addf(why, "[update] public_key = %s: %s", c->update_key,
	    strerror(errno));
	return -1;
}

static void find_base(
    const struct config *c, const char *from, struct buf *base)
{
	if (from == NULL)
		from = c->update_url;
	if (from != NULL)
		buf_adds(base, from);
	else
		buf_addf(base, "%s/bbs-agent", c->url);
	while (base->len > 1 && base->data[base->len - 1] == '/')
		base->data[--base->len] = '\0';
}

int update_look(const struct config *c, const struct paths *p, const char *from,
    uint32_t ms, struct buf *base, struct release *r, struct buf *why)
{
	struct buf keys = BUF_INIT(KEY_FILE_MAX),
		   sums = BUF_INIT(CHECKSUMS_MAX);
	struct buf sig = BUF_INIT(RELEASE_SIGNATURE_MAX);
	int rc = -1;
	find_base(c, from, base);
	if (read_keys(c, &keys, why) == 0 &&
	    get_whole(c, p, buf_str(base), RELEASE_SUMS, ms, &sums, why) == 0 &&
	    get_whole(c, p, buf_str(base), RELEASE_SIGNATURE, ms, &sig, why) ==
		0 &&
	    release_verify(buf_str(&keys), &sums, &sig, why) == 0)
		rc = release_parse(r, &sums, why);
	buf_release(&keys);
	buf_release(&sums);
	buf_release(&sig);
	return rc;
}

/* By its headers: static, and for this kind of machine. */
static int check_headers(const struct buf *program, struct buf *why)
{
	struct buf wrong = BUF_INIT(KIB);
	struct utsname u;
	struct elf e;
	int rc = -1;
	memset(&u, 0, sizeof(u));
	uname(&u);
	if (elf_read(&e, buf_str(program), program->len, &wrong) != 0)
		;
	else if (!elf_suits(&e, u.machine, NULL) || e.loader[0] != '\0')
		buf_addf(&wrong, "it is no static program for %s", u.machine);
	else
		rc = 0;
	if (rc != 0)
		buf_addf(why, "%s cannot be used: %s", release_program,
		    buf_str(&wrong));
	buf_release(&wrong);
	return rc;
}

static int check(
    int fd, const struct buf *program, const struct release *r, struct buf *why)
{
	char hex[HASH_HEX];
	if (hash_file(fd, hex) != 0)
		buf_addf(why, "cannot read what came: %s", strerror(errno));
	else if (strcmp(hex, r->sum) != 0)
		buf_addf(why,
		    "%s is not what was signed: its SHA-256 is %s, and %s is "
		    "right. It was not run",
		    release_program, hex, r->sum);
	else
		return check_headers(program, why);
	return -1;
}

/* A new file with these bytes, if they are what was signed. */
static int put(const struct buf *program, const struct release *r,
    const char *path, struct buf *why)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	/* One that a crash has left. */
	unlink(path);
	int fd = open(path, flags, 0700), rc = -1;
	if (fd < 0 || file_write_all(fd, program->data, program->len) != 0)
		buf_addf(why, "cannot write %s: %s", path, strerror(errno));
	else
		rc = check(fd, program, r, why);
	if (rc == 0 && (fchmod(fd, 0755) != 0 || fsync(fd) != 0)) {
		buf_addf(why, "%s: %s", path, strerror(errno));
		rc = -1;
	}
	/* Nobody may hold it open for writing when it is run. */
	if (fd >= 0)
		close(fd);
	if (rc != 0)
		unlink(path);
	return rc;
}

int update_fetch(const struct config *c, const struct paths *p,
    const char *base, const struct release *r, const char *path,
    struct buf *why)
{
	struct buf program = BUF_INIT(UPDATE_PROGRAM_MAX);
	int rc = get_whole(
	    c, p, base, release_program, DOWNLOAD_TOTAL_MS, &program, why);
	/* What is judged and run is a copy: the network process had the other
	 * file open. */
	if (rc == 0)
		rc = put(&program, r, path, why);
	buf_release(&program);
	return rc;
}
