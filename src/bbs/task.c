/*
 * The decoder of tasks: JSON in, struct task out, or one sentence that says
 * which field is not what it should be. It judges form only; whether a task
 * may run is agent/policy.c's business.
 */
#include "bbs/task.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *type;
	enum task_kind kind;
	bool needs_command;
} types[] = {
    {"backup", TASK_BACKUP, true},
    {"backup_dry_run", TASK_BACKUP_DRY_RUN, true},
    {"restore", TASK_RESTORE, true},
    {"restore_mysql", TASK_RESTORE_DATABASE, true},
    {"restore_pg", TASK_RESTORE_DATABASE, true},
    {"restore_mongo", TASK_RESTORE_DATABASE, true},
    {"update_borg", TASK_UPDATE_BORG, false},
    {"update_agent", TASK_UPDATE_AGENT, false},
    {"list_dir", TASK_LIST_DIR, false},
    {"plugin_test", TASK_PLUGIN_TEST, false},
    {"plugin_post", TASK_PLUGIN_POST, false},
};

int64_t task_job_id(const struct json *j, int node)
{
	int64_t id;
	if (json_int(j, json_get(j, node, "job_id"), &id) != 0 || id <= 0)
		return -1;
	return id;
}

static int decode_command(
    struct task *t, const struct json *j, int node, struct buf *why)
{
	int list = json_get(j, node, "command");
	enum json_type type = json_type(j, list);
	if (type == JSON_ABSENT || type == JSON_NULL)
		return 0;
	int count = json_count(j, list);
	if (type != JSON_ARRAY || count == 0) {
		buf_adds(why, "its command is not a list of words");
		return -1;
	}
	t->command = calloc((size_t)count + 1, sizeof(*t->command));
	if (t->command == NULL)
		return -1;
	int n = 0;
	for (int e = json_first(j, list); e != JSON_NONE;
	     e = json_next(j, list, e)) {
		t->command[n] = json_strdup(j, e);
		if (t->command[n] == NULL) {
			buf_addf(
			    why, "word %d of its command is not a text", n + 1);
			return -1;
		}
		n++;
	}
	return 0;
}

static int decode_env(
    struct task *t, const struct json *j, int node, struct buf *why)
{
	int map = json_get(j, node, "env");
	int count = json_count(j, map);
	enum json_type type = json_type(j, map);
	if (type == JSON_ABSENT || type == JSON_NULL ||
	    (type == JSON_ARRAY && count == 0)) /* PHP's empty map */
		return 0;
	if (type != JSON_OBJECT) {
		buf_adds(why, "its env is not a map");
		return -1;
	}
	t->env = calloc((size_t)count + 1, sizeof(*t->env));
	if (t->env == NULL)
		return -1;
	for (int name = json_first(j, map); name != JSON_NONE;
	     name = json_next(j, map, name)) {
		struct task_env *e = &t->env[t->env_count++];
		e->name = json_strdup(j, name);
		e->value = json_strdup(j, json_value(j, name));
		if (e->name == NULL || e->name[0] == '\0' ||
		    strchr(e->name, '=') != NULL || e->value == NULL) {
			buf_addf(why,
			    "entry %zu of its env is not a name "
			    "with a text",
			    t->env_count);
			return -1;
		}
	}
	return 0;
}

/* The raw text of a node, NULL when out of memory. */
static char *copy_raw(const struct json *j, int node)
{
	size_t len = 0;
	const char *raw = json_raw(j, node, &len);
	return raw != NULL ? strndup(raw, len) : NULL;
}

static int decode_plugin(struct task_plugin *p, const struct json *j, int node)
{
	int config = json_get(j, node, "config");
	/* PHP's empty map is a list. */
	bool given = json_type(j, config) == JSON_OBJECT;
	p->slug = json_strdup(j, json_get(j, node, "slug"));
	p->config = given ? copy_raw(j, config) : strdup("{}");
	p->config_id = json_strdup(j, json_get(j, node, "config_id"));
	p->config_name = json_strdup(j, json_get(j, node, "config_name"));
	p->abort_on_failure =
	    json_bool(j, json_get(j, config, "abort_on_failure"), false);
	return p->slug != NULL && p->config != NULL ? 0 : -1;
}

static int decode_plugins(
    struct task *t, const struct json *j, int node, struct buf *why)
{
	int list = json_get(j, node, "plugins");
	int count = json_count(j, list);
	enum json_type type = json_type(j, list);
	if (type != JSON_ABSENT && type != JSON_NULL && type != JSON_ARRAY &&
	    type != JSON_OBJECT) {
		buf_adds(why, "its plugins are not a list");
		return -1;
	}
	if (count == 0)
		return 0;
	t->plugins = calloc((size_t)count, sizeof(*t->plugins));
	if (t->plugins == NULL)
		return -1;
	/* PHP writes a list that lost an element as a map. */
	bool map = type == JSON_OBJECT;
	for (int at = json_first(j, list); at != JSON_NONE;
	     at = json_next(j, list, at)) {
		struct task_plugin *p = &t->plugins[t->plugin_count++];
		int e = map ? json_value(j, at) : at;
		if (decode_plugin(p, j, e) != 0) {
			buf_addf(
			    why, "plugin %zu has no slug", t->plugin_count);
			return -1;
		}
	}
	return 0;
}

/* The one plugin of plugin_test and plugin_post. */
static int decode_the_plugin(
    struct task *t, const struct json *j, int node, struct buf *why)
{
	int plugin = json_get(j, node, "plugin");
	if (json_type(j, plugin) != JSON_OBJECT) {
		buf_addf(why,
		    "a %s without its plugin: its configuration is gone from "
		    "the server",
		    t->type);
		return -1;
	}
	t->plugins = calloc(1, sizeof(*t->plugins));
	if (t->plugins == NULL)
		return -1;
	t->plugin_count = 1;
	if (decode_plugin(&t->plugins[0], j, plugin) == 0)
		return 0;
	buf_adds(why, "its plugin has no slug");
	return -1;
}

