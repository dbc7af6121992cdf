/* The texts of `help`, and what is said of a command line that is not
 * understood. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stddef.h>

/* The overview; help_overview on stdout or, asked for nothing, on stderr. */
extern const char help_overview[];

/* Rows that each begin with a const char *: a name that exists. */
struct help_names {
	const void *rows;
	size_t count, size;
};

/* More on one command. EXIT_DONE, or EXIT_USAGE when there is none of that
 * name. */
int help_show(const char *topic);
/* "what "word"", with the nearest name when one comes near, on stderr. names
 * may be NULL. EXIT_USAGE. */
int help_wrong(
    const char *what, const char *word, const struct help_names *names);
/* The same for a command. */
int help_unknown(const char *word);
/* An option that the command does not have; owner does. */
int help_misplaced(const char *option, const char *verb, const char *owner);

#endif
