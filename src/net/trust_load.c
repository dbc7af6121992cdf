/*
 * Reads a bundle of CA certificates into the file of anchors. Runs in the
 * supervisor, once a start: the bundle comes from the administrator, so
 * parsing it there is no risk; a root that we cannot use is skipped, because
 * one odd root must not cost the others.
 */
#include "base/file.h"
#include "base/limits.h"
#include "net/cert.h"
#include "net/net.h"
#include "net/pem.h"
#include "net/trust_file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than some C libraries that we build with. */
#ifndef MFD_CLOEXEC
#define MFD_CLOEXEC 0x0001u
#define MFD_ALLOW_SEALING 0x0002u
#endif
#ifndef F_ADD_SEALS
#define F_ADD_SEALS (1024 + 9)
#define F_SEAL_SEAL 0x0001
#define F_SEAL_SHRINK 0x0002
#define F_SEAL_GROW 0x0004
#define F_SEAL_WRITE 0x0008
#endif

static const char *const trust_places[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, OpenWrt */
    "/etc/pki/tls/certs/ca-bundle.crt",	  /* Fedora, RHEL */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem", /* SUSE */
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/etc/ssl/cert.pem", /* Alpine, OpenWrt */
};

struct trust_reader {
	struct trust_entry *entries; /* CA_ANCHORS_MAX of them */
	uint32_t count;
	int skipped;
	struct buf certs;
};

/* Takes one certificate, or counts it as skipped. */
static void trust_take(struct trust_reader *r, const void *der, size_t len)
{
	struct trust_entry *entry = &r->entries[r->count];
	struct cert cert;
	const char *why;

	if (r->count == CA_ANCHORS_MAX ||
	    cert_parse(&cert, der, len, &why) != 0 || !cert_key_usable(&cert)) {
		r->skipped++;
		return;
	}
	entry->hash = trust_hash(&cert.subject);
	entry->offset = (uint32_t)r->certs.len;
	entry->len = (uint32_t)len;
	if (buf_add(&r->certs, der, len) == 0)
		r->count++;
}

static void trust_read(struct trust_reader *r, const struct buf *text)
{
	struct buf der = BUF_INIT(CA_FILE_MAX);
	struct pem pem;
	int rc;

	if (text->len > 0 && text->data[0] == DER_SEQUENCE) {
		trust_take(r, text->data, text->len);
		return;
	}
	pem_init(&pem, buf_str(text), text->len);
	while ((rc = pem_next(&pem, &der)) != 0) {
		if (rc > 0)
			trust_take(r, der.data, der.len);
		else
			r->skipped++;
	}
	buf_release(&der);
}

static int trust_order(const void *a, const void *b)
{
	const struct trust_entry *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* A file without a name that the receiver can only read. */
static int trust_file(void)
{
	int fd = -1;

#ifdef SYS_memfd_create
	fd = (int)syscall(SYS_memfd_create, "bbs-agent anchors",
	    MFD_CLOEXEC | MFD_ALLOW_SEALING);
#endif
	return fd >= 0 ? fd : file_unnamed("/tmp");
}

/* Makes it unchangeable: sealed, or reopened for reading where the kernel
 * does not know seals. Takes over fd. */
static int trust_seal(int fd)
{
	char path[40];
	int again;

	if (fcntl(fd, F_ADD_SEALS,
		F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	if (again < 0)
		return fd;
	close(fd);
	return again;
}

static int trust_write(struct trust_reader *r, bool exact)
{
	struct trust_head head = {TRUST_MAGIC, r->count, exact, 0};
	size_t table = r->count * sizeof(*r->entries);
	int fd = trust_file();

	if (fd < 0)
		return -1;
	for (uint32_t i = 0; i < r->count; i++)
		r->entries[i].offset += (uint32_t)(sizeof(head) + table);
	qsort(r->entries, r->count, sizeof(*r->entries), trust_order);
	if (file_write_all(fd, &head, sizeof(head)) != 0 ||
	    file_write_all(fd, r->entries, table) != 0 ||
	    file_write_all(fd, r->certs.data, r->certs.len) != 0) {
		close(fd);
		return -1;
	}
	return trust_seal(fd);
}

/* Files, the second may be NULL: the descriptor, or -1 with a sentence. */
static int trust_load_files(const char *path, const char *also, bool exact,
    int *count, int *skipped, struct buf *why)
{
	struct trust_reader r = {.certs = BUF_INIT(CA_FILE_MAX)};
	struct buf text = BUF_INIT(CA_FILE_MAX);
	int fd = -1;

	r.entries = calloc(CA_ANCHORS_MAX + 1, sizeof(*r.entries));
	if (r.entries == NULL) {
		buf_adds(why, "out of memory");
		goto out;
	}
	if (file_read(path, &text) != 0) {
		buf_addf(why,
		    "cannot read the CA certificates in %s: %s: check ca_file",
		    path, strerror(errno));
		goto out;
	}
	trust_read(&r, &text);
	buf_reset(&text);
	if (also != NULL && file_read(also, &text) == 0)
		trust_read(&r, &text);
	if (r.count == 0) {
		buf_addf(why,
		    "%s holds no CA certificate that can be used (PEM is "
		    "expected): check ca_file",
		    path);
		goto out;
	}
	fd = trust_write(&r, exact);
	if (fd < 0)
		buf_addf(why, "cannot keep the CA certificates of %s: %s", path,
		    strerror(errno));
	*count = (int)r.count;
	*skipped = r.skipped;
out:
	free(r.entries);
	buf_release(&r.certs);
	buf_release(&text);
	return fd;
}

/* The system's bundle, with what `also` holds. */
static int trust_load_system(const char *also, struct buf *used, int *count,
    int *skipped, struct buf *why)
{
	size_t places = sizeof(trust_places) / sizeof(trust_places[0]);

	*count = *skipped = 0;
	for (size_t i = 0; i < places; i++) {
		int fd;
		if (access(trust_places[i], R_OK) != 0)
			continue;
		fd = trust_load_files(
		    trust_places[i], also, false, count, skipped, why);
		if (fd >= 0) {
			buf_reset(why);
			buf_adds(used, trust_places[i]);
			return fd;
		}
		buf_adds(why, "; ");
	}
	buf_adds(why,
	    "no CA certificates were found on this host: install the package "
	    "ca-certificates, or set ca_file or pin_sha256");
	return -1;
}

int trust_load(const char *path, struct buf *used, int *count, int *skipped,
    struct buf *why)
{
	if (path == NULL)
		return trust_load_system(NULL, used, count, skipped, why);
	*count = *skipped = 0;
	buf_adds(used, path);
	return trust_load_files(path, NULL, true, count, skipped, why);
}

int trust_load_others(const char *path, struct buf *used, int *count,
    int *skipped, struct buf *why)
{
	int fd = trust_load_system(path, used, count, skipped, why);

	if (fd >= 0 || path == NULL)
		return fd;
	/* A host without a bundle still has what its administrator gave. */
	buf_reset(why);
	buf_adds(used, path);
	return trust_load_files(path, NULL, false, count, skipped, why);
}
