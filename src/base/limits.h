/*
 * Every limit of the program, by name and with its reason. A number that
 * bounds what comes from outside stands here and nowhere else.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#define KIB 1024u
#define MIB (1024u * 1024u)

/* A buffer up to this size is wiped when it moves: it may hold a secret.
 * Larger ones hold bodies and logs, where that would only cost time. */
#define BUF_WIPED_MAX (64u * KIB)

/* JSON: the server nests five deep at most; 32 leaves room. */
#define JSON_DEPTH_MAX 32
/* Tokens of one text: 20 bytes each, so 20 MiB for a moment at worst. */
#define JSON_TOKENS_MAX (1u << 20)

/* The tokens of an answer up to this many are kept for the next one: a poll
 * has a handful, a task a hundred. */
#define ANSWER_TOKENS_KEEP 1024

/* Answers of the server (the protocol's own caps). */
#define TASKS_BODY_MAX (8u * MIB)
#define ANSWER_BODY_MAX (64u * KIB)
#define HTTP_HEAD_MAX (64u * KIB)
#define TASKS_MAX 1000

/* Bodies that are sent; nginx refuses more than 1 MiB by default. */
#define REPORT_BODY_MAX (16u * MIB)

/* What one read of a link asks for at least; small, links are mostly idle. */
#define FRAME_READ (4u * KIB)
/* A link's empty buffer above this size is given back. */
#define FRAME_KEEP (16u * KIB)

/* Text that the server stores in columns of these sizes, in bytes. */
#define STATUS_MESSAGE_MAX 255
#define LOG_MESSAGE_MAX 2000
#define OS_INFO_MAX 255
#define ERROR_LOG_MAX 10000
#define OUTPUT_LOG_MAX 10000
/* files_* are signed 32 bit columns. */
#define FILES_COUNT_MAX 2147483647

/* Files of our own that are read whole. */
#define CONFIG_FILE_MAX (256u * KIB)
#define KEY_FILE_MAX (64u * KIB)
#define CA_FILE_MAX (8u * MIB)
/* A program that is copied to its place: borg's release has 25 MiB. */
#define PROGRAM_FILE_MAX (128u * MIB)
#define CA_ANCHORS_MAX 1024
/* A mistyped command or option is compared with what there is up to here; the
 * longest has 17. */
#define HELP_WORD_MAX 40
/* A manual page or a completion: ten times what the longest one has. */
#define AID_FILE_MAX (128u * KIB)

/* How deep a directory of our own that is removed may be: each level holds a
 * descriptor. */
#define TREE_DEPTH_MAX 128

/* A child that is asked to end gets this long, then it is killed; then the
 * kernel gets this long to take it away; and a grandchild that holds the
 * pipes open gets this long after the child's death. */
#define PROC_TERM_MS 2000
#define PROC_KILL_MS 2000
#define PROC_LEFTOVER_MS 2000
/* How often a child is asked for where the kernel does not tell its end. */
#define PROC_POLL_MS 20
/* /proc/PID/stat and io have less than 1 KiB. */
#define PROC_FILE_MAX (4u * KIB)
/* /proc/PID/status has all groups of the process in it, and masks that grow
 * with the host. */
#define PROC_STATUS_MAX (64u * KIB)
/* Descriptors that are closed one by one where nothing else helps. */
#define PROC_FD_MAX 65536

/* One line of our log; longer ones are cut. */
#define LOG_LINE_MAX 4096
/* What a message may be before its secrets are hidden and it is cut. */
#define LOG_TEXT_MAX (256u * KIB)
/* A log file of our own is turned over at this size, and one old one kept: a
 * quiet agent writes as much in a year. */
#define LOG_FILE_MAX MIB
/* Secrets that the log hides at the same time. */
#define LOG_SECRETS_MAX 32

