/* `bbs-agent doctor`. README: "Doctor". */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include <stdbool.h>

struct doctor_options {
	const char *root, *config; /* as on the command line; NULL: not given */
	bool json;
	bool accept_host_key;
};

/* Checks every link of the chain and prints a line for each. Returns an exit
 * code: EXIT_FAILED when one of them is broken, EXIT_UNCONFIGURED without a
 * configuration. */
int doctor_run(const struct doctor_options *o);

#endif
