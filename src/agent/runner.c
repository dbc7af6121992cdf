/*
 * Workers as the supervisor sees them: started, listened to, stopped, and
 * cleaned up after. A worker that dies without its final report is reported
 * failed, and what it left running is ended.
 */
#include "agent/agent.h"
#include "agent/recovery.h"
#include "agent/update.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/text.h"
#include "job/borgenv.h"
#include "job/hook_env.h"
#include "job/secretfile.h"
#include "job/worker.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ORPHAN_GRACE_MS 10000
/* How often it is looked whether what hangs in the kernel is gone. */
#define STUCK_LOOK_MS 60000u
/* What a worker needs at most to stop borg, end ssh and write its report: one
 * that takes longer hangs, in a dead mount for example. */
#define WORKER_GRACE_MS 60000u
/* A report waits at most so long for the server to know the host anew. */
#define INFO_FIRST_MS 60000u
/* A look into a directory has nothing to stop. */
#define LOOK_GRACE_MS 2000u
/* A job that was not announced is told of when it takes this long. */
#define PROGRESS_FIRST_MS 4500

void runner_start_job(struct agent *a, struct job *job, uint64_t now)
{
	int sock;
	recovery_note(a, job);
	pid_t pid = worker_start(
	    a->config, a->paths, &job->task, a->log_fd, worker_run_task, &sock);
	if (pid < 0) {
		struct buf text = BUF_INIT(KIB);
		buf_addf(&text,
		    "the agent could not start a process for the "
		    "job: %s",
		    strerror(errno));
		log_error("job %lld: %s", (long long)job->id, buf_str(&text));
		job->state = JOB_REPORTING;
		spool_add_sentence(a, job->id, REPORT_FAILED, buf_str(&text));
		buf_release(&text);
		return;
	}
	frame_link_init(&job->link, sock, REPORT_BODY_MAX + 4096);
	job->pid = pid;
	job->state = JOB_RUNNING;
	job->accepted_at = job->started_at = now;
	stall_init(&job->stall, now);
	if (job->task.kind == TASK_LIST_DIR)
		job->give_up_at = now + BROWSE_GIVE_UP_MS;
	if (a->heartbeat_at <= now)
		a->heartbeat_at = now + (uint64_t)a->poll_interval * 1000u;
}

/* One that looks at the host now may have looked before. */
static void renew(struct agent *a, struct job *job, uint64_t now)
{
	job->info_by = now + INFO_FIRST_MS;
	a->renewal = RENEWAL_WANTED;
	a->host_at = now;
}

static void take_final(
    struct agent *a, struct job *job, struct unpack *u, uint64_t now)
{
	size_t len = 0;
	/* The test asks for a new key when it is so. */
	if (unpack_u64(u) != 0)
		a->want_ssh_test = true;
	bool kept = unpack_u64(u) != 0;
	struct report r;
	if (report_unpack(&r, u) == 0)
		history_add(a, job->id, &r,
		    job->stop != STOP_NONE ? worker_stop_sentence(job->stop)
					   : NULL);
	const char *body = kept ? NULL : unpack_bytes(u, &len);
	if (kept)
		a->spool.pending = true;
	else if (body != NULL)
		spool_add(a, job->id, body, len);
	job->final_at = now;
	job->state = JOB_REPORTING;
	/* Post-scripts run within their own time from here on. */
	job->stop_by = now + job->after_ms + WORKER_GRACE_MS;
}

static void take_message(
    struct agent *a, struct job *job, const struct frame *f, uint64_t now)
{
	struct unpack u;
	unpack_init(&u, f->data, f->len);
	switch (f->type) {
	case MESSAGE_PROGRESS: {
		struct progress p;
		if (progress_unpack(&p, &u) == 0) {
			if (strcmp(p.message, job->progress.message) != 0)
				job->progress_at = now;
			statusfile_progress(job, &p, now);
			job->progress = p;
		}
		break;
	}
	case MESSAGE_LOG: {
		const char *level = unpack_bytes(&u, NULL);
		const char *text = unpack_bytes(&u, NULL);
		if (unpack_end(&u) == 0 && level != NULL && text != NULL)
			job_add_log(job, level, text);
		break;
	}
	case MESSAGE_CHILD:
		job->group = (pid_t)unpack_u64(&u);
		job->group_start = unpack_u64(&u);
		break;
	case MESSAGE_AFTER:
		job->after_ms = unpack_u64(&u);
		break;
	case MESSAGE_FINAL:
		take_final(a, job, &u, now);
		break;
	case MESSAGE_FETCH:
		fetch_ask(a, job, &u, f->fd);
		break;
	case MESSAGE_RENEW:
		renew(a, job, now);
		break;
	case MESSAGE_STUCK: {
		struct proc group = {.pid = (pid_t)unpack_u64(&u)};
		group.start = unpack_u64(&u);
		if (unpack_end(&u) == 0)
			runner_adopt(a, job->id, &group, now);
		break;
	}
	default:
		log_warning("job %lld: message %u from its worker is unknown",
		    (long long)job->id, f->type);
	}
}

