/* What the program ends with; promised to scripts. */
#ifndef BASE_EXITCODE_H
#define BASE_EXITCODE_H

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,       /* one sentence on stderr says why */
	EXIT_USAGE = 2,	       /* wrong usage */
	EXIT_UNCONFIGURED = 3, /* not configured, or not running */
	EXIT_TRIAL = 40,       /* not for people: a trial that was passed */
};

#endif
