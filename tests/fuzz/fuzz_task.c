/* Tasks as a server sends them: decoded, judged by the policy, and what is
 * decoded later from their text. A backup that passed has only words that
 * borg's parser reads as we do. */
#include "agent/policy.h"
#include "base/limits.h"
#include "base/shellwords.h"
#include "bbs/answer.h"
#include "bbs/borgwords.h"
#include "bbs/dumpconfig.h"
#include "fuzz.h"
#include "job/hookconfig.h"
#include <stdlib.h>
#include <string.h>

static struct config usual, narrow;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	FUZZ_HOLDS(config_init(&usual) == 0 && config_init(&narrow) == 0);
	narrow.backup_from = strdup("/srv\n/home");
	narrow.restore_to = strdup("/srv");
	narrow.browse = strdup("/srv");
	free(narrow.hooks);
	narrow.hooks = strdup("/opt/hooks");
	return 0;
}

/* No option that the list does not have can have passed. */
static void look(const struct task *t)
{
	struct borgwords b;
	enum borgword kind;
	borgwords_init(&b, t);
	while ((kind = borgwords_next(&b)) != BORGWORD_END) {
		FUZZ_HOLDS(kind != BORGWORD_UNKNOWN);
		FUZZ_HOLDS(kind != BORGWORD_PLAIN || b.place != 1 ||
			   b.text[0] != '-' || strchr(b.text, ':') == NULL);
	}
}

static void judge(const struct task *t, struct buf *why)
{
	buf_reset(why);
	int rc = policy_check(&usual, t, why);
	FUZZ_HOLDS((rc == 0) == (why->len == 0));
	if (rc == 0 && t->command != NULL)
		look(t);
	buf_reset(why);
	FUZZ_HOLDS(policy_check(&narrow, t, why) != 0 || rc == 0);
}

static void later(const struct json *j, int node, struct buf *why)
{
	struct dump_config c;
	for (int engine = DUMP_MYSQL; engine <= DUMP_MONGO; engine++) {
		buf_reset(why);
		dumpconfig_decode(&c, (enum dump_engine)engine, j, node, why);
		dumpconfig_release(&c);
	}
}

static void one(const struct json *j, int node, struct buf *why)
{
	struct task t;
	buf_reset(why);
	FUZZ_HOLDS(
	    json_type(j, node) == JSON_ABSENT || task_job_id(j, node) >= -1);
	if (task_decode(&t, j, node, why) == 0)
		judge(&t, why);
	else
		FUZZ_HOLDS(why->len > 0);
	for (size_t i = 0; i < t.plugin_count; i++) {
		struct hookconfig h;
		struct words words = {0};
		const char *what;
		buf_reset(why);
		if (hookconfig_decode(&h, t.plugins[i].config, why) == 0 &&
		    h.pre != NULL) {
			shellwords_split(&words, h.pre, &what);
			words_release(&words);
		}
		hookconfig_release(&h);
	}
	task_release(&t);
	later(j, node, why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct json j = JSON_INIT;
	struct buf why = BUF_INIT(64 * KIB), key = BUF_INIT(KEY_FILE_MAX);
	struct ssh_info info;
	const char *what, *text = (const char *)data;
	size_t at;
	if (json_check(text, len, JSON_DEPTH_MAX, &what, &at) != 0 ||
	    json_parse(&j, text, len) != 0)
		goto out;
	one(&j, 0, &why);
	int tasks = json_get(&j, 0, "tasks");
	for (int e = json_first(&j, tasks); e != JSON_NONE;
	     e = json_next(&j, tasks, e))
		one(&j, e, &why);
	int interval = answer_poll_interval(&j, 30);
	FUZZ_HOLDS(interval >= 1 && interval <= 3600);
	buf_reset(&why);
	if (answer_ssh_info(&j, &info, &why) == 0)
		FUZZ_HOLDS(info.user[0] != '-' && info.host[0] != '-');
	answer_ssh_key(&j, &key);
out:
	json_release(&j);
	buf_release(&why);
	buf_wipe(&key);
	return 0;
}
