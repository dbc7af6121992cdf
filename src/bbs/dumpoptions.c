/*
 * The lists of allowed options, and the reading of a program's words as that
 * program reads them. Names must stand there in full: an abbreviation could
 * mean another option to another version.
 */
#include "bbs/dumpoptions.h"
#include "base/text.h"
#include <string.h>

/* Long options, a blank between two; "=" behind one: it takes a value, in the
 * same word or in the next one. */
static const char mysql_names[] =
    "add-drop-database add-drop-table add-drop-trigger add-locks "
    "allow-keywords apply-slave-statements as-of= column-statistics comments "
    "compact compatible= complete-insert compress compression-algorithms= "
    "create-options default-character-set= disable-keys dump-date "
    "dump-history dump-slave dump-replica events extended-insert flush-logs "
    "flush-privileges force gtid hex-blob ignore-database= ignore-table= "
    "ignore-table-data= ignore-error= include-master-host-port "
    "include-source-host-port insert-ignore lock-all-tables lock-tables "
    "log-queries master-data max-allowed-packet= max-statement-time= "
    "net-buffer-length= network-timeout no-autocommit no-create-db "
    "no-create-info no-data no-data-med no-set-names no-tablespaces opt "
    "order-by-primary protocol= quick quote-names replace routines "
    "set-charset set-gtid-purged= show-create-skip-secondary-engine "
    "single-transaction skip-definer socket= source-data ssl ssl-ca= "
    "ssl-capath= ssl-cert= ssl-cipher= ssl-key= ssl-mode= "
    "ssl-verify-server-cert system= tls-version= triggers tz-utc "
    "update-history verbose where=";
static const char postgres_names[] =
    "attribute-inserts blobs clean column-inserts data-only "
    "disable-dollar-quoting disable-triggers enable-row-security encoding= "
    "exclude-schema= exclude-table= exclude-table-and-children= "
    "exclude-table-data= exclude-table-data-and-children= extension= "
    "exclude-extension= extra-float-digits= if-exists include-foreign-data= "
    "inserts large-objects load-via-partition-root lock-wait-timeout= no-acl "
    "no-blobs no-comments no-large-objects no-owner no-policies no-privileges "
    "no-publications no-security-labels no-statistics no-subscriptions "
    "no-synchronized-snapshots no-table-access-method no-tablespaces "
    "no-toast-compression no-unlogged-table-data on-conflict-do-nothing "
    "quote-all-identifiers role= rows-per-insert= schema= schema-only "
    "section= serializable-deferrable snapshot= strict-names superuser= "
    "table= table-and-children= use-set-session-authorization verbose";
static const char mongo_names[] =
    "authenticationMechanism= collection= compressors= dumpDbUsersAndRoles "
    "excludeCollection= excludeCollectionsWithPrefix= forceTableScan gzip "
    "numParallelCollections= quiet readPreference= ssl "
    "sslAllowInvalidCertificates sslAllowInvalidHostnames sslCAFile= "
    "tlsInsecure verbose viewsAsCollections";

static const struct {
	const char *program;
	const char *names;
	const char *letters, *value_letters; /* short options */
	/* One writes max_allowed_packet and skip-opt, too. */
	bool loose;
} lists[] = {
    [DUMP_MYSQL] = {"mysqldump", mysql_names, "CEFKQRacdefilnqtvx", "", true},
    [DUMP_POSTGRES] = {"pg_dump", postgres_names, "OabcsvxB", "ENSTent", false},
    [DUMP_MONGO] = {"mongodump", mongo_names, "v", "cj", false},
};

/* Does the word's name (its first len bytes) stand in the list? 1 when it
 * takes a value. -1: it does not stand there. */
static int find_name(
    const char *names, const char *word, size_t len, bool loose)
{
	for (const char *name = names; *name != '\0';) {
		size_t i = 0, end = strcspn(name, " ");
		bool valued = name[end - 1] == '=';
		while (i < len && i < end && name[i] != '=' &&
		       (name[i] == word[i] ||
			   (loose && name[i] == '-' && word[i] == '_')))
			i++;
		if (i == len && i == end - valued)
			return valued;
		name += end + (name[end] == ' ');
	}
	return -1;
}

/* What MySQL's programs accept before a name. */
static size_t prefix_of(const char *word)
{
	static const char *const prefixes[] = {
	    "skip-", "skip_", "disable-", "disable_", "enable-", "enable_"};
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (text_starts(word, prefixes[i]))
			return strlen(prefixes[i]);
	}
	return 0;
}

/* 0: allowed; 1: allowed, and the next word is its value; -1: not. */
static int judge_long(enum dump_engine engine, const char *word)
{
	size_t len = strcspn(word, "=");
	bool loose = lists[engine].loose;
	int rc = find_name(lists[engine].names, word, len, loose);
	size_t prefix = loose ? prefix_of(word) : 0;
	if (rc < 0 && prefix > 0 && prefix < len)
		/* "skip-" and a name that takes a value takes none. */
		rc = find_name(lists[engine].names, word + prefix, len - prefix,
			 loose) < 0
			 ? -1
			 : 0;
	return rc > 0 && word[len] == '=' ? 0 : rc;
}

static int judge_short(enum dump_engine engine, const char *letters)
{
	for (; *letters != '\0'; letters++) {
		if (strchr(lists[engine].value_letters, *letters))
			return letters[1] == '\0';
		if (!strchr(lists[engine].letters, *letters))
			return -1;
	}
	return 0;
}

static int judge(enum dump_engine engine, const char *word)
{
	if (word[0] != '-' || word[1] == '\0' || strcmp(word, "--") == 0)
		return -1;
	return word[1] == '-' ? judge_long(engine, word + 2)
			      : judge_short(engine, word + 1);
}

int dumpoptions_check(
    enum dump_engine engine, const struct words *options, struct buf *why)
{
	bool is_value = false;
	for (size_t i = 0; i < options->count; i++) {
		const char *word = options->list[i];
		/* A value that looks like an option is judged as one. */
		if (is_value && word[0] != '-') {
			is_value = false;
			continue;
		}
		int rc = judge(engine, word);
		if (rc < 0) {
			buf_addf(why, "%s's option \"", lists[engine].program);
			text_add_escaped(
			    why, word, text_cut(word, strlen(word), 200));
			buf_adds(why, "\" is refused by this host's policy");
			return -1;
		}
		is_value = rc > 0;
	}
	return 0;
}
