/*
 * The files of the journal: JOB.log, lines of JSON. Each record is one
 * write(2); one that the kernel took only half is cut off again.
 */
#include "bbs/journal.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".log"

void journal_boot_id(char id[BOOT_ID_SIZE])
{
	struct buf text = BUF_INIT(PROC_FILE_MAX);
	id[0] = '\0';
	if (file_read("/proc/sys/kernel/random/boot_id", &text) == 0)
		text_copy(id, BOOT_ID_SIZE, buf_str(&text));
	id[strcspn(id, "\n")] = '\0';
	buf_release(&text);
}

static char *journal_path(const struct paths *p, int64_t job_id)
{
	char name[32];
	snprintf(name, sizeof(name), "%" PRId64 SUFFIX, job_id);
	return file_join(p->journal, name);
}

/* How much of the file is whole lines. -1 (errno). */
static off_t journal_whole(int fd)
{
	char c;
	off_t end = lseek(fd, 0, SEEK_END);
	for (; end > 0; end--) {
		if (pread(fd, &c, 1, end - 1) != 1)
			return -1;
		if (c == '\n')
			break;
	}
	return end;
}

static int journal_append(int fd, const struct buf *line, bool sync)
{
	off_t end = journal_whole(fd);
	if (end < 0 || line->failed || ftruncate(fd, end) != 0)
		return -1;
	if ((uint64_t)end + line->len > JOURNAL_FILE_MAX) {
		errno = EFBIG;
		return -1;
	}
	ssize_t n = pwrite(fd, line->data, line->len, end);
	if (n != (ssize_t)line->len) {
		int saved = n < 0 ? errno : ENOSPC;
		(void)!ftruncate(fd, end);
		errno = saved;
		return -1;
	}
	return sync ? fdatasync(fd) : 0;
}

/* Adds a record, the members of which are in `record`, to a job's file. A
 * file that could not be begun is made here: its name says which job it is. */
static int journal_add(
    const struct paths *p, int64_t job_id, struct buf *record, bool sync)
{
	char *path = journal_path(p, job_id);
	int rc = -1;
	buf_addc(record, '\n');
	if (path != NULL) {
		int fd =
		    open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0)
			rc = journal_append(fd, record, sync);
		int saved = errno;
		if (fd >= 0)
			close(fd);
		errno = saved;
	}
	free(path);
	return rc;
}

int journal_begin(const struct paths *p, int64_t job_id, const char *type,
    const char *archive)
{
	char boot[BOOT_ID_SIZE];
	struct buf text = BUF_INIT(64 * KIB);
	struct json_writer w = {&text, false};
	char *path = journal_path(p, job_id);
	journal_boot_id(boot);
	json_open(&w, NULL, '{');
	json_put_int(&w, "journal", 1);
	json_put_int(&w, "job_id", job_id);
	json_put(&w, "type", type);
	if (archive != NULL)
		json_put(&w, "archive_name", archive);
	json_put(&w, "boot", boot);
	json_put_int(&w, "time", clock_wall());
	json_close(&w, '}');
	buf_addc(&text, '\n');
	int rc = -1;
	if (path != NULL && !text.failed)
		rc = file_write(path, text.data, text.len, 0600);
	free(path);
	buf_release(&text);
	return rc;
}

static int add_process(const struct paths *p, int64_t job_id, const char *name,
    const struct proc *proc, const char *boot, bool sync)
{
	struct buf text = BUF_INIT(KIB);
	struct json_writer w = {&text, false};
	json_open(&w, NULL, '{');
	json_put_int(&w, name, proc->pid);
	json_put_int(&w, "start", (int64_t)proc->start);
	if (boot != NULL)
		json_put(&w, "boot", boot);
	json_close(&w, '}');
	int rc = journal_add(p, job_id, &text, sync);
	buf_release(&text);
	return rc;
}

int journal_worker(const struct paths *p, int64_t job_id)
{
	char boot[BOOT_ID_SIZE];
	struct proc self = {getpid(), proc_start_time(getpid())};
	journal_boot_id(boot);
	return add_process(p, job_id, "worker", &self, boot, true);
}

