/*
 * The policy for plugin_test and plugin_post of a hook, as far as it can be
 * judged without touching the disk, which might hang: the worker resolves
 * links and judges once more, right before the script runs.
 */
#include "agent/policy_hook.h"
#include "job/hook_policy.h"
#include "job/hookconfig.h"
#include <string.h>

static int check(const struct config *c, const char *line, struct buf *why)
{
	struct words words;
	int rc = line != NULL ? hook_policy_words(c, line, &words, why) : 0;
	if (line != NULL)
		words_release(&words);
	return rc;
}

int policy_check_hook(
    const struct config *c, const struct task *t, struct buf *why)
{
	struct hookconfig h;
	if ((t->kind != TASK_PLUGIN_TEST && t->kind != TASK_PLUGIN_POST) ||
	    strcmp(t->plugins[0].slug, "shell_hook") != 0 ||
	    strcmp(c->hooks, "yes") == 0)
		return 0;
	int rc = hookconfig_decode(&h, t->plugins[0].config, why);
	if (rc == 0 && t->kind == TASK_PLUGIN_TEST)
		rc = check(c, h.pre, why);
	if (rc == 0)
		rc = check(c, h.post, why);
	hookconfig_release(&h);
	return rc;
}
