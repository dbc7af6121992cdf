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
#include "bbs/borgfile.h"
#include "net/url.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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

/* SHA256SUMS beside the file: 0 with its text, which is empty when there is
 * none; -1 when nobody knows whether there is one. */
static int fetch_sums(
    struct short_job *s, const char *url, const char *dir, struct buf *sums)
{
	struct buf beside = BUF_INIT(URL_LINK_MAX);
	struct fetched f;
	size_t len;
	const char *name = borgfile_name(url, &len);
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
	struct buf why = BUF_INIT(4 * KIB);
	enum borgfile_sum is =
	    borgfile_sum(fd, url, buf_str(sums), file->hex, &why);
	if (is == BORGFILE_UNKNOWN)
		worker_log(s->worker, "info",
		    "%s: the file is taken without a known checksum (it has "
		    "SHA-256 %s)",
		    sums->len > 0 ? "SHA256SUMS does not name it"
				  : "there is no SHA256SUMS beside it",
		    file->hex);
	else if (is == BORGFILE_WRONG)
		short_fail(s, "%s", buf_str(&why));
	file->verified = is == BORGFILE_SAME;
	buf_release(&why);
	return is == BORGFILE_WRONG ? -1 : 0;
}

static int check_program(struct short_job *s, const char *url, int fd)
{
	struct buf why = BUF_INIT(4 * KIB);
	int rc = borgfile_check(fd, url, &why);
	if (rc != 0)
		short_fail(s, "%s", buf_str(&why));
	buf_release(&why);
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

/* Over http:// anybody on the way may put another program in place of this
 * one. Only a server that is spoken to like that may send us there. */
static int check_way(struct short_job *s, const char *text)
{
	struct url_link file;
	struct url server;
	const char *why;
	/* Whoever connects says what is wrong with an address. */
	if (url_parse_link(&file, text, &why) != 0 || file.tls ||
	    url_parse(&server, s->worker->config->url, &why) != 0)
		return 0;
	if (server.tls) {
		short_fail(s,
		    "the new borg lies at %s, where anybody on the way could "
		    "replace it: only https:// will do, as for the server",
		    text);
		return -1;
	}
	worker_log(s->worker, "warning",
	    "the new borg comes over http://, where anybody on the way can "
	    "replace it");
	return 0;
}

int borg_fetch(struct short_job *s, const char *url, const char *dir,
    struct borg_file *file)
{
	memset(file, 0, sizeof(*file));
	if (check_way(s, url) != 0)
		return -1;
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
	int rc = fetch_file(s, url, dir, fd, file);
	/* Nobody may hold it open for writing when it is run. */
	close(fd);
	return rc;
}
