/* A task as the server hands it out, decoded. PROTOCOL: "Tasks". */
#ifndef BBS_TASK_H
#define BBS_TASK_H

#include "base/json.h"

enum task_kind {
	TASK_BACKUP,
	TASK_BACKUP_DRY_RUN,
	TASK_RESTORE,
	TASK_RESTORE_DATABASE, /* restore_mysql, restore_pg, restore_mongo */
	TASK_UPDATE_BORG,
	TASK_UPDATE_AGENT,
	TASK_LIST_DIR,
	TASK_PLUGIN_TEST,
	TASK_PLUGIN_POST,
	TASK_COMMAND /* anything else that carries a command */
};

struct task_env {
	char *name, *value;
};

struct task_plugin {
	char *slug;
	char *config; /* JSON text of an object; secrets may be in it */
	char *config_id, *config_name; /* NULL: none given */
	bool abort_on_failure;
};

struct task {
	enum task_kind kind;
	char *type; /* as the server calls it; NULL where decoding failed */
	int64_t job_id;
	char **command; /* NULL-terminated, NULL when there is none */
	struct task_env *env;
	size_t env_count;
	char *cwd; /* NULL: none given */

	/* backups */
	char *archive_name, *directories, *repo_path, *plan_name, *client_name;
	int64_t expected_files;
	bool precount_files;
	char *remote_ssh_key;
	struct task_plugin *plugins; /* of plugin_test and _post: one */
	size_t plugin_count;

	/* The element's JSON text, for what is decoded where it is used: of
	 * restore_*, update_borg and list_dir. NULL for the others. Secrets
	 * may be in it. */
	char *details;
};

/* The job_id of an element of "tasks", or -1. */
int64_t task_job_id(const struct json *j, int node);
/* Decodes an element of "tasks". 0; -1 with a sentence in why (also for a
 * type that is unknown and has no command). t is zeroed first; free with
 * task_release in both cases. */
int task_decode(
    struct task *t, const struct json *j, int node, struct buf *why);
void task_release(struct task *t);
/* Must it wait for its turn? Only what just looks at this host need not. */
bool task_is_exclusive(const struct task *t);
/* The index of borg's command in t->command, or of the list's end; -1 when an
 * option before it leaves that open. */
int task_verb(const struct task *t);

#endif
