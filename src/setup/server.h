/*
 * The server asked by the installation and by doctor: the same network
 * process as the agent's, driven from a loop that waits.
 */
#ifndef SETUP_SERVER_H
#define SETUP_SERVER_H

#include "bbs/answer.h"
#include "bbs/config.h"
#include "net/net.h"

struct server_answer {
	struct buf ssh_key; /* empty: the server has none yet */
	struct ssh_info ssh;
	bool has_ssh;
};

/* Asks for the client's SSH key: the one question that proves address, trust
 * and API key, takes no job away and may be repeated. 0, or -1 with one
 * sentence in why. The caller releases with server_answer_release. */
int server_ask(
    const struct config *c, struct server_answer *answer, struct buf *why);

/* The same step by step. */
struct server {
	struct net *net;
	int self;
};
/* downloads: for files of any host, and for nothing else. 0, or -1 with one
 * sentence in why (nothing is to be closed then). */
int server_open(
    struct server *s, const struct config *c, bool downloads, struct buf *why);
void server_close(struct server *s);
void server_question(struct net_request *request);
/* Waits; the reply is valid until the next call. */
void server_exchange(struct server *s, const struct net_request *request,
    struct net_reply *reply);
/* What the reply to the question means. 0, or -1 with one sentence in why;
 * the caller releases answer in both cases. */
int server_take(
    const struct net_reply *r, struct server_answer *answer, struct buf *why);
void server_answer_release(struct server_answer *answer);

/* Fetches a file of at most `most` bytes from any host into `file`, as the
 * agent does for a job, in total_ms: the key goes to the server alone, other
 * hosts are judged by the system's roots. The HTTP status (200: it is whole), 0
 * when there was no answer; if not 200 with a sentence in why. */
int server_fetch(const struct config *c, const char *url, uint32_t most,
    uint32_t total_ms, int file, struct buf *why);

#endif
