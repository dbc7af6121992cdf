/*
 * What a dry run would have done: counts, and the first paths of each kind.
 * Status x is excluded, d is a directory and not counted, the rest would be
 * backed up.
 */
#include "job/dryrun.h"
#include "base/limits.h"
#include <string.h>

void dryrun_init(struct dryrun *d)
{
	memset(d, 0, sizeof(*d));
	buf_init(&d->included_sample, DRYRUN_SAMPLE_BYTES);
	buf_init(&d->excluded_sample, DRYRUN_SAMPLE_BYTES);
}

void dryrun_release(struct dryrun *d)
{
	buf_release(&d->included_sample);
	buf_release(&d->excluded_sample);
}

static void add_sample(
    struct buf *sample, int *listed, const struct borglog_event *e)
{
	if (*listed == DRYRUN_SAMPLE_MAX)
		return;
	struct buf path = BUF_INIT(3 * BORG_LINE_MAX);
	struct buf element = BUF_INIT(DRYRUN_SAMPLE_BYTES);
	struct json_writer w = {&element, *listed > 0};
	json_unescape(&path, e->path, e->path_len, false);
	json_put_n(&w, NULL, buf_str(&path), path.len);
	/* Whole or not at all. */
	if (!element.failed && sample->len + element.len <= sample->max &&
	    buf_add(sample, element.data, element.len) == 0)
		(*listed)++;
	buf_release(&path);
	buf_release(&element);
}

void dryrun_add(struct dryrun *d, const struct borglog_event *e)
{
	if (e->status == 'd')
		return;
	d->seen++;
	if (e->status == 'x') {
		d->excluded++;
		add_sample(&d->excluded_sample, &d->excluded_listed, e);
	} else {
		d->would_backup++;
		add_sample(&d->included_sample, &d->included_listed, e);
	}
}

void dryrun_encode(const struct dryrun *d, struct buf *out)
{
	struct json_writer w = {out, false};
	json_open(&w, NULL, '{');
	json_put_bool(&w, "dry_run", true);
	json_put_int(&w, "would_backup", (int64_t)d->would_backup);
	json_put_int(&w, "excluded", (int64_t)d->excluded);
	json_open(&w, "included_sample", '[');
	buf_adds(out, buf_str(&d->included_sample));
	w.comma = true;
	json_close(&w, ']');
	json_open(&w, "excluded_sample", '[');
	buf_adds(out, buf_str(&d->excluded_sample));
	w.comma = true;
	json_close(&w, ']');
	json_close(&w, '}');
}
