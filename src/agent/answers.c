/*
 * What the server's answers lead to. Each was checked to be a JSON object;
 * whatever else is wrong with it costs a warning and nothing more.
 */
#include "agent/agent.h"
#include "agent/policy.h"
#include "agent/recovery.h"
#include "agent/update.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "job/worker.h"
#include "setup/lockfile.h"
#include <errno.h>
#include <string.h>

/* A job that the server's heartbeat calls stalled is left alone when its
 * progress was taken within this time. */
#define FRESH_MS (5u * 60u * 1000u)

/* An answer that was on its way when a report was taken is not older. */
#define HANDED_LATE_MS (5u * 60u * 1000u)

/* How often reports of an earlier life are looked for after a start. */
#define WATCH_EVERY_MS 900

static void keep_ssh_info(struct agent *a, const struct json *j)
{
	struct ssh_info info;
	struct buf why = BUF_INIT(KIB), text = BUF_INIT(KIB);
	int rc = answer_ssh_info(j, &info, &why);
	if (rc < 0)
		log_warning("%s", buf_str(&why));
	if (rc == 0 && memcmp(&info, &a->ssh_info, sizeof(info)) != 0) {
		struct ssh_info old;
		bool same = ssh_info_read(a->paths->ssh_info, &old) == 0 &&
			    memcmp(&old, &info, sizeof(info)) == 0;
		ssh_info_encode(&info, &text);
		if (!same && file_write(a->paths->ssh_info, text.data, text.len,
				 0644) != 0)
			log_error("cannot write %s: %s", a->paths->ssh_info,
			    strerror(errno));
		a->ssh_info = info;
	}
	buf_release(&why);
	buf_release(&text);
}

void answers_register(struct agent *a, const struct json *j, uint64_t now)
{
	struct buf name = BUF_INIT(4 * KIB);
	int64_t id = 0;
	json_int(j, json_get(j, 0, "agent_id"), &id);
	json_text(j, json_get(j, 0, "name"), &name);
	a->poll_interval = answer_poll_interval(j, a->poll_interval);
	log_info("registered as client %lld \"%s\"; polling every %d s",
	    (long long)id, buf_str(&name), a->poll_interval);
	buf_release(&name);
	keep_ssh_info(a, j);
	a->registered = true;
	/* An installation that started us waits for this. */
	if (lockfile_write(a->lock, true) != 0)
		log_debug("cannot write the lock: %s", strerror(errno));
	a->info_at = a->renewal == RENEWAL_KNOWN ? now : now + 3600u * 1000u;
	a->poll_at = now;
	if (!file_is_plain(a->paths->ssh_key)) {
		a->want_key = true;
		a->key_at = now;
	} else if (a->ssh_info.user[0] != '\0') {
		a->want_ssh_test = true;
	}
}

void answers_ssh_key(struct agent *a, const struct json *j, uint64_t now)
{
	struct buf key = BUF_INIT(KEY_FILE_MAX);
	(void)now;
	keep_ssh_info(a, j);
	if (answer_ssh_key(j, &key) != 0) {
		log_warning("the server's answer holds no SSH private key: "
			    "provision SSH for this client anew there");
	} else if (file_write(a->paths->ssh_key, key.data, key.len, 0600)) {
		log_error("cannot write the SSH key to %s: %s",
		    a->paths->ssh_key, strerror(errno));
	} else {
		log_info(
		    "SSH key received and written to %s", a->paths->ssh_key);
		a->want_key = false;
		a->want_ssh_test = true;
	}
	buf_wipe(&key);
}

static void refuse(struct agent *a, struct job *job, const char *sentence)
{
	log_error("job %lld: refused: %s", (long long)job->id, sentence);
	job->state = JOB_REPORTING;
	spool_add_sentence(a, job->id, REPORT_FAILED, sentence);
}

void answers_judge_again(struct agent *a)
{
	struct buf why = BUF_INIT(4 * KIB);
	for (struct job *job = a->jobs.first; job != NULL; job = job->next) {
		if (job->state != JOB_WAITING && job->state != JOB_STARTING)
			continue;
		buf_reset(&why);
		if (policy_check(a->config, &job->task, &why) != 0)
			refuse(a, job, buf_str(&why));
	}
	buf_release(&why);
}

/* Its report was taken. One that is handed out still, when no answer can be so
 * old, would be for ever: as it is after the server's database was put back. */
static void refuse_again(struct agent *a, int64_t id, uint64_t now)
{
	static const char sentence[] =
	    "This host has reported on a job of this number within the last "
	    "day, and does not run it again. Was the server's database "
	    "restored from a backup?";
	if (jobs_done_ago(&a->jobs, id, now) < HANDED_LATE_MS)
		return;
	log_error("job %lld: refused: %s", (long long)id, sentence);
	/* Not spool_add_sentence: what the job did stays in the history. */
	struct buf body = BUF_INIT(4 * KIB);
	report_encode_failed(id, REPORT_FAILED, sentence, &body);
	spool_add(a, id, buf_str(&body), body.len);
	buf_release(&body);
}

