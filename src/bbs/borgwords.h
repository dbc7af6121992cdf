/*
 * A borg command line, read word by word as borg's own parser reads it. Only
 * options that stand in a list are known, and only by their full names: borg
 * would complete an abbreviation to one that runs programs.
 */
#ifndef BBS_BORGWORDS_H
#define BBS_BORGWORDS_H

#include "bbs/task.h"
#include <stdbool.h>

enum borgword {
	BORGWORD_END,
	BORGWORD_PLAIN, /* no option: text, and its place among those */
	/* An option: name (of a short one its letter), len, and in text its
	 * value (NULL: it takes none). */
	BORGWORD_OPTION,
	BORGWORD_UNKNOWN /* an option that is not in the list */
};

struct borgwords {
	char *const *next;
	const char *letters; /* left of a word of short options */
	bool ended;	     /* "--" was there */

	const char *word; /* as it stands there */
	const char *text, *name;
	size_t len;
	int place; /* 0: borg's command, 1: the repository or archive, ... */
};

/* t has a command. */
void borgwords_init(struct borgwords *b, const struct task *t);
enum borgword borgwords_next(struct borgwords *b);
/* Is the present option this one? */
bool borgwords_is(const struct borgwords *b, const char *name);

#endif
