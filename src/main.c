/*
 * The command line: verbs and options, and nothing of what they do. Wrong
 * usage ends with 2, a host that is not configured with 3.
 */
#include "agent/logging.h"
#include "agent/supervisor.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "base/text.h"
#include "base/version.h"
#include "cli/doctor.h"
#include "cli/status.h"
#include "net/net.h"
#include "setup/setup.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The verb of the network process; not for people (net/net.h). */
#define NET_PROCESS_VERB "net-process"

struct command_line {
	const char *verb;
	const char *root, *config;
	bool debug, once, json, trial;
	const char *topic; /* of help */
	struct setup_options setup;
	struct update_options update;
	struct doctor_options doctor;
	struct status_options status;
	unsigned verbs; /* those that take all the options given */
};

/* What an option is for. */
enum {
	RUN = 1,
	INSTALL = 2,
	UNINSTALL = 4,
	STATUS = 8,
	UPDATE = 16,
	DOCTOR = 32,
	ANY = 63
};

#define AT(member) offsetof(struct command_line, member)
static const struct option {
	const char *name;
	bool takes_value;
	unsigned verbs;
	size_t member; /* const char * or bool */
} option_table[] = {
    {"--root", true, ANY, AT(root)},
    {"--config", true, ANY, AT(config)},
    {"--debug", false, RUN, AT(debug)},
    {"--once", false, RUN, AT(once)},
    {"--trial", false, RUN, AT(trial)}, /* setup/trial.c */
    {"--server", true, INSTALL, AT(setup.server)},
    {"--key", true, INSTALL, AT(setup.key)},
    {"--key-file", true, INSTALL, AT(setup.key_file)},
    {"--ca-file", true, INSTALL, AT(setup.ca_file)},
    {"--pin", true, INSTALL, AT(setup.pin)},
    {"--proxy", true, INSTALL, AT(setup.proxy)},
    {"--borg", true, INSTALL, AT(setup.borg)},
    {"--service", true, INSTALL | UNINSTALL, AT(setup.service)},
    {"--insecure", false, INSTALL, AT(setup.insecure)},
    {"--no-start", false, INSTALL, AT(setup.no_start)},
    {"--on-server", false, INSTALL, AT(setup.on_server)},
    {"--dry-run", false, INSTALL | UNINSTALL, AT(setup.dry_run)},
    {"--purge", false, UNINSTALL, AT(setup.purge)},
    {"--check", false, UPDATE, AT(update.check)},
    {"--from", true, UPDATE, AT(update.from)},
    {"--job", true, UPDATE, AT(update.job)}, /* job/agent_update.c */
    {"--watch", false, STATUS, AT(status.watch)},
    {"--json", false, STATUS | DOCTOR, AT(json)},
    {"--accept-host-key", false, DOCTOR, AT(doctor.accept_host_key)},
};
#define OPTIONS (sizeof(option_table) / sizeof(option_table[0]))

static const char usage[] =
    "usage: bbs-agent COMMAND [OPTIONS]\n"
    "\n"
    "commands:\n"
    "  run [--once] [--debug]  the agent, in the foreground\n"
    "  status [--watch|--json] is it running, what does it do\n"
    "  install                 put the agent onto this host and start it\n"
    "  uninstall [--purge]     take it away again\n"
    "  update [--check]        a newer version of this program\n"
    "  doctor [--json]         check every link from here to the backup\n"
    "  version                 print the version\n"
    "  help [COMMAND]          this text, or more on one command\n"
    "\n"
    "options everywhere:\n"
    "  --root DIR              the agent's own files lie below DIR\n"
    "  --config FILE           in place of /etc/bbs-agent/config.ini\n";

static const char usage_run[] =
    "usage: bbs-agent run [--once] [--debug] [--root DIR] [--config FILE]\n"
    "\n"
    "Asks the server for work, runs borg, reports back; ends on SIGTERM.\n"
    "\n"
    "  --once   register, ask once, run what came, report, end (for cron)\n"
    "  --debug  log the whole conversation, without secrets\n"
    "\n"
    "examples:\n"
    "  bbs-agent run\n"
    "  bbs-agent run --debug\n"
    "  bbs-agent run --once --root /volume1/bbs-agent\n";

