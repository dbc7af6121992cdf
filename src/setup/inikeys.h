/*
 * Changes to an INI text that leave everything else as it stands: comments,
 * order, unknown keys. The result has LF line ends and no byte order mark.
 */
#ifndef SETUP_INIKEYS_H
#define SETUP_INIKEYS_H

#include "base/buf.h"

struct inikey {
	const char *section, *name; /* lower case */
	const char *value;	    /* one line */
};

/* Appends text with the key set: in place of its first value, later ones are
 * taken out; else at the end of its section; else in a new section at the
 * end. 0, or -1 when out of memory. The caller wipes out: it may hold keys. */
int inikeys_set(
    const char *text, size_t len, const struct inikey *key, struct buf *out);

#endif
