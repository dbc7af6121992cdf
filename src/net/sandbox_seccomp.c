/*
 * seccomp: which system calls are left. On x86, where every release is tested
 * natively, only what is listed works, and the rest fails as if the kernel did
 * not have it. Elsewhere what an attacker needs is taken away. Starting a
 * program or a process ends the process everywhere: only an attack does that.
 */
#include "net/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SECCOMP_RET_KILL_PROCESS
#define SECCOMP_RET_KILL_PROCESS 0x80000000u
#endif

#if defined(__x86_64__)
#define SANDBOX_ARCH AUDIT_ARCH_X86_64
#define SANDBOX_ALLOW_LIST 1
#elif defined(__i386__)
#define SANDBOX_ARCH AUDIT_ARCH_I386
#define SANDBOX_ALLOW_LIST 1
#elif defined(__aarch64__)
#define SANDBOX_ARCH AUDIT_ARCH_AARCH64
#elif defined(__arm__) && defined(__ARM_EABI__)
#define SANDBOX_ARCH AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define SANDBOX_ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define SANDBOX_ARCH AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define SANDBOX_ARCH AUDIT_ARCH_S390X
#elif defined(__mips__) && _MIPS_SIM == _ABIO32
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define SANDBOX_ARCH AUDIT_ARCH_MIPS
#else
#define SANDBOX_ARCH AUDIT_ARCH_MIPSEL
#endif
/* The numbers of this way to call: a kernel of 64 bits takes those of its two
 * others from us, too, and names this architecture all the same. */
#define SANDBOX_FIRST 4000
#define SANDBOX_PAST 5000
#endif

/* A test looks natively at what is used elsewhere. */
#ifdef SANDBOX_DENY_LIST
#undef SANDBOX_ALLOW_LIST
#endif

#ifdef SANDBOX_ARCH

/* The end for whoever tries one of these. */
static const int sandbox_deadly[] = {
    SYS_execve,
#ifdef SYS_execveat
    SYS_execveat,
#endif
#ifdef SYS_fork
    SYS_fork,
#endif
#ifdef SYS_vfork
    SYS_vfork,
#endif
    SYS_clone,
#ifdef SYS_clone3
    SYS_clone3,
#endif
    SYS_ptrace,
#ifdef SYS_process_vm_writev
    SYS_process_vm_readv,
    SYS_process_vm_writev,
#endif
};