static int wrong_usage(const char *what, const char *word)
{
	struct buf text = BUF_INIT(4096);
	text_add_escaped(&text, word, strnlen(word, 200));
	fprintf(stderr, "bbs-agent: %s \"%s\"; see bbs-agent help\n", what,
	    buf_str(&text));
	buf_release(&text);
	return EXIT_USAGE;
}

static const char usage_install[] =
    "usage: bbs-agent install --server URL --key KEY [OPTIONS]\n"
    "\n"
    "Checks this host and the server, then copies this program, writes\n"
    "config.ini, fetches the SSH key, makes the service and starts it. Done\n"
    "again, it repairs; --server and --key are taken from an existing\n"
    "config.ini, also from the stock agent's.\n"
    "\n"
    "  --server URL      https://host[:port][/path]\n"
    "  --key KEY         the client's API key; ps shows it to everybody, so\n"
    "                    better by --key-file FILE or in BBS_AGENT_KEY\n"
    "  --ca-file FILE    CA certificates to trust in place of the system's\n"
    "  --pin SHA256      the server's public key, trusted without a CA\n"
    "  --insecure        check no certificate\n"
    "  --proxy URL       http://[user:password@]host:port\n"
    "  --borg FILE|URL   put this borg into /usr/local/bin; auto: obtain one\n"
    "                    without asking; none: leave borg alone\n"
    "  --service NAME    auto, systemd, openrc, sysv, procd or none\n"
    "  --no-start        do not start it now\n"
    "  --on-server       install although this is the backup server itself\n"
    "  --dry-run         say what would be done\n"
    "  --root DIR        into a tree that is not booted, or a directory\n";

static const char usage_uninstall[] =
    "usage: bbs-agent uninstall [--purge] [--dry-run] [--root DIR]\n"
    "\n"
    "Stops the agent and removes its service, program and state.\n"
    "\n"
    "  --purge    configuration and keys, too\n"
    "  --dry-run  say what would be done\n";

static const char usage_update[] =
    "usage: bbs-agent update [--check] [--from DIR|URL] [--root DIR]\n"
    "\n"
    "Installs a newer version of this program: its signature is verified, it\n"
    "is tried beside the one that runs, and the agent goes over to it when no\n"
    "job runs. If it crashes, hangs or gets no answer of the server, the old\n"
    "one comes back by itself. An older version is never installed.\n"
    "\n"
    "  --check      say which version is installed, which is there, and is it\n"
    "               newer; 0 also when it is not\n"
    "  --from WHERE a directory or an address with SHA256SUMS, its signature\n"
    "               SHA256SUMS.sig and the program, in place of [update] url\n"
    "\n"
    "examples:\n"
    "  bbs-agent update --check\n"
    "  bbs-agent update\n"
    "  bbs-agent update --from /media/usb/bbs-agent\n";

static const char usage_doctor[] =
    "usage: bbs-agent doctor [--json] [--accept-host-key] [--root DIR]\n"
    "\n"
    "Checks each link that a backup needs, and says what to do about those\n"
    "that do not hold: OK, WARN, FAIL, or - where it cannot be known. Ends\n"
    "with 1 when something failed. It only looks, but the test of SSH keeps\n"
    "the server's host key when it is the first one.\n"
    "\n"
    "  --json             for programs\n"
    "  --accept-host-key  keep the SSH host key that the server has now, "
    "after\n"
    "                     showing both (asks first on a terminal)\n";

static const char usage_status[] =
    "usage: bbs-agent status [--watch | --json] [--root DIR]\n"
    "\n"
    "Shows whether the agent runs, whether the server answers it, the job "
    "that\n"
    "runs, and the last ten. No root is needed. Ends with 3 when it does not\n"
    "run.\n"
    "\n"
    "  --watch  stays and follows; q or Ctrl-C ends it\n"
    "  --json   one line for scripts; the README explains its keys\n";

