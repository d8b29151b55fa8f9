/*
 * Every sensitive call, harmlessly: on itself and its children, in namespaces of its own, or with
 * arguments that can never succeed. Says what it did, a line a call: what, target, detail, error.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static FILE *says;

static long tell(const char *what, const char *target, unsigned long detail, long ret)
{
	int error = errno;

	fprintf(says, "%s\t%s\t%lu\t%d\n", what, target, detail, ret < 0 ? error : 0);
	fflush(says);
	return ret;
}

#define DO(what, target, detail, nr, ...) tell(what, target, detail, syscall(nr, ##__VA_ARGS__))

/* A child that waits to be killed. */
static pid_t child(void)
{
	pid_t pid = fork();

	if (!pid) {
		pause();
		_exit(0);
	}
	return pid;
}

static void on_a_child(void)
{
	char here[8] = "x", path[64];
	struct iovec local = { here, 1 }, remote = { here, 1 };
	pid_t pid = child();
	int fd;

	DO("process-write", "=self", 0, SYS_process_vm_writev, pid, &local, 1, &remote, 1, 0);
	DO("process-read", "=self", 0, SYS_process_vm_readv, pid, &local, 1, &remote, 1, 0);
	DO("ptrace", "=self", PTRACE_SEIZE, SYS_ptrace, PTRACE_SEIZE, pid, 0, 0);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR);
	tell("process-memory", path, 0, fd);
	close(fd);
	fd = syscall(SYS_pidfd_open, pid, 0);
	DO("pidfd-getfd", "", 0, SYS_pidfd_getfd, fd, 0, 0);
	close(fd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void never_succeeds(void)
{
	int null = open("/dev/null", O_RDONLY);
	int i;

	DO("module-load", "", 0, SYS_init_module, "garbage", 7, "");
	DO("module-load", "/dev/null", 0, SYS_finit_module, null, "", 0);
	DO("module-unload", "no_such_module_of_agentsec", 0, SYS_delete_module,
	   "no_such_module_of_agentsec", O_NONBLOCK);
	for (i = 0; i < 1000; i++)
		DO("bpf", "", 9999, SYS_bpf, 9999, 0, 0);
	DO("kexec", "", 0, SYS_kexec_load, 0, 1UL << 20, 0, ~0UL);
	DO("reboot", "", 12345, SYS_reboot, 1, 2, 12345, 0);
	DO("perf-event-open", "", 0, SYS_perf_event_open, 0, 0, -1, -1, ~0UL);
	DO("keyctl", "", 9999, SYS_keyctl, 9999, 0, 0, 0, 0);
	DO("setns", "", CLONE_NEWNET, SYS_setns, null, CLONE_NEWNET);
	DO("userfaultfd", "", 0x7ff00000, SYS_userfaultfd, 0x7ff00000);
	DO("system", "/no/such/swap", 0, SYS_swapon, "/no/such/swap", 0);
	close(null);
}

static void of_itself(void)
{
	unsigned setup[40] = { 0, 0, 0x7fffffff };
	char *page;

	close(DO("memfd-create", "a name", 0, SYS_memfd_create, "a name", 0));
	DO("io_uring-setup", "", 0x7fffffff, SYS_io_uring_setup, 1, setup);
	DO("prctl", "", PR_SET_DUMPABLE, SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
	DO("prctl", "", PR_SET_KEEPCAPS, SYS_prctl, PR_SET_KEEPCAPS, 0, 0, 0, 0);
	/* Not remarkable. */
	syscall(SYS_prctl, PR_SET_NAME, "name", 0, 0, 0);
	page = (char *)DO("executable-memory", "", 0, SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	DO("executable-memory", "", 0, SYS_mprotect, page, 4096, PROT_READ | PROT_EXEC);
}

/* In a mount namespace of its own. */
static void mounts(const char *dir)
{
	pid_t pid = fork();
	char root[256];

	if (pid) {
		waitpid(pid, NULL, 0);
		return;
	}
	if (DO("unshare", "", CLONE_NEWNS, SYS_unshare, CLONE_NEWNS))
		_exit(1);
	DO("mount", "/", MS_REC | MS_PRIVATE, SYS_mount, "none", "/", 0, MS_REC | MS_PRIVATE, 0);
	DO("mount", dir, MS_NOSUID, SYS_mount, "tmpfs", dir, "tmpfs", MS_NOSUID, 0);
	if (chdir(dir))
		_exit(1);
	snprintf(root, sizeof(root), "%s/r", dir);
	DO("pivot-root", root, 0, SYS_pivot_root, "r", "r");
	DO("mount", "tmpfs", 0, SYS_fsopen, "tmpfs", 0);
	if (chdir("/"))
		_exit(1);
	DO("unmount", dir, 0, SYS_umount2, dir, 0);
	DO("chroot", dir, 0, SYS_chroot, dir);
	_exit(0);
}

static void privileges(void)
{
	struct sock_filter allow = { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW };
	struct sock_fprog program = { 1, &allow };
	pid_t pid = fork();

	if (pid) {
		waitpid(pid, NULL, 0);
		return;
	}
	DO("!no-new-privileges", "0", 1, SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	DO("!seccomp", "0", 2, SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
	DO("!seccomp", "2", 2, SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
	DO("!group", "0", 65534, SYS_setresgid, 65534, 65534, 65534);
	DO("!user", "0", 65534, SYS_setresuid, 65534, 65534, 65534);
	DO("!user", "65534", 0, SYS_setuid, 0);
	DO("!user", "65534", 7, SYS_setresuid, -1, 7, -1);
	DO("unshare", "", CLONE_NEWUSER, SYS_unshare, CLONE_NEWUSER);
	tell("!user-namespace", "0", 1, 0);
	_exit(0);
}

int main(int argc, char **argv)
{
	says = fopen(argv[1], "ae");
	if (!says || argc < 3)
		return 1;
	on_a_child();
	never_succeeds();
	of_itself();
	mounts(argv[2]);
	privileges();
	return 0;
}
