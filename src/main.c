/*
 * The command line: verbs and options, and nothing of what they do. Wrong
 * usage ends with 2, a host that is not configured with 3.
 */
#include "agent/logging.h"
#include "agent/supervisor.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "base/proc_hide.h"
#include "base/text.h"
#include "base/version.h"
#include "cli/doctor.h"
#include "cli/help.h"
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
	bool debug, once, json, trial, help, version;
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
    {"--watch", false, STATUS, AT(status.watch)},
    {"--json", false, STATUS | DOCTOR, AT(json)},
    {"--accept-host-key", false, DOCTOR, AT(doctor.accept_host_key)},
    {"--help", false, ANY, AT(help)},
    {"--version", false, ANY, AT(version)},
    /* Of the agent to itself: setup/trial.c, job/agent_update.c. */
    {"--trial", false, RUN, AT(trial)},
    {"--job", true, UPDATE, AT(update.job)},
};
/* What is never suggested stands at the end. */
#define HIDDEN 2
#define OPTIONS (sizeof(option_table) / sizeof(option_table[0]))

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
	else if (argv[*i + 1] != NULL && !text_starts(argv[*i + 1], "--"))
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

/* "install --help" asks about install; "--debug" alone is how the stock agent
 * is called. */
static void settle_verb(struct command_line *c)
{
	if (c->help && (c->verb == NULL || strcmp(c->verb, "help") != 0)) {
		c->topic = c->verb;
		c->verb = "help";
	} else if (c->version) {
		c->verb = "version";
	} else if (c->verb == NULL && c->debug) {
		c->verb = "run";
	}
}

static int parse(char **argv, struct command_line *c)
{
	static const struct help_names options = {
	    option_table, OPTIONS - HIDDEN, sizeof(option_table[0])};
	c->verbs = ANY;
	for (int i = 1; argv[i] != NULL; i++) {
		const char *word = argv[i];
		int taken = take_any_option(argv, &i, c);
		if (taken < 0)
			return help_wrong(
			    "a value is missing after", word, NULL);
		if (taken > 0)
			continue;
		if (strcmp(word, "-h") == 0)
			c->help = true;
		else if (word[0] == '-')
			return help_wrong("unknown option", word, &options);
		else if (c->verb == NULL)
			c->verb = word;
		else if (strcmp(c->verb, "help") == 0 && c->topic == NULL)
			c->topic = word;
		else
			return help_wrong("unexpected word", word, &options);
	}
	settle_verb(c);
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

static const struct verb {
	const char *name;
	unsigned bit;
} verbs[] = {{"run", RUN}, {"install", INSTALL}, {"uninstall", UNINSTALL},
    {"status", STATUS}, {"update", UPDATE}, {"doctor", DOCTOR}};
#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

/* Some option is another verb's: names both. */
static int misplaced(char **argv, const struct verb *verb)
{
	const struct option *o = NULL;
	const char *owner = "another command";
	for (int i = 1; argv[i] != NULL && o == NULL; i++) {
		size_t len = strcspn(argv[i], "=");
		for (size_t k = 0; k < OPTIONS && o == NULL; k++) {
			const struct option *row = &option_table[k];
			if (strlen(row->name) == len &&
			    strncmp(row->name, argv[i], len) == 0 &&
			    (row->verbs & verb->bit) == 0)
				o = row;
		}
	}
	for (size_t i = VERBS; i-- > 0 && o != NULL;) {
		if ((o->verbs & verbs[i].bit) != 0)
			owner = verbs[i].name;
	}
	return help_misplaced(
	    o != NULL ? o->name : "an option", verb->name, owner);
}

static int run_verb(struct command_line *line, char **argv)
{
	size_t i = 0;
	while (i < VERBS && strcmp(verbs[i].name, line->verb) != 0)
		i++;
	if (i == VERBS)
		return help_unknown(line->verb);
	if ((line->verbs & verbs[i].bit) == 0)
		return misplaced(argv, &verbs[i]);
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
			return help_wrong(
			    "--watch does not go with", "--json", NULL);
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
	/* The API key is in our memory, passphrases are in a worker's. */
	proc_hide();
	if (argc == 2 && strcmp(argv[1], NET_PROCESS_VERB) == 0)
		return net_process_main();
	int rc = parse(argv, &line);
	if (rc != EXIT_DONE)
		return rc;
	if (line.verb == NULL) {
		fputs(help_overview, stderr);
		return EXIT_USAGE;
	}
	if (strcmp(line.verb, "help") == 0 && line.topic != NULL)
		return help_show(line.topic);
	if (strcmp(line.verb, "help") == 0)
		return fputs(help_overview, stdout) >= 0 ? EXIT_DONE
							 : EXIT_FAILED;
	if (strcmp(line.verb, "version") == 0) {
		puts("bbs-agent " BBS_VERSION);
		return EXIT_DONE;
	}
	return run_verb(&line, argv);
}