/* borg's standard output (the JSON summary) as far as it is read. */
#define BORG_SUMMARY_MAX (8u * MIB)
/* The longest line of borg's log that is parsed; a path is at most 4 KiB,
 * 24 KiB when each byte is escaped. The rest of a longer line is dropped. */
#define BORG_LINE_MAX (64u * KIB)
/* What one read of borg's log takes at most. */
#define BORG_READ_MAX (256u * KIB)
/* The pipes' cushion, asked of the kernel; it may grant less. */
#define PIPE_SIZE (1u * MIB)

/* What a program that is run for a job may say: a list of databases, and
 * the head and the tail of its errors. */
#define CHILD_OUTPUT_MAX (4u * MIB)
#define CHILD_ERRORS_MAX (64u * KIB)
/* Asked to end, it gets this long before it is killed; borg gets the same. */
#define CHILD_GRACE_MS 10000u

/* Killed, it gets this long to be gone: the kernel may have GiB to give back.
 * What is there then waits in the kernel, for a device perhaps that never
 * answers, and is waited for no more. */
#define CHILD_GONE_MS 10000u
/* The same for what a dead worker left running: no other job on a repository
 * begins before. */
#define ORPHAN_GONE_MS 20000u
/* borg or a dump that used neither CPU nor I/O for this long hangs, and so does
 * a worker that did not wake: the server's own stall timeout. */
#define STALL_MS (120u * 60u * 1000u)
/* A question to a database server: sizes of thousands of tables take minutes.
 */
#define ENGINE_ASK_MS (10u * 60u * 1000u)
/* Removing a database that could not be filled, whatever is tried for it:
 * within what a worker may take after a cancel. */
#define ENGINE_DROP_MS 20000u
#define ENGINE_DROP_GRACE_MS 2000u
/* InterWorx's backup of a host; the next one is due a day later. */
#define INTERWORX_MS (24u * 3600u * 1000u)

/* What is kept of a hook's output (the protocol's own cap). */
#define HOOK_OUTPUT_MAX 10240u
/* How long a hook may run: the protocol's default, and a day; a larger
 * number is a mistake that would hold up every other job. */
#define HOOK_TIMEOUT_S 300
#define HOOK_TIMEOUT_MAX_S 86400
/* How long a post-script waits for the server to take the final report, and
 * how long while the agent stops: what is left of its time is the script's. */
#define HOOK_DELIVERY_MS 10000u
#define HOOK_DELIVERY_STOPPING_MS 2000u
/* Outcomes of post-scripts that are kept, and how much of each is. */
#define HOOK_OUTCOMES_MAX 10
#define HOOK_OUTCOME_TEXT_MAX 1000u
/* Databases of one server; each is a file of the dump. */
#define DATABASES_MAX 10000

/* Each of a dry run's two samples of paths: they are escaped once more in the
 * report, and together must stay below the 1 MiB that nginx takes. */
#define DRYRUN_SAMPLE_BYTES (192u * KIB)

/* The journal of one job: 10000 dumps are 10000 lines of 40 bytes, and a
 * script with its environment has some KiB. */
#define JOURNAL_FILE_MAX (4u * MIB)
/* An owed script during which the agent died this often is given up. */
#define OWED_TRIES_MAX 5
/* Ids of finished jobs that a restart keeps, 40 bytes each. */
#define DONE_FILE_MAX (64u * KIB)
/* What the agent tells of itself: eight jobs, ten of the past and some
 * sentences have 8 KiB. */
#define STATUS_FILE_MAX (128u * KIB)

/* The address of a repository, as far as it is kept for people: what borg and
 * ssh take in practice has a tenth of it. */
#define REPOSITORY_MAX KIB
/* A local repository is looked at for so long: somebody waits, and a mount
 * whose server is gone never answers. */
#define REPOSITORY_LOOK_MS 5000

/* A report that the server answers with an error of its own: given up after
 * so many tries over a day, by which a server is mended, or at that age. */
