/*
 * `install`: everything is asked first (preflight), then done step by step,
 * each step whole or not at all, so that a second run repairs what a first
 * one left. It never stops an agent that runs a backup, never touches another
 * agent's files but the service of the same name, and claims no more than it
 * has seen.
 */
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "base/version.h"
#include "setup/aids.h"
#include "setup/getborg.h"
#include "setup/lockfile.h"
#include "setup/plan.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The service registers within a second where all is well; a slow device
 * with a slow borg takes longer. */
#define ANSWER_MS 60000
#define ANSWER_STEP_MS 100
/* A backup that began during the installation is waited for. */
#define BACKUP_WAIT_MS (3600u * 1000u)
#define BACKUP_STEP_MS 2000

static int complain(const struct buf *why, const char *after)
{
	struct buf line = BUF_INIT(64 * KIB);
	/* Line ends are kept: what a program said has some. */
	for (const char *p = buf_str(why); *p != '\0';) {
		size_t len = strcspn(p, "\n");
		text_add_escaped(&line, p, len);
		p += len;
		if (*p == '\n') {
			buf_adds(&line, "\n    ");
			p++;
		}
	}
	fprintf(stderr, "bbs-agent: %s%s\n", buf_str(&line), after);
	buf_release(&line);
	return EXIT_FAILED;
}

/* The directory of a file that is going to be written. */
static int make_parent(struct plan *p, const char *path, struct buf *why)
{
	char *dir = strndup(path, (size_t)(strrchr(path, '/') - path));
	int rc = dir != NULL ? steps_dir(&p->steps, dir, 0755, why) : -1;
	free(dir);
	return rc;
}

static int put_program(struct plan *p, struct buf *why)
{
	steps_sweep(&p->steps, p->program);
	if (make_parent(p, p->program, why) != 0 ||
	    steps_file(&p->steps, p->program, &p->self, 0755, why) != 0)
		return -1;
	return 0;
}

static int put_configuration(struct plan *p, struct buf *why)
{
	const struct steps *s = &p->steps;
	if (steps_dir(s, p->paths.etc, 0755, why) != 0 ||
	    steps_dir(s, p->paths.state, 0700, why) != 0)
		return -1;
	if (p->options->ca_file != NULL &&
	    steps_file(s, p->ca_copy, &p->ca, 0644, why) != 0)
		return -1;
	return steps_file(s, p->paths.config, &p->text, 0600, why);
}

static int put_ssh(struct plan *p, struct buf *why)
{
	const struct steps *s = &p->steps;
	struct buf info = BUF_INIT(4 * KIB);
	int rc = 0;
	if (p->answer.ssh_key.len == 0)
		steps_note(ANSWER_NO_KEY);
	else
		rc = steps_file(
		    s, p->paths.ssh_key, &p->answer.ssh_key, 0600, why);
	if (rc == 0 && p->answer.has_ssh) {
		ssh_info_encode(&p->answer.ssh, &info);
		rc = steps_file(s, p->paths.ssh_info, &info, 0644, why);
	}
	buf_release(&info);
	return rc;
}

/* The service file that is there is another agent's. */
static bool is_foreign(const char *path)
{
	return access(path, F_OK) == 0 && !service_is_ours(path);
}

/* An init script is the only one that can stop what it started; systemd
 * knows by itself. */
static void stop_foreign(struct plan *p)
{
	struct buf why = BUF_INIT(16 * KIB);
	steps_say(&p->steps, "%s is another agent's: it is replaced",
	    p->service_file);
	if (p->service.init != INIT_SYSTEMD && !p->options->no_start &&
	    service_stop(&p->service, &p->steps, &why) != 0)
		complain(&why, " (going on)");
	buf_release(&why);
}

static int put_service(struct plan *p, struct buf *why)
{
	struct buf text = BUF_INIT(64 * KIB);
	int rc = -1;
	if (p->service_file == NULL)
		return 0;
	steps_sweep(&p->steps, p->service_file);
	if (is_foreign(p->service_file))
		stop_foreign(p);
	if (service_text(&p->service, &text) != 0)
		buf_adds(why, "out of memory");
	else if (make_parent(p, p->service_file, why) == 0 &&
		 steps_file(&p->steps, p->service_file, &text,
		     service_mode(p->service.init), why) == 0)
		rc = service_enable(&p->service, &p->steps, why);
	buf_release(&text);
	return rc;
}

/* It was asked before; one may have begun since. */
static int wait_for_backup(struct plan *p, struct buf *why)
{
	uint64_t until = clock_ms() + BACKUP_WAIT_MS;
	struct buf what = BUF_INIT(KIB);
	bool said = false;
	int rc = 0;
	while (rc == 0 && host_job_runs(&p->paths, &what) != 0) {
		if (!said)
			steps_say(&p->steps, "%s: waiting for its end",
			    buf_str(&what));
		said = true;
		if (clock_ms() > until) {
			buf_addf(why,
			    "%s for over an hour: install again when it is "
			    "done",
			    buf_str(&what));
			rc = -1;
		}
		poll(NULL, 0, BACKUP_STEP_MS);
		buf_reset(&what);
	}
	buf_release(&what);
	return rc;
}

