/* `bbs-agent install` and `bbs-agent uninstall`. README: "Install". */
#ifndef SETUP_SETUP_H
#define SETUP_SETUP_H

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

/* Each returns an exit code; what went wrong is said on stderr. */
int install_run(const struct setup_options *o);
int uninstall_run(const struct setup_options *o);

#endif
