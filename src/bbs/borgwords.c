/*
 * The list of options and the reading of words, after argparse and the manuals
 * of borg 1.1 to 1.4 and 2. What borg would refuse is unknown here: a value
 * that begins with a dash, a value for an option that has none. And what
 * argparse takes for no option at all: a word with a blank in it that begins
 * like one which this very command does not have. It becomes a path.
 */
#include "bbs/borgwords.h"
#include <string.h>

/* Left out on purpose: what runs a program (rsh, content-from-command,
 * paths-from-command, tar-filter), writes a file (debug-profile), opens what
 * borg makes to others (umask), or means something else to another version. */
static const char flags[] =
    " append-only archives-only atime bypass-lock cache-only cleanup-commits "
    "consider-checkpoints consider-part-files content-only continue critical "
    "debug disable-tam dry-run error exclude-caches exclude-nodump "
    "find-lost-archives force help iec info inplace json json-lines "
    "keep-exclude-tags keep-security-info keep-tag-files list log-json "
    "make-parent-dirs no-cache-sync no-cache-sync-forced no-files-cache noacls "
    "noatime nobirthtime nobsdflags noctime noflags noxattrs numeric-ids "
    "numeric-owner one-file-system paths-from-stdin progress read-special "
    "repair repository-only same-chunker-params save-space short show-rc "
    "show-version sparse stats stdout tam undelete-archives verbose "
    "verify-data version warning ";
static const char valued[] =
    " checkpoint-interval chunker-params comment compression copy-crypt-key "
    "encryption exclude exclude-from exclude-if-present files-cache "
    "files-changed filter first format glob-archives keep-13weekly "
    "keep-3monthly keep-daily keep-hourly keep-last keep-minutely "
    "keep-monthly keep-secondly keep-weekly keep-within keep-yearly last "
    "lock-wait match-archives max-duration newer newest older oldest "
    "other-repo paths-delimiter pattern patterns-from prefix remote-buffer "
    "remote-path remote-ratelimit repo sort-by stdin-group stdin-mode "
    "stdin-name stdin-user storage-quota strip-components target threshold "
    "timestamp upload-buffer upload-ratelimit ";
/* What create has in every version, and a blank may stand in. */
static const char with_blanks[] = " comment exclude exclude-from "
				  "exclude-if-present pattern patterns-from ";
/* The same letter is the same kind for all of borg's commands. */
static const char flag_letters[] = "Vhnpsvx", valued_letters[] = "CHPacdemrwy";

static bool in_list(const char *list, const char *name, size_t len)
{
	for (const char *p = list + 1; *p != '\0'; p++) {
		size_t n = strcspn(p, " ");
		if (n == len && memcmp(p, name, n) == 0)
			return true;
		p += n;
	}
	return false;
}

void borgwords_init(struct borgwords *b, const struct task *t)
{
	*b = (struct borgwords){.next = t->command + 1, .place = -1};
}

/* The option's value, in the next word. */
static enum borgword take_value(struct borgwords *b)
{
	if (*b->next == NULL || **b->next == '-')
		return BORGWORD_UNKNOWN;
	b->text = *b->next++;
	return BORGWORD_OPTION;
}

static enum borgword take_long(struct borgwords *b, const char *word)
{
	b->name = word + 2;
	b->len = strcspn(b->name, "=");
	bool has_value = b->name[b->len] == '=';
	if (strchr(word, ' ') && !in_list(with_blanks, b->name, b->len))
		return BORGWORD_UNKNOWN;
	if (in_list(valued, b->name, b->len)) {
		if (!has_value)
			return take_value(b);
		b->text = b->name + b->len + 1;
		return BORGWORD_OPTION;
	}
	if (has_value || !in_list(flags, b->name, b->len))
		return BORGWORD_UNKNOWN;
	b->text = NULL;
	return BORGWORD_OPTION;
}

/* The next of -xyz. */
static enum borgword take_letter(struct borgwords *b)
{
	b->name = b->letters++;
	b->len = 1;
	bool last = *b->letters == '\0';
	if (strchr(valued_letters, *b->name)) {
		const char *rest = b->letters;
		b->letters = NULL;
		if (last)
			return take_value(b);
		b->text = rest;
		return BORGWORD_OPTION;
	}
	if (last)
		b->letters = NULL;
	if (!strchr(flag_letters, *b->name))
		return BORGWORD_UNKNOWN;
	b->text = NULL;
	return BORGWORD_OPTION;
}

enum borgword borgwords_next(struct borgwords *b)
{
	if (b->letters != NULL)
		return take_letter(b);
	const char *word = *b->next;
	if (word == NULL)
		return BORGWORD_END;
	b->next++;
	b->word = b->text = word;
	if (b->ended || word[0] != '-') {
		b->place++;
		return BORGWORD_PLAIN;
	}
	if (strcmp(word, "--") == 0) {
		b->ended = true;
		return borgwords_next(b);
	}
	if (word[1] == '-')
		return take_long(b, word);
	if (word[1] == '\0')
		/* "-" alone is a word: standard input. */
		return b->place++, BORGWORD_PLAIN;
	if (strchr(word, ' '))
		return BORGWORD_UNKNOWN;
	b->letters = word + 1;
	return take_letter(b);
}

bool borgwords_is(const struct borgwords *b, const char *name)
{
	return strlen(name) == b->len && memcmp(name, b->name, b->len) == 0;
}