void runner_read_job(struct agent *a, struct job *job, uint64_t now)
{
	struct frame f;
	int more;
	frame_flush(&job->link);
	/* All of it: a worker says FINAL and is gone. */
	do {
		more = frame_fill(&job->link);
		while (frame_next(&job->link, &f) == 1) {
			take_message(a, job, &f, now);
			if (f.fd >= 0)
				close(f.fd);
		}
	} while (more > 0);
	/* A worker that lives on without its link ends by itself. */
	if (more < 0)
		frame_link_release(&job->link);
}

/* What a dead worker left running: TERM to borg now, KILL to all later. */
void runner_adopt(
    struct agent *a, int64_t id, const struct proc *group, uint64_t now)
{
	if (group->pid == 0 || !proc_group_alive(group))
		return;
	log_warning(
	    "job %lld: stopping what its worker left running", (long long)id);
	proc_signal(group, SIGTERM);
	for (int i = 0; i < ORPHANS_MAX; i++) {
		struct orphan *o = &a->orphans[i];
		if (o->group != 0)
			continue;
		*o = (struct orphan){.job_id = id,
		    .group = group->pid,
		    .start = group->start,
		    .next_at = now + ORPHAN_GRACE_MS};
		return;
	}
	proc_signal_group(group, SIGKILL);
}

/* Killed, and there still: it never runs a line of its own again, so that it
 * does no harm to a repository. Its lock may stay; borg says so then. */
static void let_go(struct orphan *o, const struct proc *p)
{
	struct buf text = BUF_INIT(KIB);
	proc_describe_stuck(p, &text);
	log_error("job %lld: what it left running was killed, and %s; the next "
		  "job begins all the same",
	    (long long)o->job_id, buf_str(&text));
	o->let_go = true;
	buf_release(&text);
}

static void end_orphan(struct orphan *o, const struct proc *p, uint64_t now)
{
	if (o->next_at > now || o->let_go)
		return;
	if (o->killed) {
		let_go(o, p);
		return;
	}
	proc_signal_group(p, SIGKILL);
	o->killed = true;
	o->next_at = now + ORPHAN_GONE_MS;
}

uint64_t runner_orphans(struct agent *a, uint64_t now)
{
	uint64_t next = CLOCK_NEVER;
	for (int i = 0; i < ORPHANS_MAX; i++) {
		struct orphan *o = &a->orphans[i];
		struct proc p = {o->group, o->start};
		if (o->group == 0)
			continue;
		if (!proc_group_alive(&p)) {
			o->group = 0;
			continue;
		}
		end_orphan(o, &p, now);
		uint64_t again = now + (o->let_go ? STUCK_LOOK_MS : 500);
		if (again < next)
			next = again;
	}
	return next;
}

/* A job that may find its repository locked is told by whom. */
static void tell_of_stuck(const struct agent *a, struct job *job)
{
	struct buf text = BUF_INIT(KIB);
	for (int i = 0; i < ORPHANS_MAX; i++) {
		const struct orphan *o = &a->orphans[i];
		struct proc p = {o->group, o->start};
		if (o->group == 0 || !o->let_go)
			continue;
		buf_reset(&text);
		buf_addf(&text, "Of job %lld, ", (long long)o->job_id);
		proc_describe_stuck(&p, &text);
		buf_adds(&text, ": if it used this repository, that may be "
				"locked until this host is restarted");
		job_add_log(job, "warning", buf_str(&text));
	}
	buf_release(&text);
}

