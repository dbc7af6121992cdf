/*
 * `update`: a newer version of this program, verified, tried, and put into
 * its place, the old one beside it. By hand the agent that runs is then told
 * to take over; for a job (--job, not for people) that is the supervisor's.
 * It never goes back to an older version, and whatever is wrong leaves
 * everything as it was.
 */
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/text.h"
#include "base/version.h"
#include "bbs/borg_install.h"
#include "bbs/update_state.h"
#include "setup/lockfile.h"
#include "setup/setup.h"
#include "setup/update_fetch.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* An agent that has nothing to do takes over at once and is answered within
 * seconds; one that is busy does it when its job is done. */
#define TAKE_OVER_MS 3000
#define ANSWER_MS 60000
#define STEP_MS 100

struct update {
	const struct update_options *o;
	struct paths paths;
	struct config config;
	struct buf base, why;
	struct release release;
	struct update_state state, before;
	int64_t job;
	struct lockfile running;
};

/* The program that is being made: gone when we are told to end. */
static char fresh[UPDATE_NAME_MAX];

static void on_signal(int sig)
{
	(void)sig;
	unlink(fresh);
	_exit(EXIT_FAILED);
}

static void set_signals(sigset_t *set)
{
	static const int ends[] = {SIGTERM, SIGINT, SIGHUP};
	struct sigaction act = {.sa_handler = on_signal};
	sigemptyset(set);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		sigaddset(set, ends[i]);
		sigaction(ends[i], &act, NULL);
	}
}

static int complain(const struct update *u, int code)
{
	struct buf line = BUF_INIT(64 * KIB);
	const char *why = buf_str(&u->why);
	text_add_escaped(&line, why, strlen(why));
	fprintf(stderr, "bbs-agent: %s\n", buf_str(&line));
	buf_release(&line);
	return code;
}

static int configure(struct update *u)
{
	struct buf warnings = BUF_INIT(64 * KIB);
	bool missing = false;
	uint64_t job = 0;
	int rc = EXIT_FAILED;
	const char *failed = NULL, *file = u->o->config != NULL
					       ? u->o->config
					       : getenv("BBS_AGENT_CONFIG");
	if (paths_init(&u->paths, u->o->root, file) != 0 ||
	    config_init(&u->config) != 0)
		buf_addf(&u->why, "--root: %s", strerror(errno));
	else if (config_load(&u->config, u->paths.config, &warnings, &u->why,
		     &missing) != 0)
		rc = missing ? EXIT_UNCONFIGURED : EXIT_FAILED;
	else if (paths_make(&u->paths, &failed) != 0)
		buf_addf(&u->why, "cannot make the directory %s: %s", failed,
		    strerror(errno));
	else if (u->o->job != NULL &&
		 text_to_u64(u->o->job, 1, INT64_MAX, &job) != 0)
		buf_adds(&u->why, "--job takes a number");
	else
		rc = EXIT_DONE;
	u->job = (int64_t)job;
	buf_release(&warnings);
	return rc;
}

/* /proc shows a file that was replaced under its old name. */
static bool is_program(const char *link, const char *program)
{
	size_t len = strlen(program);
	return text_starts(link, program) &&
	       (link[len] == '\0' || strcmp(link + len, " (deleted)") == 0);
}

/* What is updated is the file that we are, which must be there still, and be
 * the one that the agent runs from. */
static int find_program(struct update *u)
{
	char link[64];
	char *to[2] = {u->state.program, fresh};
	const size_t room = sizeof(u->state.program);
	for (int i = 0; i < 2; i++) {
		snprintf(link, sizeof(link), "/proc/%d/exe",
		    i == 0 ? (int)getpid() : u->running.pid);
		ssize_t n = readlink(link, to[i], room - 1);
		to[i][n > 0 ? n : 0] = '\0';
	}
	if (text_ends(to[0], " (deleted)")) {
		buf_addf(&u->why,
		    "this program was replaced on the disk meanwhile (%s)",
		    to[0]);
		return -1;
	}
	if (u->running.pid != 0 && fresh[0] != '\0' &&
	    !is_program(fresh, to[0])) {
		buf_addf(&u->why,
		    "the agent that runs (process %d) is %s, and this is %s: "
		    "call that one",
		    u->running.pid, fresh, to[0]);
		return -1;
	}
	update_name(fresh, to[0], UPDATE_NEW);
	return borg_place_check(to[0], &u->why);
}

