/* `bbs-agent install`, `uninstall` and `update`. README: "Install", "Updates".
 */
#ifndef SETUP_SETUP_H
#define SETUP_SETUP_H

#include "bbs/config.h"
#include "bbs/paths.h"
#include <stdbool.h>

/* As on the command line; what was not given is NULL. */
struct setup_options {
	const char *root, *config;
	const char *server, *key, *key_file;
	const char *ca_file, *pin, *proxy;
	const char *borg;    /* auto, none or a file */
	const char *service; /* auto or an init system's name */
	bool insecure, no_start, dry_run;
	bool on_server; /* this host may be the BBS server itself */
	bool purge;	/* uninstall: configuration and keys too */
};

struct update_options {
	const char *root, *config;
	const char *from; /* a directory or an address; NULL: as configured */
	const char *job;  /* of the server, in digits; NULL: by hand */
	bool check;	  /* look, change nothing */
};

/* Each returns an exit code; what went wrong is said on stderr. */
int install_run(const struct setup_options *o);
int uninstall_run(const struct setup_options *o);
int update_run(const struct update_options *o);
/* `run --trial`, which a version that may come after us is started with:
 * EXIT_TRIAL, and its name and version on stdout, when it works here. */
int trial_run(const struct config *c, const struct paths *p);

#endif
