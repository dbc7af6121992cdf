/* Certificates: PEM, their inside, the file of anchors that is made of a
 * bundle, and the judge before a chain. */
#include "base/file.h"
#include "base/limits.h"
#include "fuzz.h"
#include "net/net.h"
#include "net/pem.h"
#include "net/trust.h"
#include <bearssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void inside(const void *der, size_t len)
{
	struct cert c;
	const char *why = NULL;
	struct buf name = BUF_INIT(64 * KIB);
	if (cert_parse(&c, der, len, &why) == 0) {
		FUZZ_HOLDS(c.whole.len <= len);
		cert_add_name(&name, &c.subject);
		cert_add_name(&name, &c.issuer);
		cert_key_usable(&c);
		cert_rsa_bits(&c);
	} else {
		FUZZ_HOLDS(why != NULL);
	}
	buf_release(&name);
}

static void judge(const struct trust_store *store, struct pem *pem)
{
	struct buf der = BUF_INIT(256 * KIB);
	struct trust_policy policy = {.host = "backup.example.com",
	    .verify = true,
	    .ca_name = "the input",
	    .store = store,
	    .now = 1767225600};
	struct trust_judge *judge = trust_judge_new(&policy);
	FUZZ_HOLDS(judge != NULL);
	const br_x509_class **class = trust_judge_class(judge);
	(*class)->start_chain(class, policy.host);
	while (pem_next(pem, &der) != 0) {
		inside(der.data, der.len);
		(*class)->start_cert(class, (uint32_t)der.len);
		(*class)->append(class, (unsigned char *)der.data, der.len);
		(*class)->end_cert(class);
	}
	if ((*class)->end_chain(class) != 0)
		FUZZ_HOLDS(trust_judge_why(judge)[0] != '\0');
	trust_judge_free(judge);
	buf_release(&der);
}

/* The input is a bundle and a chain at once, or bare DER. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct trust_store store = {0};
	struct buf used = BUF_INIT(4 * KIB), why = BUF_INIT(4 * KIB);
	struct pem pem;
	char path[40];
	int count, skipped, anchors;
	if (len > 0 && data[0] == 0x30) {
		inside(data, len);
		return 0;
	}
	int file = memfd_create("bundle", 0);
	FUZZ_HOLDS(
	    file >= 0 && file_write_all(file, (const char *)data, len) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	anchors = trust_load(path, &used, &count, &skipped, &why);
	FUZZ_HOLDS((anchors < 0) == (why.len > 0));
	if (anchors >= 0) {
		FUZZ_HOLDS(trust_open(&store, anchors) == 0);
		FUZZ_HOLDS(store.count == (size_t)count);
	}
	pem_init(&pem, (const char *)data, len);
	judge(&store, &pem);
	trust_close(&store);
	if (anchors >= 0)
		close(anchors);
	close(file);
	buf_release(&used);
	buf_release(&why);
	return 0;
}
