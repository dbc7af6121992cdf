/*
 * Readers of the server's smaller answers. A user or host that ssh would
 * take for an option, or that holds anything but a name's characters, is
 * refused here, before it can reach a command line.
 */
#include "bbs/answer.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include <string.h>

int answer_poll_interval(const struct json *j, int otherwise)
{
	int64_t seconds;
	if (json_int(j, json_get(j, 0, "poll_interval"), &seconds) != 0)
		return otherwise;
	if (seconds < 1)
		return 1;
	return seconds > 3600 ? 3600 : (int)seconds;
}

static bool is_name(const char *s, const char *extra)
{
	if (s[0] == '\0' || s[0] == '-')
		return false;
	for (; *s != '\0'; s++) {
		bool plain = (*s >= 'a' && *s <= 'z') ||
			     (*s >= 'A' && *s <= 'Z') ||
			     (*s >= '0' && *s <= '9');
		if (!plain && strchr(extra, *s) == NULL)
			return false;
	}
	return true;
}

static int read_name(const struct json *j, const char *key, const char *extra,
    char *dst, size_t size, struct buf *why)
{
	struct buf text = BUF_INIT(4096);
	int rc = 1;
	dst[0] = '\0';
	if (json_text(j, json_get(j, 0, key), &text) != 0 || text.len == 0)
		goto out;
	rc = -1;
	if (text.len < size && is_name(buf_str(&text), extra)) {
		text_copy(dst, size, buf_str(&text));
		rc = 0;
		goto out;
	}
	buf_addf(why, "the server's %s \"", key);
	text_add_escaped(
	    why, buf_str(&text), text_cut(buf_str(&text), text.len, 80));
	buf_adds(why, "\" cannot be used for ssh: correct the server's "
		      "settings");
out:
	buf_release(&text);
	return rc;
}

int answer_ssh_info(
    const struct json *j, struct ssh_info *info, struct buf *why)
{
	memset(info, 0, sizeof(*info));
	int rc = read_name(
	    j, "ssh_unix_user", "._-", info->user, sizeof(info->user), why);
	if (rc == 0)
		rc = read_name(j, "server_host", "._-:", info->host,
		    sizeof(info->host), why);
	if (rc != 0)
		return rc;
	int64_t port = 22;
	int node = json_get(j, 0, "ssh_port");
	if (json_int(j, node, &port) == 0 && (port < 1 || port > 65535)) {
		buf_addf(why,
		    "the server's ssh_port %lld is no port: correct "
		    "the server's settings",
		    (long long)port);
		return -1;
	}
	info->port = (int)port;
	return 0;
}

void ssh_info_encode(const struct ssh_info *info, struct buf *out)
{
	struct json_writer w = {out, false};
	json_open(&w, NULL, '{');
	json_put(&w, "ssh_unix_user", info->user);
	json_put(&w, "server_host", info->host);
	json_put_int(&w, "ssh_port", info->port);
	json_close(&w, '}');
	buf_addc(out, '\n');
}

int ssh_info_read(const char *path, struct ssh_info *info)
{
	struct buf text = BUF_INIT(ANSWER_BODY_MAX);
	struct buf why = BUF_INIT(512);
	struct json j = JSON_INIT;
	int rc = -1;
	if (file_read(path, &text) == 0 &&
	    json_check(buf_str(&text), text.len, JSON_DEPTH_MAX, NULL, NULL) ==
		0 &&
	    json_parse(&j, buf_str(&text), text.len) == 0)
		rc = answer_ssh_info(&j, info, &why) == 0 ? 0 : -1;
	json_release(&j);
	buf_release(&why);
	buf_release(&text);
	return rc;
}

void ssh_key_normalise(const char *key, struct buf *out)
{
	for (; *key != '\0'; key++) {
		if (*key != '\r')
			buf_addc(out, *key);
	}
	while (out->len > 0 && out->data[out->len - 1] == '\n')
		out->data[--out->len] = '\0';
	buf_addc(out, '\n');
}

int answer_ssh_key(const struct json *j, struct buf *out)
{
	struct buf key = BUF_INIT(KEY_FILE_MAX);
	int rc = -1;
	if (json_text(j, json_get(j, 0, "ssh_private_key"), &key) == 0 &&
	    strstr(buf_str(&key), "PRIVATE KEY-----") != NULL) {
		ssh_key_normalise(buf_str(&key), out);
		rc = out->failed ? -1 : 0;
	}
	buf_wipe(&key);
	return rc;
}
