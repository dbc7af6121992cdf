/*
 * Is a certificate made out to this host? Only subjectAltName counts: DNS
 * names for names, addresses for addresses. Also here: the name constraints
 * that a CA may be under. Pure.
 */
#ifndef NET_NAMES_H
#define NET_NAMES_H

#include "base/buf.h"
#include "net/cert.h"

/* Does one DNS name of a certificate match the host? "*" may stand for the
 * first label alone, and needs two labels behind it. */
bool names_match(const char *pattern, size_t len, const char *host);
/* Is the certificate made out to host (a name or an address)? */
bool names_check(const struct cert *c, const char *host);
/* Appends the names that it is made out to, a few of them, for people. */
void names_list(struct buf *out, const struct cert *c);
/* Do the names of a certificate stay within the constraints of a CA above it
 * (the content of its extension)? Malformed constraints, and so many that
 * judging them would take long: no. */
bool names_allowed(const struct der *constraints, const struct cert *c);

#endif