static void take_task(
    struct agent *a, const struct json *j, int node, uint64_t now)
{
	struct task task;
	struct buf why = BUF_INIT(4 * KIB);
	int64_t id = task_job_id(j, node);
	if (id < 0) {
		log_warning("the server sent a task without a job_id; it is "
			    "ignored");
		return;
	}
	struct job *job = jobs_find(&a->jobs, id);
	if (job != NULL) {
		job->poll = a->polls_done;
		return;
	}
	/* Its report still lies in the spool, or was taken. */
	if (spool_has(a, id) || recovery_has(a, id))
		return;
	if (jobs_was_done(&a->jobs, id, now)) {
		refuse_again(a, id, now);
		return;
	}
	int rc = task_decode(&task, j, node, &why);
	task.job_id = id;
	job = jobs_add(&a->jobs, &task);
	task_release(&task);
	if (job == NULL)
		goto out;
	job->poll = a->polls_done;
	if (rc != 0) {
		refuse(a, job, buf_str(&why));
	} else if (policy_check(a->config, &job->task, &why) != 0) {
		refuse(a, job, buf_str(&why));
	} else if (!worker_can(&job->task, &why)) {
		refuse(a, job, buf_str(&why));
	} else {
		job->state = JOB_WAITING;
		if (job->task.kind == TASK_LIST_DIR)
			a->browsed_at = now;
		log_info(
		    "job %lld: %s received", (long long)id, job->task.type);
	}
out:
	buf_release(&why);
}

static bool named_in(const struct json *j, int list, int64_t id)
{
	for (int e = json_first(j, list); e != JSON_NONE;
	     e = json_next(j, list, e)) {
		if (task_job_id(j, e) == id)
			return true;
	}
	return false;
}

/* Ids that the server believes stalled. Only what nobody here knows is
 * abandoned; a backup whose report is being imported is named too. */
static void check_jobs(
    struct agent *a, const struct json *j, bool is_heartbeat, uint64_t now)
{
	int list = json_get(j, 0, "check_jobs");
	int tasks = json_get(j, 0, "tasks"), count = 0;
	for (int e = json_first(j, list); e != JSON_NONE;
	     e = json_next(j, list, e)) {
		int64_t id;
		if (count++ == TASKS_MAX) {
			log_warning("the server asks about %d jobs; only the "
				    "first %d are looked at",
			    json_count(j, list), TASKS_MAX);
			break;
		}
		if (json_int(j, e, &id) != 0 || id <= 0)
			continue;
		struct job *job = jobs_find(&a->jobs, id);
		if (job == NULL) {
			if (named_in(j, tasks, id) || update_has(a, id) ||
			    spool_has(a, id) ||
			    jobs_was_done(&a->jobs, id, now) ||
			    recovery_has(a, id) || spool_is_full(a))
				continue;
			log_warning("job %lld: the server asks about it, but "
				    "it does not run here: reported as "
				    "abandoned",
			    (long long)id);
			spool_add_sentence(a, id, REPORT_ABANDONED,
			    "The agent does not know this job: it was "
			    "restarted, or the job never arrived");
		} else if (is_heartbeat && job->state == JOB_RUNNING &&
			   now - job->accepted_at >= FRESH_MS) {
			log_warning("job %lld: the server calls it stalled "
				    "and has given it up: stopping it",
			    (long long)id);
			runner_stop_job(job, STOP_GIVEN_UP);
		}
	}
}

void answers_tasks(struct agent *a, const struct json *j, uint64_t now)
{
	int list = json_get(j, 0, "tasks");
	a->poll_interval = answer_poll_interval(j, a->poll_interval);
	a->poll_at = now + calls_poll_every(a, now);
	a->polled = true;
	if (json_type(j, list) != JSON_ARRAY) {
		trouble_add(&a->trouble, LOG_LEVEL_WARNING,
		    "the server's answer holds no list of tasks: is it a BBS "
		    "server?",
		    1, 0, now);
		a->trouble.hold_until = 0;
		return;
	}
	trouble_end(&a->trouble, now);
	if (!a->registered && a->register_at == CLOCK_NEVER)
		a->register_at = now;
	update_answered(a);
	a->polls_done++;
	if (now < a->spool.watch_until &&
	    now - a->spool.watched_at >= WATCH_EVERY_MS) {
		a->spool.watched_at = now;
		a->spool.pending = true;
	}
	recovery_polled(a, j, list);
	int count = 0;
	for (int e = json_first(j, list); e != JSON_NONE;
	     e = json_next(j, list, e)) {
		if (count++ == TASKS_MAX) {
			log_warning("the server sent %d tasks; only the first "
				    "%d are taken",
			    json_count(j, list), TASKS_MAX);
			break;
		}
		take_task(a, j, e, now);
	}
	a->poll_at = a->poll_again ? now : now + calls_poll_every(a, now);
	a->poll_again = false;
	jobs_forget_unnamed(&a->jobs, a->polls_done);
	check_jobs(a, j, false, now);
}

void answers_progress(
    struct agent *a, struct job *job, const struct json *j, uint64_t now)
{
	job->accepted_at = now;
	bool cancel = json_bool(j, json_get(j, 0, "cancel"), false);
	if (job->state == JOB_STARTING && cancel) {
		log_info(
		    "job %lld: cancelled before it began", (long long)job->id);
		job->state = JOB_REPORTING;
		spool_add_sentence(
		    a, job->id, REPORT_FAILED, "Cancelled by user");
	} else if (job->state == JOB_STARTING && a->stopping) {
		job->state = JOB_REPORTING;
		spool_add_sentence(a, job->id, REPORT_FAILED,
		    worker_stop_sentence(STOP_SERVICE));
	} else if (job->state == JOB_STARTING) {
		text_copy(job->said, sizeof(job->said), "Starting task...");
		runner_start_job(a, job, now);
	} else if (cancel && job->state == JOB_RUNNING) {
		runner_stop_job(job, STOP_CANCELLED);
	}
}

void answers_heartbeat(struct agent *a, const struct json *j, uint64_t now)
{
	int64_t id;
	check_jobs(a, j, true, now);
	/* It may name another, older job for ever: only one that runs here. */
	if (json_int(j, json_get(j, 0, "cancel_job"), &id) != 0)
		return;
	struct job *job = jobs_find(&a->jobs, id);
	if (job != NULL && job->state == JOB_RUNNING)
		runner_stop_job(job, STOP_CANCELLED);
}
