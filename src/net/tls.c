/*
 * The engine's loop: send what it has to send first, then look whether it is
 * where we want it, then receive. One buffer serves both directions: HTTP is
 * a dialogue, and half the memory is worth more than talking at once.
 */
#include "net/tls.h"
#include "base/clock.h"
#include "base/limits.h"
#include "net/dial.h"
#include "net/tls_words.h"
#include "net/url.h"
#include <bearssl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

/* The end of a handshake and a request go out together, a small answer with
 * its head comes in at once: a call for each record would cost more than the
 * copy. */
#define TLS_GATHER 1024

struct tls {
	br_ssl_client_context client;
	const struct trust_policy *policy;
	struct trust_judge *judge;
	int fd;
	bool resumable;	 /* the client holds a session worth resuming */
	bool asked;	 /* something was sent: the answer takes a while */
	uint64_t judged; /* when its certificate was judged */
	unsigned char first[8]; /* the first bytes that came */
	size_t first_len;
	unsigned char out[TLS_GATHER]; /* records that wait for the next */
	size_t out_len;
	unsigned char ahead[TLS_GATHER]; /* what came and was not asked for */
	size_t ahead_at, ahead_len;
	unsigned char buffer[BR_SSL_BUFSIZE_MONO];
};

/* ChaCha20 before AES: in software it is several times as fast. */
static const uint16_t tls_suites[] = {
    BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384};

/* The smallest of each, not the fastest for this processor: what goes through
 * TLS is small, but for a new borg now and then. */
static void tls_set_ciphers(br_ssl_engine_context *eng)
{
	br_ssl_engine_set_suites(
	    eng, tls_suites, sizeof(tls_suites) / sizeof(tls_suites[0]));
	br_ssl_engine_set_rsavrfy(eng, &br_rsa_i31_pkcs1_vrfy);
	br_ssl_engine_set_ec(eng, &br_ec_all_m31);
	br_ssl_engine_set_ecdsa(eng, &br_ecdsa_i31_vrfy_asn1);
	br_ssl_engine_set_gcm(
	    eng, &br_sslrec_in_gcm_vtable, &br_sslrec_out_gcm_vtable);
	br_ssl_engine_set_aes_ctr(eng, &br_aes_ct_ctr_vtable);
	br_ssl_engine_set_ghash(eng, &br_ghash_ctmul);
	br_ssl_engine_set_chapol(
	    eng, &br_sslrec_in_chapol_vtable, &br_sslrec_out_chapol_vtable);
	br_ssl_engine_set_chacha20(eng, &br_chacha20_ct_run);
	br_ssl_engine_set_poly1305(eng, &br_poly1305_ctmul_run);
}

static void tls_setup(struct tls *t)
{
	br_ssl_client_context *client = &t->client;
	br_ssl_engine_context *eng = &client->eng;

	br_ssl_client_zero(client);
	br_ssl_engine_set_versions(eng, BR_TLS12, BR_TLS12);
	tls_set_ciphers(eng);
	br_ssl_engine_set_hash(eng, br_sha256_ID, &br_sha256_vtable);
	br_ssl_engine_set_hash(eng, br_sha384_ID, &br_sha384_vtable);
	br_ssl_engine_set_hash(eng, br_sha512_ID, &br_sha512_vtable);
	br_ssl_engine_set_prf_sha256(eng, &br_tls12_sha256_prf);
	br_ssl_engine_set_prf_sha384(eng, &br_tls12_sha384_prf);
	br_ssl_engine_set_x509(eng, trust_judge_class(t->judge));
	br_ssl_engine_set_buffer(eng, t->buffer, sizeof(t->buffer), 0);
	/* Renegotiation serves nobody here. */
	br_ssl_engine_set_all_flags(eng, BR_OPT_NO_RENEGOTIATION);
}

struct tls *tls_new(const struct trust_policy *policy)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->policy = policy;
	t->fd = -1;
	t->judge = trust_judge_new(policy);
	if (t->judge == NULL) {
		free(t);
		return NULL;
	}
	tls_setup(t);
	return t;
}

void tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	trust_judge_free(t->judge);
	mem_wipe(t, sizeof(*t));
	free(t);
}

/* The reason for TLS_ERROR: the engine's error number. */
static int tls_error(const struct tls *t)
{
	return br_ssl_engine_last_error(&t->client.eng);
}

/* Kernels before 3.17 have no getrandom(2). */
static int tls_random(unsigned char *bytes, size_t len)
{
	ssize_t n = getrandom(bytes, len, 0);
	int fd;

	if (n == (ssize_t)len)
		return 0;
	fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, bytes, len);
	close(fd);
	return n == (ssize_t)len ? 0 : -1;
}

