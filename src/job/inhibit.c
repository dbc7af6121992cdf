/*
 * systemd-inhibit holds its lock while the program that it runs is running:
 * cat, which reads a pipe that nobody but the worker can write to. When the
 * worker is gone, killed or not, cat comes to an end, and the lock with it.
 */
#include "job/inhibit.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "systemd-inhibit"
/* From SIGTERM to SIGKILL; both do what the pipe's end does, only sooner. */
#define GRACE_MS 500
#define STEP_MS 5

static void start(struct inhibit *i, const struct worker *w, const char *path)
{
	struct buf why = BUF_INIT(1000);
	char reason[64];
	int ends[2];
	snprintf(reason, sizeof(reason), "--why=backup server's job %lld",
	    (long long)w->task->job_id);
	const char *const argv[] = {path, "--what=sleep", "--who=bbs-agent",
	    reason, "--mode=block", "cat", NULL};
	if (pipe2(ends, O_CLOEXEC) != 0) {
		log_debug("sleep is not inhibited: %s", strerror(errno));
		return;
	}
	struct proc_spec spec = {
	    .argv = argv, .in = ends[0], .out = PROC_NULL, .err = PROC_NULL};
	if (proc_spawn(&i->proc, &spec, &why) == 0) {
		i->hold = ends[1];
	} else {
		log_debug("sleep is not inhibited: %s", buf_str(&why));
		close(ends[1]);
	}
	close(ends[0]);
	buf_release(&why);
}

void inhibit_begin(struct inhibit *i, const struct worker *w)
{
	*i = (struct inhibit){.hold = -1};
	char *path = proc_search(PROGRAM, getenv("PATH"));
	if (path == NULL)
		log_debug("sleep is not inhibited: no " PROGRAM " here");
	else
		start(i, w, path);
	free(path);
}

void inhibit_end(struct inhibit *i)
{
	int status;
	if (i->hold < 0)
		return;
	close(i->hold);
	i->hold = -1;
	if (proc_poll(&i->proc, &status) != 0) {
		log_debug("sleep was not inhibited: " PROGRAM
			  " ended with code %d",
		    proc_exit_code(status));
		return;
	}
	proc_signal_group(&i->proc, SIGTERM);
	for (int left = GRACE_MS; left > 0; left -= STEP_MS) {
		if (proc_poll(&i->proc, &status) != 0)
			return;
		poll(NULL, 0, STEP_MS);
	}
	proc_signal_group(&i->proc, SIGKILL);
}
