/*
 * The service managers' commands. Where nothing is booted that could be asked,
 * the links that they would make are made instead.
 */
#include "setup/service.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INIT_SCRIPT "/etc/init.d/bbs-agent"

struct link {
	const char *path, *target;
};

static const struct link systemd_links[] = {
    {"/etc/systemd/system/multi-user.target.wants/bbs-agent.service",
	"../bbs-agent.service"},
    {NULL, NULL}};
static const struct link openrc_links[] = {
    {"/etc/runlevels/default/bbs-agent", INIT_SCRIPT}, {NULL, NULL}};
static const struct link procd_links[] = {
    {"/etc/rc.d/S95bbs-agent", "../init.d/bbs-agent"},
    {"/etc/rc.d/K10bbs-agent", "../init.d/bbs-agent"}, {NULL, NULL}};
#define SYSV_LINKS(dir, to)                                                   \
	{dir "/rc2.d/S98bbs-agent", to}, {dir "/rc3.d/S98bbs-agent", to},     \
	    {dir "/rc4.d/S98bbs-agent", to}, {dir "/rc5.d/S98bbs-agent", to}, \
	    {dir "/rc0.d/K02bbs-agent", to}, {dir "/rc1.d/K02bbs-agent", to}, \
	    {dir "/rc6.d/K02bbs-agent", to},                                  \
	{                                                                     \
		NULL, NULL                                                    \
	}
static const struct link debian_links[] = {
    SYSV_LINKS("/etc", "../init.d/bbs-agent")};
static const struct link redhat_links[] = {
    SYSV_LINKS("/etc/rc.d", "../init.d/bbs-agent")};
static const struct link suse_links[] = {
    SYSV_LINKS("/etc/init.d", "../bbs-agent")};

static const struct link *links_of(const struct service *v)
{
	static const struct link none[] = {{NULL, NULL}};
	switch (v->init) {
	case INIT_SYSTEMD:
		return systemd_links;
	case INIT_OPENRC:
		return openrc_links;
	case INIT_PROCD:
		return procd_links;
	case INIT_SYSV:
		if (host_has(v->root, "/etc/rc.d/rc2.d"))
			return redhat_links;
		return host_has(v->root, "/etc/init.d/rc2.d") ? suse_links
							      : debian_links;
	default:
		return none;
	}
}

/* The directory that path stands in, for a caller who frees it. */
static char *parent(const char *path)
{
	return strndup(path, (size_t)(strrchr(path, '/') - path));
}

static int make_link(const struct service *v, const struct steps *s,
    const struct link *link, struct buf *why)
{
	char *path = file_join(v->root[0] != '\0' ? v->root : "/", link->path);
	char *dir = path != NULL ? parent(path) : NULL;
	int rc = -1;
	if (dir == NULL)
		buf_adds(why, "out of memory");
	else if (steps_dir(s, dir, 0755, why) == 0)
		rc = steps_link(s, link->target, path, why);
	free(dir);
	free(path);
	return rc;
}

/* One of insserv's lists, without its file's other lines changed: ours is
 * put into it or taken out. */