/* One send(2): what it took is added to *sent. */
static int tls_send(struct tls *t, const unsigned char *bytes, size_t len,
    size_t *sent, uint64_t deadline)
{
	ssize_t n = send(t->fd, bytes, len, MSG_NOSIGNAL);

	*sent = n > 0 ? (size_t)n : 0;
	t->asked = true;
	if (n >= 0 || errno == EINTR)
		return 0;
	if (errno != EAGAIN)
		return TLS_CUT;
	return dial_wait(t->fd, POLLOUT, deadline) == 0 ? TLS_TIMEOUT : 0;
}

/* Sends what was gathered. */
static int tls_flush(struct tls *t, uint64_t deadline)
{
	size_t done = 0;
	int rc = 0;

	while (rc == 0 && done < t->out_len) {
		size_t sent;
		rc = tls_send(
		    t, t->out + done, t->out_len - done, &sent, deadline);
		done += sent;
	}
	t->out_len = 0;
	return rc;
}

/* Takes a record from the engine: gathered when it is small, else sent. */
static int tls_push(struct tls *t, uint64_t deadline)
{
	br_ssl_engine_context *eng = &t->client.eng;
	size_t len, sent;
	unsigned char *bytes = br_ssl_engine_sendrec_buf(eng, &len);
	int rc;

	if (len <= sizeof(t->out) - t->out_len) {
		memcpy(t->out + t->out_len, bytes, len);
		t->out_len += len;
		br_ssl_engine_sendrec_ack(eng, len);
		return 0;
	}
	if (t->out_len > 0)
		return tls_flush(t, deadline);
	rc = tls_send(t, bytes, len, &sent, deadline);
	if (sent > 0)
		br_ssl_engine_sendrec_ack(eng, sent);
	return rc;
}

/* Bytes that came: 0 when there may be some now. */
static int tls_receive(struct tls *t, uint64_t deadline)
{
	ssize_t n;

	if (t->ahead_at < t->ahead_len)
		return 0;
	if (t->asked && dial_wait(t->fd, POLLIN, deadline) == 0)
		return TLS_TIMEOUT;
	t->asked = false;
	n = recv(t->fd, t->ahead, sizeof(t->ahead), 0);
	t->ahead_at = t->ahead_len = 0;
	if (n < 0 && errno == EINTR)
		return 0;
	if (n < 0 && errno == EAGAIN)
		return dial_wait(t->fd, POLLIN, deadline) == 0 ? TLS_TIMEOUT
							       : 0;
	if (n <= 0)
		return TLS_CUT;
	t->ahead_len = (size_t)n;
	for (ssize_t i = 0; i < n && t->first_len < sizeof(t->first); i++)
		t->first[t->first_len++] = t->ahead[i];
	return 0;
}

static int tls_pull(struct tls *t, uint64_t deadline)
{
	br_ssl_engine_context *eng = &t->client.eng;
	size_t len, have;
	unsigned char *bytes;
	int rc = tls_flush(t, deadline);

	if (rc == 0)
		rc = tls_receive(t, deadline);
	have = t->ahead_len - t->ahead_at;
	if (rc != 0 || have == 0)
		return rc;
	bytes = br_ssl_engine_recvrec_buf(eng, &len);
	if (len > have)
		len = have;
	memcpy(bytes, t->ahead + t->ahead_at, len);
	t->ahead_at += len;
	br_ssl_engine_recvrec_ack(eng, len);
	return 0;
}

/* Drives the engine until its state has one of `want`: that state, or 0 when
 * it was closed in order, or negative. */
static int tls_run(struct tls *t, unsigned want, uint64_t deadline)
{
	for (;;) {
		unsigned state = br_ssl_engine_current_state(&t->client.eng);
		int rc;
		if (state & BR_SSL_CLOSED)
			return tls_error(t) == BR_ERR_OK ? TLS_END : TLS_ERROR;
		if (state & BR_SSL_SENDREC) {
			rc = tls_push(t, deadline);
		} else if (state & want) {
			return (int)(state & want);
		} else if (state & BR_SSL_RECVREC) {
			rc = tls_pull(t, deadline);
		} else {
			return TLS_ERROR;
		}
		if (rc < 0)
			return rc;
	}
}

