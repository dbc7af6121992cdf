/*
 * Each text fits 24 lines of 80 columns; the manual page has more. The names
 * of commands that can be asked about stand here and nowhere else.
 */
#include "cli/help.h"
#include "base/exitcode.h"
#include "base/limits.h"
#include "base/text.h"
#include <stdio.h>
#include <string.h>

#define ADDRESS "https://backup.example.com"

const char help_overview[] =
    "usage: bbs-agent COMMAND [OPTIONS]\n"
    "\n"
    "commands:\n"
    "  install            put the agent onto this host and start it\n"
    "  status [--watch]   is it running, what does it do\n"
    "  doctor             check every link from here to the backup\n"
    "  update [--check]   a newer version of this program\n"
    "  uninstall          take it away again\n"
    "  run                the agent itself, in the foreground\n"
    "  version            print the version\n"
    "  help [COMMAND]     this text; all options of a command, and examples\n"
    "\n"
    "options everywhere:\n"
    "  --root DIR         the agent's own files lie below DIR\n"
    "  --config FILE      in place of /etc/bbs-agent/config.ini\n"
    "\n"
    "examples:\n"
    "  bbs-agent install --server " ADDRESS " --key KEY\n"
    "  bbs-agent status\n";

static const struct topic {
	const char *name;
	const char *text;
} topics[] = {
    {"run",
	"usage: bbs-agent run [--once] [--debug]\n"
	"\n"
	"Asks the server for work, runs borg, reports back; ends on SIGTERM.\n"
	"SIGHUP reads config.ini again, SIGUSR1 asks the server now.\n"
	"\n"
	"  --once   register, ask once, run what came, report, end (for cron)\n"
	"  --debug  log the whole conversation, without secrets\n"
	"\n"
	"examples:\n"
	"  bbs-agent run --debug\n"
	"  bbs-agent run --once --root /volume1/bbs-agent\n"},
    {"install",
	"usage: bbs-agent install --server URL --key KEY [OPTIONS]\n"
	"\n"
	"Looks first; then copies this program, writes config.ini, makes the\n"
	"service, starts it, and waits until the server has answered. Done\n"
	"again it repairs, with what config.ini has, the stock agent's, too.\n"
	"\n"
	"  --server URL      https://host[:port][/path]\n"
	"  --key KEY         the client's API key. ps shows it to everybody,\n"
	"                    but not --key-file FILE, nor BBS_AGENT_KEY in "
	"the\n"
	"                    environment\n"
	"  --ca-file FILE    CA certificates to trust, not the system's\n"
	"  --pin SHA256      the server's public key, trusted without a CA\n"
	"  --insecure        check no certificate\n"
	"  --proxy URL       http://[user:password@]host:port\n"
	"  --borg FILE|URL   put this borg into /usr/local/bin; auto: obtain\n"
	"                    one without asking; none: leave borg alone\n"
	"  --service NAME    auto, systemd, openrc, sysv, procd or none\n"
	"  --no-start        do not start it now\n"
	"  --on-server       although this is the backup server itself\n"
	"  --dry-run         say what would be done, and do nothing\n"
	"\n"
	"example: bbs-agent install --server " ADDRESS " --key KEY\n"},
    {"uninstall", "usage: bbs-agent uninstall [--purge] [--dry-run]\n"
		  "\n"
		  "Stops the agent and removes its service, program and "
		  "state.\n"
		  "\n"
		  "  --purge         configuration and keys, too\n"
		  "  --service NAME  the init system, if it is not found\n"
		  "  --dry-run       say what would be done, and do nothing\n"
		  "\n"
		  "example: bbs-agent uninstall --dry-run\n"},
    {"status",
	"usage: bbs-agent status [--watch | --json]\n"
	"\n"
	"Shows whether the agent runs, whether the server answers it, the job\n"
	"that runs, and the last ten. No root is needed, but only root sees\n"
	"what borg said of a job that failed. Ends with 3 when it does not\n"
	"run.\n"
	"\n"
	"  --watch  stays and follows; q or Ctrl-C ends it\n"
	"  --json   one line for scripts; the README explains its keys\n"
	"\n"
	"examples:\n"
	"  bbs-agent status --watch\n"
	"  bbs-agent status --json | jq .history[0].result\n"},
    {"doctor",
	"usage: bbs-agent doctor [--json] [--accept-host-key]\n"
	"\n"
	"Checks each link that a backup needs, and says what to do about "
	"those\n"
	"that do not hold: OK, WARN, FAIL, or - where it cannot be known. "
	"Ends\n"
	"with 1 when something failed. It only looks, but the test of SSH\n"
	"keeps the server's host key when it is the first one.\n"
	"\n"
	"  --json             for scripts\n"
	"  --accept-host-key  keep the SSH host key that the server has now,\n"
	"                     after showing both (asks first on a terminal)\n"
	"\n"
	"example: bbs-agent doctor\n"},
    {"update",
	"usage: bbs-agent update [--check] [--from DIR|URL]\n"
	"\n"
	"Installs a newer version of this program: its signature is verified,\n"
	"it is tried beside the one that runs, and the agent goes over to it\n"
	"when no job runs. If it crashes, hangs or gets no answer from the\n"
	"server, the old one comes back by itself. An older version is never\n"
	"installed.\n"
	"\n"
	"  --check       say which version is installed, which is there, and\n"
	"                whether it is newer; ends with 0 either way\n"
	"  --from WHERE  a directory or an address with SHA256SUMS, its\n"
	"                signature SHA256SUMS.sig and the program, in place "
	"of\n"
	"                [update] url\n"
	"\n"
	"examples:\n"
	"  bbs-agent update --check\n"
	"  bbs-agent update\n"
	"  bbs-agent update --from /media/usb/bbs-agent\n"},
    {"version", "usage: bbs-agent version\n"},
    {"help", "usage: bbs-agent help [COMMAND]\n"},
};

