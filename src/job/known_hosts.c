/* See known_hosts.h. */
#include "job/known_hosts.h"
#include "base/digits.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/limits.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Is the host among the names, which commas separate? */
static bool names_host(
    const char *names, size_t len, const struct ssh_info *info)
{
	char with_port[sizeof(info->host) + 16];
	snprintf(
	    with_port, sizeof(with_port), "[%s]:%d", info->host, info->port);
	for (const char *end = names + len; names < end; names += len + 1) {
		len = strcspn(names, ", \t");
		if ((strlen(info->host) == len &&
			strncasecmp(names, info->host, len) == 0) ||
		    (strlen(with_port) == len &&
			strncasecmp(names, with_port, len) == 0))
			return true;
	}
	return false;
}

const char *known_hosts_line(
    const char *text, const struct ssh_info *info, size_t *len)
{
	for (; *text != '\0'; text += text[*len] == '\n' ? *len + 1 : *len) {
		*len = strcspn(text, "\n");
		size_t names = strcspn(text, " \t\n");
		if (names < *len && text[0] != '#' && text[0] != '@' &&
		    (text[0] == '|' || names_host(text, names, info)))
			return text;
	}
	return NULL;
}

bool known_hosts_has(const char *path, const struct ssh_info *info)
{
	struct buf text = BUF_INIT(KEY_FILE_MAX);
	size_t len;
	bool has = file_read(path, &text) == 0 &&
		   known_hosts_line(buf_str(&text), info, &len) != NULL;
	buf_release(&text);
	return has;
}

void known_hosts_without(
    const char *text, const struct ssh_info *info, struct buf *out)
{
	const char *line;
	size_t len;
	while ((line = known_hosts_line(text, info, &len)) != NULL) {
		buf_add(out, text, (size_t)(line - text));
		text = line + len;
		text += *text == '\n';
	}
	buf_adds(out, text);
}

void known_hosts_fingerprints(
    const char *text, const struct ssh_info *info, struct buf *out)
{
	unsigned char sum[HASH_BYTES];
	size_t len;
	while ((text = known_hosts_line(text, info, &len)) != NULL) {
		struct buf key = BUF_INIT(KEY_FILE_MAX);
		const char *end = text + len;
		const char *kind = text + strcspn(text, " \t");
		kind += strspn(kind, " \t");
		size_t kind_len = strcspn(kind, " \t\n");
		const char *blob = kind + kind_len;
		blob += strspn(blob, " \t");
		if (blob < end)
			digits_add_base64(&key, blob, strcspn(blob, " \t\r\n"));
		hash_bytes(buf_str(&key), key.len, sum);
		buf_addf(out, "%s%.*s SHA256:", out->len > 0 ? ", " : "",
		    (int)kind_len, kind);
		digits_put_base64(out, sum, sizeof(sum), false);
		buf_release(&key);
		text = end;
	}
}