/* Takes --name VALUE, --name=VALUE or --name; 1 taken, 0 another option, -1
 * value missing. */
static int take_option(
    char **argv, int *i, const struct option *o, struct command_line *c)
{
	char *word = argv[*i], *value = NULL;
	size_t len = strlen(o->name);
	void *member = (char *)c + o->member;
	if (strncmp(word, o->name, len) != 0 ||
	    (word[len] != '\0' && (word[len] != '=' || !o->takes_value)))
		return 0;
	c->verbs &= o->verbs;
	if (!o->takes_value) {
		*(bool *)member = true;
		return 1;
	}
	if (word[len] == '=')
		value = word + len + 1;
	else if (argv[*i + 1] != NULL)
		value = argv[++*i];
	*(const char **)member = value;
	return value != NULL && value[0] != '\0' ? 1 : -1;
}

static int take_any_option(char **argv, int *i, struct command_line *c)
{
	int rc = 0;
	for (size_t o = 0; o < OPTIONS && rc == 0; o++)
		rc = take_option(argv, i, &option_table[o], c);
	return rc;
}

static int parse(char **argv, struct command_line *c)
{
	c->verbs = ANY;
	for (int i = 1; argv[i] != NULL; i++) {
		const char *word = argv[i];
		int taken = take_any_option(argv, &i, c);
		if (taken < 0)
			return wrong_usage("a value is missing after", word);
		if (taken > 0)
			continue;
		if (strcmp(word, "--version") == 0)
			c->verb = "version";
		else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
			c->verb = "help";
		else if (word[0] == '-')
			return wrong_usage("unknown option", word);
		else if (c->verb == NULL)
			c->verb = word;
		else if (strcmp(c->verb, "help") == 0 && c->topic == NULL)
			c->topic = word;
		else
			return wrong_usage("unexpected word", word);
	}
	/* The stock agent's way of calling. */
	if (c->verb == NULL && c->debug)
		c->verb = "run";
	return EXIT_DONE;
}

/* A copy out of sight: ps shows the command line to everybody. */
static char *hide(const char *word, char **argv)
{
	char *copy = word != NULL ? strdup(word) : NULL;
	for (int i = 1; copy != NULL && argv[i] != NULL; i++) {
		char *end = argv[i] + strlen(argv[i]);
		if (word >= argv[i] && word <= end)
			mem_wipe(end - strlen(word), strlen(word));
	}
	return copy;
}

static int show_help(const struct command_line *c)
{
	if (c->topic == NULL) {
		fputs(usage, stdout);
		return EXIT_DONE;
	}
	if (strcmp(c->topic, "run") == 0)
		fputs(usage_run, stdout);
	else if (strcmp(c->topic, "install") == 0)
		fputs(usage_install, stdout);
	else if (strcmp(c->topic, "uninstall") == 0)
		fputs(usage_uninstall, stdout);
	else if (strcmp(c->topic, "update") == 0)
		fputs(usage_update, stdout);
	else if (strcmp(c->topic, "doctor") == 0)
		fputs(usage_doctor, stdout);
	else if (strcmp(c->topic, "status") == 0)
		fputs(usage_status, stdout);
	else if (strcmp(c->topic, "version") == 0)
		puts("usage: bbs-agent version");
	else if (strcmp(c->topic, "help") == 0)
		puts("usage: bbs-agent help [COMMAND]");
	else
		return wrong_usage("no such command", c->topic);
	return EXIT_DONE;
}

