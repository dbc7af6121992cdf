/*
 * The checks of doctor. Each looks at one link of the chain, appends what it
 * saw and what to do, and says how that is. None needs another to have run
 * before; what it cannot know it says so.
 */
#ifndef CLI_DOCTOR_CHECKS_H
#define CLI_DOCTOR_CHECKS_H

#include "cli/doctor.h"
#include "job/worker.h"
#include "setup/server.h"

enum found { FOUND_OK, FOUND_WARN, FOUND_FAIL, FOUND_NOTHING };

/* The links to the server, in the order in which they are made. */
enum link {
	LINK_CONFIG,
	LINK_DNS,
	LINK_TCP,
	LINK_PROXY,
	LINK_TLS,
	LINK_HTTP,
	LINK_KEY,
	LINK_NONE
};

struct doctor {
	const struct doctor_options *options;
	struct paths paths;
	struct config config;
	struct worker worker; /* for what workers do: ssh */
	bool configured, missing;
	struct buf config_text; /* warnings, or what is wrong with it */

	/* The one exchange with the server */
	bool asked, sent; /* has the network process been asked? */
	enum link broken; /* the first link that does not hold */
	struct buf why, facts, sandbox; /* facts: net.h */
	unsigned sandbox_mask;
	struct server_answer answer;
	bool tls;

	bool has_key, ssh_works;
};

typedef enum found doctor_check(struct doctor *d, struct buf *out);

/* doctor_net.c: the configuration and the way to the server. */
doctor_check doctor_config, doctor_clock, doctor_dns, doctor_proxy, doctor_tcp,
    doctor_tls, doctor_http, doctor_key, doctor_poll, doctor_sandbox;
/* doctor_host.c: this host, and SSH. */
doctor_check doctor_ssh_key, doctor_ssh, doctor_borg, doctor_cache,
    doctor_spool, doctor_locale, doctor_service, doctor_update;

/* doctor_repository.c: where the last job worked. */
doctor_check doctor_repository;
/* doctor_host.c: can files be written below path, and how many? Fewer bytes
 * than warn and fail are told so. */
enum found doctor_space(
    const char *path, uint64_t warn, uint64_t fail, struct buf *out);
/* Less than this is too little for what grows by GB. */
#define SPACE_WARN (1024ull * MIB)
#define SPACE_FAIL (64ull * MIB)

/* host_key.c: shows the host key that is kept and the server's, and keeps
 * the latter; on a terminal it asks first. 0, or -1 with a sentence in why. */
int host_key_accept(struct worker *w, bool json, struct buf *why);

#endif
