/* The agent's known_hosts: whose line is it, what is its key's fingerprint. */
#include "fixture.h"
#include "job/known_hosts.h"
#include <string.h>

/* A key of ssh-keygen's, and what ssh-keygen -l says of it. */
#define KEY                                                                \
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5" \
	"C9okWi0dh2l9GKJl"
#define PRINT "ssh-ed25519 SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"

static const struct ssh_info other_port = {"u", "bbs.example", 2222};
static const struct ssh_info usual_port = {"u", "bbs.example", 22};

static void whose_line(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool other, usual;
	} cases[] = {
	    {"", false, false},
	    {"\n\n", false, false},
	    {"bbs.example " KEY "\n", true, true},
	    {"bbs.example " KEY, true, true},
	    {"[bbs.example]:2222 " KEY "\n", true, false},
	    {"[bbs.example]:22222 " KEY "\n", false, false},
	    {"[bbs.example]:222 " KEY "\n", false, false},
	    {"bbs.example.org " KEY "\n", false, false},
	    {"bbs.exampl " KEY "\n", false, false},
	    {"a,bbs.example,192.0.2.1 " KEY "\n", true, true},
	    {"BBS.Example " KEY "\n", true, true},
	    {"a,bbs.examplex,192.0.2.1 " KEY "\n", false, false},
	    {"# bbs.example " KEY "\n", false, false},
	    {"@revoked bbs.example " KEY "\n", false, false},
	    {"|1|AAAA=|BBBB= " KEY "\n", true, true},
	    {"other " KEY "\n[bbs.example]:2222\t" KEY "\n", true, false},
	    {"bbs.example\n", false, false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len;
		assert_int_equal(
		    known_hosts_line(cases[i].text, &other_port, &len) != NULL,
		    cases[i].other);
		assert_int_equal(
		    known_hosts_line(cases[i].text, &usual_port, &len) != NULL,
		    cases[i].usual);
	}
}

static void only_its_lines_go(void **state)
{
	(void)state;
	struct buf out = BUF_INIT(4096);
	known_hosts_without("a " KEY "\n[bbs.example]:2222 " KEY
			    "\nbbs.example " KEY "\nb " KEY "\n",
	    &other_port, &out);
	assert_string_equal(buf_str(&out), "a " KEY "\nb " KEY "\n");
	buf_reset(&out);
	known_hosts_without("[bbs.example]:2222 " KEY, &other_port, &out);
	assert_string_equal(buf_str(&out), "");
	buf_release(&out);
}

static void fingerprints(void **state)
{
	(void)state;
	struct buf out = BUF_INIT(4096);
	known_hosts_fingerprints("a ssh-rsa AAAA\nbbs.example " KEY
				 " comment\nbbs.example " KEY "\r\n",
	    &other_port, &out);
	assert_string_equal(buf_str(&out), PRINT ", " PRINT);
	buf_reset(&out);
	/* Nonsense has one, too; what matters is that it ends. */
	known_hosts_fingerprints(
	    "bbs.example x\nbbs.example  \n", &other_port, &out);
	assert_non_null(strstr(buf_str(&out), "x SHA256:"));
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whose_line),
	    cmocka_unit_test(only_its_lines_go),
	    cmocka_unit_test(fingerprints),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
