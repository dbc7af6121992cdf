/*
 * Who is believed: chains made with openssl(1) are given to the judge as the
 * TLS engine would, whole and in small pieces. Skipped where there is no
 * openssl.
 */
#include "base/buf.h"
#include "base/file.h"
#include "fixture.h"
#include "net/names.h"
#include "net/net.h"
#include "net/pem.h"
#include "net/trust.h"
#include <bearssl.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DAY 86400

/* Makes a CA, intermediates and servers' certificates in the directory $1. */
static const char script[] =
    "set -e; cd \"$1\"; exec >/dev/null 2>&1\n"
    "key() { openssl ecparam -name ${2:-prime256v1} -genkey -noout"
    " -out $1.key; }\n"
    "root() { key $1; printf '[req]\\ndistinguished_name=d\\n[d]\\n[x]\\n%b\\n'"
    " \"$3\" >$1.cnf; openssl req -x509 -new -key $1.key -subj \"$2\""
    " -days 3650 -config $1.cnf -extensions x -out $1.pem; }\n"
    /* make NAME CA SUBJECT EXTENSIONS [DAYS] [OPTION] */
    "make() { [ -f $1.key ] || key $1; openssl req -new -key $1.key"
    " -subj \"$3\" -out $1.csr; printf '%b\\n' \"$4\" >$1.ext;"
    " openssl x509 -req -in $1.csr -CA $2.pem -CAkey $2.key"
    " -CAcreateserial -days ${5:-300} -extfile $1.ext ${6:--sha256}"
    " -out $1.pem; }\n"
    "ca='basicConstraints=critical,CA:TRUE'\n"
    "root root '/CN=Root' $ca\n"
    "root other '/CN=Other' $ca\n"
    "root self '/CN=self.test' \"$ca\\nsubjectAltName=DNS:self.test\"\n"
    "root fake '/CN=self.test' \"$ca\\nsubjectAltName=DNS:self.test\"\n"
    "root short '/CN=Short' $ca,pathlen:0\n"
    "make shortca short '/CN=Short CA' $ca\n"
    "root flat '/CN=flat.test' 'basicConstraints=CA:FALSE\\n"
    "subjectAltName=DNS:flat.test'\n"
    "make inter root '/CN=Inter' \"$ca,pathlen:0\"\n"
    "make twin other '/CN=Inter' $ca\n"
    "cp inter.key cross.key; make cross other '/CN=Inter' $ca\n"
    "make deep inter '/CN=Deep' $ca\n"
    "root ring '/CN=Ring' $ca\n"
    "make noca root '/CN=No CA' basicConstraints=CA:FALSE\n"
    "make clientca root '/CN=Client CA' \"$ca\\nextendedKeyUsage=clientAuth\"\n"
    "make nosign root '/CN=No sign' \"$ca\\nkeyUsage=cRLSign\"\n"
    "make limited root '/CN=Limited' \"$ca\\nnameConstraints=permitted;"
    "DNS:inside.test,excluded;DNS:not.inside.test\"\n"
    "make oldca root '/CN=Old CA' $ca 1\n"
    "san='subjectAltName=DNS:a.test,DNS:*.w.test,DNS:*.top,IP:192.0.2.1,"
    "IP:2001:db8::1'\n"
    "make leaf inter '/CN=cn.test' \"$san\"\n"
    "make ringed ring '/CN=x' \"$san\"\n"
    "make shortleaf shortca '/CN=x' \"$san\"\n"
    "make direct root '/CN=x' \"$san\\nextendedKeyUsage=serverAuth\"\n"
    "make client root '/CN=x' \"$san\\nextendedKeyUsage=clientAuth\"\n"
    "make any root '/CN=x' \"$san\\nextendedKeyUsage=anyExtendedKeyUsage\"\n"
    "make bare root '/CN=a.test' basicConstraints=CA:FALSE\n"
    "make asca root '/CN=x' \"$san\\n$ca\"\n"
    "make crit root '/CN=x' \"$san\\n1.2.3.4=critical,DER:0500\"\n"
    "make sha1 root '/CN=x' \"$san\" 300 -sha1\n"
    "make deepleaf deep '/CN=x' \"$san\"\n"
    "make nocaleaf noca '/CN=x' \"$san\"\n"
    "make ccaleaf clientca '/CN=x' \"$san\"\n"
    "make nsleaf nosign '/CN=x' \"$san\"\n"
    "make inside limited '/CN=x' subjectAltName=DNS:b.inside.test\n"
    "make outside limited '/CN=x' \"$san\"\n"
    "make excluded limited '/CN=x' subjectAltName=DNS:not.inside.test\n"
    "make certsign root '/CN=x' \"$san\\nkeyUsage=digitalSignature,"
    "keyCertSign\"\n"
    "make aia root '/CN=x' \"$san\\nauthorityInfoAccess=critical,"
    "OCSP;URI:http://o.test\"\n"
    "make sanca limited '/CN=San CA' \"$ca\\nsubjectAltName="
    "DNS:outside.test\"\n"
    "make sancaleaf sanca '/CN=x' subjectAltName=DNS:b.inside.test\n"
    "make oldleaf oldca '/CN=x' \"$san\"\n"
    "openssl genrsa -out small.key 1024\n"
    "make small root '/CN=x' \"$san\"\n"
    "cp small.key smallca.key; make smallca root '/CN=Small CA' $ca\n"
    "make smallleaf smallca '/CN=x' \"$san\"\n"
    "openssl genrsa -out rsa.key 2048\n"
    "make rsa root '/CN=x' \"$san\"\n"
    "key p384 secp384r1; make p384 root '/CN=x' \"$san\"\n"
    "key p521 secp521r1; make p521 root '/CN=x' \"$san\"\n"
    "openssl genpkey -algorithm ed25519 -out ed.key\n"
    "make ed root '/CN=x' \"$san\"\n"
    "openssl req -x509 -new -key ed.key -subj /CN=Ed -out edroot.pem\n"
    "cat root.pem edroot.pem other.pem root.key >bundle.pem\n"
    "echo '-----BEGIN CERTIFICATE-----' >>bundle.pem\n"
    "openssl x509 -in root.pem -outform der -out root.der\n";

