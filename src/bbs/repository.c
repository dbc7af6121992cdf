/*
 * After the patterns of borg 1.2's Location. What has no form that is known
 * well is not kept: nobody could say where a secret stands in it.
 */
#include "bbs/repository.h"
#include "base/limits.h"
#include "base/text.h"
#include "bbs/borgwords.h"
#include <string.h>

/* Looks like HOST: and is none; their addresses hold keys. */
static const char *const stores[] = {"s3:", "b2:", "rclone:"};

static bool is_store(const char *text)
{
	for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
		if (text_starts(text, stores[i]))
			return true;
	}
	return strstr(text, "://") != NULL;
}

/* Copies a name that may be given to ssh. */
static int take_name(char to[256], const char *from, size_t len)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._-:%";
	if (len == 0 || len >= 256 || from[0] == '-' ||
	    strspn(from, plain) < len)
		return -1;
	memcpy(to, from, len);
	to[len] = '\0';
	return 0;
}

/* [user[:password]@]; where the host begins, or NULL. */
static const char *take_user(
    struct repository *r, const char *text, const char *p, bool url)
{
	size_t len = strcspn(p, url ? "/" : ":/");
	const char *at = memrchr(p, '@', len);
	if (at == NULL)
		return p;
	size_t name = strcspn(p, ":@");
	if (p[name] == ':') {
		r->secret = (size_t)(p - text) + name;
		r->secret_len = (size_t)(at - p) - name;
	}
	return take_name(r->at.user, p, name) == 0 ? at + 1 : NULL;
}

/* Where the host's port or path begins, or NULL. */
static const char *take_host(struct repository *r, const char *p)
{
	size_t len = strcspn(p, p[0] == '[' ? "]" : ":/");
	size_t bracket = p[0] == '[' ? 1 : 0;
	if (p[len] == '\0' ||
	    take_name(r->at.host, p + bracket, len - bracket) != 0)
		return NULL;
	return p + len + bracket;
}

static int take_port(struct repository *r, const char *p, size_t len)
{
	char digits[8] = "";
	uint64_t port;
	if (len >= sizeof(digits))
		return -1;
	memcpy(digits, p, len);
	if (text_to_u64(digits, 1, 65535, &port) != 0)
		return -1;
	r->at.port = (int)port;
	return 0;
}

static bool read_ssh(struct repository *r, const char *text)
{
	bool url = text_starts(text, "ssh://");
	const char *p = take_user(r, text, url ? text + 6 : text, url);
	p = p != NULL ? take_host(r, p) : NULL;
	if (p == NULL)
		return false;
	/* USER:PASSWORD@HOST:PATH would be a path behind a host. */
	if (!url)
		return *p == ':' && p[1] != '\0' &&
		       memchr(p, '@', strcspn(p, "/")) == NULL;
	size_t len = strcspn(p, "/");
	r->port_at = len == 0 ? (size_t)(p - text) : 0;
	return p[len] == '/' &&
	       (len == 0 || (p[0] == ':' && take_port(r, p + 1, len - 1) == 0));
}

void repository_parse(struct repository *r, const char *text)
{
	memset(r, 0, sizeof(*r));
	if (text_starts(text, "file:///"))
		r->path = text + strlen("file://");
	else if (text[0] == '/')
		r->path = text;
	if (r->path != NULL)
		r->kind = REPOSITORY_LOCAL;
	else if (!text_starts(text, "ssh://") && is_store(text))
		r->kind = REPOSITORY_OTHER;
	else if (read_ssh(r, text))
		r->kind = REPOSITORY_SSH;
}

/* Its length without the archive. */
static size_t length_of(const char *text)
{
	const char *bracket = strchr(text, '[');
	const char *from = bracket != NULL ? strchr(bracket, ']') : NULL;
	const char *archive = strstr(from != NULL ? from : text, "::");
	return archive != NULL ? (size_t)(archive - text) : strlen(text);
}

/* Of BORG_RSH, with its colon in front; "" when none is said there. */
static void find_port(const struct task *t, char port[8])
{
	const char *at = NULL;
	for (size_t i = 0; i < t->env_count; i++) {
		if (strcmp(t->env[i].name, "BORG_RSH") == 0)
			at = strstr(t->env[i].value, " -p ");
	}
	size_t len = at != NULL ? strspn(at + 4, "0123456789") : 0;
	if (len == 0 || len > 5)
		return;
	port[0] = ':';
	memcpy(port + 1, at + 4, len);
}

static void add_address(const struct task *t, const char *word, struct buf *out)
{
	char text[REPOSITORY_MAX], port[8] = "";
	struct repository r;
	size_t len = length_of(word);
	if (len >= sizeof(text))
		return;
	memcpy(text, word, len);
	text[len] = '\0';
	repository_parse(&r, text);
	if (r.kind == REPOSITORY_OTHER) {
		buf_add(out, text, strcspn(text, ":") + 1);
	} else if (r.kind != REPOSITORY_NONE) {
		size_t from = r.secret + r.secret_len;
		buf_add(out, text, r.secret);
		if (r.port_at > 0) {
			find_port(t, port);
			buf_add(out, text + from, r.port_at - from);
			buf_adds(out, port);
			from = r.port_at;
		}
		buf_adds(out, text + from);
	}
}

void repository_of(const struct task *t, struct buf *out)
{
	struct borgwords b;
	enum borgword kind;
	if (t->command == NULL || t->command[0] == NULL)
		return;
	const char *slash = strrchr(t->command[0], '/');
	if (strcmp(slash != NULL ? slash + 1 : t->command[0], "borg") != 0)
		return;
	borgwords_init(&b, t);
	while (out->len == 0 && (kind = borgwords_next(&b)) != BORGWORD_END) {
		if (kind == BORGWORD_PLAIN
			? b.place == 1
			: kind == BORGWORD_OPTION && b.text != NULL &&
			      (borgwords_is(&b, "repo") ||
				  borgwords_is(&b, "r")))
			add_address(t, b.text, out);
	}
}
