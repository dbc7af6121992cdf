/*
 * One line of the catalogue from one file_status of borg: the file is looked
 * at, its size and time written down. The hottest code of the agent: a
 * million files are ordinary.
 */
#ifndef JOB_CATALOGLINE_H
#define JOB_CATALOGLINE_H

#include "job/afar.h"
#include "job/borglog.h"

#define CATALOG_DIR_MAX 4096

struct catalog_lines {
	/* The directory that the last file lay in, kept open: looking a name
	 * up below it is a quarter cheaper than the whole path. */
	int dir;
	size_t dir_len;
	char dir_name[CATALOG_DIR_MAX];
	/* The quarter of an hour that the last time fell into, and where in
	 * its local hour it begins: clocks seldom change inside one. */
	int64_t quarter; /* INT64_MIN: none is kept */
	int second;
	char stamp[20];	 /* "YYYY-MM-DD HH:MM:SS" */
	struct buf path; /* decoded, where the raw text has escapes */
	struct afar afar;
};

void catalog_lines_init(struct catalog_lines *c);
void catalog_lines_release(struct catalog_lines *c);
/* Appends the line with its newline. 0; 1 when the event is not for the
 * catalogue (x, e, no path); -1 when out is full. */
int catalog_line(
    struct catalog_lines *c, const struct borglog_event *e, struct buf *out);
/* Local time of t into c->stamp; NULL when t is beyond the years 1 to 9999. */
const char *catalog_stamp(struct catalog_lines *c, int64_t t);

#endif
