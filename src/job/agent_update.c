/*
 * The server orders an update of the agent. What is installed is never what
 * the server sends, but the release that this host's configuration names: the
 * same command does it that an administrator would call. When it is in its
 * place this ends without a report: the supervisor finds that out
 * (agent/update.c), and whoever starts next tells how it went.
 */
#include "job/agent_update.h"
#include "base/limits.h"
#include "base/text.h"
#include "job/child.h"
#include "job/short.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Its one sentence, without its name before it. */
static void fail(struct short_job *s, const struct child *c)
{
	const char *text = buf_str(&c->errors);
	if (text_starts(text, "bbs-agent: "))
		text += strlen("bbs-agent: ");
	if (c->timed_out)
		short_fail(s, "the update did not end in time");
	else
		short_fail(s, "%.*s", (int)strcspn(text, "\n"), text);
	if (s->error.len == 0)
		short_fail(s, "the update ended with code %d", c->exit_code);
}

void agent_update_run(struct worker *w)
{
	char id[24];
	const char *root = w->paths->root[0] != '\0' ? w->paths->root : "/";
	/* The very program that runs, whatever lies on the disk. */
	const char *const argv[] = {"/proc/self/exe", "update", "--job", id,
	    "--root", root, "--config", w->paths->config, NULL};
	struct short_job s;
	struct child c;
	struct buf why = BUF_INIT(4 * KIB);
	snprintf(id, sizeof(id), "%" PRId64, w->task->job_id);
	short_begin(&s, w);
	text_copy(s.progress.message, sizeof(s.progress.message),
	    "Updating the agent");
	worker_progress(w, &s.progress);
	child_init(&c, w);
	c.argv = argv;
	c.out = CHILD_COLLECT;
	c.timeout_ms = UPDATE_TOTAL_MS;
	if (child_run(&c, &why) != 0) {
		short_fail(&s, "%s", buf_str(&why));
	} else if (c.exit_code == 0) {
		/* Without a report: that is the new version's. */
		goto out;
	} else {
		fail(&s, &c);
		/* The new version may have told the server who it is. */
		worker_renew(w);
	}
	short_end(&s);
out:
	buf_release(&s.output);
	buf_release(&s.error);
	child_release(&c);
	buf_release(&why);
}
