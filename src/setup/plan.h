/*
 * What an installation is going to do, worked out from the options, the host
 * and the configuration that is there, before anything is written.
 */
#ifndef SETUP_PLAN_H
#define SETUP_PLAN_H

#include "bbs/config.h"
#include "bbs/paths.h"
#include "setup/server.h"
#include "setup/service.h"
#include "setup/setup.h"

struct plan {
	const struct setup_options *options;
	struct steps steps;
	struct paths paths;
	bool tree;     /* --root is a system of its own that is not booted */
	char *program; /* where the program is put */
	char *ca_copy; /* where a CA file is put, as we see it */
	char *command; /* what starts the agent, as the service sees it */
	char *service_file; /* NULL: none */
	struct service service;

	struct buf self;      /* the program's bytes */
	struct buf ca;	      /* the CA file's, empty: none given */
	struct buf text;      /* the new config.ini */
	size_t borg_size;     /* of --borg FILE */
	struct config config; /* what it says */
	struct server_answer answer;
};

/* Paths, init system and service; enough for uninstall. 0, or an exit code
 * with one sentence in why. */
int plan_init(struct plan *p, const struct setup_options *o, struct buf *why);
void plan_release(struct plan *p);
/* The new configuration from the old one and the options. The same. */
int plan_configure(struct plan *p, struct buf *why);
/* Everything that could make the installation fail or do harm, asked in
 * advance; changes nothing on this host. The same. */
int preflight(struct plan *p, struct buf *why);

#endif
