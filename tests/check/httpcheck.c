/*
 * A raw HTTP answer before the agent's own parser:
 *
 * httpcheck [--method M] [--step N]
 *
 * The answer comes on standard input and is given to the parser in pieces of N
 * bytes (whole without it), as the answer to a request of method M (GET). It
 * prints the status, the number of header lines and the body's SHA-256, or
 * "error: …" and ends with 1; 2 is wrong usage. The end of the input counts as
 * a clean end of the connection.
 */
#include "base/file.h"
#include "base/text.h"
#include "net/httpmsg.h"
#include <bearssl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define INPUT_MAX (64u * MIB)
/* Retry-After as a date is counted from here: 2026-01-01. */
#define NOW 1767225600

static int fail(const struct httpmsg *m)
{
	printf("error: %s\n", m->why != NULL ? m->why : "it is cut");
	return 1;
}

static int show(const struct httpmsg *m, size_t unused)
{
	br_sha256_context sha;
	unsigned char sum[br_sha256_SIZE];
	br_sha256_init(&sha);
	br_sha256_update(&sha, buf_str(&m->body), m->body.len);
	br_sha256_out(&sha, sum);
	printf("%d %d ", m->status, m->fields);
	for (size_t i = 0; i < sizeof(sum); i++)
		printf("%02x", sum[i]);
	printf("\n");
	if (unused > 0)
		printf("%zu bytes behind it\n", unused);
	return 0;
}

static int check(const struct buf *input, size_t step, const char *method)
{
	struct httpmsg m;
	size_t at = 0;
	int code;
	httpmsg_init(&m, INPUT_MAX, NOW);
	m.tunnel = strcmp(method, "CONNECT") == 0;
	m.bodiless = strcmp(method, "HEAD") == 0;
	while (at < input->len && !m.done) {
		size_t n = input->len - at < step ? input->len - at : step;
		long used = httpmsg_feed(&m, input->data + at, n);
		if (used < 0)
			break;
		at += (size_t)used;
	}
	if (m.error != HTTPMSG_FINE || (!m.done && httpmsg_end(&m, true) != 0))
		code = fail(&m);
	else
		code = show(&m, input->len - at);
	httpmsg_release(&m);
	return code;
}

int main(int argc, char **argv)
{
	struct buf input = BUF_INIT(INPUT_MAX);
	const char *method = "GET";
	uint64_t step = INPUT_MAX;
	int code = 2;
	bool wrong = false;
	for (int i = 1; i < argc; i += 2) {
		if (i + 1 < argc && strcmp(argv[i], "--method") == 0)
			method = argv[i + 1];
		else if (i + 1 >= argc || strcmp(argv[i], "--step") != 0 ||
			 text_to_u64(argv[i + 1], 1, INPUT_MAX, &step) != 0)
			wrong = true;
	}
	if (wrong)
		fputs("usage: httpcheck [--method M] [--step N] <ANSWER\n",
		    stderr);
	else if (file_read_fd(STDIN_FILENO, &input) != 0)
		perror("standard input");
	else
		code = check(&input, (size_t)step, method);
	buf_release(&input);
	return code;
}
