/*
 * config.ini, typed and judged: every key with its default and its bounds.
 * The stock agent's file works unchanged.
 */
#ifndef BBS_CONFIG_H
#define BBS_CONFIG_H

#include "base/buf.h"
#include "base/log.h"
#include <stdint.h>

enum ssh_host_key { SSH_HOST_KEY_TOFU, SSH_HOST_KEY_NO };
enum borg_update { BORG_UPDATE_BINARY, BORG_UPDATE_PACKAGE, BORG_UPDATE_NO };

struct config {
	/* [server]; the url's parts are taken apart by whoever connects */
	char *url;
	char *api_key;
	char *api_key_file;
	char *ca_file; /* NULL: the system's bundle */
	uint8_t pins[2][32];
	int pin_count;
	bool verify;
	char *proxy, *no_proxy; /* NULL: none */

	/* [agent] */
	int poll_interval; /* seconds */
	enum log_level log_level;
	char *log_file; /* NULL: stderr */
	char *net_user;
	enum ssh_host_key ssh_host_key;
	bool auto_update;

	/* [borg] */
	char *borg_path; /* NULL: searched */
	enum borg_update borg_update;
	int nice, ionice_class, ionice_level; /* class 0: unchanged */
	uint64_t upload_kib;		      /* KiB/s, 0: no limit */
	int max_hours;			      /* 0: never */

	/* [policy]; NULL: everything */
	char *tasks;
	bool any_command;
	char *restore_to, *browse, *backup_from; /* newline separated */
	char *hooks; /* "yes", "no" or a directory */

	/* [update] */
	char *update_url, *update_key;
};

/* The defaults; config_release frees (secrets wiped). 0 or -1. */
int config_init(struct config *c);
void config_release(struct config *c);

/*
 * Judges the text of a file called name (for messages). Unknown keys are
 * added to warnings, one sentence a line. 0, or -1 with one sentence in why:
 * file, line, key, value (never a secret's) and what would be right.
 */
int config_parse(struct config *c, const char *name, const char *text,
    size_t len, struct buf *warnings, struct buf *why);

/*
 * Reads and judges the file, takes api_key_file, and what the environment
 * adds (proxies, BBS_AGENT_LOG, BBS_AUTO_UPDATE). 0, or -1 with one sentence
 * in why; *missing is then set when there is no such file or no url or key.
 */
int config_load(struct config *c, const char *path, struct buf *warnings,
    struct buf *why, bool *missing);

#endif