static bool made;

static int make_pki(void **state)
{
	int status;
	pid_t pid;

	fixture_setup(state);
	pid = fork();
	if (pid == 0) {
		execlp("sh", "sh", "-c", script, "sh", fixture_dir, NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	made = status == 0;
	if (!made && system("openssl version >/dev/null 2>&1") == 0)
		return -1;
	return 0;
}

/* A judge with its policy, and the sentence of its last refusal. */
static struct trust_store store;
static struct trust_policy policy;
static char why[2000];

/* Anchors from a file below the directory ("" is none), as a ca_file. */
static void anchors(const char *name)
{
	struct buf used = BUF_INIT(1000), text = BUF_INIT(1000);
	int count, skipped, fd = -1;

	trust_close(&store);
	memset(&policy, 0, sizeof(policy));
	if (name[0] != '\0') {
		fd = trust_load(
		    fixture_path("%s", name), &used, &count, &skipped, &text);
		assert_true(fd >= 0);
		policy.ca_name = "the file";
	}
	assert_int_equal(trust_open(&store, fd), 0);
	if (fd >= 0)
		close(fd);
	policy.store = &store;
	policy.verify = true;
	policy.now = (int64_t)time(NULL);
	policy.host = "a.test";
	buf_release(&used);
	buf_release(&text);
}

static void pin(const char *name)
{
	struct buf text = BUF_INIT(10000), der = BUF_INIT(10000);
	struct cert c;
	const char *fault;
	struct pem pem;
	br_sha256_context sha;

	file_read(fixture_path("%s.pem", name), &text);
	pem_init(&pem, buf_str(&text), text.len);
	assert_int_equal(pem_next(&pem, &der), 1);
	assert_int_equal(cert_parse(&c, der.data, der.len, &fault), 0);
	br_sha256_init(&sha);
	br_sha256_update(&sha, c.spki.p, c.spki.len);
	br_sha256_out(&sha, policy.pins[policy.pin_count++]);
	buf_release(&text);
	buf_release(&der);
}

static void send_cert(
    const br_x509_class **xc, const char *name, size_t len, size_t step)
{
	struct buf text = BUF_INIT(10000), der = BUF_INIT(10000);
	struct pem pem;

	file_read(fixture_path("%.*s.pem", (int)len, name), &text);
	pem_init(&pem, buf_str(&text), text.len);
	assert_int_equal(pem_next(&pem, &der), 1);
	(*xc)->start_cert(xc, (uint32_t)der.len);
	for (size_t at = 0; at < der.len; at += step) {
		size_t n = der.len - at < step ? der.len - at : step;
		(*xc)->append(xc, (unsigned char *)der.data + at, n);
	}
	(*xc)->end_cert(xc);
	buf_release(&text);
	buf_release(&der);
}

/* Judges a chain, given as "leaf inter". */
static bool judge_in(const char *chain, size_t step)
{
	struct trust_judge *j = trust_judge_new(&policy);
	const br_x509_class **xc = trust_judge_class(j);
	unsigned usages = 0, rc;

	(*xc)->start_chain(xc, "ignored.test");
	while (*chain != '\0') {
		size_t len = strcspn(chain, " ");
		send_cert(xc, chain, len, step);
		chain += len + strspn(chain + len, " ");
	}
	rc = (*xc)->end_chain(xc);
	snprintf(why, sizeof(why), "%s", trust_judge_why(j));
	assert_true((rc == 0) == ((*xc)->get_pkey(xc, &usages) != NULL));
	assert_true((rc == 0) == trust_judge_accepted(j));
	assert_true((rc == 0) == (why[0] == '\0'));
	assert_true(rc != 0 || usages != 0);
	trust_judge_free(j);
	return rc == 0;
}

static bool judge(const char *chain)
{
	bool good = judge_in(chain, 100000);

	assert_true(judge_in(chain, 1) == good);
	return good;
}

static void believed(const char *chain)
{
	if (!judge(chain))
		fail_msg("%s for %s: %s", chain, policy.host, why);
}

static void refused(const char *chain, const char *reason)
{
	if (judge(chain))
		fail_msg("%s for %s was believed", chain, policy.host);
	if (strstr(why, reason) == NULL)
		fail_msg("%s: \"%s\" does not say \"%s\"", chain, why, reason);
}

#define NEEDS_PKI()             \
	do {                    \
		(void)state;    \
		if (!made)      \
			skip(); \
	} while (0)

static void chains(void **state)
{
	NEEDS_PKI();
	anchors("root.pem");
	believed("direct");
	believed("direct root");
	believed("leaf inter");
	believed("leaf inter root");
	believed("rsa");
	believed("p384");
	believed("p521");
	/* Out of order, and with what does not belong there */
	believed("leaf root inter");
	believed("leaf other deep twin inter self");
	believed("direct self other");
	refused("leaf",
	    "not sent by the server: set ca_file to its CA's certificate, or "
	    "give the server its full chain, or set pin_sha256");
	refused("leaf twin", "signed by Inter, that by Other, which");
	refused("deepleaf deep inter", "not allowed to sign");
	refused("nocaleaf noca", "not allowed to sign");
	refused("ccaleaf clientca", "not allowed to sign");
	refused("nsleaf nosign", "not allowed to sign");
	refused("client", "serverAuth");
	refused("any", "serverAuth");
	refused("certsign", "a CA itself");
	refused("aia", "critical");
	refused("sanca sancaleaf", "not made out");
	policy.host = "b.inside.test";
	refused("sancaleaf sanca limited", "must not sign these names");
	policy.host = "a.test";
	refused("asca", "a CA itself");
	refused("crit", "critical");
	refused("sha1", "SHA-1");
	refused("small", "1024 bits");
	refused("smallleaf smallca", "weak");
	refused("ed", "kind of key");
	refused("self", "not made out");
	refused("", "sent none");
	anchors("other.pem");
	refused("leaf inter", "that by Root");
	/* The same name with another key, and with the same. */
	refused("leaf twin", "signature is wrong. If its CA was made anew");
	refused("leaf inter twin", "signature is wrong");
	believed("leaf inter twin cross");
	believed("leaf cross");
	anchors("root.pem");
	believed("leaf cross twin inter");
	anchors("short.pem");
	refused("shortleaf shortca", "not allowed to sign");
	anchors("");
	refused("direct", "signed by Root: set ca_file");
}

static void too_many(void **state)
{
	NEEDS_PKI();
	char chain[200] = "leaf";

	anchors("root.pem");
	for (int i = 0; i < 8; i++)
		strncat(chain, " twin", 6);
	strncat(chain, " inter", 7);
	believed(chain);
	strncat(chain, " twin", 6);
	refused(chain, "too many");
}

/* CAs that could each stand above the other, in any order. */
static void a_maze(void **state)
{
	NEEDS_PKI();
	static const char chain[] =
	    "ringed ring ring ring ring ring ring ring ring ring";
	clock_t began = clock();

	anchors("root.pem");
	refused(chain, "is signed by Ring, which");
	pin("other");
	refused(chain, "another key");
	assert_true(clock() - began < CLOCKS_PER_SEC);
}

static void names(void **state)
{
	NEEDS_PKI();
	static const char *const good[] = {"a.test", "A.Test", "x.w.test",
	    "192.0.2.1", "2001:db8::1", "2001:DB8:0:0::1"};
	static const char *const bad[] = {"b.test", "w.test", "x.y.w.test",
	    "a.top", "cn.test", "x", "192.0.2.2", "2001:db8::2",
	    "192.0.2.1.a.test"};

	anchors("root.pem");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		policy.host = good[i];
		believed("leaf inter");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		policy.host = bad[i];
		refused("leaf inter", "a.test, *.w.test, *.top, 192.0.2.1, …");
	}
	policy.host = "a.test";
	refused("bare", "no name at all");
	believed("direct");
	refused("outside limited", "must not sign these names");
	policy.host = "b.inside.test";
	believed("inside limited");
	policy.host = "not.inside.test";
	refused("excluded limited", "must not sign these names");
}

static void dates(void **state)
{
	NEEDS_PKI();
	int64_t now = (int64_t)time(NULL);

	anchors("root.pem");
	policy.now = now + 299 * DAY;
	believed("leaf inter");
	policy.now = now + 301 * DAY;
	refused("leaf inter", "expired on 20");
	policy.now = now - 2 * DAY;
	refused("leaf inter", "set the clock");
	policy.now = now + 2 * DAY;
	refused("oldleaf oldca", "CA Old CA, which has expired");
	/* An anchor that has expired is none. */
	anchors("oldca.pem");
	believed("oldleaf");
	policy.now = now + 2 * DAY;
	refused("oldleaf", "CA Old CA, which has expired");
}

static void exactly_in_ca_file(void **state)
{
	NEEDS_PKI();
	anchors("self.pem");
	policy.host = "self.test";
	believed("self");
	/* Another one with the same name. */
	refused("fake", "self-signed");
	anchors("flat.pem");
	policy.host = "flat.test";
	believed("flat");
	policy.host = "other.test";
	refused("flat", "not made out");
	anchors("root.pem");
	policy.host = "self.test";
	refused("self", "self-signed");
	policy.host = "flat.test";
	refused("flat", "self-signed, and not in the file");
	/* A certificate that is no CA signs nothing. */
	anchors("noca.pem");
	refused("nocaleaf", "not allowed to sign");
	/* The system's roots are no leaves. */
	anchors("self.pem");
	store.exact = false;
	policy.host = "self.test";
	refused("self", "self-signed");
}

static void pins(void **state)
{
	NEEDS_PKI();
	anchors("");
	pin("direct");
	policy.host = "whatever.test";
	policy.now += 10000 * (int64_t)DAY;
	believed("direct");
	refused("rsa", "expired");
	/* A CA's pin makes it the anchor, sent or in the file. */
	anchors("");
	pin("other");
	pin("inter");
	believed("leaf inter");
	refused("direct", "another key than pin_sha256");
	policy.host = "b.test";
	refused("leaf inter", "not made out");
	anchors("root.pem");
	pin("root");
	believed("leaf inter");
	/* A pin replaces every other trust. */
	anchors("root.pem");
	pin("other");
	refused("leaf inter", "another key than pin_sha256");
	policy.verify = false;
	refused("leaf inter", "another key than pin_sha256");
	policy.verify = true;
	anchors("self.pem");
	pin("other");
	policy.host = "self.test";
	refused("self", "self-signed");
	/* The pinned CA's name alone is not enough. */
	anchors("");
	pin("twin");
	refused("leaf twin", "signature is wrong");
	/* Nor does a pin make a weak key a good anchor. */
	anchors("");
	pin("smallca");
	refused("smallleaf smallca", "weak");
}

static void without_verification(void **state)
{
	NEEDS_PKI();
	anchors("");
	policy.verify = false;
	policy.host = "whatever.test";
	believed("leaf");
	believed("self");
	refused("ed", "kind of key");
}

static void bundles(void **state)
{
	NEEDS_PKI();
	struct buf used = BUF_INIT(1000), text = BUF_INIT(1000);
	int count, skipped, fd;
	char byte = 0;

	fd = trust_load(
	    fixture_path("bundle.pem"), &used, &count, &skipped, &text);
	assert_true(fd >= 0);
	assert_int_equal(count, 2);
	assert_int_equal(skipped, 2);
	assert_string_equal(buf_str(&used), fixture_path("bundle.pem"));
	/* Nobody can change it any more. */
	assert_true(write(fd, &byte, 1) < 0);
	assert_true(ftruncate(fd, 0) < 0);
	assert_true(mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) ==
		    MAP_FAILED);
	close(fd);
	buf_reset(&used);
	fd = trust_load(
	    fixture_path("root.der"), &used, &count, &skipped, &text);
	assert_true(fd >= 0);
	assert_int_equal(count, 1);
	close(fd);
	assert_int_equal(trust_load(fixture_path("root.key"), &used, &count,
			     &skipped, &text),
	    -1);
	assert_non_null(strstr(buf_str(&text), "no CA certificate"));
	buf_reset(&text);
	assert_int_equal(
	    trust_load(fixture_path("missing"), &used, &count, &skipped, &text),
	    -1);
	assert_non_null(strstr(buf_str(&text), "cannot read"));
	buf_release(&used);
	buf_release(&text);
}