static void list_target(const char *text, bool listed, struct buf *out)
{
	static const char head[] = "TARGETS =", name[] = " " SERVICE_NAME;
	const char *line = text;
	while (!text_starts(line, head) && *line != '\0') {
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	buf_add(out, text, (size_t)(line - text));
	size_t end = strcspn(line, "\n");
	for (size_t len; end > 0; line += len, end -= len) {
		len = strcspn(line + 1, " \n") + 1;
		if (len != strlen(name) || !text_starts(line, name))
			buf_add(out, line, len);
	}
	if (listed && *line == '\n')
		buf_adds(out, name);
	buf_adds(out, line);
}

/* Where insserv keeps lists of what a run level starts and stops (Debian's
 * startpar), a link alone starts nothing. insserv writes them anew itself. */
static int list_targets(const struct service *v, const struct steps *s,
    bool listed, struct buf *why)
{
	static const char *const lists[] = {
	    "/etc/init.d/.depend.start", "/etc/init.d/.depend.stop"};
	int rc = 0;
	for (size_t i = 0; v->init == INIT_SYSV && i < 2; i++) {
		struct buf old = BUF_INIT(256 * KIB), new = BUF_INIT(256 * KIB);
		char *path =
		    file_join(v->root[0] != '\0' ? v->root : "/", lists[i]);
		if (path != NULL && file_read(path, &old) == 0) {
			list_target(buf_str(&old), listed, &new);
			if (steps_file(s, path, &new, 0644, why) != 0)
				rc = -1;
		}
		buf_release(&old);
		buf_release(&new);
		free(path);
	}
	return rc;
}

static int make_links(
    const struct service *v, const struct steps *s, struct buf *why)
{
	for (const struct link *l = links_of(v); l->path != NULL; l++) {
		if (make_link(v, s, l, why) != 0)
			return -1;
	}
	return list_targets(v, s, true, why);
}

static int remove_links(
    const struct service *v, const struct steps *s, struct buf *why)
{
	int rc = 0;
	for (const struct link *l = links_of(v); l->path != NULL; l++) {
		char *path =
		    file_join(v->root[0] != '\0' ? v->root : "/", l->path);
		if (path == NULL || steps_remove(s, path, why) != 0)
			rc = -1;
		free(path);
	}
	return list_targets(v, s, false, why) == 0 ? rc : -1;
}

#define RUN(s, why, ...) \
	steps_run((s), (const char *const[]){__VA_ARGS__, NULL}, (why))

static int enable_sysv(
    const struct service *v, const struct steps *s, struct buf *why)
{
	if (host_has_program("update-rc.d")) {
		if (RUN(s, why, "update-rc.d", SERVICE_NAME, "defaults") != 0)
			return -1;
		return RUN(s, why, "update-rc.d", SERVICE_NAME, "enable");
	}
	if (host_has_program("chkconfig")) {
		if (RUN(s, why, "chkconfig", "--add", SERVICE_NAME) != 0)
			return -1;
		return RUN(s, why, "chkconfig", SERVICE_NAME, "on");
	}
	return make_links(v, s, why);
}

int service_enable(
    const struct service *v, const struct steps *s, struct buf *why)
{
	if (!v->booted)
		return make_links(v, s, why);
	switch (v->init) {
	case INIT_SYSTEMD:
		if (RUN(s, why, "systemctl", "daemon-reload") != 0)
			return -1;
		return RUN(s, why, "systemctl", "enable", "bbs-agent.service");
	case INIT_OPENRC:
		return RUN(s, why, "rc-update", "add", SERVICE_NAME, "default");
	case INIT_SYSV:
		return enable_sysv(v, s, why);
	case INIT_PROCD:
		return RUN(s, why, INIT_SCRIPT, "enable");
	default:
		return 0;
	}
}

int service_restart(
    const struct service *v, const struct steps *s, struct buf *why)
{
	switch (v->init) {
	case INIT_SYSTEMD:
		return RUN(s, why, "systemctl", "restart", "bbs-agent.service");
	case INIT_OPENRC:
		return RUN(s, why, "rc-service", SERVICE_NAME, "restart");
	case INIT_SYSV:
	case INIT_PROCD:
		return RUN(s, why, INIT_SCRIPT, "restart");
	default:
		return 0;
	}
}

bool service_is_ours(const char *path)
{
	struct buf text = BUF_INIT(256 * KIB);
	bool ours = file_read(path, &text) == 0 &&
		    strstr(buf_str(&text), SERVICE_MARK) != NULL;
	buf_release(&text);
	return ours;
}

int service_stop(
    const struct service *v, const struct steps *s, struct buf *why)
{
	const char *path = service_path(v->init);
	if (!v->booted || path == NULL || !host_has(v->root, path))
		return 0;
	switch (v->init) {
	case INIT_SYSTEMD:
		return RUN(s, why, "systemctl", "stop", "bbs-agent.service");
	case INIT_OPENRC:
		return RUN(
		    s, why, "rc-service", "--ifstarted", SERVICE_NAME, "stop");
	default:
		return RUN(s, why, INIT_SCRIPT, "stop");
	}
}

int service_disable(
    const struct service *v, const struct steps *s, struct buf *why)
{
	const char *path = service_path(v->init);
	if (!v->booted || path == NULL || !host_has(v->root, path))
		return 0;
	switch (v->init) {
	case INIT_SYSTEMD:
		return RUN(s, why, "systemctl", "disable", "bbs-agent.service");
	case INIT_OPENRC:
		if (!host_has(v->root, openrc_links[0].path))
			return 0;
		return RUN(s, why, "rc-update", "del", SERVICE_NAME, "default");
	case INIT_SYSV:
		if (!host_has_program("update-rc.d") &&
		    host_has_program("chkconfig"))
			return RUN(s, why, "chkconfig", "--del", SERVICE_NAME);
		return 0;
	default:
		return RUN(s, why, INIT_SCRIPT, "disable");
	}
}

int service_forget(
    const struct service *v, const struct steps *s, struct buf *why)
{
	bool update = v->init == INIT_SYSV && host_has_program("update-rc.d");
	bool managed =
	    v->init != INIT_SYSV || update || host_has_program("chkconfig");
	int rc = 0;
	if (v->booted && update)
		rc = RUN(s, why, "update-rc.d", SERVICE_NAME, "remove");
	/* In a dry run those are still there that the manager would remove. */
	if (!(s->dry && v->booted && managed) && remove_links(v, s, why) != 0)
		rc = -1;
	if (v->booted && v->init == INIT_SYSTEMD)
		rc = RUN(s, why, "systemctl", "daemon-reload");
	return rc;
}