int help_show(const char *topic)
{
	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
		if (strcmp(topics[i].name, topic) == 0) {
			fputs(topics[i].text, stdout);
			return EXIT_DONE;
		}
	}
	return help_unknown(topic);
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* How many letters must be put in, left out, changed or swapped with the next
 * to make b of a. Three rows of the usual table. */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][HELP_WORD_MAX + 1];
	size_t m = strlen(a), n = strlen(b);
	for (size_t j = 0; j <= n; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= m; i++) {
		unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= n; j++) {
			bool same = a[i - 1] == b[j - 1];
			row[j] = least(above[j - 1] + !same,
			    least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				row[j] =
				    least(row[j], rows[(i + 1) % 3][j - 2] + 1);
		}
	}
	return rows[m % 3][n];
}

/* The name that was most likely meant; NULL when none comes near. */
static const char *nearest(const char *word, const struct help_names *names)
{
	const char *best = NULL;
	size_t len = strcspn(word, "=");
	char part[HELP_WORD_MAX + 1];
	if (len > HELP_WORD_MAX)
		return NULL;
	memcpy(part, word, len);
	part[len] = '\0';
	/* A third of it may be wrong; dashes are cheap. */
	unsigned most = (unsigned)(len - strspn(part, "-")) / 3 + 1;
	for (size_t i = 0; i < names->count; i++) {
		const char *name =
		    *(const char *const *)((const char *)names->rows +
					   i * names->size);
		unsigned far = distance(part, name);
		if (len > 3 && text_starts(name, part))
			far = 1;
		if (far < most || (far == most && best == NULL)) {
			best = name;
			most = far;
		}
	}
	return best;
}

int help_wrong(
    const char *what, const char *word, const struct help_names *names)
{
	struct buf text = BUF_INIT(KIB);
	const char *meant = names != NULL ? nearest(word, names) : NULL;
	text_add_escaped(&text, word, strnlen(word, 200));
	fprintf(stderr, "bbs-agent: %s \"%s\"%s%s%s see bbs-agent help\n", what,
	    buf_str(&text), meant != NULL ? ": did you mean " : ";",
	    meant != NULL ? meant : "", meant != NULL ? "? Or" : "");
	buf_release(&text);
	return EXIT_USAGE;
}

int help_unknown(const char *word)
{
	static const struct help_names names = {
	    topics, sizeof(topics) / sizeof(topics[0]), sizeof(topics[0])};
	return help_wrong("unknown command", word, &names);
}

int help_misplaced(const char *option, const char *verb, const char *owner)
{
	fprintf(stderr,
	    "bbs-agent: %s is an option of %s, not of %s; see bbs-agent help "
	    "%s\n",
	    option, owner, verb, verb);
	return EXIT_USAGE;
}