int journal_group(
    const struct paths *p, int64_t job_id, const struct proc *group)
{
	return add_process(p, job_id, "group", group, NULL, false);
}

int journal_reported(const struct paths *p, int64_t job_id)
{
	struct buf text = BUF_INIT(64);
	buf_adds(&text, "{\"reported\":true}");
	int rc = journal_add(p, job_id, &text, false);
	buf_release(&text);
	return rc;
}

static int add_owed(const struct paths *p, int64_t job_id, const char *what,
    const char *key, const char *script, bool sync)
{
	struct buf text = BUF_INIT(JOURNAL_FILE_MAX);
	struct json_writer w = {&text, false};
	json_open(&w, NULL, '{');
	json_put(&w, what, key);
	if (script != NULL)
		json_put_raw(&w, "script", script, strlen(script));
	json_close(&w, '}');
	int rc = journal_add(p, job_id, &text, sync);
	buf_wipe(&text);
	return rc;
}

int journal_owe(const struct paths *p, int64_t job_id, const char *key,
    const char *script_json)
{
	return add_owed(p, job_id, "owed", key, script_json, true);
}

int journal_tried(const struct paths *p, int64_t job_id, const char *key)
{
	return add_owed(p, job_id, "tried", key, NULL, true);
}

int journal_paid(const struct paths *p, int64_t job_id, const char *key)
{
	return add_owed(p, job_id, "paid", key, NULL, true);
}

int journal_remove(const struct paths *p, int64_t job_id)
{
	char *path = journal_path(p, job_id);
	int rc = path != NULL ? unlink(path) : -1;
	free(path);
	return rc;
}

int journal_set_aside(const struct paths *p, int64_t job_id)
{
	char *path = journal_path(p, job_id);
	int rc = path != NULL ? file_set_aside(path) : -1;
	free(path);
	return rc;
}

static void forget(char *text)
{
	if (text != NULL)
		mem_wipe(text, strlen(text));
	free(text);
}

static struct owed *find_owed(struct journal *j, const char *key)
{
	for (size_t i = 0; i < j->owed_count; i++) {
		if (strcmp(j->owed[i].key, key) == 0)
			return &j->owed[i];
	}
	return NULL;
}

static int take_owed(struct journal *to, const struct json *j, const char *key)
{
	size_t len = 0;
	int node = json_get(j, 0, "script");
	if (json_type(j, node) != JSON_OBJECT)
		return -1;
	const char *raw = json_raw(j, node, &len);
	char *script = strndup(raw, len), *name = strdup(key);
	struct owed *at = find_owed(to, key);
	if (at == NULL && script != NULL && name != NULL) {
		struct owed *more =
		    realloc(to->owed, (to->owed_count + 1) * sizeof(*to->owed));
		if (more != NULL) {
			to->owed = more;
			at = &more[to->owed_count++];
			memset(at, 0, sizeof(*at));
		}
	}
	if (at == NULL || script == NULL || name == NULL) {
		forget(script);
		free(name);
		return -1;
	}
	free(at->key);
	forget(at->script);
	at->key = name;
	at->script = script;
	return 0;
}

static void drop_owed(struct journal *j, struct owed *o)
{
	free(o->key);
	forget(o->script);
	size_t behind = (size_t)(j->owed + j->owed_count - (o + 1));
	memmove(o, o + 1, behind * sizeof(*o));
	j->owed_count--;
}

static void take_process(
    struct proc *to, const struct json *j, const char *name)
{
	int64_t pid, start = 0;
	if (json_int(j, json_get(j, 0, name), &pid) != 0)
		return;
	json_int(j, json_get(j, 0, "start"), &start);
	bool sane = pid > 1 && pid <= INT32_MAX && start > 0;
	to->pid = sane ? (pid_t)pid : 0;
	to->start = sane ? (uint64_t)start : 0;
}

static void take_text(
    char *to, size_t size, const struct json *j, const char *name)
{
	struct buf text = BUF_INIT(KIB);
	if (json_text(j, json_get(j, 0, name), &text) == 0)
		text_copy(to, size, buf_str(&text));
	buf_release(&text);
}