#define REPORT_REFUSED_MIN 10
#define REPORT_REFUSED_MS (24u * 3600u * 1000u)
#define REPORT_AGE_MAX_S (90 * 24 * 3600)
/* Reports that wait on disk: years of a server that is gone. */
#define SPOOL_FILES_MAX 2000
/* Reports in memory, 300 bytes each, from which on jobs that nobody here knows
 * are not answered for: the server asks for them again. */
#define SPOOL_MEMORY_MAX 1000
/* Files that were set aside and are kept for somebody to look at. */
#define SPOOL_ASIDE_MAX 100
/* Answers of 500 to a line for the server's log, until it is dropped. */
#define LOG_TRIES_MAX 3

/* What a link leads to on another mount is waited for, for this long and once
 * a job: borg waits meanwhile, once its pipe is full. */
#define AFAR_MS 2000
/* The catalogue that ssh has not taken yet, on disk. */
#define CATALOG_SPILL_MAX (4096ull * MIB)

/* Addresses: a DNS name has 253 bytes at most; a path or a proxy's login of
 * over half a KiB is a mistake. */
#define URL_HOST_MAX 255
#define URL_PATH_MAX 512
#define URL_LOGIN_MAX 255
/* The configuration's other texts, as the network process takes them. */
#define NET_TEXT_MAX 4096
/* A frame to or from the network process: the largest body and its head. */
#define NET_FRAME_MAX (REPORT_BODY_MAX + 64u * KIB)
/* The sentence of a reply. */
#define NET_WHY_MAX 2000
/* What is told of the way to the server: sixteen addresses, ten names. */
#define NET_FACTS_MAX (8u * KIB)
/* Beyond its own deadlines the network process gets this, then is killed. */
#define NET_GRACE_MS 2000
/* One start of the network process in this time, should it die at once. */
#define NET_RESPAWN_MS 1000
/* What DNS may hold up at most: two name servers, two search domains. */
#define NET_DNS_MS 25000
/* One address of a host that does not answer, before the next is tried. */
#define NET_CONNECT_MS 15000
/* Addresses of one host that are tried. */
#define NET_ADDRESSES_MAX 16
/* A TLS session is resumed for this long at most, then judged anew. */
#define TLS_SESSION_MS (24u * 3600u * 1000u)
/* A connection that was idle for longer is not used again: nginx keeps one for
 * 75 s, and after a suspend or behind a router nobody may be there, which would
 * show only after a timeout. */
#define HTTP_KEPT_MS (75u * 1000u)
/* Informational answers (1xx) before the real one. */
#define HTTP_INTERIM_MAX 8
/* A chunk's size line with its extensions, and all trailers together. */
#define HTTP_CHUNK_LINE_MAX 1024
#define HTTP_TRAILERS_MAX (16u * KIB)
/* A redirect's address, as far as it is shown. */
#define HTTP_LOCATION_MAX 300
/* A link to a file: those that stores sign have 2 KiB of query. */
#define URL_LINK_MAX (8u * KIB)
/* Redirects of a download: stores need one or two, a circle needs an end. */
#define REDIRECTS_MAX 5
/* A file that is downloaded: borg has 30 MB, all it brings included. */
#define DOWNLOAD_MAX (256u * MIB)
/* Less than this is no borg: an error page, a script. */
#define DOWNLOAD_LEAST MIB
/* A program's dynamic section, and the versions it needs of one library:
 * libc has defined sixty in thirty years. */
#define ELF_DYNAMIC_MAX 4096
#define ELF_VERSIONS_MAX 1024
/* A list of checksums: a hundred lines have 8 KiB. */
#define CHECKSUMS_MAX (64u * KIB)
/* A download may take so long in all, and its server so long to answer. */
#define DOWNLOAD_TOTAL_MS (30u * 60u * 1000u)
#define DOWNLOAD_FIRST_BYTE_MS 30000u
/* In each such time at least so much must come: a borg at this pace would
 * take hours, and whoever drips holds up the backups behind it. */