static void wildcards(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *host;
		bool match;
	} cases[] = {
	    {"a.b", "a.b", true},
	    {"*.a.b", "x.a.b", true},
	    {"*.a.b", "x.A.B", true},
	    {"*.a.b", "a.b", false},
	    {"*.a.b", ".a.b", false},
	    {"*.a.b", "x.y.a.b", false},
	    {"*.b", "a.b", false},
	    {"*.", "a.", false},
	    {"*", "a", false},
	    {"*", "*", false},
	    {"x*.a.b", "xy.a.b", false},
	    {"*x.a.b", "yx.a.b", false},
	    {"*.*.b", "x.a.b", false},
	    {"a.*.b", "a.x.b", false},
	    {"*..b", "x..b", false},
	    {"*.a.b.", "x.a.b.", false},
	    {"", "", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (names_match(cases[i].pattern, strlen(cases[i].pattern),
			cases[i].host) != cases[i].match)
			fail_msg("%s, %s", cases[i].pattern, cases[i].host);
	}
	assert_false(names_match("a.b\0c", 5, "a.b"));
	assert_false(names_match("a\0b", 3, "axb"));
}

static int remove_pki(void **state)
{
	trust_close(&store);
	return fixture_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(chains),
	    cmocka_unit_test(too_many),
	    cmocka_unit_test(a_maze),
	    cmocka_unit_test(names),
	    cmocka_unit_test(dates),
	    cmocka_unit_test(exactly_in_ca_file),
	    cmocka_unit_test(pins),
	    cmocka_unit_test(without_verification),
	    cmocka_unit_test(bundles),
	    cmocka_unit_test(wildcards),
	};

	return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