/* The job is over, whatever becomes of its process. */
static void report_without_it(
    struct agent *a, struct job *job, const char *sentence, uint64_t now)
{
	log_error("job %lld: %s", (long long)job->id, sentence);
	frame_link_release(&job->link);
	if (job->state != JOB_RUNNING)
		return;
	job->state = JOB_REPORTING;
	job->final_at = now;
	if (spool_has(a, job->id))
		a->spool.pending = true;
	else
		spool_add_sentence(a, job->id, REPORT_FAILED, sentence);
}

/* It hangs where nothing but a signal reaches it, if that does. */
static void give_up(struct agent *a, struct job *job, uint64_t now)
{
	char time[TEXT_AMOUNT];
	struct buf text = BUF_INIT(KIB);
	runner_read_job(a, job, now);
	if (job->state != JOB_RUNNING)
		return;
	text_duration(time, BROWSE_GIVE_UP_MS / 1000);
	if (job->stop != STOP_NONE)
		buf_adds(&text, worker_stop_sentence(job->stop));
	else
		buf_addf(&text,
		    "no answer within %s: is one of the directories on a "
		    "network drive or a disk that does not respond?",
		    time);
	kill(job->pid, SIGKILL);
	job->killed = true;
	job->stop_by = now + CHILD_GONE_MS;
	report_without_it(a, job, buf_str(&text), now);
	buf_release(&text);
}

/* Its process was killed and does not end: that keeps nothing waiting but
 * what it ran. */
static void leave_behind(struct agent *a, struct job *job, uint64_t now)
{
	struct buf text = BUF_INIT(KIB);
	struct proc worker = {job->pid, proc_start_time(job->pid)};
	struct proc group = {job->group, job->group_start};
	runner_read_job(a, job, now);
	if (job->stop != STOP_NONE)
		buf_addf(&text, "%s; ", worker_stop_sentence(job->stop));
	proc_describe_stuck(&worker, &text);
	job->stuck = true;
	report_without_it(a, job, buf_str(&text), now);
	runner_adopt(a, job->id, &group, now);
	job->group = 0;
	buf_release(&text);
}

static void end_overdue(struct agent *a, struct job *job, uint64_t now)
{
	if (job->give_up_at != 0 && job->state == JOB_RUNNING) {
		give_up(a, job, now);
	} else if (job->killed) {
		leave_behind(a, job, now);
	} else {
		log_error("job %lld: its process does not stop: killing it",
		    (long long)job->id);
		kill(job->pid, SIGKILL);
		job->killed = true;
		job->stop_by = now + CHILD_GONE_MS;
	}
}

/* A worker looks after what it runs, and wakes for that every second; one that
 * does not hangs itself, on a path in a dead mount for example. */
static void watch_worker(struct job *job, uint64_t now)
{
	uint64_t count;
	if (job->pid == 0 || job->killed || job->stop != STOP_NONE ||
	    !stall_is_due(&job->stall, now))
		return;
	if (proc_sleeps(job->pid, &count) != 0)
		count = now;
	if (stall_look(&job->stall, count, now))
		runner_stop_job(job, STOP_STALLED);
}

/* When the job's process is to be killed, or was, and is there then. */
static uint64_t overdue_at(const struct job *job)
{
	uint64_t at = CLOCK_NEVER;
	if (job->pid == 0 || job->stuck)
		return at;
	if (job->give_up_at != 0 && job->state == JOB_RUNNING)
		at = job->give_up_at;
	if ((job->stop != STOP_NONE || job->killed) && job->stop_by < at)
		at = job->stop_by;
	return at;
}

uint64_t runner_overdue(struct agent *a, uint64_t now)
{
	uint64_t next = CLOCK_NEVER;
	for (struct job *job = a->jobs.first; job != NULL; job = job->next) {
		watch_worker(job, now);
		if (overdue_at(job) <= now)
			end_overdue(a, job, now);
		if (overdue_at(job) < next)
			next = overdue_at(job);
	}
	return next;
}

