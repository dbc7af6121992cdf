/*
 * User, privileges, limits; the file system and the system calls have files of
 * their own. The order matters: first what needs root, last what forbids.
 */
#include "net/sandbox.h"
#include "base/text.h"
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A sanitized build for tests maps terabytes that it never touches. */
#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX_NO_AS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANDBOX_NO_AS 1
#endif
#endif

/* Who "nobody" is where no user database says it. */
#define SANDBOX_NOBODY 65534

/* The user's numbers: by name, by number, or nobody's. */
static void sandbox_user(const char *user, uid_t *uid, gid_t *gid)
{
	uint64_t number;
	struct passwd entry, *pw = NULL;
	char texts[1024];

	if (getpwnam_r(user, &entry, texts, sizeof(texts), &pw) == 0 &&
	    pw != NULL && pw->pw_uid != 0) {
		*uid = pw->pw_uid;
		*gid = pw->pw_gid;
	} else if (text_to_u64(user, 1, UINT32_MAX - 1, &number) == 0) {
		*uid = (uid_t)number;
		*gid = (gid_t)number;
	} else {
		*uid = SANDBOX_NOBODY;
		*gid = SANDBOX_NOBODY;
	}
}

/* Becomes the user: 1 done, 0 not possible here, -1 root came back. */
static int sandbox_drop(const char *user, struct buf *note)
{
	uid_t uid;
	gid_t gid;

	sandbox_user(user, &uid, &gid);
	if (setgroups(0, NULL) != 0 || setgid(gid) != 0 || setuid(uid) != 0) {
		buf_addf(note, "the network process cannot become %s: %s", user,
		    strerror(errno));
		return 0;
	}
	if (setuid(0) == 0 || getuid() == 0 || geteuid() == 0) {
		buf_addf(note, "root came back after becoming %s", user);
		return -1;
	}
	return 1;
}

/* Whoever it is, it needs no capability. */
static void sandbox_capabilities(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	syscall(SYS_capset, &head, none);
}

static bool sandbox_limit(int what, rlim_t most)
{
	struct rlimit now;
	struct rlimit limit = {most, most};

	if (getrlimit(what, &now) == 0 && now.rlim_max < most)
		limit.rlim_cur = limit.rlim_max = now.rlim_max;
	return setrlimit(what, &limit) == 0;
}

static bool sandbox_limits(uint32_t file_max)
{
	bool fine = true;

	/* One connection, the resolver's sockets and files, ours. */
	fine &= sandbox_limit(RLIMIT_NOFILE, 16);
	fine &= sandbox_limit(RLIMIT_NPROC, 0);
	fine &= sandbox_limit(RLIMIT_CORE, 0);
	fine &= sandbox_limit(RLIMIT_FSIZE, file_max);
#ifndef SANDBOX_NO_AS
	/* The largest body three times over, and room to breathe. */
	fine &= sandbox_limit(RLIMIT_AS, 128u << 20);
#endif
	return fine;
}

int sandbox_enter(const char *user, pid_t parent, uint32_t file_max,
    unsigned *mask, struct buf *note)
{
	*mask = 0;
	/* A file size limit must fail writes, not kill. */
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (user != NULL && geteuid() == 0) {
		int dropped = sandbox_drop(user, note);
		if (dropped < 0)
			return -1;
		*mask |= dropped > 0 ? SANDBOX_USER : 0;
	}
	sandbox_capabilities();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		*mask |= SANDBOX_PRIVS;
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* Becoming another user clears it, so only now. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (parent != 0 && getppid() != parent) {
		buf_adds(note, "the supervisor is gone");
		return -1;
	}
	if (sandbox_limits(file_max))
		*mask |= SANDBOX_LIMITS;
	if (sandbox_landlock())
		*mask |= SANDBOX_FILES;
	if (sandbox_seccomp())
		*mask |= SANDBOX_CALLS;
	return 0;
}

void sandbox_text(struct buf *out, unsigned mask, const char *user)
{
	static const char *const names[] = {
	    NULL, "no_new_privs", "rlimits", "Landlock", "seccomp"};
	size_t start = out->len;

	if (mask & SANDBOX_USER)
		buf_addf(out, "user %s", user);
	for (unsigned i = 1; i < 5; i++) {
		if (mask & 1u << i)
			buf_addf(out, "%s%s", out->len > start ? ", " : "",
			    names[i]);
	}
}

unsigned sandbox_missing(unsigned mask)
{
	unsigned whole =
	    SANDBOX_PRIVS | SANDBOX_LIMITS | SANDBOX_FILES | SANDBOX_CALLS;

	if (geteuid() == 0)
		whole |= SANDBOX_USER;
	return whole & ~mask;
}

void sandbox_describe(
    struct buf *out, unsigned mask, const char *layers, const char *note)
{
	unsigned missing = sandbox_missing(mask);

	buf_adds(out, layers);
	if (missing != 0) {
		buf_adds(out, "; not to be had here: ");
		sandbox_text(out, missing, "of its own");
	}
	if (note[0] != '\0')
		buf_addf(out, " (%s)", note);
}
