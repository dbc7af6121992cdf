/*
 * System information: read from files and the kernel, never from programs,
 * borg excepted. What cannot be found out is sent as the protocol's word for
 * it or left out; it never keeps the agent from registering.
 */
#include "bbs/sysinfo.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/version.h"
#include "bbs/borgbin.h"
#include "bbs/glibc.h"
#include "bbs/release.h"
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SMALL_FILE_MAX (64u * KIB)

static bool read_small(const char *path, struct buf *out)
{
	buf_reset(out);
	return file_read(path, out) == 0;
}

/* The value of NAME= in os-release text, quotes removed. */
static bool os_release_value(
    const char *text, const char *name, struct buf *out)
{
	size_t n = strlen(name);
	for (const char *line = text; *line != '\0';) {
		size_t len = strcspn(line, "\n");
		if (len > n && strncmp(line, name, n) == 0 && line[n] == '=') {
			const char *value = line + n + 1;
			size_t left = len - n - 1;
			if (left >= 2 && (*value == '"' || *value == '\'') &&
			    value[left - 1] == *value) {
				value++;
				left -= 2;
			}
			return buf_add(out, value, left) == 0 && left > 0;
		}
		line += len;
		line += *line == '\n';
	}
	return false;
}

static void put_os(struct json_writer *w, const struct utsname *u)
{
	struct buf file = BUF_INIT(SMALL_FILE_MAX);
	struct buf os = BUF_INIT(SMALL_FILE_MAX);
	struct buf clean = BUF_INIT(SMALL_FILE_MAX * 3);
	if ((read_small("/etc/os-release", &file) ||
		read_small("/usr/lib/os-release", &file)) &&
	    os_release_value(buf_str(&file), "PRETTY_NAME", &os))
		buf_addf(&os, " %s", u->machine);
	else {
		buf_reset(&os);
		buf_addf(&os, "Linux %s %s", u->release, u->machine);
	}
	text_add_utf8(&clean, buf_str(&os), os.len);
	json_put_n(w, "os_info", buf_str(&clean),
	    text_cut(buf_str(&clean), clean.len, OS_INFO_MAX));
	buf_release(&file);
	buf_release(&os);
	buf_release(&clean);
}

/* Judged by what PID 1 was told and by the marks that runtimes leave. */
static bool in_container(void)
{
	if (access("/.dockerenv", F_OK) == 0 ||
	    access("/run/.containerenv", F_OK) == 0 ||
	    access("/run/systemd/container", F_OK) == 0)
		return true;
	struct buf env = BUF_INIT(SMALL_FILE_MAX);
	bool found = false;
	if (file_read("/proc/1/environ", &env) == 0) {
		const char *p = buf_str(&env), *end = p + env.len;
		for (; p < end; p += strlen(p) + 1) {
			if (text_starts(p, "container=") && p[10] != '\0')
				found = true;
		}
	}
	buf_wipe(&env);
	return found;
}

/* The name of the interface that holds IPv4's default route, "" when none. */
static void default_interface4(char *dst, size_t size)
{
	char line[256];
	unsigned long best = ULONG_MAX;
	dst[0] = '\0';
	FILE *f = fopen("/proc/net/route", "re");
	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL) {
		char *rest = NULL;
		char *name = strtok_r(line, "\t ", &rest);
		char *target = strtok_r(NULL, "\t ", &rest);
		char *metric = NULL, *mask = NULL;
		for (int column = 2; column < 8; column++) {
			char *word = strtok_r(NULL, "\t ", &rest);
			if (column == 6)
				metric = word;
			if (column == 7)
				mask = word;
		}
		if (name == NULL || target == NULL || metric == NULL ||
		    mask == NULL || strcmp(target, "00000000") != 0 ||
		    strcmp(mask, "00000000") != 0)
			continue;
		unsigned long value = strtoul(metric, NULL, 10);
		if (value < best) {
			best = value;
			text_copy(dst, size, name);
		}
	}
	fclose(f);
}

/* The same for IPv6. A line: target, its prefix, source, its prefix, next hop,
 * metric, two counters, flags, interface; numbers in hexadecimal. */
static void default_interface6(char *dst, size_t size)
{
	char line[256];
	unsigned long best = ULONG_MAX;
	dst[0] = '\0';
	FILE *f = fopen("/proc/net/ipv6_route", "re");
	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL) {
		char *word[10] = {NULL}, *rest = NULL;
		word[0] = strtok_r(line, " \n", &rest);
		for (int i = 1; i < 10; i++)
			word[i] = strtok_r(NULL, " \n", &rest);
		if (word[9] == NULL || strspn(word[0], "0") != 32 ||
		    strcmp(word[1], "00") != 0 || strcmp(word[9], "lo") == 0)
			continue;
		unsigned long metric = strtoul(word[5], NULL, 16);
		if (metric < best) {
			best = metric;
			text_copy(dst, size, word[9]);
		}
	}
	fclose(f);
}

