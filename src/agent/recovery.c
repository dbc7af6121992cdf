/*
 * Recovery after a crash. For each job in the journal: its worker, should it
 * have outlived the agent, is waited for; what it left running is ended; a
 * job without a report gets one; owed post-scripts run, one job after the
 * other, before the next job on a repository. A job that was announced and
 * never begun waits for the first poll: it is lost only when the server does
 * not hand it out once more.
 *
 * No process is touched but one whose number, start time and boot are those
 * that were written down.
 */
#include "agent/recovery.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "bbs/journal.h"
#include "job/borgenv.h"
#include "job/hook_env.h"
#include "job/owed.h"
#include "job/secretfile.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A worker without a supervisor ends by itself, and with it what it runs. One
 * that takes longer than this hangs. */
#define OUTLIVES_MS (10u * 60u * 1000u)
#define LOOK_EVERY_MS 250
/* A process that was killed while it ran a script is followed by another. */
#define AGAIN_MS 2000u
#define RUNS_MAX 3

enum lost_state {
	LOST_OUTLIVES, /* its worker is still there */
	LOST_UNTOLD,   /* announced, never begun: the first poll tells */
	LOST_OWES,     /* a post-script is to be run */
	LOST_RUNS,     /* it is */
	LOST_KEPT,     /* it stays owed until the next start */
	LOST_OVER
};

struct lost {
	struct lost *next;
	int64_t id;
	enum lost_state state;
	struct proc worker; /* of an earlier life */
	uint64_t since, next_at;
	unsigned runs;	      /* of what is owed, in this life */
	bool reported;	      /* the server has its final report */
	bool killed;	      /* its worker was */
	bool rebooted;	      /* it ran before the host was restarted */
	struct helper helper; /* runs what is owed */
};

static struct lost *find(const struct agent *a, int64_t id)
{
	struct lost *l = a->lost;
	while (l != NULL && l->id != id)
		l = l->next;
	return l;
}

static struct lost *add(struct agent *a, int64_t id)
{
	struct lost *l = calloc(1, sizeof(*l)), **end = &a->lost;
	if (l == NULL) {
		log_error("job %lld: out of memory: what it left behind is "
			  "looked at when the agent starts again",
		    (long long)id);
		return NULL;
	}
	while (*end != NULL)
		end = &(*end)->next;
	l->id = id;
	return *end = l;
}

/* Takes those that are over out of the list. */
static void sweep(struct agent *a)
{
	for (struct lost **at = &a->lost; *at != NULL;) {
		struct lost *l = *at;
		if (l->state != LOST_OVER) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		if (l->reported)
			journal_remove(a->paths, l->id);
		free(l);
	}
}

static void report_lost(struct agent *a, const struct lost *l)
{
	const char *sentence =
	    l->rebooted ? "Interrupted: the host was restarted while the job "
			  "ran"
			: "Interrupted: the agent ended unexpectedly while the "
			  "job ran";
	log_error("job %lld: %s", (long long)l->id, sentence);
	spool_add_sentence(a, l->id, REPORT_FAILED, sentence);
}

/* Must the server still be told how it ended? */
static bool is_untold(const struct agent *a, int64_t id, uint64_t now)
{
	return jobs_find(&a->jobs, id) == NULL && !spool_has(a, id) &&
	       !jobs_was_done(&a->jobs, id, now);
}

/* Nothing of its worker is there any more. whole: so is its journal. */
static void judge(struct agent *a, struct lost *l, const struct journal *j,
    bool whole, uint64_t now)
{
	if (!l->rebooted && j->group.pid > 0 &&
	    proc_group_is(&j->group, j->worker.pid))
		runner_adopt(a, l->id, &j->group, now);
	l->reported = jobs_was_done(&a->jobs, l->id, now) ||
		      (j->reported && !spool_has(a, l->id) &&
			  jobs_find(&a->jobs, l->id) == NULL);
	if (!l->reported && is_untold(a, l->id, now))
		report_lost(a, l);
	a->spool.pending = true;
	l->state = whole && j->owed_count > 0 ? LOST_OWES : LOST_OVER;
}

static void read_again(struct agent *a, struct lost *l, uint64_t now)
{
	struct journal j;
	int rc = journal_read(a->paths, l->id, &j);
	if (rc > 0) {
		log_error("the journal of job %lld is damaged: set aside in %s "
			  "as .bad",
		    (long long)l->id, a->paths->journal);
		journal_set_aside(a->paths, l->id);
	} else if (rc < 0 && errno != ENOENT) {
		log_error("cannot read the journal of job %lld: %s",
		    (long long)l->id, strerror(errno));
	}
	bool kept = rc < 0 && errno != ENOENT;
	judge(a, l, &j, rc == 0, now);
	/* It may owe scripts: the next start may be able to read it. */
	if (kept)
		l->state = LOST_KEPT;
	journal_release(&j);
}