/* What only some kinds have. */
static int decode_rest(
    struct task *t, const struct json *j, int node, struct buf *why)
{
	switch (t->kind) {
	case TASK_PLUGIN_TEST:
	case TASK_PLUGIN_POST:
		return decode_the_plugin(t, j, node, why);
	case TASK_RESTORE_DATABASE:
	case TASK_UPDATE_BORG:
	case TASK_LIST_DIR:
		t->details = copy_raw(j, node);
		return t->details != NULL ? 0 : -1;
	case TASK_BACKUP:
	case TASK_BACKUP_DRY_RUN:
	case TASK_RESTORE:
	case TASK_UPDATE_AGENT:
	case TASK_COMMAND:
		break;
	}
	return decode_plugins(t, j, node, why);
}

/* Texts that may be absent or null, but not a list or a map. */
static int decode_texts(
    struct task *t, const struct json *j, int node, struct buf *why)
{
	const struct {
		const char *name;
		char **field;
	} texts[] = {
	    {"cwd", &t->cwd},
	    {"archive_name", &t->archive_name},
	    {"directories", &t->directories},
	    {"repo_path", &t->repo_path},
	    {"plan_name", &t->plan_name},
	    {"client_name", &t->client_name},
	    {"remote_ssh_key", &t->remote_ssh_key},
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int value = json_get(j, node, texts[i].name);
		enum json_type type = json_type(j, value);
		if (type == JSON_ABSENT || type == JSON_NULL)
			continue;
		*texts[i].field = json_strdup(j, value);
		if (*texts[i].field == NULL) {
			buf_addf(why, "its %s is not a text", texts[i].name);
			return -1;
		}
	}
	return 0;
}

static int decode_kind(
    struct task *t, const struct json *j, int node, struct buf *why)
{
	t->type = json_strdup(j, json_get(j, node, "task"));
	if (t->type == NULL) {
		buf_adds(why, "it has no task type");
		return -1;
	}
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i].type, t->type) != 0)
			continue;
		t->kind = types[i].kind;
		if (types[i].needs_command && t->command == NULL) {
			buf_addf(why, "a %s without a command", t->type);
			return -1;
		}
		return 0;
	}
	t->kind = TASK_COMMAND;
	if (t->command == NULL) {
		buf_adds(why, "unknown task type \"");
		text_add_escaped(
		    why, t->type, text_cut(t->type, strlen(t->type), 80));
		buf_adds(why, "\"");
		return -1;
	}
	return 0;
}

int task_decode(struct task *t, const struct json *j, int node, struct buf *why)
{
	memset(t, 0, sizeof(*t));
	t->job_id = task_job_id(j, node);
	if (t->job_id < 0) {
		buf_adds(why, "it has no job_id");
		return -1;
	}
	if (decode_command(t, j, node, why) != 0 ||
	    decode_kind(t, j, node, why) != 0 ||
	    decode_env(t, j, node, why) != 0 ||
	    decode_texts(t, j, node, why) != 0 ||
	    decode_rest(t, j, node, why) != 0) {
		if (why->len == 0)
			buf_adds(why, "out of memory");
		return -1;
	}
	if (json_int(j, json_get(j, node, "expected_files"),
		&t->expected_files) != 0 ||
	    t->expected_files < 0)
		t->expected_files = 0;
	t->precount_files =
	    json_bool(j, json_get(j, node, "precount_files"), false);
	return 0;
}

static void free_secret(char *s)
{
	if (s != NULL)
		mem_wipe(s, strlen(s));
	free(s);
}

void task_release(struct task *t)
{
	free(t->type);
	for (size_t i = 0; t->command != NULL && t->command[i] != NULL; i++)
		free(t->command[i]);
	free(t->command);
	for (size_t i = 0; i < t->env_count; i++) {
		free(t->env[i].name);
		free_secret(t->env[i].value);
	}
	free(t->env);
	for (size_t i = 0; i < t->plugin_count; i++) {
		free(t->plugins[i].slug);
		free_secret(t->plugins[i].config);
		free(t->plugins[i].config_id);
		free(t->plugins[i].config_name);
	}
	free(t->plugins);
	free_secret(t->details);
	free(t->cwd);
	free(t->archive_name);
	free(t->directories);
	free(t->repo_path);
	free(t->plan_name);
	free(t->client_name);
	free_secret(t->remote_ssh_key);
	memset(t, 0, sizeof(*t));
}

bool task_is_exclusive(const struct task *t)
{
	return t->kind != TASK_LIST_DIR && t->kind != TASK_PLUGIN_TEST;
}

/* Options without a value that may stand before borg's command: the value of
 * another one could pass for the command. */
static const char *const flags[] = {"-v", "--verbose", "--info", "--debug",
    "--warning", "--error", "--critical", "-p", "--progress", "--log-json",
    "--show-rc", "--show-version", "-V", "--version", "-h", "--help", NULL};

static bool is_flag(const char *word)
{
	for (const char *const *flag = flags; *flag != NULL; flag++) {
		if (strcmp(word, *flag) == 0)
			return true;
	}
	return false;
}

int task_verb(const struct task *t)
{
	int n = 1;
	while (t->command[n] != NULL && t->command[n][0] == '-') {
		const char *word = t->command[n++];
		bool with_value =
		    strncmp(word, "--", 2) == 0 && strchr(word, '=') != NULL;
		if (!with_value && !is_flag(word))
			return -1;
	}
	return n;
}