static void put_mac(struct json_writer *w)
{
	char name[IFNAMSIZ], path[64];
	default_interface4(name, sizeof(name));
	if (name[0] == '\0')
		default_interface6(name, sizeof(name));
	if (name[0] == '\0' || strchr(name, '/') != NULL)
		return;
	snprintf(path, sizeof(path), "/sys/class/net/%s/address", name);
	struct buf mac = BUF_INIT(256);
	if (file_read(path, &mac) == 0) {
		size_t len = strcspn(buf_str(&mac), "\n");
		if (len > 0)
			json_put_n(w, "mac_address", buf_str(&mac), len);
	}
	buf_release(&mac);
}

/* The source address that the kernel would use for a far address; a UDP
 * connect sends nothing. */
static bool source_address(int family, char *dst, size_t size)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	memset(&ss, 0, sizeof(ss));
	if (family == AF_INET) {
		struct sockaddr_in *to = (void *)&ss;
		to->sin_family = AF_INET;
		to->sin_port = htons(9);
		to->sin_addr.s_addr = htonl(0xc6336401u); /* 198.51.100.1 */
		len = sizeof(*to);
	} else {
		struct sockaddr_in6 *to = (void *)&ss;
		to->sin6_family = AF_INET6;
		to->sin6_port = htons(9);
		inet_pton(AF_INET6, "2001:db8::1", &to->sin6_addr);
		len = sizeof(*to);
	}
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	bool found = false;
	if (connect(fd, (struct sockaddr *)&ss, len) == 0) {
		len = sizeof(ss);
		if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0) {
			const void *address =
			    family == AF_INET
				? (const void *)&((struct sockaddr_in *)&ss)
				      ->sin_addr
				: (const void *)&((struct sockaddr_in6 *)&ss)
				      ->sin6_addr;
			found = inet_ntop(family, address, dst,
				    (socklen_t)size) != NULL;
		}
	}
	close(fd);
	return found;
}

static void put_address(struct json_writer *w)
{
	char address[INET6_ADDRSTRLEN];
	if (source_address(AF_INET, address, sizeof(address)) ||
	    source_address(AF_INET6, address, sizeof(address)))
		json_put(w, "ip_address", address);
}

/* The source of the last update, kept by whoever installed it. */
static void put_borg_source(struct json_writer *w, const struct paths *p)
{
	struct buf text = BUF_INIT(256);
	const char *source = "unknown";
	if (file_read(p->borg_source, &text) == 0) {
		if (text_starts(buf_str(&text), "official"))
			source = "official";
		else if (text_starts(buf_str(&text), "server"))
			source = "server";
	}
	json_put(w, "borg_source", source);
	buf_release(&text);
}

static void put_borg(struct json_writer *w, const struct config *c,
    const struct paths *p, int stop_fd, struct buf *why)
{
	struct buf path = BUF_INIT(PATH_MAX), version = BUF_INIT(256);
	if (borgbin_find(c->borg_path, &path, why) != 0 ||
	    borgbin_version(buf_str(&path), stop_fd, &version, why) != 0)
		log_warning("%s", buf_str(why));
	json_put(w, "borg_version",
	    version.len > 0 ? buf_str(&version) : "not installed");
	if (path.len > 0) {
		json_put(w, "borg_binary_path", buf_str(&path));
		json_put(w, "borg_install_method",
		    borgbin_install_method(buf_str(&path)));
	} else {
		json_put(w, "borg_install_method", "unknown");
	}
	put_borg_source(w, p);
	buf_release(&path);
	buf_release(&version);
}

void sysinfo_encode(const struct config *c, const struct paths *p, int stop_fd,
    struct buf *why, struct buf *out)
{
	struct utsname u;
	char glibc[32];
	struct json_writer w = {out, false};

	memset(&u, 0, sizeof(u));
	uname(&u);
	glibc_version(glibc, sizeof(glibc));
	json_open(&w, NULL, '{');
	json_put(&w, "hostname", u.nodename);
	put_os(&w, &u);
	json_put(&w, "agent_version", BBS_VERSION);
	/* Without a key nothing is ever installed: never queue it for us. */
	json_put_bool(&w, "auto_update_enabled",
	    c->auto_update &&
		(c->update_key != NULL || release_keys[0] != '\0'));
	json_put_bool(&w, "in_container", in_container());
	json_put(&w, "platform", "linux");
	json_put(&w, "architecture",
	    strcmp(u.machine, "aarch64") == 0 ? "arm64" : u.machine);
	json_put(&w, "glibc_version", glibc);
	put_mac(&w);
	put_address(&w);
	if (why != NULL)
		put_borg(&w, c, p, stop_fd, why);
	json_close(&w, '}');
}