#ifdef SANDBOX_ALLOW_LIST
/* What DNS, a connection, memory and the supervisor's socket need. */
static const int sandbox_calls[] = {
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_close,
    SYS_lseek,
    SYS_open,
    SYS_openat,
    SYS_fstat,
    SYS_stat,
    SYS_connect,
    SYS_bind,
    SYS_getsockname,
    SYS_getpeername,
    SYS_setsockopt,
    SYS_getsockopt,
    SYS_sendto,
    SYS_recvfrom,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_sendmmsg,
    SYS_shutdown,
    SYS_poll,
    SYS_ppoll,
    SYS_mmap,
    SYS_munmap,
    SYS_mremap,
    SYS_mprotect,
    SYS_madvise,
    SYS_brk,
    SYS_futex,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_getpid,
    SYS_gettid,
    SYS_getppid,
    SYS_getuid,
    SYS_geteuid,
    SYS_uname,
    SYS_alarm,
    SYS_setitimer,
    SYS_time,
    SYS_nanosleep,
    SYS_restart_syscall,
    SYS_getrandom,
    SYS_exit,
    SYS_exit_group,
/* musl has other names for those with 32 bits of time. */
#ifdef SYS_clock_gettime
    SYS_clock_gettime,
    SYS_gettimeofday,
    SYS_clock_nanosleep,
#else
    SYS_clock_gettime32,
    SYS_gettimeofday_time32,
    SYS_clock_nanosleep_time32,
#endif
#ifdef SYS_newfstatat
    SYS_newfstatat,
#endif
#ifdef SYS_statx
    SYS_statx,
#endif
#ifdef __i386__
    SYS_socketcall,
    SYS_mmap2,
    SYS__llseek,
    SYS_fstat64,
    SYS_stat64,
    SYS_fstatat64,
    SYS_getuid32,
    SYS_geteuid32,
    SYS_sigreturn,
    SYS_clock_gettime64,
    SYS_clock_nanosleep_time64,
    SYS_ppoll_time64,
    SYS_futex_time64,
#endif
};
#define SANDBOX_OTHERWISE (SECCOMP_RET_ERRNO | ENOSYS)
#define SANDBOX_LISTED SECCOMP_RET_ALLOW
#else
/* What nothing here needs and what kernels have been attacked through. */
static const int sandbox_calls[] = {
    SYS_kill,
    SYS_tkill,
    SYS_tgkill,
    SYS_rt_sigqueueinfo,
    SYS_prlimit64,
    SYS_mount,
    SYS_umount2,
    SYS_chroot,
    SYS_pivot_root,
    SYS_unshare,
    SYS_setns,
    SYS_init_module,
    SYS_delete_module,
    SYS_reboot,
    SYS_swapon,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_perf_event_open,
    SYS_personality,
    SYS_unlinkat,
    SYS_linkat,
    SYS_symlinkat,
    SYS_mkdirat,
    SYS_mknodat,
    SYS_fchmodat,
    SYS_fchownat,
    SYS_accept4,
    SYS_listen,
    SYS_setpriority,
    SYS_sched_setscheduler,
    SYS_shmget,
    SYS_msgget,
    SYS_semget,
    SYS_inotify_init1,
    SYS_io_setup,
    SYS_memfd_create,
    SYS_splice,
    SYS_tee,
    SYS_vmsplice,
/* The older names, which newer architectures do not have. */
#ifdef SYS_unlink
    SYS_unlink,
    SYS_rmdir,
    SYS_rename,
    SYS_link,
    SYS_symlink,
    SYS_mkdir,
    SYS_mknod,
    SYS_chmod,
    SYS_chown,
    SYS_inotify_init,
#endif
#ifdef SYS_setrlimit
    SYS_setrlimit,
#endif
#ifdef SYS_accept
    SYS_accept,
#endif
#ifdef SYS_bpf
    SYS_bpf,
#endif
#ifdef SYS_userfaultfd
    SYS_userfaultfd,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
#ifdef SYS_renameat2
    SYS_renameat2,
#endif
#ifdef SYS_io_uring_setup
    SYS_io_uring_setup,
#endif
#ifdef SYS_pidfd_send_signal
    SYS_pidfd_send_signal,
#endif
#ifdef SYS_pidfd_getfd
    SYS_pidfd_getfd,
#endif
#ifdef SYS_finit_module
    SYS_finit_module,
#endif
/* One number for many calls: System V's, and on MIPS any (an old kernel does
 * not show the filter which). */
#ifdef SYS_ipc
    SYS_ipc,
#endif
#ifdef SYS_syscall
    SYS_syscall,
#endif
};
#define SANDBOX_OTHERWISE SECCOMP_RET_ALLOW
#define SANDBOX_LISTED (SECCOMP_RET_ERRNO | EPERM)
#endif

#define SANDBOX_COUNT(list) (sizeof(list) / sizeof((list)[0]))
/* Two instructions a call, and those around them. */
#define SANDBOX_CODE                                                          \
	(2 * (SANDBOX_COUNT(sandbox_deadly) + SANDBOX_COUNT(sandbox_calls)) + \
	    64)
/* Where the low half of an argument lies, which the filter reads. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define SANDBOX_LOW 4
#else
#define SANDBOX_LOW 0
#endif

struct sandbox_program {
	struct sock_filter code[SANDBOX_CODE];
	unsigned short len;
};

static void sandbox_add(struct sandbox_program *p, uint16_t code, uint32_t k,
    uint8_t jt, uint8_t jf)
{
	p->code[p->len++] = (struct sock_filter){code, jt, jf, k};
}

static void sandbox_load(struct sandbox_program *p, size_t offset)
{
	sandbox_add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* If what was loaded equals value, the outcome is this. */
