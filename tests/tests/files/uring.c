/*
 * What can be done to files through an io_uring, each operation by its number. Says what it did as
 * calls.c does. Exits with 77 where there is no io_uring.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef IORING_OP_FTRUNCATE
#define IORING_OP_FTRUNCATE 55
#endif
#define OP_FSETXATTR 41
#define OP_SETXATTR 42
#define ENTRIES 64

static FILE *says;
static int ring, sqpoll;
static unsigned char sqe_flags;
static struct io_uring_params params;
static char *sq, *cq;
static struct io_uring_sqe *sqes;

static void set_up(void)
{
	size_t size;

	memset(&params, 0, sizeof(params));
	params.flags = sqpoll ? IORING_SETUP_SQPOLL : 0;
	params.sq_thread_idle = 100;
	ring = syscall(SYS_io_uring_setup, ENTRIES, &params);
	if (ring < 0)
		exit(77);
	size = params.sq_off.array + params.sq_entries * 4;
	if (size < params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe))
		size = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
	sq = cq = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	sqes = mmap(0, params.sq_entries * sizeof(*sqes), PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		    IORING_OFF_SQES);
	if (sq == MAP_FAILED || sqes == MAP_FAILED)
		exit(1);
}

static unsigned *at(char *base, unsigned offset)
{
	return (unsigned *)(base + offset);
}

/* Puts one into the queue; nobody looks at it yet. */
static struct io_uring_sqe *put(int opcode, int fd, const void *address, long length, long long offset)
{
	unsigned tail = *at(sq, params.sq_off.tail), mask = *at(sq, params.sq_off.ring_mask);
	struct io_uring_sqe *sqe = &sqes[tail & mask];

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = opcode;
	sqe->fd = fd;
	sqe->addr = (unsigned long)address;
	sqe->len = length;
	sqe->off = offset;
	sqe->flags = sqe_flags;
	at(sq, params.sq_off.array)[tail & mask] = tail & mask;
	return sqe;
}

static void queue(void)
{
	__atomic_store_n(at(sq, params.sq_off.tail), *at(sq, params.sq_off.tail) + 1, __ATOMIC_RELEASE);
}

static void submit(unsigned n, unsigned answers)
{
	unsigned flags = IORING_ENTER_GETEVENTS;

	if (sqpoll)
		flags |= IORING_ENTER_SQ_WAKEUP;
	syscall(SYS_io_uring_enter, ring, n, answers, flags, 0, 0);
}

/* The next answer. */
static int answer(void)
{
	unsigned *head = at(cq, params.cq_off.head);
	unsigned mask = *at(cq, params.cq_off.ring_mask);
	struct io_uring_cqe *cqes = (void *)(cq + params.cq_off.cqes);
	int res;

	while (*head == __atomic_load_n(at(cq, params.cq_off.tail), __ATOMIC_ACQUIRE))
		submit(0, 1);
	res = cqes[*head & mask].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return res;
}

static int go(void)
{
	queue();
	submit(1, 1);
	return answer();
}

static int tell(const char *action, const char *how, const char *path, const char *target, int res)
{
	fprintf(says, "%s\t%s\t%s\t%s\t%d\n", action, how, path, target, res < 0 ? -res : 0);
	return res;
}

static int open_by(int d, const char *name, int flags)
{
	struct io_uring_sqe *sqe = put(IORING_OP_OPENAT, d, name, 0600, 0);

	sqe->open_flags = flags;
	return go();
}

