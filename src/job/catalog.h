/*
 * The file catalogue of a backup: one line for each file, over ssh to
 * `catalog-write JOB`, while borg runs. PROTOCOL: "borg", its catalogue. It
 * never waits for ssh: what ssh does not take goes to a file without a name,
 * up to CATALOG_SPILL_MAX; memory is bounded.
 */
#ifndef JOB_CATALOG_H
#define JOB_CATALOG_H

#include "base/proc.h"
#include "job/catalogline.h"
#include "job/worker.h"

struct catalog {
	struct worker *worker;
	struct proc ssh;
	bool reaped;
	int exit_code;
	int pipe;   /* to ssh's stdin, non-blocking; -1: closed */
	int errors; /* unnamed file: ssh's stderr */
	int spill;  /* unnamed file, -1 until it is needed */
	uint64_t spill_read, spill_written;
	struct buf batch; /* lines that are not written yet */
	struct catalog_lines lines;
	uint64_t moved_at; /* when ssh last took something */
	struct buf broken; /* why it was given up, "" while it works */
};

/* Starts ssh. Never fails: a catalogue that cannot be sent is `broken`. */
void catalog_open(struct catalog *c, struct worker *w);
/* One file_status of borg; x and e are left out. */
void catalog_add(struct catalog *c, const struct borglog_event *e);
/* Writes what ssh takes, without waiting. `flush` sends a batch that is not
 * full too (after each batch of borg's lines, and by time). */
void catalog_pump(struct catalog *c, uint64_t now, bool flush);
/*
 * After borg's end: sends the rest as long as ssh takes something at least
 * every 120 s, closes, waits at most 120 s for ssh. on_wait (may be NULL)
 * comes about once a second. Returns 0 when the server has it all, else -1
 * with the reason in c->broken. A stopped worker ends it at once.
 */
int catalog_finish(struct catalog *c, void (*on_wait)(void *), void *ctx);
/* Ends ssh if it still runs, and frees. */
void catalog_close(struct catalog *c);

#endif