/* Puts the engine at its start; a session is offered while it is fresh. */
static int tls_reset(struct tls *t, int fd)
{
	unsigned char seed[32];
	/* A name goes into the greeting, an address must not. */
	const char *name =
	    url_address(t->policy->host, NULL) == 0 ? t->policy->host : NULL;
	bool resume = t->resumable && clock_ms() - t->judged < TLS_SESSION_MS;
	int rc;

	t->fd = fd;
	t->first_len = t->out_len = t->ahead_at = t->ahead_len = 0;
	t->resumable = resume;
	if (tls_random(seed, sizeof(seed)) != 0)
		return -1;
	br_ssl_engine_inject_entropy(&t->client.eng, seed, sizeof(seed));
	mem_wipe(seed, sizeof(seed));
	rc = br_ssl_client_reset(&t->client, name, resume);
	return rc == 1 ? 0 : -1;
}

int tls_start(struct tls *t, int fd, uint16_t port, uint64_t deadline,
    struct fault *fault)
{
	int rc;

	trust_judge_rest(t->judge);
	if (tls_reset(t, fd) != 0)
		return fault_set(
		    fault, NET_TLS, "TLS cannot be started: no random numbers");
	rc = tls_run(t, BR_SSL_SENDAPP, deadline);
	trust_judge_facts(t->judge, fault);
	if (rc > 0) {
		fault_fact(fault, NET_FACT_TLS, "TLS 1.2");
		/* Not judged: our session was taken, and judged back then. */
		if (trust_judge_accepted(t->judge))
			t->judged = clock_ms();
		t->resumable = true;
		trust_judge_rest(t->judge);
		return 0;
	}
	tls_words(fault, t->policy->host, port, rc,
	    rc == TLS_ERROR ? tls_error(t) : 0, trust_judge_why(t->judge),
	    (const char *)t->first, t->first_len);
	t->resumable = false;
	trust_judge_rest(t->judge);
	return -1;
}

long tls_read(struct tls *t, char *data, size_t len, uint64_t deadline)
{
	br_ssl_engine_context *eng = &t->client.eng;
	int rc = tls_run(t, BR_SSL_RECVAPP, deadline);
	unsigned char *bytes;
	size_t n;

	if (rc <= 0)
		return rc;
	bytes = br_ssl_engine_recvapp_buf(eng, &n);
	if (n > len)
		n = len;
	memcpy(data, bytes, n);
	/* Passphrases come this way; the next record may be shorter. */
	mem_wipe(bytes, n);
	br_ssl_engine_recvapp_ack(eng, n);
	return (long)n;
}

bool tls_pending(const struct tls *t)
{
	size_t n;

	return t->ahead_at < t->ahead_len ||
	       br_ssl_engine_recvapp_buf(&t->client.eng, &n) != NULL;
}

/* Between two records of a long body: has the peer begun to answer? */
static bool tls_answered(struct tls *t)
{
	unsigned state = br_ssl_engine_current_state(&t->client.eng);

	return (state & BR_SSL_SENDREC) == 0 &&
	       (t->ahead_at < t->ahead_len || dial_wait(t->fd, POLLIN, 0) > 0);
}

int tls_write(
    struct tls *t, const char *data, size_t len, bool more, uint64_t deadline)
{
	br_ssl_engine_context *eng = &t->client.eng;
	bool first = true;

	while (len > 0) {
		unsigned char *room;
		size_t n;
		int rc = tls_run(t, BR_SSL_SENDAPP | BR_SSL_RECVAPP, deadline);
		if (rc <= 0)
			return rc == TLS_END ? TLS_CUT : rc;
		if ((rc & BR_SSL_SENDAPP) == 0)
			return TLS_EARLY;
		room = br_ssl_engine_sendapp_buf(eng, &n);
		/* A full record was sent and another is to come. */
		if (!first && tls_answered(t))
			return TLS_EARLY;
		first = false;
		if (n > len)
			n = len;
		memcpy(room, data, n);
		br_ssl_engine_sendapp_ack(eng, n);
		data += n;
		len -= n;
	}
	if (!more)
		br_ssl_engine_flush(eng, 0);
	while (br_ssl_engine_current_state(eng) & BR_SSL_SENDREC) {
		int rc = tls_push(t, deadline);
		if (rc < 0)
			return rc;
	}
	return more ? 0 : tls_flush(t, deadline);
}

void tls_stop(struct tls *t)
{
	br_ssl_engine_context *eng = &t->client.eng;

	if (t->fd < 0)
		return;
	br_ssl_engine_close(eng);
	while (br_ssl_engine_current_state(eng) & BR_SSL_SENDREC) {
		if (tls_push(t, 0) < 0)
			break;
	}
	tls_flush(t, 0);
	t->fd = -1;
}
