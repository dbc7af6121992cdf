/*
 * Clients of MySQL. The password goes by an option file that only we can
 * read, never by argv or the environment; the options of the user that we run
 * as are left out, since they would win over the server's configuration.
 */
#include "job/mysql_client.h"
#include "base/limits.h"
#include "base/proc.h"
#include "job/secretfile.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A line of an option file is read into 4 KiB; each byte may be escaped. */
#define LOGIN_MAX 1024
/* What a row may need; the server's own limit is lower. */
#define PACKET_MAX "1073741824"
/* Where servers that were not packaged put their programs. */
#define MORE_DIRS ":/usr/bin:/usr/local/bin:/usr/local/mysql/bin:/opt/mysql/bin"

/* MariaDB's own names first: it is doing away with the others. */
static const char *const names[][2] = {
    [MYSQL_CLIENT] = {"mariadb", "mysql"},
    [MYSQL_DUMP] = {"mariadb-dump", "mysqldump"},
};

static bool find_in(const char *dirs, const char *name, struct buf *path)
{
	while (*dirs != '\0') {
		size_t len = strcspn(dirs, ":");
		buf_reset(path);
		if (len > 0 && dirs[0] == '/') {
			buf_add(path, dirs, len);
			buf_addf(path, "/%s", name);
			if (!path->failed && access(buf_str(path), X_OK) == 0)
				return true;
		}
		dirs += len;
		dirs += *dirs == ':';
	}
	return false;
}

static int find(enum mysql_program program, struct buf *path, struct buf *why)
{
	struct buf dirs = BUF_INIT(64 * KIB);
	const char *own = getenv("PATH");
	bool found = false;
	buf_adds(&dirs, own != NULL ? own : "");
	buf_adds(&dirs, MORE_DIRS);
	for (int i = 0; i < 2 && !found; i++)
		found = find_in(buf_str(&dirs), names[program][i], path);
	buf_release(&dirs);
	if (found)
		return 0;
	buf_addf(why,
	    "this host has no MySQL client: neither %s nor %s is there (on "
	    "Debian they are in the package mariadb-client)",
	    names[program][0], names[program][1]);
	return -1;
}

void mysql_add_option(struct buf *out, const char *name, const char *value)
{
	static const char from[] = "\n\r\t\b\"\\", into[] = "nrtb\"\\";
	buf_addf(out, "%s=\"", name);
	for (; *value != '\0'; value++) {
		const char *special = strchr(from, *value);
		if (special != NULL)
			buf_addc(out, '\\');
		buf_addc(out, special != NULL ? into[special - from] : *value);
	}
	buf_adds(out, "\"\n");
}

static int write_file(struct mysql_client *m, struct worker *w,
    const struct dump_config *c, struct buf *why)
{
	struct buf text = BUF_INIT(16 * KIB);
	if (strlen(c->user) > LOGIN_MAX || strlen(c->password) > LOGIN_MAX) {
		buf_adds(why, "the user or the password is too long");
		return -1;
	}
	buf_adds(&text, "[client]\n");
	mysql_add_option(&text, "user", c->user);
	mysql_add_option(&text, "password", c->password);
	/* A server may not ask for files of this host. */
	buf_adds(&text, "[mysql]\nlocal-infile=0\nconnect-timeout=30\n");
	if (!text.failed)
		m->file = secretfile_write(
		    w->paths, w->task->job_id, text.data, text.len);
	buf_wipe(&text);
	if (m->file != NULL)
		return 0;
	buf_addf(why, "cannot write the client's options into %s: %s",
	    w->paths->run, strerror(errno));
	return -1;
}

static int make_env(struct mysql_client *m, const struct worker *w)
{
	m->env = proc_env_new();
	if (m->env == NULL)
		return -1;
	return proc_env_set(&m->env, "HOME", w->paths->run) |
	       proc_env_set(&m->env, "MYSQL_TEST_LOGIN_FILE", NULL) |
	       proc_env_set(&m->env, "MYSQL_PWD", NULL) |
	       proc_env_set(&m->env, "MYSQL_HISTFILE", "/dev/null");
}

int mysql_client_open(struct mysql_client *m, struct worker *w,
    const struct dump_config *c, enum mysql_program program, struct buf *why)
{
	struct buf path = BUF_INIT(PATH_MAX);
	int rc = -1;
	memset(m, 0, sizeof(*m));
	if (find(program, &path, why) != 0 || write_file(m, w, c, why) != 0)
		goto out;
	words_add(&m->argv, buf_str(&path));
	words_addf(&m->argv, "--defaults-extra-file=%s", m->file);
	words_addf(&m->argv, "--host=%s", c->host);
	words_addf(&m->argv, "--port=%s", c->port);
	words_add(&m->argv, "--max-allowed-packet=" PACKET_MAX);
	if (program == MYSQL_CLIENT) {
		words_add(&m->argv, "--default-character-set=utf8mb4");
		words_add(&m->argv, "--batch");
		words_add(&m->argv, "--skip-column-names");
	}
	if (make_env(m, w) == 0 && !m->argv.failed)
		rc = 0;
	else
		buf_adds(why, "out of memory");
out:
	buf_release(&path);
	return rc;
}

void mysql_client_close(struct mysql_client *m)
{
	words_release(&m->argv);
	if (m->env != NULL)
		proc_env_free(m->env);
	secretfile_remove(m->file);
	memset(m, 0, sizeof(*m));
}

void mysql_add_name(struct buf *out, const char *name)
{
	buf_addc(out, '`');
	for (; *name != '\0'; name++) {
		if (*name == '`')
			buf_addc(out, '`');
		buf_addc(out, *name);
	}
	buf_addc(out, '`');
}

void mysql_add_text(struct buf *out, const char *text)
{
	buf_adds(out, "CONVERT(X'");
	for (; *text != '\0'; text++)
		buf_addf(out, "%02X", (unsigned char)*text);
	buf_adds(out, "' USING utf8)");
}

static int digit(char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;
	return at != NULL ? (int)(at - digits) : -1;
}

static int read_name(const char *hex, size_t len, struct words *found)
{
	struct buf name = BUF_INIT(KIB);
	int rc = len % 2 == 0 ? 0 : -1;
	for (size_t i = 0; rc == 0 && i < len; i += 2) {
		int high = digit(hex[i]), low = digit(hex[i + 1]);
		rc = high >= 0 && low >= 0 && high + low > 0
			 ? buf_addc(&name, (char)(high << 4 | low))
			 : -1;
	}
	if (rc == 0)
		rc = words_add(found, buf_str(&name));
	buf_release(&name);
	return rc;
}

int mysql_read_names(const char *column, struct words *found)
{
	while (*column != '\0') {
		size_t len = strcspn(column, "\n");
		size_t text =
		    len > 0 && column[len - 1] == '\r' ? len - 1 : len;
		if (text > 0 && (found->count >= DATABASES_MAX ||
				    read_name(column, text, found) != 0))
			return -1;
		column += len;
		column += *column == '\n';
	}
	return 0;
}
