/*
 * `run --trial`: is this program one that works on this host? Its
 * configuration, trust, name, TLS and key are used for real: the server is
 * told who this is and asked for tasks. None is taken; the server hands them
 * out again. The agent that runs beside is not disturbed: neither its lock nor
 * its files are touched. Who asks is setup/update.c of the version before.
 */
#include "base/exitcode.h"
#include "base/limits.h"
#include "base/version.h"
#include "bbs/sysinfo.h"
#include "setup/server.h"
#include "setup/setup.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

static int ask(struct server *s, const struct net_request *request,
    const char *member, struct buf *why)
{
	struct net_reply reply;
	struct server_answer answer;
	struct json j = JSON_INIT;
	server_exchange(s, request, &reply);
	int rc = server_take(&reply, &answer, why);
	server_answer_release(&answer);
	if (rc == 0 && (json_parse(&j, reply.body, reply.body_len) != 0 ||
			   json_get(&j, 0, member) == JSON_NONE)) {
		buf_addf(why, "the server's answer to %s has no \"%s\"",
		    request->path, member);
		rc = -1;
	}
	json_release(&j);
	return rc;
}

static int ask_both(const struct config *c, const struct paths *p,
    struct server *s, struct buf *why)
{
	struct buf body = BUF_INIT(ANSWER_BODY_MAX);
	struct net_request request;
	sysinfo_encode(c, p, -1, NULL, &body);
	server_question(&request);
	request.method = "POST";
	request.path = "/api/agent/register";
	request.body = buf_str(&body);
	request.body_len = body.len;
	int rc = ask(s, &request, "status", why);
	buf_release(&body);
	if (rc != 0)
		return -1;
	server_question(&request);
	request.path = "/api/agent/tasks";
	request.body_max = TASKS_BODY_MAX;
	return ask(s, &request, "tasks", why);
}

int trial_run(const struct config *c, const struct paths *p)
{
	struct server server;
	struct buf why = BUF_INIT(4 * KIB);
	int rc = -1;
	/* Whoever asked is gone: there is nobody to answer to. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (server_open(&server, c, false, &why) == 0) {
		rc = ask_both(c, p, &server, &why);
		server_close(&server);
	}
	if (rc == 0)
		puts("bbs-agent " BBS_VERSION);
	else
		fprintf(stderr, "bbs-agent: %s\n", buf_str(&why));
	buf_release(&why);
	return rc == 0 ? EXIT_TRIAL : EXIT_FAILED;
}
