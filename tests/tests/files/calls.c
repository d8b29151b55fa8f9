/*
 * Every way to change a file by a system call, each by its number. Says what it did, a line a call:
 * action, how the path is known, path, target, error number.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#define SYS_removexattrat 466
#endif

static FILE *says;

static long tell(const char *action, const char *how, const char *path, const char *target, long ret)
{
	fprintf(says, "%s\t%s\t%s\t%s\t%d\n", action, how, path, target, ret < 0 ? errno : 0);
	return ret;
}

/* The kernel has the file, or only the name that was asked for. */
#define FOUND(action, path, nr, ...) tell(action, "found", path, "", syscall(nr, __VA_ARGS__))
#define ASKED(action, path, nr, ...) tell(action, "asked", path, "", syscall(nr, __VA_ARGS__))
#define TWO(action, path, target, nr, ...) tell(action, "asked", path, target, syscall(nr, __VA_ARGS__))

struct xattr_args { unsigned long long value; unsigned size, flags; };

static void native(int d, int f)
{
	struct xattr_args x = { (unsigned long)"v", 1, 0 };
	char by_proc[64], by_thread[64], by_dev[64];
	void *map;

	sprintf(by_proc, "/proc/self/fd/%d", f);
	sprintf(by_thread, "/proc/thread-self/fd/%d", f);
	sprintf(by_dev, "/dev/fd/%d", f);
	FOUND("chmod 0600", "f", SYS_fchmodat, AT_FDCWD, by_proc, 0600);
	FOUND("chown", "f", SYS_fchownat, d, by_thread, -1, -1, 0);
	FOUND("truncate", "f", SYS_truncate, by_dev, 20L);
	FOUND("setxattr", "f", SYS_setxattr, by_proc, "user.p", "v", 1L, 0);
	FOUND("removexattr", "f", SYS_removexattr, by_proc, "user.p");
	TWO("link", "f", "l9", SYS_linkat, AT_FDCWD, by_proc, d, "l9", AT_SYMLINK_FOLLOW);
	/* These only look like it. */
	ASKED("chmod 0600", "=/proc/self/fd/x", SYS_fchmodat, d, "/proc/self/fd/x", 0600);
	ASKED("chmod 0600", "=/proc/self/fd/123456789", SYS_fchmodat, d, "/proc/self/fd/123456789", 0600);

	ASKED("mkdir", "m2", SYS_mkdirat, d, "m2", 0700);
	ASKED("mkdir", "m2", SYS_mkdirat, d, "m2", 0700);
	ASKED("mknod", "n2", SYS_mknodat, d, "n2", S_IFIFO | 0600, 0);
	TWO("link", "f", "l2", SYS_linkat, d, "f", d, "l2", 0);
	TWO("link", "f", "l3", SYS_linkat, f, "", d, "l3", AT_EMPTY_PATH);
	TWO("link", "none", "l4", SYS_linkat, d, "none", d, "l4", 0);
	TWO("symlink", "s2", "=../no where", SYS_symlinkat, "../no where", d, "s2");
	TWO("symlink", "s2", "=again", SYS_symlinkat, "again", d, "s2");
	ASKED("chmod 0641", "f", SYS_fchmodat, d, "f", 0641);
	ASKED("chmod 0642", "f", SYS_fchmodat2, d, "f", 0642, 0);
	FOUND("chmod 4643", "f", SYS_fchmod, f, 04643);
	FOUND("chmod 0644", "f", SYS_fchmodat2, f, "", 0644, AT_EMPTY_PATH);
	ASKED("chmod 0600", "none", SYS_fchmodat, d, "none", 0600);
	ASKED("chown", "f", SYS_fchownat, d, "f", -1, -1, 0);
	FOUND("chown", "f", SYS_fchown, f, -1, -1);
	FOUND("chown", "f", SYS_fchownat, f, "", -1, -1, AT_EMPTY_PATH);
	ASKED("chown", "none", SYS_fchownat, d, "none", -1, -1, 0);
	ASKED("truncate", "f", SYS_truncate, "f", 10L);
	ASKED("truncate", "none", SYS_truncate, "none", 10L);
	FOUND("truncate", "f", SYS_ftruncate, f, 1L);
	FOUND("truncate", "f", SYS_ftruncate, f, -1L);
	FOUND("truncate", "f", SYS_fallocate, f, 0, 0L, 100L);
	syscall(SYS_fallocate, f, 1, 0L, 1000L); /* keeps the size */
	ASKED("setxattr", "f", SYS_setxattr, "f", "user.a", "v", 1L, 0);
	ASKED("setxattr", "f", SYS_lsetxattr, "f", "user.b", "v", 1L, 0);
	FOUND("setxattr", "f", SYS_fsetxattr, f, "user.c", "v", 1L, 0);
	ASKED("removexattr", "f", SYS_removexattr, "f", "user.a");
	ASKED("removexattr", "f", SYS_lremovexattr, "f", "user.b");
	FOUND("removexattr", "f", SYS_fremovexattr, f, "user.c");
	FOUND("removexattr", "f", SYS_fremovexattr, f, "user.c");
	ASKED("setxattr", "f", SYS_setxattrat, d, "f", 0, "user.d", &x, sizeof(x));
	ASKED("removexattr", "f", SYS_removexattrat, d, "f", 0, "user.d");
	TWO("rename", "l2", "r2", SYS_renameat, d, "l2", d, "r2");
	TWO("rename", "l3", "r3", SYS_renameat2, d, "l3", d, "r3", 1);
	TWO("rename", "none", "r3", SYS_renameat2, d, "none", d, "r3", 0);
	ASKED("unlink", "r2", SYS_unlinkat, d, "r2", 0);
	ASKED("unlink", "m2", SYS_unlinkat, d, "m2", AT_REMOVEDIR);
	map = mmap(0, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, f, 0);
	tell("map+execute", "found", "f", "", map == MAP_FAILED ? -1 : 0);
	map = mmap(0, 8192, PROT_READ, MAP_PRIVATE, f, 0);
	FOUND("map+execute", "f", SYS_mprotect, map, 4096L, PROT_READ | PROT_EXEC);
	/* Nothing of a file becomes code by these. */
	mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, f, 0);
	mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#ifdef SYS_open
	ASKED("mkdir", "m1", SYS_mkdir, "m1", 0700);
	ASKED("mknod", "n1", SYS_mknod, "n1", S_IFIFO | 0600, 0);
	TWO("link", "f", "l1", SYS_link, "f", "l1");
	TWO("symlink", "s1", "=/absolute", SYS_symlink, "/absolute", "s1");
	ASKED("chmod 0640", "f", SYS_chmod, "f", 0640);
	ASKED("chown", "f", SYS_chown, "f", -1, -1);
	ASKED("chown", "s1", SYS_lchown, "s1", -1, -1);
	TWO("rename", "l1", "r1", SYS_rename, "l1", "r1");
	ASKED("unlink", "r1", SYS_unlink, "r1");
	ASKED("unlink", "m1", SYS_rmdir, "m1");
	ASKED("unlink", "m1", SYS_rmdir, "m1");