static void take_up(struct agent *a, int64_t id, const char *boot, uint64_t now)
{
	struct journal j;
	struct lost *l = add(a, id);
	if (l == NULL)
		return;
	l->since = now;
	int rc = journal_read(a->paths, id, &j);
	l->rebooted =
	    boot[0] != '\0' && j.boot[0] != '\0' && strcmp(boot, j.boot) != 0;
	l->worker = j.worker;
	if (!l->rebooted && proc_is_alive(&j.worker)) {
		l->state = LOST_OUTLIVES;
		log_info("job %lld: its process (%d) outlived the agent: "
			 "waiting for its end",
		    (long long)id, (int)j.worker.pid);
	} else if (rc == 0 && !j.begun && is_untold(a, id, now)) {
		l->state = LOST_UNTOLD;
	} else {
		read_again(a, l, now);
	}
	journal_release(&j);
}

static bool outlives(const struct agent *a)
{
	const struct lost *l = a->lost;
	while (l != NULL && l->state != LOST_OUTLIVES)
		l = l->next;
	return l != NULL;
}

void recovery_open(struct agent *a, uint64_t now)
{
	char boot[BOOT_ID_SIZE];
	int64_t id = 0;
	journal_boot_id(boot);
	int rc;
	while ((rc = journal_next(a->paths, id, &id)) == 1)
		take_up(a, id, boot, now);
	if (rc < 0)
		log_error("cannot read %s: %s: what an earlier run left behind "
			  "is looked at when the agent starts again",
		    a->paths->journal, strerror(errno));
	sweep(a);
	recovery_sweep(a);
}

void recovery_sweep(struct agent *a)
{
	a->unswept = outlives(a);
	if (a->unswept)
		return;
	const char *const dirs[] = {a->paths->etc, a->paths->state,
	    a->paths->spool, a->paths->journal, a->paths->run};
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		file_sweep_temporary(dirs[i], "");
	borgenv_forget_keys(a->paths);
	hook_env_forget(a->paths, 0);
	secretfile_forget_all(a->paths);
}

void recovery_polled(struct agent *a, const struct json *j, int tasks)
{
	for (struct lost *l = a->lost; l != NULL; l = l->next) {
		if (l->state != LOST_UNTOLD)
			continue;
		l->state = LOST_OVER;
		bool again = false;
		for (int e = json_first(j, tasks); e != JSON_NONE && !again;
		     e = json_next(j, tasks, e))
			again = task_job_id(j, e) == l->id;
		if (again)
			journal_remove(a->paths, l->id);
		else
			report_lost(a, l);
	}
	sweep(a);
}

bool recovery_take(struct agent *a, int64_t id)
{
	struct journal j;
	journal_read(a->paths, id, &j);
	bool owes = j.owed_count > 0;
	journal_release(&j);
	struct lost *l = owes ? add(a, id) : NULL;
	if (l == NULL)
		return false;
	l->state = LOST_OWES;
	return true;
}

void recovery_note(struct agent *a, struct job *job)
{
	if (job->journalled)
		return;
	if (journal_begin(
		a->paths, job->id, job->task.type, job->task.archive_name) != 0)
		log_error("job %lld: cannot write its journal into %s: %s; "
			  "should the agent die meanwhile, the server is told "
			  "late",
		    (long long)job->id, a->paths->journal, strerror(errno));
	job->journalled = true;
}

void recovery_reported(struct agent *a, int64_t id)
{
	struct lost *l = find(a, id);
	if (l != NULL)
		l->reported = true;
	else
		journal_remove(a->paths, id);
}

bool recovery_has(const struct agent *a, int64_t id)
{
	const struct lost *l = find(a, id);
	return l != NULL && l->state != LOST_UNTOLD;
}

bool recovery_busy(const struct agent *a)
{
	for (const struct lost *l = a->lost; l != NULL; l = l->next) {
		if (l->state != LOST_UNTOLD && l->state != LOST_KEPT)
			return true;
	}
	return false;
}

bool recovery_runs(const struct agent *a)
{
	for (const struct lost *l = a->lost; l != NULL; l = l->next) {
		if (l->helper.pid != 0)
			return true;
	}
	return false;
}

