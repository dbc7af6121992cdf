/*
 * The repository. Its passphrase, and the key of one that is not the
 * server's, come with each task and are kept nowhere: what is looked at is
 * the way to where the last job worked, as the history names it. A local
 * one is looked at by a process of its own, which a dead mount may hold.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/proc.h"
#include "base/text.h"
#include "bbs/repository.h"
#include "bbs/statusfile.h"
#include "cli/doctor_checks.h"
#include "job/ssh.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static enum found look_at_directory(const char *path, struct buf *out)
{
	static const char parts[][8] = {"config", "data"};
	struct stat st;
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		buf_addf(out, "%s cannot be opened: %s: is its disk mounted?",
		    path, strerror(errno));
		return FOUND_FAIL;
	}
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (fstatat(dir, parts[i], &st, 0) == 0)
			continue;
		buf_addf(out,
		    "%s is no borg repository, there is no \"%s\" in it: is "
		    "its disk mounted?",
		    path, parts[i]);
		close(dir);
		return FOUND_FAIL;
	}
	close(dir);
	return doctor_space(path, SPACE_WARN, SPACE_FAIL, out);
}

static void look_and_tell(const char *path, int to)
{
	struct buf text = BUF_INIT(16 * KIB);
	/* Whoever reads what doctor prints is not to wait for this process. */
	proc_close_range(0, 2);
	char found = (char)look_at_directory(path, &text);
	if (file_write_all(to, &found, 1) == 0)
		(void)file_write_all(to, buf_str(&text), text.len);
	_exit(0);
}

/* A pipe takes all of it before the process ends. */
static enum found look_at_local(const char *path, struct buf *out)
{
	int ends[2];
	char text[16 * KIB];
	ssize_t n = -1;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return FOUND_NOTHING;
	pid_t pid = fork();
	if (pid == 0)
		look_and_tell(path, ends[1]);
	close(ends[1]);
	struct pollfd p = {.fd = ends[0], .events = POLLIN};
	if (pid > 0 && poll(&p, 1, REPOSITORY_LOOK_MS) > 0) {
		(void)waitpid(pid, NULL, 0);
		n = read(ends[0], text, sizeof(text));
	} else if (pid > 0) {
		kill(pid, SIGKILL);
	}
	close(ends[0]);
	if (n < 1) {
		buf_addf(out,
		    "%s does not answer: its disk hangs, or the server of "
		    "its network drive is gone",
		    path);
		return FOUND_FAIL;
	}
	buf_add(out, text + 1, (size_t)n - 1);
	return (enum found)text[0];
}

static enum found look_at_ssh(
    struct doctor *d, struct ssh_info *at, struct buf *out)
{
	struct ssh_info server;
	at->port = at->port != 0 ? at->port : 22;
	if (at->user[0] == '\0')
		text_copy(at->user, sizeof(at->user), "root");
	if (!d->has_key || (ssh_info_read(d->paths.ssh_info, &server) == 0 &&
			       strcasecmp(server.host, at->host) == 0 &&
			       server.port == at->port &&
			       strcmp(server.user, at->user) == 0)) {
		buf_adds(out, d->ssh_works ? "SSH to the server works"
					   : "not checked: needs ssh");
		return d->ssh_works ? FOUND_OK : FOUND_NOTHING;
	}
	switch (ssh_test_at(&d->worker, at, out)) {
	case SSH_TEST_OK:
		buf_adds(out, "SSH to it works");
		return FOUND_OK;
	case SSH_TEST_STALE:
		buf_adds(out, "SSH answers there; its key comes with each "
			      "task, so no more can be checked");
		return FOUND_OK;
	default:
		return FOUND_FAIL;
	}
}

static enum found look(struct doctor *d, const char *address, struct buf *out)
{
	struct repository r;
	repository_parse(&r, address);
	if (r.kind == REPOSITORY_LOCAL)
		return look_at_local(r.path, out);
	buf_addf(out, "%s: ", address);
	if (r.kind == REPOSITORY_SSH)
		return look_at_ssh(d, &r.at, out);
	buf_adds(out, "not checked: only borg knows the way there");
	return FOUND_NOTHING;
}

static void add_job(const struct status_past *p, struct buf *out)
{
	char age[TEXT_AMOUNT];
	int64_t seconds = clock_wall() - p->ended;
	buf_addf(out, "job %lld (%s), %s ago", (long long)p->id,
	    p->type != NULL ? p->type : "?",
	    text_duration(age, seconds > 0 ? (uint64_t)seconds : 0));
}

/* What became of the last job there, and of the last one that reached it. */
static enum found add_jobs(const struct status *s, int last, struct buf *out)
{
	const struct status_past *p = &s->past[last];
	enum found found = FOUND_OK;
	if (strcmp(p->result, "completed") != 0) {
		buf_adds(out, "; last tried by ");
		add_job(p, out);
		buf_addf(out, ", which %s: ",
		    p->result[0] == 'f' ? "failed" : "was cut off");
		buf_adds(out, p->reason != NULL ? p->reason
			      : p->error != NULL
				  ? p->error
				  : "the server's page of that job says why");
		found = p->reason != NULL ? FOUND_OK : FOUND_WARN;
	}
	for (int i = last; i < s->past_count; i++) {
		const struct status_past *q = &s->past[i];
		if (q->repository == NULL || q->result == NULL ||
		    strcmp(q->repository, p->repository) != 0 ||
		    strcmp(q->result, "completed") != 0)
			continue;
		buf_adds(out, "; last reached by ");
		add_job(q, out);
		break;
	}
	return found;
}

static enum found look_at_last(
    struct doctor *d, const struct status *s, struct buf *out)
{
	int last = 0;
	while (last < s->past_count && (s->past[last].repository == NULL ||
					   s->past[last].result == NULL))
		last++;
	if (last == s->past_count) {
		buf_adds(out, last == 0 ? "no job has named a repository yet"
					: "none of the last jobs named one");
		return FOUND_NOTHING;
	}
	enum found found = look(d, s->past[last].repository, out);
	enum found job = add_jobs(s, last, out);
	return found == FOUND_OK ? job : found;
}

enum found doctor_repository(struct doctor *d, struct buf *out)
{
	struct buf text = BUF_INIT(STATUS_FILE_MAX);
	struct status s = {0};
	enum found found = FOUND_NOTHING;
	const char *path = d->paths.history;
	if (file_read(path, &text) != 0 && errno != ENOENT)
		buf_addf(out,
		    "not checked: %s, which names the last one, "
		    "cannot be read: %s",
		    path, strerror(errno));
	else if (text.len > 0 && status_decode(&s, STATUS_HISTORY,
				     buf_str(&text), text.len) != 0)
		buf_addf(out,
		    "not checked: %s, which names the last one, is "
		    "damaged: the agent makes it anew",
		    path);
	else
		found = look_at_last(d, &s, out);
	status_release(&s);
	buf_release(&text);
	return found;
}
