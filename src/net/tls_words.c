/*
 * What people meet in practice: a certificate that was refused, a port that
 * speaks something else, a server that is too new or too old for us.
 */
#include "net/tls_words.h"
#include "net/tls.h"
#include <bearssl.h>
#include <string.h>

#define ALERT_HANDSHAKE_FAILURE 40
#define ALERT_PROTOCOL_VERSION 70
#define ALERT_INSUFFICIENT_SECURITY 71
#define ALERT_UNRECOGNIZED_NAME 112
#define ALERT_CERTIFICATE_REQUIRED 116

/* The server ended it with an alert. */
static void tls_words_alert(struct fault *fault, const char *host, int alert)
{
	switch (alert) {
	case ALERT_PROTOCOL_VERSION:
		fault_set(fault, NET_TLS,
		    "this server accepts only TLS 1.3 (or nothing newer than "
		    "1.1), and bbs-agent speaks TLS 1.2: enable TLS 1.2 on %s",
		    host);
		break;
	case ALERT_HANDSHAKE_FAILURE:
	case ALERT_INSUFFICIENT_SECURITY:
		fault_set(fault, NET_TLS,
		    "%s and bbs-agent have no TLS cipher in common: allow TLS "
		    "1.2 with ECDHE and AES-GCM or ChaCha20-Poly1305 on the "
		    "server",
		    host);
		break;
	case ALERT_UNRECOGNIZED_NAME:
		fault_set(fault, NET_TLS,
		    "the server does not know the name %s: check [server] url "
		    "and the server's virtual hosts",
		    host);
		break;
	case ALERT_CERTIFICATE_REQUIRED:
		fault_set(fault, NET_TLS,
		    "%s wants a client's certificate, and bbs-agent has none",
		    host);
		break;
	default:
		fault_set(fault, NET_TLS,
		    "%s ended the TLS handshake with alert %d: see the "
		    "server's log",
		    host, alert);
	}
}

static bool tls_words_begins(const char *first, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(first, with, strlen(with)) == 0;
}

/* Is it another protocol at all? */
static bool tls_words_other(struct fault *fault, const char *host,
    uint16_t port, const char *first, size_t len)
{
	if (tls_words_begins(first, len, "HTTP/")) {
		fault_set(fault, NET_TLS,
		    "port %u of %s speaks plain HTTP, not TLS: name its TLS "
		    "port in [server] url, or write http://",
		    port, host);
		return true;
	}
	/* A TLS record begins with its type, 20 to 23, and 3. */
	if (len >= 2 && ((unsigned char)first[0] < 20 ||
			    (unsigned char)first[0] > 23 || first[1] != 3)) {
		fault_set(fault, NET_TLS,
		    "port %u of %s does not speak TLS (it says \"", port, host);
		fault_quote(fault, first, len, 8);
		buf_adds(&fault->text, "\"): check the port in [server] url");
		return true;
	}
	return false;
}

static void tls_words_error(struct fault *fault, const char *host, int error)
{
	if (error == BR_ERR_UNSUPPORTED_VERSION || error == BR_ERR_BAD_VERSION)
		fault_set(fault, NET_TLS,
		    "%s does not speak TLS 1.2: enable it on the server", host);
	else if (error == BR_ERR_NO_CLIENT_AUTH)
		tls_words_alert(fault, host, ALERT_CERTIFICATE_REQUIRED);
	else if (error == BR_ERR_WRONG_KEY_USAGE)
		fault_set(fault, NET_TLS,
		    "the certificate of %s must not be used for signatures "
		    "(its key usage lacks digitalSignature): give the server "
		    "another one",
		    host);
	else
		fault_set(fault, NET_TLS,
		    "the TLS handshake with %s failed (error %d): see the "
		    "server's log",
		    host, error);
}

void tls_words(struct fault *fault, const char *host, uint16_t port, int rc,
    int error, const char *why, const char *first, size_t first_len)
{
	if (why[0] != '\0') {
		fault_set(fault, NET_TLS, "%s", why);
	} else if (tls_words_other(fault, host, port, first, first_len)) {
		return;
	} else if (rc == TLS_TIMEOUT) {
		fault_set(fault, NET_TIMEOUT,
		    "%s does not finish the TLS handshake on port %u: is it "
		    "really a TLS port, is the server overloaded?",
		    host, port);
	} else if (rc == TLS_CUT || rc == TLS_END) {
		fault_set(fault, NET_TLS,
		    "%s closed the connection during the TLS handshake: is %u "
		    "the right port, does the server allow TLS 1.2?",
		    host, port);
	} else if (error >= BR_ERR_RECV_FATAL_ALERT &&
		   error < BR_ERR_SEND_FATAL_ALERT) {
		tls_words_alert(fault, host, error - BR_ERR_RECV_FATAL_ALERT);
	} else {
		tls_words_error(fault, host, error);
	}
}