static void say_how_to_look(const struct plan *p, struct buf *why)
{
	if (p->service.init == INIT_SYSTEMD)
		buf_adds(why, "journalctl -u bbs-agent says more");
	else if (p->service.init == INIT_PROCD)
		buf_adds(why, "logread says more");
	else
		buf_addf(why, "%s says more", SERVICE_LOG);
}

/* Until the agent that was started has been answered by the server. */
static int wait_for_answer(struct plan *p, int before, struct buf *why)
{
	uint64_t until = clock_ms() + ANSWER_MS;
	struct lockfile lock;
	for (;;) {
		lockfile_read(p->paths.lock, &lock);
		if (lock.pid != 0 && lock.pid != before && lock.answered)
			return 0;
		if (clock_ms() > until)
			break;
		poll(NULL, 0, ANSWER_STEP_MS);
	}
	if (lock.pid != 0 && lock.pid == before)
		buf_addf(why,
		    "the service was started, but an agent that is not the "
		    "service's runs here (process %d): end it, then install "
		    "again",
		    lock.pid);
	else if (lock.pid != 0)
		buf_addf(why,
		    "the service runs (process %d), but within %u s the "
		    "server did not answer it: ",
		    lock.pid, ANSWER_MS / 1000);
	else
		buf_addf(why, "the service was started, but does not run: ");
	if (lock.pid == 0 || lock.pid != before)
		say_how_to_look(p, why);
	return -1;
}

static int start(struct plan *p, struct buf *why)
{
	struct lockfile lock;
	if (wait_for_backup(p, why) != 0)
		return -1;
	lockfile_read(p->paths.lock, &lock);
	if (service_restart(&p->service, &p->steps, why) != 0)
		return -1;
	if (p->steps.dry) {
		steps_say(&p->steps, "would wait until the server has "
				     "answered the service");
		return 0;
	}
	steps_say(&p->steps, "waiting for the server to answer the service");
	return wait_for_answer(p, lock.pid, why);
}

static void tell_about_others(const struct plan *p)
{
	int pid = p->service.booted ? host_stock_agent() : 0;
	struct buf text = BUF_INIT(4 * KIB);
	if (p->service.booted && !host_has_program("ssh") &&
	    !host_has_program("dbclient"))
		steps_note(
		    "ssh is not installed, and no backup runs without it: "
		    "install openssh-client");
	if (pid != 0 && !p->steps.dry && !p->options->no_start) {
		buf_addf(&text,
		    "the stock agent still runs (process %d), and two agents "
		    "with one key share out the jobs: end it",
		    pid);
		steps_note("%s", buf_str(&text));
	}
	if (host_has(p->paths.root, "/opt/bbs-agent"))
		steps_say(&p->steps,
		    "left as it is: %s/opt/bbs-agent (the stock agent's files)",
		    p->paths.root);
	buf_release(&text);
}

static void conclude(const struct plan *p, bool started)
{
	struct buf line = BUF_INIT(64 * KIB);
	if (p->steps.dry) {
		puts("nothing was changed (--dry-run)");
		return;
	}
	buf_adds(&line, "bbs-agent " BBS_VERSION " is installed");
	if (started)
		buf_addf(&line,
		    " and runs as a service of %s; the server has answered it",
		    host_init_name(p->service.init));
	else if (p->service.init == INIT_NONE) {
		buf_adds(&line, "; nothing starts it yet. A line that does: ");
		service_hint(&p->service, &line);
	} else if (p->service.booted)
		buf_adds(&line, "; it was not started (--no-start)");
	else
		buf_addf(&line, " in %s and will start with it", p->paths.root);
	puts(buf_str(&line));
	buf_release(&line);
}

static int carry_out(struct plan *p, struct buf *why)
{
	bool starts = p->service.booted && !p->options->no_start &&
		      p->service.init != INIT_NONE;
	steps_say(&p->steps, "the server has answered and takes the API key");
	if (put_program(p, why) != 0 || put_configuration(p, why) != 0 ||
	    put_ssh(p, why) != 0)
		return -1;
	getborg(p);
	aids_install(p);
	if (put_service(p, why) != 0 || (starts && start(p, why) != 0))
		return -1;
	tell_about_others(p);
	conclude(p, starts);
	return 0;
}

int install_run(const struct setup_options *o)
{
	struct plan plan;
	struct buf why = BUF_INIT(64 * KIB);
	log_open(LOG_LEVEL_ERROR, -1);
	int rc = plan_init(&plan, o, &why);
	if (rc == EXIT_DONE)
		rc = plan_configure(&plan, &why);
	if (rc == EXIT_DONE)
		rc = preflight(&plan, &why);
	if (rc != EXIT_DONE) {
		if (strstr(buf_str(&why), "set ca_file to") != NULL)
			buf_adds(&why, "; for install these are --ca-file and "
				       "--pin");
		complain(&why, " (nothing was changed)");
	} else if (carry_out(&plan, &why) != 0) {
		rc = complain(&why, "");
	}
	plan_release(&plan);
	buf_release(&why);
	return rc;
}