/* Why this release is not for this host. 0: it is. */
static int refuse(struct update *u)
{
	const struct update_state *s = &u->before;
	const char *version = u->release.version;
	int is = release_compare(version, BBS_VERSION);
	if (is < 0)
		buf_addf(&u->why,
		    "%s has bbs-agent %s, and this is %s: an older version is "
		    "never installed",
		    buf_str(&u->base), version, BBS_VERSION);
	else if (is == 0)
		buf_addf(&u->why, "bbs-agent %s is the newest that %s has",
		    BBS_VERSION, buf_str(&u->base));
	else if (s->phase == UPDATE_PENDING)
		buf_addf(&u->why,
		    "bbs-agent %s was put into its place before, and the "
		    "server has not answered it yet: bbs-agent status says "
		    "how that goes",
		    s->to);
	else if (u->job != 0 && s->phase == UPDATE_ROLLED_BACK &&
		 s->starts >= UPDATE_STARTS_MAX && strcmp(s->to, version) == 0)
		buf_addf(&u->why,
		    "bbs-agent %s was tried on this host before and taken "
		    "back (%s): only \"bbs-agent update\" by hand tries it "
		    "again",
		    version, s->reason);
	else
		return 0;
	return -1;
}

static void add_words(struct buf *out, const struct buf *said)
{
	const char *text = buf_str(said);
	size_t len = said->len;
	if (text_starts(text, "bbs-agent: ")) {
		text += strlen("bbs-agent: ");
		len -= strlen("bbs-agent: ");
	}
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	text_add_escaped(out, text, len < 500 ? len : 500);
}

/* Runs the new program beside the one that is there. It must say of itself
 * that it works, and that it is the version that was announced. */
static int try_it(struct update *u, int stop)
{
	const char *root = u->paths.root[0] != '\0' ? u->paths.root : "/";
	const char *const argv[] = {fresh, "run", "--trial", "--root", root,
	    "--config", u->paths.config, NULL};
	struct proc_spec spec = {
	    argv, NULL, NULL, PROC_NULL, PROC_NULL, PROC_NULL, 0, 0, 0};
	struct buf said = BUF_INIT(4 * KIB), errors = BUF_INIT(16 * KIB);
	struct buf want = BUF_INIT(KIB);
	int status = 0;
	buf_addf(&want, "bbs-agent %s\n", u->release.version);
	int rc = proc_run(
	    &spec, UPDATE_TRIAL_MS, stop, &said, &errors, &status, &u->why);
	int code = proc_exit_code(status);
	if (rc == 0 && code != EXIT_TRIAL) {
		buf_addf(&u->why, "bbs-agent %s does not work here (code %d): ",
		    u->release.version, code);
		add_words(&u->why, &errors);
		rc = -1;
	} else if (rc == 0 && strcmp(buf_str(&said), buf_str(&want)) != 0) {
		buf_addf(&u->why,
		    "what was announced as bbs-agent %s calls itself \"",
		    u->release.version);
		add_words(&u->why, &said);
		buf_adds(&u->why, "\"");
		rc = -1;
	}
	buf_release(&said);
	buf_release(&errors);
	buf_release(&want);
	return rc == 0 ? 0 : -1;
}

/* From here on a signal waits: only the trial hears it. */
static int try_and_swap(struct update *u, const sigset_t *set)
{
	struct update_state *s = &u->state;
	sigprocmask(SIG_BLOCK, set, NULL);
	int stop = signalfd(-1, set, SFD_CLOEXEC), rc = -1;
	if (try_it(u, stop) == 0) {
		s->phase = UPDATE_PENDING;
		/* Before: whoever finds the new program knows what it is. */
		rc = update_state_write(&u->paths, s);
		if (rc != 0)
			buf_addf(&u->why, "cannot write %s: %s",
			    u->paths.update, strerror(errno));
		else
			rc = update_swap(s->program, &u->why);
	}
	if (stop >= 0)
		close(stop);
	return rc;
}

static int install(struct update *u)
{
	sigset_t set;
	int rc = -1;
	set_signals(&set);
	if (update_fetch(&u->config, &u->paths, buf_str(&u->base), &u->release,
		fresh, &u->why) == 0)
		rc = try_and_swap(u, &set);
	if (rc != 0)
		unlink(fresh);
	return rc;
}

/* What is known of an earlier one and still counts stays. */
static void note_failure(struct update *u)
{
	const struct update_state *before = &u->before;
	struct update_state *s = &u->state;
	bool counts =
	    before->phase == UPDATE_PENDING ||
	    (before->phase == UPDATE_INSTALLED && before->starts > 0) ||
	    (before->phase == UPDATE_ROLLED_BACK &&
		(s->to[0] == '\0' || strcmp(before->to, s->to) == 0));
	if (!counts) {
		s->phase = UPDATE_FAILED;
		s->job_id = 0;
		text_copy(s->reason, sizeof(s->reason), buf_str(&u->why));
		update_state_write(&u->paths, s);
	} else if (s->phase == UPDATE_PENDING) {
		update_state_write(&u->paths, &u->before);
	}
}

