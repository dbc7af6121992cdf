/*
 * A certificate chain before the agent's own judge, for suites of cases:
 *
 * x509check --ca FILE --chain FILE --name NAME --time UNIX
 *
 * FILEs are PEM; the chain begins with the server's certificate. Exit 0: it
 * is accepted; 1: refused, with the reason on standard output; 2: wrong usage
 * or a file that cannot be read.
 */
#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "net/net.h"
#include "net/pem.h"
#include "net/trust.h"
#include <bearssl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int give_chain(const br_x509_class **judge, const char *path)
{
	struct buf text = BUF_INIT(CA_FILE_MAX), der = BUF_INIT(CA_FILE_MAX);
	struct pem pem;
	int rc = file_read(path, &text);
	pem_init(&pem, buf_str(&text), text.len);
	while (rc == 0 && pem_next(&pem, &der) != 0) {
		(*judge)->start_cert(judge, (uint32_t)der.len);
		(*judge)->append(judge, (unsigned char *)der.data, der.len);
		(*judge)->end_cert(judge);
	}
	buf_release(&text);
	buf_release(&der);
	return rc;
}

static int judge_chain(const struct trust_policy *policy, const char *chain)
{
	struct trust_judge *judge = trust_judge_new(policy);
	const br_x509_class **class;
	int code = 2;
	if (judge == NULL)
		return 2;
	class = trust_judge_class(judge);
	(*class)->start_chain(class, policy->host);
	if (give_chain(class, chain) == 0) {
		code = (*class)->end_chain(class) == 0 ? 0 : 1;
		if (code != 0)
			puts(trust_judge_why(judge));
	} else {
		perror(chain);
	}
	trust_judge_free(judge);
	return code;
}

static int check(
    const char *ca, const char *chain, const char *name, uint64_t when)
{
	struct buf used = BUF_INIT(4 * KIB), why = BUF_INIT(4 * KIB);
	struct trust_store store;
	int count, skipped, code = 2;
	int fd = trust_load(ca, &used, &count, &skipped, &why);
	if (fd < 0) {
		/* Not one anchor that could be used: nothing is trusted. */
		puts(buf_str(&why));
		code = 1;
	} else if (trust_open(&store, fd) == 0) {
		struct trust_policy policy = {.host = name,
		    .verify = true,
		    .ca_name = ca,
		    .store = &store,
		    .now = (int64_t)when};
		code = judge_chain(&policy, chain);
		trust_close(&store);
	}
	if (fd >= 0)
		close(fd);
	buf_release(&used);
	buf_release(&why);
	return code;
}

int main(int argc, char **argv)
{
	static const char *const names[] = {
	    "--ca", "--chain", "--name", "--time"};
	const char *values[4] = {NULL};
	uint64_t when = 0;
	for (int i = 1; i + 1 < argc; i += 2) {
		for (int n = 0; n < 4; n++) {
			if (strcmp(argv[i], names[n]) == 0)
				values[n] = argv[i + 1];
		}
	}
	if (argc != 9 || values[0] == NULL || values[1] == NULL ||
	    values[2] == NULL || values[3] == NULL ||
	    text_to_u64(values[3], 1, INT64_MAX, &when) != 0) {
		fputs("usage: x509check --ca FILE --chain FILE --name NAME "
		      "--time UNIX\n",
		    stderr);
		return 2;
	}
	return check(values[0], values[1], values[2], when);
}