static int run(const struct command_line *line, char **argv)
{
	struct config config;
	struct paths paths;
	struct buf warnings = BUF_INIT(65536), why = BUF_INIT(8192);
	bool missing = false;
	int rc = EXIT_FAILED;
	const char *file =
	    line->config != NULL ? line->config : getenv("BBS_AGENT_CONFIG");
	if (paths_init(&paths, line->root, file) != 0 ||
	    config_init(&config) != 0) {
		fputs("bbs-agent: out of memory\n", stderr);
		return EXIT_FAILED;
	}
	if (config_load(&config, paths.config, &warnings, &why, &missing)) {
		logging_fail(&why);
		rc = missing ? EXIT_UNCONFIGURED : EXIT_FAILED;
		goto out;
	}
	struct supervisor_options options = {
	    .once = line->once, .debug = line->debug, .argv = argv};
	log_hide(config.api_key);
	if (line->trial) {
		log_open(LOG_LEVEL_ERROR, -1);
		rc = trial_run(&config, &paths);
	} else if (logging_open(&config, line->debug, &options.log_fd, &why) ==
		   0) {
		logging_use(&config, &paths, line->debug, options.log_fd);
		logging_warn(&warnings);
		rc = supervisor_run(&config, &paths, &options);
	} else {
		logging_fail(&why);
	}
out:
	log_forget();
	config_release(&config);
	paths_release(&paths);
	buf_release(&warnings);
	buf_release(&why);
	return rc;
}

/* Whatever starts us may have closed them; a file or socket that got one of
 * their numbers would be written to by mistake. */
static void open_standard_files(void)
{
	int fd;
	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static int run_verb(struct command_line *line, char **argv)
{
	static const struct {
		const char *name;
		unsigned bit;
	} verbs[] = {{"run", RUN}, {"install", INSTALL},
	    {"uninstall", UNINSTALL}, {"status", STATUS}, {"update", UPDATE},
	    {"doctor", DOCTOR}};
	size_t i = 0, count = sizeof(verbs) / sizeof(verbs[0]);
	while (i < count && strcmp(verbs[i].name, line->verb) != 0)
		i++;
	if (i == count)
		return wrong_usage("unknown command", line->verb);
	if ((line->verbs & verbs[i].bit) == 0)
		return wrong_usage("an option is not one of", line->verb);
	if (verbs[i].bit == RUN)
		return run(line, argv);
	if (verbs[i].bit == UPDATE) {
		line->update.root = line->root;
		line->update.config = line->config;
		return update_run(&line->update);
	}
	if (verbs[i].bit == DOCTOR) {
		line->doctor.json = line->json;
		line->doctor.root = line->root;
		line->doctor.config = line->config;
		return doctor_run(&line->doctor);
	}
	if (verbs[i].bit == STATUS) {
		line->status.json = line->json;
		if (line->status.watch && line->json)
			return wrong_usage(
			    "--watch does not go with", "--json");
		line->status.root = line->root;
		line->status.config = line->config != NULL
					  ? line->config
					  : getenv("BBS_AGENT_CONFIG");
		return status_run(&line->status);
	}
	line->setup.root = line->root;
	line->setup.config = line->config;
	if (verbs[i].bit == UNINSTALL)
		return uninstall_run(&line->setup);
	char *key = hide(line->setup.key, argv);
	char *proxy = hide(line->setup.proxy, argv);
	line->setup.key = key;
	line->setup.proxy = proxy;
	int rc = install_run(&line->setup);
	if (key != NULL)
		mem_wipe(key, strlen(key));
	if (proxy != NULL)
		mem_wipe(proxy, strlen(proxy));
	free(key);
	free(proxy);
	return rc;
}

int main(int argc, char **argv)
{
	struct command_line line = {0};
	open_standard_files();
	if (argc == 2 && strcmp(argv[1], NET_PROCESS_VERB) == 0)
		return net_process_main();
	int rc = parse(argv, &line);
	if (rc != EXIT_DONE)
		return rc;
	if (line.verb == NULL) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (strcmp(line.verb, "help") == 0)
		return show_help(&line);
	if (strcmp(line.verb, "version") == 0) {
		puts("bbs-agent " BBS_VERSION);
		return EXIT_DONE;
	}
	return run_verb(&line, argv);
}
