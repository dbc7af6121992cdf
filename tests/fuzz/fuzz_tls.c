/*
 * The whole client, TLS and HTTP and the judge of certificates, on the bytes
 * that a server would send. Random numbers are always the same here, so that
 * a session which was recorded once (tests/fuzz/seeds.py) goes through to its
 * end, and what was changed in it is all that is new.
 *
 * With BBS_FUZZ_PORT it connects to that port instead: that is how a session
 * is recorded. With BBS_FUZZ_WHOLE the input must go through to its end.
 */
#include "base/clock.h"
#include "base/limits.h"
#include "fuzz.h"
#include "net/dial.h"
#include "net/http.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The linker puts these in the place of those without __wrap_. */
int __wrap_dial_host(struct dial *d, const char *host, uint16_t port,
    uint64_t deadline, struct fault *fault);
ssize_t __wrap_getrandom(void *to, size_t len, unsigned flags);
void *__wrap_br_prng_seeder_system(const char **name);

static const uint8_t *input;
static size_t input_len;
static int peer = -1, anchors = -1;

ssize_t __wrap_getrandom(void *to, size_t len, unsigned flags)
{
	(void)flags;
	memset(to, 7, len);
	return (ssize_t)len;
}

void *__wrap_br_prng_seeder_system(const char **name)
{
	if (name != NULL)
		*name = "none";
	return NULL;
}

static int dial_real(const char *port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	FUZZ_HOLDS(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

int __wrap_dial_host(struct dial *d, const char *host, uint16_t port,
    uint64_t deadline, struct fault *fault)
{
	const char *real = getenv("BBS_FUZZ_PORT");
	int socks[2];
	(void)d;
	(void)host;
	(void)port;
	(void)deadline;
	/* Once: all that the server says is in the input. */
	if (peer >= 0)
		return fault_set(fault, NET_CONNECT, "no more");
	if (real != NULL)
		return dial_real(real);
	FUZZ_HOLDS(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, socks) == 0);
	peer = socks[1];
	size_t done = 0;
	while (done < input_len) {
		ssize_t n =
		    send(peer, input + done, input_len - done, MSG_NOSIGNAL);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	shutdown(peer, SHUT_WR);
	return socks[0];
}

/* The CA's certificate lies beside the program. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct buf used = BUF_INIT(4 * KIB), why = BUF_INIT(4 * KIB);
	char path[512];
	int count, skipped;
	(void)argc;
	snprintf(path, sizeof(path), "%s.ca.pem", (*argv)[0]);
	anchors = trust_load(path, &used, &count, &skipped, &why);
	if (anchors < 0)
		fprintf(stderr, "%s\n", buf_str(&why));
	FUZZ_HOLDS(anchors >= 0);
	buf_release(&used);
	buf_release(&why);
	return 0;
}

static void exchange(struct http *h)
{
	struct net_request r = {.method = "POST",
	    .path = "/api/agent/status",
	    .body = "{}",
	    .body_len = 2,
	    .first_byte_ms = 2000,
	    .total_ms = 2000,
	    .body_max = 64 * KIB};
	struct httpmsg msg;
	struct fault fault;
	fault_init(&fault);
	fault.secrets[0] = h->config->api_key;
	if (http_exchange(h, &r, &msg, &fault) == 0)
		FUZZ_HOLDS(msg.done && msg.body.len <= r.body_max);
	else
		FUZZ_HOLDS(
		    fault.text.len > 0 && getenv("BBS_FUZZ_WHOLE") == NULL);
	fault_release(&fault);
	httpmsg_release(&msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct net_config config = {.host = "localhost",
	    .port = 443,
	    .tls = true,
	    .base_path = "",
	    .api_key = "topsecret",
	    .user_agent = "Fuzz/1",
	    .verify = true,
	    .ca_name = "the CA",
	    .anchors = anchors};
	struct http h;
	struct fault fault;
	if (len > 64 * KIB)
		return 0;
	input = data;
	input_len = len;
	fault_init(&fault);
	FUZZ_HOLDS(http_init(&h, &config, &fault) == 0);
	exchange(&h);
	http_release(&h);
	fault_release(&fault);
	if (peer >= 0)
		close(peer);
	peer = -1;
	return 0;
}