static void each(int d)
{
	struct { unsigned long long flags, mode, resolve; } how = { O_RDWR, 0, 0 };
	struct io_uring_sqe *sqe;
	int f, direct[2] = { -1, -1 };

	f = tell("read+write+create", "found", "f", "", open_by(d, "f", O_RDWR | O_CREAT));
	close(tell("read", "found", "f", "", open_by(d, "f", O_RDONLY)));
	close(tell("read", "found", "f", "", open_by(d, "./f", O_RDONLY)));
	tell("read", "asked", "none", "", open_by(d, "none", O_RDONLY));
	tell("read", "asked", "none", "", open_by(AT_FDCWD, "none", O_RDONLY));
	sqe = put(IORING_OP_OPENAT2, d, "f", sizeof(how), (long)&how);
	close(tell("read+write", "found", "f", "", go()));
	/* A file without a descriptor. */
	if (!syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, direct, 2)) {
		sqe = put(IORING_OP_OPENAT, d, "f", 0, 0);
		sqe->open_flags = O_WRONLY;
		sqe->file_index = 1;
		tell("write", "asked", "f", "", go());
	}
	put(IORING_OP_MKDIRAT, d, "m", 0700, 0);
	tell("mkdir", "asked", "m", "", go());
	put(IORING_OP_MKDIRAT, d, "m", 0700, 0);
	tell("mkdir", "asked", "m", "", go());
	put(IORING_OP_SYMLINKAT, d, "to nowhere", 0, (long)"s");
	tell("symlink", "asked", "s", "=to nowhere", go());
	put(IORING_OP_LINKAT, d, "f", d, (long)"l");
	tell("link", "asked", "f", "l", go());
	put(IORING_OP_RENAMEAT, d, "l", d, (long)"r");
	tell("rename", "asked", "l", "r", go());
	put(IORING_OP_RENAMEAT, d, "none", d, (long)"r");
	tell("rename", "asked", "none", "r", go());
	put(IORING_OP_UNLINKAT, d, "r", 0, 0);
	tell("unlink", "asked", "r", "", go());
	sqe = put(IORING_OP_UNLINKAT, d, "m", 0, 0);
	sqe->unlink_flags = AT_REMOVEDIR;
	tell("unlink", "asked", "m", "", go());
	put(IORING_OP_UNLINKAT, d, "none", 0, 0);
	tell("unlink", "asked", "none", "", go());
	sqe = put(OP_SETXATTR, 0, "user.a", 1, (long)"v");
	sqe->addr3 = (unsigned long)"f";
	tell("setxattr", "asked", "f", "", go());
	put(OP_FSETXATTR, f, "user.b", 1, (long)"v");
	tell("setxattr", "found", "f", "", go());
	put(IORING_OP_FTRUNCATE, f, 0, 0, 100);
	tell("truncate", "found", "f", "", go());
	sqe = put(IORING_OP_FALLOCATE, f, (void *)200, 0, 0);
	tell("truncate", "found", "f", "", go());
	put(IORING_OP_NOP, 0, 0, 0, 0);
	go();
}

/* The first of a chain fails, so the second is never done. */
static void chain(int d)
{
	struct io_uring_sqe *sqe;
	int first, second;

	sqe = put(IORING_OP_UNLINKAT, d, "none", 0, 0);
	sqe->flags |= IOSQE_IO_LINK;
	queue();
	put(IORING_OP_MKDIRAT, d, "never", 0700, 0);
	queue();
	submit(2, 2);
	first = answer();
	second = answer();
	tell("unlink", "asked", "none", "", first);
	tell("mkdir", "asked", "never", "", second);
}

/* Nobody is told of a success. */
static void silent(int d)
{
	struct io_uring_sqe *sqe = put(IORING_OP_MKDIRAT, d, "silent", 0700, 0);

	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	queue();
	submit(1, 0);
	while (access("silent", F_OK))
		submit(0, 0);
	tell("mkdir", "asked", "silent", "", 0);
}

/* More answers than there is room for. */
static void overflow(int d)
{
	unsigned n = params.cq_entries + ENTRIES, i, j;
	char names[ENTRIES][32];

	for (i = 0; i < n; i += ENTRIES) {
		for (j = 0; j < ENTRIES; j++) {
			sprintf(names[j], "o%u", i + j);
			put(IORING_OP_MKDIRAT, d, names[j], 0700, 0);
			queue();
		}
		submit(ENTRIES, 0);
		while (access(names[ENTRIES - 1], F_OK))
			submit(0, 0);
	}
	for (i = 0; i < n; i++)
		answer();
	for (i = 0; i < n; i++) {
		sprintf(names[0], "o%u", i);
		tell("mkdir", "asked", names[0], "", 0);
	}
}

int main(int argc, char **argv)
{
	int d;

	if (argc < 4)
		return 1;
	says = fopen(argv[2], "w");
	if (!says || chdir(argv[1]))
		return 1;
	d = open(".", O_RDONLY | O_DIRECTORY);
	sqpoll = !strcmp(argv[3], "sqpoll");
	if (!strcmp(argv[3], "async"))
		sqe_flags = IOSQE_ASYNC;
	set_up();
	if (!strcmp(argv[3], "overflow")) {
		overflow(d);
	} else {
		each(d);
		if (!strcmp(argv[3], "plain")) {
			chain(d);
			silent(d);
		}
	}
	fclose(says);
	return 0;
}