/* With nobody else at it. */
static int look_and_install(struct update *u)
{
	struct update_state *s = &u->state;
	text_copy(s->from, sizeof(s->from), BBS_VERSION);
	s->job_id = u->job;
	bool found = update_look(&u->config, &u->paths, u->o->from,
			 UPDATE_LOOK_MS, &u->base, &u->release, &u->why) == 0;
	if (found && refuse(u) != 0)
		return -1;
	text_copy(s->to, sizeof(s->to), u->release.version);
	if (found && find_program(u) == 0 && install(u) == 0)
		return 0;
	note_failure(u);
	return -1;
}

/* Tells the agent, and waits for what comes of it. */
static int take_over(struct update *u, const char *to)
{
	uint64_t began = clock_ms(), waited = 0;
	struct update_state s;
	if (kill(u->running.pid, SIGUSR2) != 0) {
		printf("no agent runs here: it starts as %s\n", to);
		return EXIT_DONE;
	}
	for (; waited < ANSWER_MS; waited = clock_ms() - began) {
		update_state_read(&u->paths, &s);
		if (s.phase == UPDATE_ROLLED_BACK) {
			buf_addf(&u->why, "bbs-agent %s was taken back: %s", to,
			    s.reason);
			return complain(u, EXIT_FAILED);
		}
		if (s.phase != UPDATE_PENDING) {
			puts("the agent took over, and the server has "
			     "answered it");
			return EXIT_DONE;
		}
		if (s.starts == 0 && waited >= TAKE_OVER_MS) {
			puts("the agent takes over when its job is done");
			return EXIT_DONE;
		}
		poll(NULL, 0, STEP_MS);
	}
	buf_addf(&u->why,
	    "the agent took over as %s, but the server has not answered it "
	    "within %u s: look at its log",
	    to, ANSWER_MS / 1000);
	return complain(u, EXIT_FAILED);
}

static int finish(struct update *u)
{
	printf("bbs-agent %s is in its place (before: %s, kept as %s" UPDATE_OLD
	       ")\n",
	    u->release.version, BBS_VERSION, u->state.program);
	fflush(stdout);
	if (u->job != 0)
		return EXIT_DONE;
	if (u->running.pid != 0)
		return take_over(u, u->release.version);
	puts("no agent runs here; the next one that starts is the new one");
	return EXIT_DONE;
}

/* This version is in its place, and the agent that runs is still another. */
static bool is_waiting(const struct update *u)
{
	return u->job == 0 && u->before.phase == UPDATE_PENDING &&
	       u->running.pid != 0 && strcmp(u->before.to, BBS_VERSION) == 0;
}

static int check(struct update *u)
{
	const char *there = u->release.version;
	if (update_look(&u->config, &u->paths, u->o->from, UPDATE_LOOK_MS,
		&u->base, &u->release, &u->why) != 0)
		return complain(u, EXIT_FAILED);
	printf("installed: bbs-agent %s\navailable: bbs-agent %s (%s)\n"
	       "newer: %s\n",
	    BBS_VERSION, there, buf_str(&u->base),
	    release_compare(there, BBS_VERSION) > 0 ? "yes" : "no");
	return EXIT_DONE;
}

static int update(struct update *u)
{
	int lock = update_lock(&u->paths), rc = 0;
	if (lock < 0) {
		buf_adds(&u->why, "another update is at work");
		return complain(u, EXIT_FAILED);
	}
	update_state_read(&u->paths, &u->before);
	lockfile_read(u->paths.lock, &u->running);
	bool waiting = is_waiting(u);
	if (!waiting)
		rc = look_and_install(u);
	close(lock);
	if (waiting)
		return take_over(u, BBS_VERSION);
	if (rc == 0)
		return finish(u);
	/* `status` shows what it reads then. */
	if (u->running.pid != 0 && u->job == 0)
		kill(u->running.pid, SIGUSR2);
	if (u->job != 0 || strcmp(u->release.version, BBS_VERSION) != 0)
		return complain(u, EXIT_FAILED);
	puts(buf_str(&u->why));
	return EXIT_DONE;
}

int update_run(const struct update_options *o)
{
	struct update u = {.o = o};
	buf_init(&u.base, URL_LINK_MAX);
	buf_init(&u.why, 64 * KIB);
	log_open(LOG_LEVEL_ERROR, -1);
	int rc = configure(&u);
	log_hide(u.config.api_key);
	if (rc == EXIT_DONE)
		rc = o->check ? check(&u) : update(&u);
	else
		complain(&u, rc);
	config_release(&u.config);
	paths_release(&u.paths);
	buf_release(&u.base);
	buf_release(&u.why);
	return rc;
}
