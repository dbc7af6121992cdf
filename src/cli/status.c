/*
 * Whether an agent runs is never believed of a file: a running one holds the
 * lock, and what it tells bears its pid and start time.
 */
#include "cli/status.h"
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/proc.h"
#include "setup/lockfile.h"
#include "setup/service.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* An agent that has just taken the lock writes the file within a moment. */
#define LOOK_TRIES 20
#define LOOK_EVERY_MS 50
#define FRESH_S 3

/* How the service is started here. */
static void add_start(const struct paths *p, struct buf *why)
{
	static const char *const commands[] = {
	    [INIT_SYSTEMD] = "systemctl start " SERVICE_NAME,
	    [INIT_OPENRC] = "rc-service " SERVICE_NAME " start",
	    [INIT_SYSV] = "/etc/init.d/" SERVICE_NAME " start",
	    [INIT_PROCD] = "/etc/init.d/" SERVICE_NAME " start"};
	struct buf unknown = BUF_INIT(4 * KIB);
	enum init_system init = host_init_running(&unknown);
	const char *file = init < INIT_UNKNOWN ? service_path(init) : NULL;
	if (file != NULL && host_has("", file))
		buf_adds(why, commands[init]);
	else
		buf_addf(why, "bbs-agent run%s%s",
		    p->root[0] != '\0' ? " --root " : "", p->root);
	buf_release(&unknown);
}

static bool is_of(const struct status *s, int pid)
{
	uint64_t start = proc_start_time(pid);
	return s->pid == pid && (start == 0 || s->pid_start <= 0 ||
				    (uint64_t)s->pid_start == start);
}

static void look_dead(const struct paths *p, struct status_look *look)
{
	look->code = EXIT_UNCONFIGURED;
	if (access(p->lock, R_OK) != 0 && errno == EACCES) {
		look->code = EXIT_FAILED;
		buf_addf(&look->why, "cannot read %s: %s; ask as root", p->lock,
		    strerror(errno));
		return;
	}
	if (access(p->config, F_OK) != 0 && errno == ENOENT) {
		buf_adds(&look->why, "bbs-agent is not configured: run "
				     "bbs-agent install");
		return;
	}
	buf_adds(&look->why, "bbs-agent is not running: start it with ");
	add_start(p, &look->why);
	buf_adds(&look->why,
	    "; if it ends again, bbs-agent doctor says what is wrong");
}

/* What went wrong in the last jobs, for whoever may read it. */
static void add_errors(const struct paths *p, struct status *s)
{
	struct buf text = BUF_INIT(STATUS_FILE_MAX);
	struct status kept = {0};
	if (file_read(p->history, &text) == 0)
		(void)status_decode(
		    &kept, STATUS_HISTORY, buf_str(&text), text.len);
	for (int i = 0; i < s->past_count * kept.past_count; i++) {
		struct status_past *to = &s->past[i / kept.past_count];
		struct status_past *from = &kept.past[i % kept.past_count];
		if (to->id == from->id && to->error == NULL) {
			to->error = from->error;
			from->error = NULL;
		}
	}
	status_release(&kept);
	buf_release(&text);
}

void status_look(const struct paths *p, struct status_look *look)
{
	struct lockfile lock;
	memset(look, 0, sizeof(*look));
	buf_init(&look->text, STATUS_FILE_MAX);
	buf_init(&look->why, 16 * KIB);
	lockfile_read(p->lock, &lock);
	bool read = file_read(p->status, &look->text) == 0;
	int error = errno;
	bool whole = read && status_decode(&look->s, STATUS_WHOLE,
				 buf_str(&look->text), look->text.len) == 0;
	if (!whole)
		buf_reset(&look->text);
	look->running = lock.pid != 0;
	if (!look->running) {
		look_dead(p, look);
		return;
	}
	look->told = whole && is_of(&look->s, lock.pid);
	if (look->told) {
		add_errors(p, &look->s);
		return;
	}
	look->code = EXIT_FAILED;
	buf_addf(&look->why, "bbs-agent is running (pid %d), but ", lock.pid);
	if (!read && error != ENOENT)
		buf_addf(&look->why, "%s cannot be read: %s", p->status,
		    strerror(error));
	else if (read && !whole)
		buf_addf(&look->why,
		    "%s is damaged; it is written anew with the next poll",
		    p->status);
	else
		buf_addf(&look->why,
		    "has not written %s yet: its log says what it does",
		    p->status);
}

void status_look_release(struct status_look *look)
{
	status_release(&look->s);
	buf_release(&look->text);
	buf_release(&look->why);
}

/* Its first answer is about to come, or to be told. */
static bool is_fresh(const struct status *s)
{
	return s->answered <= 0 && s->failures == 0 && !s->stopping &&
	       clock_wall() - s->started < FRESH_S;
}

/* The same, with patience for one that has just been started. */
static void look_closely(const struct paths *p, struct status_look *look)
{
	for (int i = 0; i < LOOK_TRIES; i++) {
		status_look(p, look);
		if (!look->running || (look->told && !is_fresh(&look->s)))
			return;
		status_look_release(look);
		poll(NULL, 0, LOOK_EVERY_MS);
	}
	status_look(p, look);
}

/* The file as it is, for whoever knows more keys than we do, behind what only
 * the lock tells. */
static void print_json(const struct status_look *look)
{
	const char *rest = strchr(buf_str(&look->text), '{');
	bool empty = rest == NULL || rest[1] == '}';
	printf("{\"running\":%s%s%s", look->running ? "true" : "false",
	    empty ? "" : ",", empty ? "}\n" : rest + 1);
}

static void print_lines(const struct status_look *look)
{
	struct term t;
	struct buf out = BUF_INIT(STATUS_FILE_MAX);
	term_look(&t, STDOUT_FILENO);
	/* The last line is the shell's. */
	status_lines(&t, &look->s, clock_wall(), t.tty ? t.rows - 1 : 0, &out);
	fputs(buf_str(&out), stdout);
	buf_release(&out);
}

int status_run(const struct status_options *o)
{
	struct paths paths;
	struct status_look look;
	if (paths_init(&paths, o->root, o->config) != 0) {
		fputs("bbs-agent: out of memory\n", stderr);
		return EXIT_FAILED;
	}
	int rc;
	if (o->watch) {
		rc = status_watch(&paths);
	} else {
		look_closely(&paths, &look);
		rc = look.code;
		if (o->json)
			print_json(&look);
		else if (look.told)
			print_lines(&look);
		if (look.why.len > 0)
			fprintf(stderr, "%s\n", buf_str(&look.why));
		status_look_release(&look);
		if (fflush(stdout) != 0 && rc == EXIT_DONE)
			rc = EXIT_FAILED;
	}
	paths_release(&paths);
	return rc;
}
