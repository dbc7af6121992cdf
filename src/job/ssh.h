/* The agent's own ssh: its options, the connection test, BORG_RSH. */
#ifndef JOB_SSH_H
#define JOB_SSH_H

#include "bbs/answer.h"
#include "job/worker.h"

/* Words of one ssh command; argv points into `words`. */
#define SSH_WORDS_MAX 24
struct ssh_command {
	const char *argv[SSH_WORDS_MAX + 1];
	struct buf words;
	const char *answer; /* for stdin; NULL: none */
};

/* Would ssh wait for ever for a pipe that stands where host keys are kept, or
 * a directory there hold none? Then -1, and why. */
int ssh_hosts_check(struct worker *w, struct buf *why);
/* ssh USER@HOST `remote`, from ssh_info.json. 0; -1 with a sentence in why
 * (no ssh information, no key, no client). Free with ssh_command_release. */
int ssh_command_build(struct ssh_command *c, struct worker *w,
    const char *remote, bool test, struct buf *why);
void ssh_command_release(struct ssh_command *c);

/* Does ssh say in this text that the server refuses the key? */
bool ssh_is_refused(const char *text, size_t len);
/* Notes in w what ssh says in this text: our key is refused, or the server's
 * is not the one that was kept. */
void ssh_notice(struct worker *w, const char *text, size_t len);
/* Appends the sentence about another host key. */
void ssh_say_other_host(struct worker *w, struct buf *out);
/* `ssh USER@HOST ping`; a sentence for the log into text. */
enum ssh_test ssh_test(struct worker *w, struct buf *text);
/* The same at a place that is not the server (at NULL: it is): does SSH answer
 * there? Its host key is neither judged nor kept. SSH_TEST_STALE: it does, and
 * does not take this host's key. */
enum ssh_test ssh_test_at(
    struct worker *w, const struct ssh_info *at, struct buf *text);

/*
 * BORG_RSH as the server sent it, with the agent's key where it really lies,
 * remote_key (NULL: none) in place of the server's fixed temporary path, and
 * the host key rules of config.ini; in Dropbear's words where that is what
 * this host has.
 */
int ssh_rewrite_rsh(
    struct worker *w, const char *rsh, const char *remote_key, struct buf *out);

#endif