/* One record; the object is checked. */
static int take_record(struct journal *to, const struct json *j)
{
	int rc = 0;
	int64_t version = 0;
	/* The first record announces; each other one says that it went on. */
	if (json_int(j, json_get(j, 0, "journal"), &version) != 0 ||
	    version != 1)
		to->begun = true;
	char *key = json_strdup(j, json_get(j, 0, "owed"));
	if (key != NULL)
		rc = take_owed(to, j, key);
	free(key);
	key = json_strdup(j, json_get(j, 0, "tried"));
	struct owed *at = key != NULL ? find_owed(to, key) : NULL;
	if (at != NULL)
		at->tries++;
	free(key);
	key = json_strdup(j, json_get(j, 0, "paid"));
	at = key != NULL ? find_owed(to, key) : NULL;
	if (at != NULL)
		drop_owed(to, at);
	free(key);
	take_text(to->type, sizeof(to->type), j, "type");
	take_text(to->boot, sizeof(to->boot), j, "boot");
	take_process(&to->worker, j, "worker");
	if (json_get(j, 0, "worker") != JSON_NONE)
		to->group = (struct proc){0};
	take_process(&to->group, j, "group");
	if (json_bool(j, json_get(j, 0, "reported"), false))
		to->reported = true;
	return rc;
}

int journal_decode(struct journal *to, const char *text, size_t len)
{
	struct json j = JSON_INIT;
	int rc = 0;
	memset(to, 0, sizeof(*to));
	for (const char *end; rc == 0;
	     len -= (size_t)(end + 1 - text), text = end + 1) {
		end = len > 0 ? memchr(text, '\n', len) : NULL;
		if (end == NULL)
			break;
		size_t n = (size_t)(end - text);
		if (n == 0 || text[0] != '{' ||
		    json_check(text, n, JSON_DEPTH_MAX, NULL, NULL) != 0 ||
		    json_parse(&j, text, n) != 0)
			rc = -1;
		else
			rc = take_record(to, &j);
	}
	json_release(&j);
	return rc;
}

int journal_read(const struct paths *p, int64_t job_id, struct journal *j)
{
	struct buf text = BUF_INIT(JOURNAL_FILE_MAX);
	char *path = journal_path(p, job_id);
	memset(j, 0, sizeof(*j));
	int rc = path != NULL ? file_read(path, &text) : -1;
	int saved = errno;
	free(path);
	/* It is synced before a job is announced: never without a line. */
	if (rc == 0)
		rc = journal_decode(j, buf_str(&text), text.len) != 0 ||
			     memchr(buf_str(&text), '\n', text.len) == NULL
			 ? 1
			 : 0;
	buf_wipe(&text);
	errno = saved;
	return rc;
}

void journal_release(struct journal *j)
{
	for (size_t i = 0; i < j->owed_count; i++) {
		free(j->owed[i].key);
		forget(j->owed[i].script);
	}
	free(j->owed);
	memset(j, 0, sizeof(*j));
}

/* The job id in a file's name, -1 when it is no journal's. */
static int64_t name_job(const char *name)
{
	uint64_t id;
	char digits[24];
	size_t len = strspn(name, "0123456789");
	if (len == 0 || len >= sizeof(digits) ||
	    strcmp(name + len, SUFFIX) != 0)
		return -1;
	memcpy(digits, name, len);
	digits[len] = '\0';
	return text_to_u64(digits, 1, INT64_MAX, &id) == 0 ? (int64_t)id : -1;
}

int journal_next(const struct paths *p, int64_t after, int64_t *job_id)
{
	int found = 0;
	struct dirent *e;
	DIR *d = opendir(p->journal);
	if (d == NULL)
		return -1;
	while ((e = readdir(d)) != NULL) {
		int64_t id = name_job(e->d_name);
		if (id <= after || (found && id >= *job_id))
			continue;
		*job_id = id;
		found = 1;
	}
	closedir(d);
	return found;
}