#endif
}

#ifdef __x86_64__
/* The same by the 32-bit calls; addresses lie below 4 GiB where the program does. */
static long call32(long nr, long a, long b, long c, long d, long e)
{
	long ret;

	__asm__ volatile("int $0x80" : "=a"(ret)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory", "r8", "r9", "r10", "r11");
	if ((int)ret < 0 && (int)ret > -4096) {
		errno = -(int)ret;
		return -1;
	}
	return ret;
}

#define L(text) (long)(text)
#define F32(action, path, nr, a, b, c, d, e) \
	tell(action, "found", path, "", call32(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e)))
#define A32(action, path, nr, a, b, c, d, e) \
	tell(action, "asked", path, "", call32(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e)))
#define T32(action, path, target, nr, a, b, c, d, e) \
	tell(action, "asked", path, target, call32(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e)))

static struct { unsigned address, length, protection, flags, fd, offset; } old_mmap;

static void compat(int d, int f)
{
	A32("mkdir", "m1", 39, "m1", 0700, 0, 0, 0);
	A32("mkdir", "m2", 296, d, "m2", 0700, 0, 0);
	A32("mknod", "n1", 14, "n1", S_IFIFO | 0600, 0, 0, 0);
	A32("mknod", "n2", 297, d, "n2", S_IFIFO | 0600, 0, 0);
	T32("link", "f", "l1", 9, "f", "l1", 0, 0, 0);
	T32("link", "f", "l2", 303, d, "f", d, "l2", 0);
	T32("symlink", "s1", "=to", 83, "to", "s1", 0, 0, 0);
	T32("symlink", "s2", "=to", 304, "to", d, "s2", 0, 0);
	A32("chmod 0640", "f", 15, "f", 0640, 0, 0, 0);
	A32("chmod 0641", "f", 306, d, "f", 0641, 0, 0);
	A32("chmod 0642", "f", 452, d, "f", 0642, 0, 0);
	F32("chmod 0643", "f", 94, f, 0643, 0, 0, 0);
	A32("chown", "f", 182, "f", -1, -1, 0, 0);
	A32("chown", "f", 212, "f", -1, -1, 0, 0);
	A32("chown", "s1", 16, "s1", -1, -1, 0, 0);
	A32("chown", "s1", 198, "s1", -1, -1, 0, 0);
	F32("chown", "f", 95, f, -1, -1, 0, 0);
	F32("chown", "f", 207, f, -1, -1, 0, 0);
	A32("chown", "f", 298, d, "f", -1, -1, 0);
	A32("truncate", "f", 92, "f", 10, 0, 0, 0);
	A32("truncate", "f", 193, "f", 10, 0, 0, 0);
	F32("truncate", "f", 93, f, 10, 0, 0, 0);
	F32("truncate", "f", 194, f, 10, 0, 0, 0);
	F32("truncate", "f", 324, f, 0, 0, 0, 100);
	A32("setxattr", "f", 226, "f", "user.a", "v", 1, 0);
	A32("setxattr", "f", 227, "f", "user.b", "v", 1, 0);
	F32("setxattr", "f", 228, f, "user.c", "v", 1, 0);
	A32("removexattr", "f", 235, "f", "user.a", 0, 0, 0);
	A32("removexattr", "f", 236, "f", "user.b", 0, 0, 0);
	F32("removexattr", "f", 237, f, "user.c", 0, 0, 0);
	T32("rename", "l1", "r1", 38, "l1", "r1", 0, 0, 0);
	T32("rename", "l2", "r2", 302, d, "l2", d, "r2", 0);
	T32("rename", "n1", "r3", 353, d, "n1", d, "r3", 0);
	A32("unlink", "r1", 10, "r1", 0, 0, 0, 0);
	A32("unlink", "m1", 40, "m1", 0, 0, 0, 0);
	A32("unlink", "r2", 301, d, "r2", 0, 0, 0);
	old_mmap.length = 4096;
	old_mmap.protection = PROT_READ | PROT_EXEC;
	old_mmap.flags = MAP_PRIVATE;
	old_mmap.fd = f;
	F32("map+execute", "f", 90, &old_mmap, 0, 0, 0, 0);
	F32("map+execute", "f", 192, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, f);
	F32("map+execute", "f", 125, mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_32BIT, f, 0), 4096,
	    PROT_READ | PROT_EXEC, 0, 0);
}
#endif

int main(int argc, char **argv)
{
	int d, f;

	says = fopen(argv[2], "w");
	if (argc < 4 || !says || chdir(argv[1]))
		return 1;
	d = open(".", O_RDONLY | O_DIRECTORY);
	f = open("f", O_CREAT | O_RDWR, 0600);
	if (write(f, "text", 4) != 4)
		return 1;
#ifdef __x86_64__
	if (!strcmp(argv[3], "compat"))
		compat(d, f);
	else
#endif
		native(d, f);
	fclose(says);
	return 0;
}