static void run_owed(struct agent *a, struct lost *l, uint64_t now)
{
	char type[] = "post-script";
	struct task task = {
	    .kind = TASK_PLUGIN_POST, .type = type, .job_id = l->id};
	int sock;
	pid_t pid = worker_start(
	    a->config, a->paths, &task, a->log_fd, owed_run, &sock);
	if (pid < 0) {
		log_error("job %lld: cannot start a process for its "
			  "post-script: %s",
		    (long long)l->id, strerror(errno));
		l->next_at = now + AGAIN_MS;
		return;
	}
	log_info(
	    "job %lld: running the post-script that is owed", (long long)l->id);
	frame_link_init(&l->helper.link, sock, REPORT_BODY_MAX);
	l->helper.pid = pid;
	l->runs++;
	l->state = LOST_RUNS;
}

/* What the process says is in the log and the journal already. */
static void drain(struct helper *h)
{
	struct frame f;
	if (frame_fill(&h->link) < 0)
		frame_link_release(&h->link);
	while (frame_next(&h->link, &f) == 1) {
		if (f.fd >= 0)
			close(f.fd);
	}
}

/* Its worker was killed, and the kernel keeps it: it does nothing any more. */
static void go_on_without(struct agent *a, struct lost *l, uint64_t now)
{
	struct buf text = BUF_INIT(KIB);
	proc_describe_stuck(&l->worker, &text);
	log_error("job %lld: %s; the agent goes on without it",
	    (long long)l->id, buf_str(&text));
	buf_release(&text);
	read_again(a, l, now);
}

static void await_end(struct agent *a, struct lost *l, uint64_t now)
{
	if (!proc_is_alive(&l->worker)) {
		read_again(a, l, now);
		return;
	}
	if (l->killed && now - l->since >= ORPHAN_GONE_MS) {
		go_on_without(a, l, now);
		return;
	}
	if (l->killed || now - l->since < OUTLIVES_MS)
		return;
	log_error("job %lld: the process that outlived the agent does not end: "
		  "killing it",
	    (long long)l->id);
	proc_signal(&l->worker, SIGKILL);
	l->killed = true;
	l->since = now;
}

uint64_t recovery_watch(struct agent *a, uint64_t now)
{
	uint64_t next = CLOCK_NEVER;
	bool may_run = !a->stopping && !recovery_runs(a) &&
		       !runner_has_orphans(a) && !jobs_busy(&a->jobs);
	for (struct lost *l = a->lost; l != NULL; l = l->next) {
		if (l->state == LOST_OUTLIVES)
			await_end(a, l, now);
		else if (l->state == LOST_RUNS)
			drain(&l->helper);
		else if (l->state == LOST_OWES && may_run &&
			 l->next_at <= now) {
			run_owed(a, l, now);
			may_run = false;
		}
		if (l->state != LOST_UNTOLD && l->state != LOST_KEPT)
			next = now + LOOK_EVERY_MS;
	}
	sweep(a);
	return next;
}

/* What becomes of what is owed still, when its process has ended. */
static enum lost_state owed_next(
    const struct agent *a, struct lost *l, bool killed, uint64_t now)
{
	if (a->stopping)
		return LOST_KEPT;
	if (killed && l->runs < RUNS_MAX) {
		l->next_at = now + AGAIN_MS;
		return LOST_OWES;
	}
	log_error("job %lld: its post-script could not be settled: it stays "
		  "owed until the agent starts again",
	    (long long)l->id);
	return LOST_KEPT;
}

bool recovery_reap(struct agent *a, pid_t pid, int status)
{
	struct lost *l = a->lost;
	uint64_t now = clock_ms();
	struct journal j;
	while (l != NULL && l->helper.pid != pid)
		l = l->next;
	if (l == NULL)
		return false;
	frame_link_release(&l->helper.link);
	l->helper.pid = 0;
	journal_read(a->paths, l->id, &j);
	if (j.group.pid > 0 && proc_group_is(&j.group, j.worker.pid))
		runner_adopt(a, l->id, &j.group, now);
	l->state = j.owed_count > 0 ? owed_next(a, l, WIFSIGNALED(status), now)
				    : LOST_OVER;
	journal_release(&j);
	sweep(a);
	return true;
}

void recovery_stop(struct agent *a)
{
	struct buf payload = BUF_INIT(64);
	pack_u64(&payload, STOP_SERVICE);
	for (struct lost *l = a->lost; l != NULL; l = l->next) {
		if (l->helper.pid != 0)
			frame_send(&l->helper.link, MESSAGE_CANCEL,
			    payload.data, payload.len, -1);
	}
	buf_release(&payload);
}

void recovery_close(struct agent *a)
{
	while (a->lost != NULL) {
		struct lost *l = a->lost;
		a->lost = l->next;
		if (l->helper.pid != 0)
			frame_link_release(&l->helper.link);
		free(l);
	}
}
