/*
 * Files that a job needs from the network: one at a time, over a network
 * process of their own, so that neither a poll nor a final report waits for
 * one. The job's worker opens the file and asks; its descriptor is passed on
 * and never read here. A job that is to stop loses its download at once.
 */
#include "agent/agent.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "net/url.h"
#include <unistd.h>

/* A list of checksums is asked for right before its file. */
#define FETCH_REST_MS 10000

static void answer(struct job *job, bool done, int status, const char *text)
{
	struct buf payload = BUF_INIT(4 * KIB);
	pack_u64(&payload, done);
	pack_u64(&payload, (uint64_t)status);
	pack_str(&payload, text);
	frame_send(&job->link, MESSAGE_FETCHED, payload.data, payload.len, -1);
	buf_release(&payload);
}

/* Is it an address that a file may come from? */
static bool is_fetchable(struct job *job, const char *url)
{
	struct url_link link;
	const char *why;
	struct buf text = BUF_INIT(KIB);
	if (url_parse_link(&link, url, &why) == 0)
		return true;
	buf_addf(&text, "the address of the file cannot be used: %s", why);
	answer(job, false, 0, buf_str(&text));
	buf_release(&text);
	return false;
}

void fetch_ask(struct agent *a, struct job *job, struct unpack *u, int file)
{
	struct fetch *f = &a->fetch;
	uint64_t most = unpack_u64(u);
	const char *url = unpack_bytes(u, NULL);
	if (unpack_end(u) != 0 || url == NULL || file < 0 ||
	    most > DOWNLOAD_MAX) {
		log_warning("job %lld: its worker asks for no file",
		    (long long)job->id);
		return;
	}
	if (!is_fetchable(job, url))
		return;
	if (f->net == NULL)
		f->net = nets_open_downloads(a);
	struct net_request request = {.method = "GET",
	    .path = "/",
	    .first_byte_ms = DOWNLOAD_FIRST_BYTE_MS,
	    .total_ms = DOWNLOAD_TOTAL_MS,
	    .body_max = (uint32_t)most,
	    .url = url,
	    .file = file,
	    .pace_ms = DOWNLOAD_PACE_MS,
	    .pace_bytes = DOWNLOAD_PACE_BYTES};
	if (f->net == NULL) {
		answer(job, false, 0,
		    "the agent could not prepare a download: its log says "
		    "why");
	} else if (net_begin(f->net, &request) != 0) {
		answer(job, false, 0, "another download is under way");
	} else {
		log_debug("job %lld: downloading", (long long)job->id);
		f->job_id = job->id;
	}
}

void fetch_begin(struct agent *a, uint64_t now)
{
	struct fetch *f = &a->fetch;
	if (f->job_id != 0) {
		const struct job *job = jobs_find(&a->jobs, f->job_id);
		if (job != NULL && job->pid != 0 && job->stop == STOP_NONE)
			return;
		net_cancel(f->net);
		f->job_id = 0;
		f->rest_at = now;
	}
	if (f->net == NULL || now < f->rest_at)
		return;
	net_free(f->net);
	f->net = NULL;
	f->stale = false;
}

void fetch_take(struct agent *a, uint64_t now)
{
	struct fetch *f = &a->fetch;
	struct net_reply r;
	if (f->net == NULL || net_take(f->net, &r) != 1)
		return;
	struct job *job = jobs_find(&a->jobs, f->job_id);
	f->job_id = 0;
	f->rest_at = f->stale ? now : now + FETCH_REST_MS;
	if (job != NULL && job->pid != 0)
		answer(job, r.result == NET_OK && r.status == 200,
		    r.result == NET_OK ? r.status : 0, r.text);
}

uint64_t fetch_due(const struct agent *a)
{
	const struct fetch *f = &a->fetch;
	if (f->net == NULL)
		return CLOCK_NEVER;
	return f->job_id != 0 ? net_deadline(f->net) : f->rest_at;
}

bool fetch_reap(struct agent *a, pid_t pid, int status)
{
	return a->fetch.net != NULL && net_reap(a->fetch.net, pid, status);
}
