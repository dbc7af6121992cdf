/*
 * The table of checks, in the order in which a job needs what they look at,
 * and the two ways of showing what was found. It stops at nothing: what a
 * broken link hides is "not checked", with the reason.
 */
#include "cli/doctor.h"
#include "base/exitcode.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/version.h"
#include "cli/doctor_checks.h"
#include "cli/term.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The names are promised to scripts (README: "Doctor"). */
static const struct {
	char name[12]; /* no pointer: no relocation */
	doctor_check *look;
} checks[] = {
    {"config", doctor_config},
    {"clock", doctor_clock},
    {"dns", doctor_dns},
    {"proxy", doctor_proxy},
    {"tcp", doctor_tcp},
    {"tls", doctor_tls},
    {"http", doctor_http},
    {"api_key", doctor_key},
    {"poll", doctor_poll},
    {"ssh_key", doctor_ssh_key},
    {"ssh", doctor_ssh},
    {"borg", doctor_borg},
    {"repository", doctor_repository},
    {"cache", doctor_cache},
    {"spool", doctor_spool},
    {"locale", doctor_locale},
    {"service", doctor_service},
    {"sandbox", doctor_sandbox},
    {"update", doctor_update},
};
#define CHECKS (sizeof(checks) / sizeof(checks[0]))

/* As people read them, and as JSON has them. */
static const char words[][2][8] = {[FOUND_OK] = {"OK", "ok"},
    [FOUND_WARN] = {"WARN", "warn"},
    [FOUND_FAIL] = {"FAIL", "fail"},
    [FOUND_NOTHING] = {"-", "skipped"}};

/* Where the text of a line begins. */
#define INDENT 18

static enum found check_all(struct doctor *d, struct json_writer *json)
{
	struct buf text = BUF_INIT(32 * KIB), line = BUF_INIT(128 * KIB);
	enum found worst = FOUND_OK;
	struct term t;
	term_look(&t, STDOUT_FILENO);
	for (size_t i = 0; i < CHECKS; i++) {
		buf_reset(&text);
		buf_reset(&line);
		enum found found = checks[i].look(d, &text);
		if (found != FOUND_NOTHING && found > worst)
			worst = found;
		if (d->options->json) {
			text_add_escaped(&line, buf_str(&text), text.len);
			json_open(json, NULL, '{');
			json_put(json, "check", checks[i].name);
			json_put(json, "state", words[found][1]);
			json_put_n(json, "text", buf_str(&line), line.len);
			json_close(json, '}');
			continue;
		}
		printf("%-5s %-11s ", words[found][0], checks[i].name);
		term_wrap(&t, &line, buf_str(&text), INDENT);
		puts(buf_str(&line));
		fflush(stdout);
	}
	buf_release(&text);
	buf_release(&line);
	return worst;
}

static enum found report(struct doctor *d)
{
	struct buf out = BUF_INIT(MIB);
	struct json_writer json = {&out, false};
	json_open(&json, NULL, '{');
	json_put_int(&json, "version", 1);
	json_put(&json, "agent_version", BBS_VERSION);
	json_open(&json, "checks", '[');
	enum found worst = check_all(d, &json);
	json_close(&json, ']');
	json_put(&json, "state", words[worst][1]);
	json_close(&json, '}');
	if (d->options->json)
		puts(buf_str(&out));
	buf_release(&out);
	return worst;
}

static int examine(struct doctor *d)
{
	struct buf why = BUF_INIT(8 * KIB);
	int rc = EXIT_DONE;
	d->configured = config_load(&d->config, d->paths.config,
			    &d->config_text, &d->config_text, &d->missing) == 0;
	log_hide(d->config.api_key);
	if (d->options->accept_host_key &&
	    host_key_accept(&d->worker, d->options->json, &why) != 0) {
		fprintf(stderr, "bbs-agent: %s\n", buf_str(&why));
		rc = EXIT_FAILED;
	}
	if (report(d) == FOUND_FAIL)
		rc = EXIT_FAILED;
	buf_release(&why);
	return d->missing ? EXIT_UNCONFIGURED : rc;
}

int doctor_run(const struct doctor_options *o)
{
	struct doctor d = {.options = o, .broken = LINK_NONE};
	const char *file =
	    o->config != NULL ? o->config : getenv("BBS_AGENT_CONFIG");
	log_open(LOG_LEVEL_WARNING, -1);
	if (paths_init(&d.paths, o->root, file) != 0 ||
	    config_init(&d.config) != 0) {
		fputs("bbs-agent: out of memory\n", stderr);
		return EXIT_FAILED;
	}
	buf_init(&d.config_text, 64 * KIB);
	buf_init(&d.why, 8 * KIB);
	buf_init(&d.facts, NET_FACTS_MAX);
	buf_init(&d.sandbox, KIB);
	d.worker = (struct worker){.config = &d.config,
	    .paths = &d.paths,
	    .link.sock = -1,
	    .signals = -1,
	    .log_fd = -1};
	int rc = examine(&d);
	server_answer_release(&d.answer);
	log_forget();
	config_release(&d.config);
	paths_release(&d.paths);
	buf_release(&d.config_text);
	buf_release(&d.why);
	buf_release(&d.facts);
	buf_release(&d.sandbox);
	return rc;
}
