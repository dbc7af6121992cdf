/*
 * The network process and the supervisor's handle on it.
 *
 * The process is this binary, executed anew from an open descriptor with the
 * hidden verb "net-process" and one socket as descriptor 3. It gets its
 * configuration, drops to an unprivileged user, puts itself into a sandbox,
 * and then serves one exchange after the other: request frame in, reply frame
 * out. It keeps one connection alive between exchanges. It ends when the
 * supervisor's end of the socket closes.
 *
 * A handle for downloads fetches files from any host: the body of a 200 goes
 * into a descriptor that comes with the request, redirects are followed, and
 * nothing is kept alive. The API key goes to the server's own origin only.
 *
 * The handle never blocks. When the process misses the deadline of an
 * exchange, crashes, or sends a broken frame, it is killed and the exchange
 * is answered with NET_BROKEN; the next request starts a new process.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include "base/buf.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct net_config {
	const char *host; /* name or address, without brackets */
	uint16_t port;
	bool tls;
	const char *base_path; /* "" or "/path", no slash at the end */
	const char *api_key;   /* sent as the bearer token */
	const char *user_agent;
	bool verify;	     /* false: no certificate is checked */
	const char *ca_name; /* what anchors were read from, for messages */
	uint8_t pins[2][32]; /* SHA-256 of the SPKI */
	int pin_count;
	int anchors;	/* sealed memfd from trust_load, or -1 */
	bool downloads; /* for files, and for nothing else */
	int others;	/* then: whom hosts other than the server are */
	const char *others_name; /* judged by, and what it was read from */
	const char *proxy;	 /* http://[user:pass@]host:port, or NULL */
	const char *no_proxy;	 /* comma list, or NULL */
	const char *user;	 /* to become when root; NULL: stay */
};

enum net_result {
	NET_OK,	      /* a whole HTTP answer of any status */
	NET_DNS,      /* the name does not resolve */
	NET_CONNECT,  /* no TCP connection */
	NET_PROXY,    /* the proxy refused */
	NET_TLS,      /* handshake or certificate */
	NET_TIMEOUT,  /* a deadline passed */
	NET_HTTP,     /* what came is no HTTP answer, or was cut */
	NET_TOO_BIG,  /* head or body beyond its cap */
	NET_JSON,     /* a 2xx answer that is not a JSON object */
	NET_REDIRECT, /* redirects too many, or to where none may lead */
	NET_FILE,     /* a file could not be written */
	NET_BROKEN    /* the network process itself failed */
};

struct net_request {
	const char *method; /* "GET" or "POST" */
	const char *path;   /* below base_path, begins with "/" */
	const char *body;   /* NULL: none */
	size_t body_len;
	uint32_t first_byte_ms; /* from the request sent to the status line */
	uint32_t total_ms;	/* the whole exchange, connect included */
	uint32_t body_max;
	bool facts; /* the reply is to say what was met on the way */

	/* A download, NULL: none. The rest of what stands above but method,
	 * path and body counts; total_ms is for all its redirects. */
	const char *url;
	int file;	     /* open for writing at its end */
	uint32_t pace_ms;    /* in each such time at least so much must */
	uint32_t pace_bytes; /* come; 0: no matter */
};

struct net_reply {
	enum net_result result;
	int status;	      /* HTTP status, 0 when there is none */
	uint32_t retry_after; /* seconds, 0 when not said */
	const char *body;     /* valid until the next call on the handle */
	size_t body_len;
	const char *text; /* one sentence: which link broke, what to do */
	/* Asked for: a line for each of these, a letter and its text, as far
	 * as the exchange on a new connection came; else "". */
	const char *facts;
};

#define NET_FACT_DNS 'd'   /* addresses of the host, or of the proxy */
#define NET_FACT_TCP 'c'   /* the address that was connected to */
#define NET_FACT_PROXY 'p' /* the proxy that gave way to the server */
#define NET_FACT_CHAIN 'x' /* the certificates, whatever is wrong with them */
#define NET_FACT_BEGIN 'b' /* the server's certificate: valid from, until; */
#define NET_FACT_END 'e'   /* seconds since 1970 */
#define NET_FACT_TLS 't'   /* its version: the handshake is done */
#define NET_FACT_DATE 'w'  /* the server's clock, seconds since 1970 */

struct net;

/* self: descriptor of the agent's own binary; config is copied (the anchors
 * descriptor is duplicated). No process is started yet. NULL: no memory. */
struct net *net_new(int self, const struct net_config *config);
/* Kills the process and frees the handle. */
void net_free(struct net *n);
/* Ends the process (for a second net that is no longer needed, to save
 * memory); the next request starts it again. */
void net_rest(struct net *n);

/* Gives up an exchange under way: it has no reply. The process ends. */
void net_cancel(struct net *n);

/* Starts the process before there is a request, to save the first one the
 * wait. A failure shows with the first request. */
void net_warm(struct net *n);

/* Begins an exchange; the request is copied. The reply comes from net_take.
 * -1 when busy. A process that cannot be started answers through net_take. */
int net_begin(struct net *n, const struct net_request *r);
/* The sandbox of its last process: the layers in words ("" as long as none
 * has said it) and as bits of net/sandbox.h, and in *note (NULL: not wanted)
 * why it did not become another user, or "". */
const char *net_sandbox(const struct net *n, unsigned *mask, const char **note);
/* For poll(2): descriptor (-1: none) and events; when the handle wants to be
 * called in any case (clock_ms, CLOCK_NEVER: not). */
int net_fd(const struct net *n, short *events);
uint64_t net_deadline(const struct net *n);
/* To be called when poll(2) said something or the deadline passed: 1 with
 * *reply, 0 not yet. */
int net_take(struct net *n, struct net_reply *reply);
/* Is this child the network process (for SIGCHLD)? Marks it dead. */
bool net_reap(struct net *n, pid_t pid, int status);

/* The process: what main runs for the hidden verb. Returns the exit code. */
int net_process_main(void);

/* Reads PEM certificates of a CA bundle (path, or the first of the system's
 * well-known places when NULL) into a sealed memfd that net_config.anchors
 * takes. Bad or unsupported roots are skipped and counted. Returns the
 * descriptor, or -1 with a sentence in why. used: receives the path. */
int trust_load(const char *path, struct buf *used, int *count, int *skipped,
    struct buf *why);
/* The same for hosts other than the server: the system's roots, and those of
 * path unless it is NULL. */
int trust_load_others(const char *path, struct buf *used, int *count,
    int *skipped, struct buf *why);

#endif
