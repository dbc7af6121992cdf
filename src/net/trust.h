/*
 * Whom we believe to be the server. trust_load (net.h) makes the file of
 * anchors in the supervisor; here it is mapped and looked up, and here stands
 * the judge that the TLS engine asks about a server's chain.
 *
 * BearSSL's minimal validator checks signatures, dates, basic constraints and
 * key usage of one ordered chain below one anchor. The judge gathers what the
 * server sent, orders it, and refuses by itself what that validator lets
 * through: names outside subjectAltName, certificates not made for servers,
 * weak keys, violated name constraints, anchors that have expired.
 */
#ifndef NET_TRUST_H
#define NET_TRUST_H

#include "base/buf.h"
#include "net/cert.h"
#include <stdbool.h>
#include <stdint.h>

/* A file of anchors, mapped read-only. */
struct trust_store {
	const unsigned char *map; /* NULL: there are none */
	size_t len;
	size_t count;
	bool exact; /* from a ca_file: what it holds is trusted as a leaf too */
};

/* Maps what trust_load made; fd stays the caller's. fd -1 is an empty store.
 * 0, or -1 when it is no such file. */
int trust_open(struct trust_store *store, int fd);
void trust_close(struct trust_store *store);
/* The anchors with this subject, one after the other: pass 0 in *at first.
 * 1 with *c (pointing into the map), 0 no more. */
int trust_find(const struct trust_store *store, const struct der *subject,
    size_t *at, struct cert *c);

struct trust_policy {
	const char *host;
	bool verify;
	uint8_t pins[2][32]; /* when there are any, only they are trusted */
	int pin_count;
	const char *ca_name; /* NULL: there are no anchors */
	const struct trust_store *store;
	int64_t now; /* seconds since 1970; 0: the clock */
};

struct br_x509_class_;
struct trust_judge;

/* The policy must outlive the judge. NULL: no memory. */
struct trust_judge *trust_judge_new(const struct trust_policy *policy);
void trust_judge_free(struct trust_judge *j);
/* What br_ssl_engine_set_x509 takes. */
const struct br_x509_class_ **trust_judge_class(struct trust_judge *j);
/* Why the last chain was refused: a sentence, "" when it was not. */
const char *trust_judge_why(const struct trust_judge *j);
/* Was a chain judged, and accepted, since it was last forgotten? */
bool trust_judge_accepted(const struct trust_judge *j);
/* Notes what the last chain is made of, if somebody asked for facts. */
struct fault;
void trust_judge_facts(const struct trust_judge *j, struct fault *fault);
/* Forgets the last chain and its memory (the handshake is over). */
void trust_judge_rest(struct trust_judge *j);

#endif