static void sandbox_when(
    struct sandbox_program *p, uint32_t value, uint32_t outcome)
{
	sandbox_add(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
	sandbox_add(p, BPF_RET | BPF_K, outcome, 0, 0);
}

/* A call of which only these values of an argument are left. */
struct sandbox_rule {
	uint32_t call, argument, error;
	uint32_t values[6]; /* 0 ends them */
};
static const struct sandbox_rule sandbox_rules[] = {
#ifdef SYS_socket
    /* The internet's only. */
    {SYS_socket, 0, EAFNOSUPPORT, {AF_INET, AF_INET6}},
#endif
#ifdef SANDBOX_ALLOW_LIST
    /* No typing into the administrator's terminal, but the number of an
     * interface, for an address with a zone. */
    {SYS_ioctl, 1, ENOTTY, {SIOCGIFINDEX}},
    /* No signals by way of a descriptor's owner. */
    {SYS_fcntl, 1, EINVAL,
	{F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL}},
#ifdef SYS_fcntl64
    {SYS_fcntl64, 1, EINVAL,
	{F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL}},
#endif
#endif
};

static void sandbox_restrict(
    struct sandbox_program *p, const struct sandbox_rule *r)
{
	uint8_t count = 0;
	while (count < 6 && r->values[count] != 0)
		count++;
	/* Past all of this if it is another call. */
	sandbox_add(
	    p, BPF_JMP | BPF_JEQ | BPF_K, r->call, 0, (uint8_t)(2 * count + 2));
	sandbox_load(
	    p, offsetof(struct seccomp_data, args[r->argument]) + SANDBOX_LOW);
	for (uint8_t i = 0; i < count; i++)
		sandbox_when(p, r->values[i], SECCOMP_RET_ALLOW);
	sandbox_add(p, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | r->error, 0, 0);
}

static void sandbox_build(struct sandbox_program *p)
{
	sandbox_load(p, offsetof(struct seccomp_data, arch));
	sandbox_add(p, BPF_JMP | BPF_JEQ | BPF_K, SANDBOX_ARCH, 1, 0);
	sandbox_add(p, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
	sandbox_load(p, offsetof(struct seccomp_data, nr));
#ifdef SANDBOX_FIRST
	sandbox_add(p, BPF_JMP | BPF_JGE | BPF_K, SANDBOX_FIRST, 0, 1);
	sandbox_add(p, BPF_JMP | BPF_JGE | BPF_K, SANDBOX_PAST, 0, 1);
	sandbox_add(p, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
#endif
#ifdef SYS_socketcall
	/* Any socket by one number, and which cannot be seen: only where the
	 * kernel has no other way (x86 and s390 before Linux 4.3). */
	if (syscall(SYS_socket, -1, 0, 0) >= 0 || errno != ENOSYS)
		sandbox_when(p, SYS_socketcall, SECCOMP_RET_ERRNO | ENOSYS);
#endif
	for (size_t i = 0; i < SANDBOX_COUNT(sandbox_rules); i++)
		sandbox_restrict(p, &sandbox_rules[i]);
	for (size_t i = 0; i < SANDBOX_COUNT(sandbox_deadly); i++)
		sandbox_when(
		    p, (uint32_t)sandbox_deadly[i], SECCOMP_RET_KILL_PROCESS);
	for (size_t i = 0; i < SANDBOX_COUNT(sandbox_calls); i++)
		sandbox_when(p, (uint32_t)sandbox_calls[i], SANDBOX_LISTED);
	sandbox_add(p, BPF_RET | BPF_K, SANDBOX_OTHERWISE, 0, 0);
}

bool sandbox_seccomp(void)
{
	struct sandbox_program program = {.len = 0};
	struct sock_fprog filter = {.filter = program.code};

	sandbox_build(&program);
	filter.len = program.len;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0;
}

#else

bool sandbox_seccomp(void)
{
	return false;
}

#endif
