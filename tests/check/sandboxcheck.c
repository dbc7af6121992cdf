/*
 * The network process's sandbox, attacked from inside:
 *
 * sandboxcheck [--boot] [--stay] [--deny LAYERS]
 *
 * Enters the agent's own sandbox in a child for each attack and prints what
 * came of it. --stay: as who it is, not as nobody. --deny: as a kernel would
 * that lacks these layers (rlimits, landlock, seccomp; commas). Exit 0: each
 * attack that one of the layers at hand must stop was stopped, and by seccomp
 * where that is its task. --boot: it is the init of a machine that has nothing
 * else, and restarts that with "exit: CODE" as the last line. 1: one went
 * through; 2: wrong usage. What the attacks are aimed at is made for them:
 * should one go through, nothing of the host changes.
 */
#include "base/buf.h"
#include "base/newcall.h"
#include "net/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Who stops it; CAPS: that it has no capabilities, which is always. */
#define USER SANDBOX_USER
#define PRIVS SANDBOX_PRIVS
#define LIMITS SANDBOX_LIMITS
#define FILES SANDBOX_FILES
#define CALLS SANDBOX_CALLS
#define CAPS 32u
/* Only a list of what is allowed stops it. */
#if defined(SANDBOX_DENY_LIST) || !(defined(__x86_64__) || defined(__i386__))
#define LISTED 0u
#else
#define LISTED CALLS
#endif
#define ROOT_MAY 64u /* limits of processes do not count for it */
#define NO_CALL 1000 /* an answer of its own: the state is as it should be */

/* Open since before, as a download's file is. */
#define TERMINAL 10
#define OPEN_FILE 11

static char place[] = "/tmp/sandboxcheck-XXXXXX";
static char own[64], made[64], unix_socket[64];
static pid_t target; /* the supervisor's part: the same user, root's child */

/* Each returns 0 when the attack went through, or an errno. */
static int outcome(long rc)
{
	return rc < 0 ? errno : 0;
}

static int try_open(const char *path, int flags)
{
	return outcome(open(path, flags | O_CLOEXEC, 0600));
}

static int read_shadow(void)
{
	return try_open("/etc/shadow", O_RDONLY);
}

static int read_own(void)
{
	return try_open(own, O_RDONLY);
}

static int read_program(void)
{
	return try_open("/bin/true", O_RDONLY);
}

static int write_own(void)
{
	return try_open(own, O_WRONLY);
}

static int make_file(void)
{
	return try_open(made, O_WRONLY | O_CREAT);
}

static int make_dir(void)
{
	return outcome(mkdir(made, 0700));
}

static int remove_own(void)
{
	return outcome(unlink(own));
}

static int grow_open_file(void)
{
	return outcome(write(OPEN_FILE, "x", 1));
}

static int run_program(void)
{
	char *argv[] = {"true", NULL};
	execve("/bin/true", argv, NULL);
	return errno;
}

static int fork_one(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	return outcome(pid);
}

static int trace_target(void)
{
	return outcome(ptrace(PTRACE_ATTACH, target, NULL, NULL));
}

static int read_target(void)
{
	char byte;
	struct iovec to = {&byte, 1}, from = {place, 1};
	return outcome(process_vm_readv(target, &to, 1, &from, 1, 0));
}

static int kill_target(void)
{
	return outcome(kill(target, SIGKILL));
}

static int tgkill_target(void)
{
	return outcome(syscall(SYS_tgkill, target, target, SIGKILL));
}

static int limit_target(void)
{
	struct rlimit none = {0, 0};
	return outcome(prlimit(target, RLIMIT_NOFILE, &none, NULL));
}

static int take_targets_fd(void)
{
	int fd = (int)syscall(NEWCALL(434) /* pidfd_open */, target, 0);
	return fd < 0 ? errno : outcome(syscall(NEWCALL(438), fd, 0, 0));
}

static int own_signal(void)
{
	/* A descriptor whose news go to the target as a signal. */
	return outcome(fcntl(0, F_SETOWN, target));
}

static int talk_to_unix(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	memcpy(a.sun_path, unix_socket, sizeof(unix_socket));
	return fd < 0 ? errno
		      : outcome(connect(fd, (struct sockaddr *)&a, sizeof(a)));
}

/* By the one number for all that has to do with sockets. */
static int unix_by_socketcall(void)
{
#ifdef SYS_socketcall
	long arguments[] = {AF_UNIX, SOCK_STREAM, 0};
	return outcome(syscall(SYS_socketcall, 1 /* socket */, arguments));
#else
	return ENOSYS;
#endif
}