/* A worker that ended without a word about its job. */
static void report_lost_worker(
    struct agent *a, struct job *job, int status, uint64_t now)
{
	struct buf text = BUF_INIT(KIB);
	/* It may have died between the report and its last word. */
	if (spool_has(a, job->id)) {
		job->state = JOB_REPORTING;
		job->final_at = now;
		a->spool.pending = true;
		return;
	}
	buf_addf(&text,
	    "the agent's process for this job ended unexpectedly "
	    "(%s %d)",
	    WIFSIGNALED(status) ? "signal" : "code",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	log_error("job %lld: %s", (long long)job->id, buf_str(&text));
	job->state = JOB_REPORTING;
	job->final_at = now;
	spool_add_sentence(a, job->id, REPORT_FAILED,
	    job->stop != STOP_NONE ? worker_stop_sentence(job->stop)
				   : buf_str(&text));
	buf_release(&text);
}

static void job_ended(
    struct agent *a, struct job *job, int status, uint64_t now)
{
	runner_read_job(a, job, now);
	job->pid = 0;
	frame_link_release(&job->link);
	struct proc group = {job->group, job->group_start};
	runner_adopt(a, job->id, &group, now);
	job->group = 0;
	borgenv_forget_key(a->paths, job->id);
	hook_env_forget(a->paths, job->id);
	secretfile_forget(a->paths, job->id);
	recovery_take(a, job->id);
	bool updated =
	    job->task.kind == TASK_UPDATE_AGENT && update_wanted(a, job->id);
	if (job->acknowledged) {
		recovery_reported(a, job->id);
		jobs_remove(&a->jobs, job);
	} else if (updated && job->final_at == 0) {
		/* The version that comes reports on it. */
		job->state = JOB_REPORTING;
		job->final_at = now;
	} else if (job->final_at == 0) {
		report_lost_worker(a, job, status, now);
	}
}

void runner_reap(struct agent *a, pid_t pid, int status, uint64_t now)
{
	if (helpers_reap(a, pid, now))
		return;
	if (recovery_reap(a, pid, status))
		return;
	for (struct job *job = a->jobs.first; job != NULL; job = job->next) {
		if (job->pid == pid) {
			job_ended(a, job, status, now);
			return;
		}
	}
}

void runner_stop_job(struct job *job, enum stop_reason reason)
{
	if (job->pid == 0 || job->stop != STOP_NONE)
		return;
	struct buf payload = BUF_INIT(64);
	job->stop = reason;
	if (job->final_at == 0)
		job->stop_by =
		    clock_ms() + job->after_ms +
		    (job->give_up_at != 0 ? LOOK_GRACE_MS : WORKER_GRACE_MS);
	log_debug("job %lld: stopping it (%s)", (long long)job->id,
	    worker_stop_sentence(reason));
	pack_u64(&payload, (uint64_t)reason);
	frame_send(&job->link, MESSAGE_CANCEL, payload.data, payload.len, -1);
	buf_release(&payload);
}

void runner_tell_delivered(struct job *job)
{
	frame_send(&job->link, MESSAGE_DELIVERED, "", 0, -1);
}

bool runner_has_orphans(const struct agent *a)
{
	for (int i = 0; i < ORPHANS_MAX; i++) {
		if (a->orphans[i].group != 0 && !a->orphans[i].let_go)
			return true;
	}
	return false;
}

/* What looks at this host alone begins without a word to the server, which
 * keeps such a job's parameters where "Starting task..." would go. */
static void start_short_jobs(struct agent *a, uint64_t now)
{
	struct job *job;
	while (jobs_have_room(&a->jobs) &&
	       (job = jobs_next_waiting(&a->jobs, false)) != NULL) {
		job->progress_at = now + PROGRESS_FIRST_MS;
		runner_start_job(a, job, now);
	}
}

void runner_schedule(struct agent *a, uint64_t now)
{
	/* A new version waits for a long job, and so must nobody else. */
	if (a->stopping || (a->take_over && !jobs_busy(&a->jobs)))
		return;
	start_short_jobs(a, now);
	/* A stale key is found before a backup fails over it. */
	bool testing = (a->want_ssh_test && a->ssh_test.pid == 0) ||
		       helpers_busy(&a->ssh_test);
	if (a->take_over || testing || runner_has_orphans(a) ||
	    recovery_busy(a) || jobs_busy(&a->jobs))
		return;
	struct job *job = jobs_next_waiting(&a->jobs, true);
	if (job == NULL)
		return;
	job->state = JOB_STARTING;
	job->progress_at = now;
	tell_of_stuck(a, job);
}