#define DOWNLOAD_PACE_MS 15000u
#define DOWNLOAD_PACE_BYTES (16u * KIB)
/* A server's chain: three certificates are usual, ten absurd. A certificate
 * with many names has 10 KiB. */
#define TRUST_CHAIN_MAX 10
#define TRUST_CHAIN_BYTES_MAX (128u * KIB)
/* Names held against constraints of one CA; real ones have a few of each. */
#define NAMES_CHECKS_MAX 10000
/* Certificates above which a way up is looked for: ten that could each stand
 * above the other have a million. */
#define TRUST_TRIES_MAX 16

/* A look into a directory, as the server may ask for it. */
#define BROWSE_DEPTH_MAX 5
#define BROWSE_DEPTH_USUAL 2
#define BROWSE_ENTRIES_MIN 50
#define BROWSE_ENTRIES_MAX 20000
#define BROWSE_ENTRIES_USUAL 5000
/* Names of one directory that are read to find the first ones in order: a
 * mail spool may have millions. 100 bytes each for a moment. */
#define BROWSE_READ_MAX 200000
/* The tree; in the report it is escaped once more, so at worst twice this. */
#define BROWSE_TREE_MAX (7u * MIB)
/* A person waits for it: after this long it is told as far as it came, and
 * after this long what hangs (in a dead mount) is killed. */
#define BROWSE_SLOW_MS 8000
#define BROWSE_GIVE_UP_MS 15000
/* While somebody browses, and for so long after the last look, the server is
 * asked this often. */
#define BROWSE_POLL_MS 2000
#define BROWSE_POLLS_MS 60000

/* Jobs that do not wait for their turn, at the same time; and their processes,
 * with those that hang and do not die. */
#define SHORT_JOBS_MAX 4
#define SHORT_PROCESSES_MAX 16
/* What asks about this host (borg's version, a try of ssh) takes 40 s at
 * worst; what takes longer hangs. */
#define HELPER_MS 90000u

/* The agent's own update. Keys that a host may have: the one in use, and the
 * next one, so that a change of key needs no second hand on each host. */
#define RELEASE_KEYS_MAX 2
/* A signature has 72 bytes at most; a key's file holds two keys and words. */
#define RELEASE_SIGNATURE_MAX KIB
/* The program has half a MiB; a debugging one five. */
#define UPDATE_PROGRAM_MAX (16u * MIB)
/* Two paths' length and some words. */
#define UPDATE_STATE_MAX (16u * KIB)
/* A new version gets so long to register and to ask once before it is put
 * into its place: name, TLS and two answers on the slowest machine. */
#define UPDATE_TRIAL_MS 60000
/* After so many starts that ended and nobody ordered it, the old one comes
 * back. They count until the server answered and it ran for so many rounds of
 * the loop, a minute each (a host that sleeps makes none): what breaks at once
 * does so within that. */
#define UPDATE_STARTS_MAX 3
#define UPDATE_ROUND_MS (60u * 1000u)
#define UPDATE_PROVEN_ROUNDS 10
/* One that runs and never gets an answer, although its trial did, is taken
 * back. An outage of that length undoes a good update, which may be ordered
 * again. */
#define UPDATE_UNHEARD_ROUNDS 60
/* One that hangs is killed by its own alarm, where no watchdog does it. */
#define UPDATE_HANG_S (15u * 60u)
/* Another process is updating: looked at again. */
#define UPDATE_AGAIN_MS 1000u
/* The list of a release and its signature, each; and when doctor asks, which
 * somebody waits for. */
#define UPDATE_LOOK_MS 45000u
#define UPDATE_DOCTOR_MS 4000u
/* The program that a job starts for it: a download and a trial. */
#define UPDATE_TOTAL_MS (DOWNLOAD_TOTAL_MS + 5u * 60u * 1000u)

#endif