/* MIPS: by the number that says which call is meant in its first argument, and
 * by numbers of the two other ways to call, which a 64-bit kernel takes. */
static int unix_by_indirection(void)
{
#ifdef __mips__
	return outcome(syscall(SYS_syscall, SYS_socket, AF_UNIX, 2, 0));
#else
	return ENOSYS;
#endif
}

static int execute_by_other_number(void)
{
#ifdef __mips__
	char *argv[] = {(char[]){"true"}, NULL};
	syscall(5057, "/bin/true", argv, NULL);
	return 0; /* a kernel of 32 bits has no such call: alive is enough */
#else
	return ENOSYS;
#endif
}

static int raw_socket(void)
{
	return outcome(socket(AF_INET, SOCK_RAW, 1));
}

static int packet_socket(void)
{
	return outcome(socket(AF_PACKET, SOCK_RAW, 0));
}

static int netlink_socket(void)
{
	return outcome(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int accept_others(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	return outcome(listen(fd, 1));
}

static int raise_limit(void)
{
	struct rlimit more = {64, 64};
	return outcome(setrlimit(RLIMIT_NOFILE, &more));
}

static int many_files(void)
{
	for (int i = 0; i < 20; i++) {
		if (fcntl(0, F_DUPFD_CLOEXEC, 6) < 0)
			return errno;
	}
	return 0;
}

static int much_memory(void)
{
	void *p = malloc(160u << 20);
	int rc = p == NULL ? ENOMEM : 0;
	free(p);
	return rc;
}

static int back_to_root(void)
{
	return outcome(syscall(SYS_setuid, 0));
}

static int another_user(void)
{
	return outcome(syscall(SYS_setresuid, 12345, 12345, 12345));
}

static int mount_own(void)
{
	return outcome(mount("sandboxcheck", place, "tmpfs", 0, NULL));
}

static int new_namespace(void)
{
	return outcome(unshare(CLONE_NEWUSER));
}

static int load_bpf(void)
{
	char attributes[128] = {0};
	return outcome(syscall(SYS_bpf, 0, attributes, sizeof(attributes)));
}

static int watch_self(void)
{
	struct perf_event_attr a = {.type = PERF_TYPE_SOFTWARE,
	    .size = sizeof(a),
	    .exclude_kernel = 1,
	    .exclude_hv = 1};
	return outcome(syscall(SYS_perf_event_open, &a, 0, -1, -1, 0));
}

static int use_io_uring(void)
{
	char parameters[256] = {0};
	return outcome(syscall(NEWCALL(425), 4, parameters));
}

static int add_key(void)
{
	return outcome(syscall(SYS_add_key, "user", "sandboxcheck", "x", 1,
	    KEY_SPEC_PROCESS_KEYRING));
}

static int use_keyring(void)
{
	return outcome(syscall(
	    SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1));
}

static int type_into_terminal(void)
{
	return outcome(ioctl(TERMINAL, TIOCSTI, "x"));
}

static int memory_file(void)
{
	return outcome(syscall(SYS_memfd_create, "x", 0));
}

static int catch_faults(void)
{
	return outcome(syscall(SYS_userfaultfd, 0));
}

/* Not attacks but states; another one than it should be "goes through". */
static int no_new_privs(void)
{
	int rc = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	return rc == 0 ? 0 : NO_CALL;
}

static int dumpable(void)
{
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1 ? 0 : NO_CALL;
}

static int outlives_parent(void)
{
	int sig = SIGKILL; /* where prctl itself is gone */
	prctl(PR_GET_PDEATHSIG, &sig);
	return sig == SIGKILL ? NO_CALL : 0;
}

static int core_files(void)
{
	struct rlimit r = {0, 0};
	getrlimit(RLIMIT_CORE, &r);
	return r.rlim_max == 0 ? NO_CALL : 0;
}

static const struct attack {
	const char *name;
	int (*run)(void);
	unsigned stopped_by; /* any one of these stops it */
} attacks[] = {
    {"read /etc/shadow", read_shadow, USER},
    {"read a file of its own user", read_own, FILES},
    {"read a program", read_program, FILES},
    {"write a file of its own user", write_own, FILES},
    {"make a file", make_file, FILES},
    {"make a directory", make_dir, FILES | CALLS},
    {"remove a file", remove_own, FILES | CALLS},
    {"write into an open file", grow_open_file, LIMITS},
    {"execute a program", run_program, FILES | CALLS},
    {"fork", fork_one, CALLS | LIMITS | ROOT_MAY},
    {"ptrace", trace_target, CALLS | USER | CAPS},
    {"process_vm_readv", read_target, CALLS | USER},
    {"kill", kill_target, CALLS | USER},
    {"tgkill", tgkill_target, CALLS | USER},
    {"prlimit of another process", limit_target, CALLS | USER},
    {"pidfd_getfd", take_targets_fd, CALLS | USER},
    {"F_SETOWN", own_signal, LISTED},
    {"connect to a unix socket", talk_to_unix, CALLS},
    {"the same by socketcall", unix_by_socketcall, CALLS},
    {"the same by indirection", unix_by_indirection, CALLS},
    {"execve by another number", execute_by_other_number, CALLS},
    {"raw socket", raw_socket, CAPS},
    {"packet socket", packet_socket, CALLS | CAPS},
    {"netlink socket", netlink_socket, CALLS},
    {"listen", accept_others, CALLS},
    {"raise a limit", raise_limit, CALLS | LIMITS},
    {"open many files", many_files, LIMITS},
    {"take much memory", much_memory, LIMITS},
    {"setuid(0)", back_to_root, LISTED | USER},
    {"setresuid", another_user, LISTED | CAPS},
    {"mount", mount_own, CALLS | CAPS},
    {"unshare", new_namespace, CALLS},
    {"bpf", load_bpf, CALLS},
    {"perf_event_open", watch_self, CALLS},
    {"io_uring_setup", use_io_uring, CALLS},
    {"add_key", add_key, CALLS},
    {"keyctl", use_keyring, CALLS},
    {"TIOCSTI", type_into_terminal, LISTED},
    {"memfd_create", memory_file, CALLS},
    {"userfaultfd", catch_faults, CALLS},
    {"new privileges by exec", no_new_privs, PRIVS},
    {"be dumpable", dumpable, CAPS},
    {"outlive the parent", outlives_parent, CAPS},
    {"leave a core file", core_files, LIMITS},
};

/* The kernel, from now on, as if it lacked the layers. */
static void deny(const char *layers)
{
	struct sock_filter code[32];
	unsigned short n = 0;
	const struct {
		const char *name;
		uint32_t call, argument;
	} rows[] = {{"rlimits", SYS_prlimit64, 0},
	    {"landlock", NEWCALL(444), 0},
	    {"seccomp", SYS_prctl, PR_SET_SECCOMP}};
	code[n++] = (struct sock_filter)BPF_STMT(
	    BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < 3; i++) {
		if (strstr(layers, rows[i].name) == NULL)
			continue;
		bool any = rows[i].argument == 0;
		code[n++] = (struct sock_filter)BPF_JUMP(
		    BPF_JMP | BPF_JEQ | BPF_K, rows[i].call, 0, any ? 1 : 4);
		if (!any) {
			code[n++] = (struct sock_filter)BPF_STMT(
			    BPF_LD | BPF_W | BPF_ABS,
			    offsetof(struct seccomp_data, args[0]));
			code[n++] = (struct sock_filter)BPF_JUMP(
			    BPF_JMP | BPF_JEQ | BPF_K, rows[i].argument, 0, 1);
		}
		code[n++] = (struct sock_filter)BPF_STMT(
		    BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL);
		if (!any)
			code[n++] = (struct sock_filter)BPF_STMT(
			    BPF_LD | BPF_W | BPF_ABS,
			    offsetof(struct seccomp_data, nr));
	}
	code[n++] =
	    (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {n, code};
	/* As root without this, so that no_new_privs stays to be seen. */
	if (geteuid() != 0)
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) {
		perror("--deny");
		exit(2);
	}
}

/* In the child: what the attack came to goes up the pipe. */
static void attack(
    const struct attack *a, const char *user, const char *layers, int pipe_end)
{
	struct buf note = BUF_INIT(4096);
	unsigned said[2] = {0, 0};
	if (layers != NULL)
		deny(layers);
	if (sandbox_enter(user, getppid(), 0, &said[0], &note) != 0)
		_exit(3);
	if (write(pipe_end, said, sizeof(said[0])) < 0)
		_exit(3);
	said[1] = (unsigned)a->run();
	/* The pipe is a socket: RLIMIT_FSIZE is for files alone. */
	_exit(write(pipe_end, &said[1], sizeof(said[1])) > 0 ? 0 : 3);
}

/* 0: stopped as it should be, or nobody at hand has to stop it. */
static int judge(const struct attack *a, const char *user, const char *layers,
    unsigned *mask)
{
	unsigned result = 0;
	int ends[2], status;
	char how[64] = "went through";
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		return 1;
	pid_t pid = fork();
	if (pid == 0)
		attack(a, user, layers, ends[1]);
	close(ends[1]);
	bool entered = read(ends[0], mask, sizeof(*mask)) == sizeof(*mask);
	bool said = read(ends[0], &result, sizeof(result)) == sizeof(result);
	waitpid(pid, &status, 0);
	close(ends[0]);
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
	/* Executed: the new program ends well and says nothing. */
	bool stopped = entered && (killed || (said && result != 0));
	bool by_calls =
	    killed || (said && (result == ENOSYS || result == EAFNOSUPPORT ||
				   result == ENOTTY || result == EINVAL ||
				   (LISTED == 0 && result == EPERM)));
	if (killed)
		snprintf(how, sizeof(how), "killed");
	else if (stopped)
		snprintf(how, sizeof(how), "%s",
		    result == NO_CALL ? "no" : strerror((int)result));
	unsigned layers_here = *mask | CAPS;
	if ((a->stopped_by & ROOT_MAY) && user == NULL && geteuid() == 0)
		layers_here &= ~LIMITS;
	bool must = (a->stopped_by & layers_here) != 0;
	bool bad = !entered || (must && !stopped) ||
		   ((a->stopped_by & *mask & CALLS) != 0 && !by_calls);
	printf("%-30s %s%s\n", a->name, how, bad ? "  <-- NOT STOPPED" : "");
	fflush(stdout);
	return bad;
}

/* What the attacks are aimed at, belonging to whoever they come from. */
static int prepare(const char *user)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int terminal, sock = socket(AF_UNIX, SOCK_STREAM, 0), file;
	uid_t uid = user != NULL && geteuid() == 0 ? 65534 : geteuid();
	if (mkdtemp(place) == NULL)
		return -1;
	snprintf(own, sizeof(own), "%s/own", place);
	snprintf(made, sizeof(made), "%s/made", place);
	snprintf(unix_socket, sizeof(unix_socket), "%s/socket", place);
	memcpy(a.sun_path, unix_socket, sizeof(unix_socket));
	file = open(own, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (file < 0 || bind(sock, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    listen(sock, 5) != 0 || chmod(unix_socket, 0777) != 0 ||
	    (uid != geteuid() && (chown(place, uid, (gid_t)-1) != 0 ||
				     chown(own, uid, (gid_t)-1) != 0)))
		return -1;
	terminal = posix_openpt(O_RDWR | O_NOCTTY);
	if (dup2(terminal, TERMINAL) < 0 || dup2(file, OPEN_FILE) < 0)
		return -1;
	return 0;
}

static void new_target(void)
{
	target = fork();
	if (target == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		for (;;)
			pause();
	}
}

static void clean(void)
{
	kill(target, SIGKILL);
	waitpid(target, NULL, 0);
	unlink(own);
	unlink(unix_socket);
	unlink(made);
	rmdir(made);
	rmdir(place);
}

/* What the attacks need of a machine that has only this program. */
static void boot(void)
{
	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mkdir("/dev", 0755);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mkdir("/dev/pts", 0755);
	mount("pts", "/dev/pts", "devpts", 0, "ptmxmode=666");
	int console = open("/dev/console", O_RDWR | O_NOCTTY);
	for (int fd = 0; fd <= 2; fd++)
		dup2(console, fd);
}

static int check(int argc, char **argv)
{
	const char *user = "65534", *layers = NULL;
	struct buf text = BUF_INIT(4096);
	unsigned mask = 0;
	int bad = 0;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--stay") == 0) {
			user = NULL;
		} else if (strcmp(argv[i], "--boot") == 0) {
			boot();
		} else if (i + 1 < argc && strcmp(argv[i], "--deny") == 0) {
			layers = argv[++i];
		} else {
			fputs("usage: sandboxcheck [--boot] [--stay] [--deny "
			      "LAYERS]\n",
			    stderr);
			return 2;
		}
	}
	/* Should an attack go through, nobody else is to see what it mounts. */
	if (geteuid() == 0 &&
	    (unshare(CLONE_NEWNS) != 0 ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)) {
		perror("sandboxcheck: no mounts of its own");
		return 2;
	}
	if (prepare(user) != 0) {
		perror(place);
		return 2;
	}
	new_target();
	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		bad += judge(&attacks[i], user, layers, &mask);
		if (waitpid(target, NULL, WNOHANG) == target)
			new_target();
	}
	clean();
	sandbox_text(&text, mask, "nobody");
	printf("layers: %s\n", buf_str(&text));
	buf_release(&text);
	return bad > 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	int rc = check(argc, argv);
	if (argc > 1 && strcmp(argv[1], "--boot") == 0) {
		printf("exit: %d\n", rc);
		fflush(stdout);
		reboot(RB_AUTOBOOT);
	}
	return rc;
}
