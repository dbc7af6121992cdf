/*
 * The file of acknowledged jobs. A clock that was set in between makes an
 * entry older or younger than it is, never one that is not there.
 */
#include "agent/done.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

void done_encode(
    const struct jobs *jobs, uint64_t now, int64_t wall, struct buf *out)
{
	for (unsigned i = 0; i < JOBS_DONE_MAX; i++) {
		/* The oldest first. */
		unsigned at = (jobs->done_next + i) % JOBS_DONE_MAX;
		int64_t id = jobs->done[at].id;
		if (id == 0 || !jobs_was_done(jobs, id, now))
			continue;
		uint64_t age = (now - jobs->done[at].at) / 1000;
		buf_addf(
		    out, "%" PRId64 " %" PRId64 "\n", id, wall - (int64_t)age);
	}
}

/* One line, without its end. 0, or -1 when it is none of ours. */
static int take_line(struct jobs *jobs, char *line, uint64_t now, int64_t wall)
{
	uint64_t id, then;
	char *blank = strchr(line, ' ');
	if (blank == NULL)
		return -1;
	*blank = '\0';
	if (text_to_u64(line, 1, INT64_MAX, &id) != 0 ||
	    text_to_u64(blank + 1, 0, INT64_MAX, &then) != 0)
		return -1;
	int64_t age = wall - (int64_t)then;
	/* The clock was set back: it is as old as it can be taken for. */
	if (age < 0)
		age = 0;
	if (age < JOBS_DONE_MS / 1000)
		/* Before the boot perhaps: only the difference counts. */
		jobs_mark_done(jobs, (int64_t)id, now - (uint64_t)age * 1000u);
	return 0;
}

int done_decode(
    struct jobs *jobs, const char *text, size_t len, uint64_t now, int64_t wall)
{
	int bad = 0;
	while (len > 0) {
		char line[64];
		const char *end = memchr(text, '\n', len);
		size_t n = end != NULL ? (size_t)(end - text) : len;
		/* A line that is cut off may have lost digits. */
		if (end == NULL || n >= sizeof(line) || memchr(text, 0, n)) {
			bad++;
		} else {
			memcpy(line, text, n);
			line[n] = '\0';
			bad += take_line(jobs, line, now, wall) != 0;
		}
		n += end != NULL;
		text += n;
		len -= n;
	}
	return bad;
}

void done_load(struct jobs *jobs, const struct paths *p)
{
	struct buf text = BUF_INIT(DONE_FILE_MAX);
	if (file_read(p->done, &text) != 0) {
		if (errno != ENOENT)
			log_error(
			    "cannot read %s: %s", p->done, strerror(errno));
	} else if (done_decode(jobs, buf_str(&text), text.len, clock_ms(),
		       clock_wall()) > 0) {
		log_error(
		    "%s is damaged: what can be read of it is used", p->done);
	}
	buf_release(&text);
}

void done_save(const struct jobs *jobs, const struct paths *p)
{
	struct buf text = BUF_INIT(DONE_FILE_MAX);
	done_encode(jobs, clock_ms(), clock_wall(), &text);
	if (text.failed ||
	    file_write(p->done, buf_str(&text), text.len, 0600) != 0)
		log_error("cannot write %s: %s", p->done, strerror(errno));
	buf_release(&text);
}
