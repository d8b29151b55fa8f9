/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What system calls did to files besides opening them. A table says which kind of record a call
 * makes, its class says where its arguments are.
 */
#ifndef AGENTSEC_PATHS_H
#define AGENTSEC_PATHS_H

#define FALLOC_FL_KEEP_SIZE 1
#define PROT_EXEC 4
#define MAP_ANONYMOUS 0x20

static __always_inline __u32 kind_of(struct pt_regs *regs, bool compat)
{
	return config.sys_kind[compat][call_number(regs) & (AS_SYSCALLS - 1)];
}

/* The number that is all the rest of a string, -1: it is none. */
static __always_inline int number_at(const char *text)
{
	int i, n = 0;

	for (i = 0; i < 8 && text[i]; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		n = n * 10 + text[i] - '0';
	}
	return i && !text[i] ? n : -1;
}

/*
 * The descriptor that the path of a call that succeeded means, -1: none. An empty one means the
 * one it starts from (AT_EMPTY_PATH, else it fails); procfs has names for the rest.
 */
static __noinline int descriptor_meant(__u64 path, int dirfd)
{
	char text[40] = {};

	if (path)
		bpf_probe_read_user_str(text, 32, (void *)path);
	if (!text[0])
		return dirfd;
	if (!__builtin_memcmp(text, "/proc/self/fd/", 14))
		return number_at(text + 14);
	if (!__builtin_memcmp(text, "/proc/thread-self/fd/", 21))
		return number_at(text + 21);
	if (!__builtin_memcmp(text, "/dev/fd/", 8))
		return number_at(text + 8);
	return -1;
}

/* What these do to a link of procfs, they do to the file. */
static __always_inline bool follows(__u32 kind)
{
	return kind == AS_LINK || kind == AS_CHMOD || kind == AS_CHOWN || kind == AS_TRUNCATE ||
	       kind == AS_SETXATTR || kind == AS_REMOVEXATTR;
}

/* execve and execveat that failed; everything else that names a path or has a descriptor. */
static __always_inline void handle_path(struct task_struct *task, struct as_task *t,
				      struct pt_regs *regs, long ret, const bool cast)
{
	bool compat = is_compat(task), at, by_fd;
	__u32 class = class_of(regs, compat), kind = kind_of(regs, compat);
	struct as_names n = { .dirfd = AT_FDCWD, .dirfd2 = AT_FDCWD };
	struct file *file;

	if (class == AS_C_EXECVE || class == AS_C_EXECVEAT) {
		if (ret >= 0)
			return;
		kind = AS_EXEC_FAILED;
	}
	by_fd = class == AS_C_FD || class == AS_C_FALLOCATE;
	at = class == AS_C_EXECVEAT || class == AS_C_PATHAT || class == AS_C_TWOAT;
	n.path = call_arg(regs, 0, compat);
	if (at || by_fd) {
		n.dirfd = (int)n.path;
		n.path = call_arg(regs, 1, compat);
	}
	if (class == AS_C_TWO) {
		n.path2 = call_arg(regs, 1, compat);
	} else if (class == AS_C_TWOAT) {
		n.dirfd2 = (int)call_arg(regs, 2, compat);
		n.path2 = call_arg(regs, 3, compat);
	} else if (class == AS_C_SYMLINK || class == AS_C_SYMLINKAT) {
		n.path2 = n.path;
		n.path = call_arg(regs, 1, compat);
		if (class == AS_C_SYMLINKAT) {
			n.dirfd = (int)n.path;
			n.path = call_arg(regs, 2, compat);
		}
	}
	if (kind == AS_CHMOD)
		n.mode = (at ? call_arg(regs, 2, compat) : call_arg(regs, 1, compat)) & 07777;
	/* Room in advance changes nothing that anybody sees. */
	if (class == AS_C_FALLOCATE && n.path == FALLOC_FL_KEEP_SIZE)
		return;
	if (ret >= 0 && follows(kind) && !by_fd) {
		int fd = descriptor_meant(n.path, n.dirfd);

		if (fd >= 0) {
			n.dirfd = fd;
			by_fd = kind != AS_LINK;
			/* Then what it starts from is all there is. */
			n.no_path = true;
		}
	}
	if (by_fd) {
		file = file_of(task, n.dirfd);
		if (file) {
			done_to(task, t, kind, file, ret, n.mode, cast);
			return;
		}
		if (ret >= 0) {
			/* Closed by another thread since. */
			count_lost(t->slot, kind);
			return;
		}
		n.no_path = true;
	}
	asked(task, t, kind, 0, ret, &n, cast);
}

PATH_HANDLER(path)

struct as_mapped {
	__u64 file;
	__u64 end;
};

static long look_at_area(struct task_struct *task, struct vm_area_struct *area, void *context)
{
	struct as_mapped *found = context;

	found->file = (__u64)BPF_CORE_READ(area, vm_file);
	found->end = BPF_CORE_READ(area, vm_end);
	return 0;
}

/* Areas of one mprotect that are looked at; a program has a handful that lie side by side. */
#define AREAS 16

/* A file becomes code by the protection of memory that it is mapped to already. */
static __always_inline void protected(struct task_struct *task, struct as_task *t, __u64 from,
					 __u64 length, const bool cast)
{
	__u64 to = from + length, last = 0;
	bool anonymous = false;
	int i;

	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_find_vma))
		return;
	for (i = 0; i < AREAS && from < to; i++) {
		struct as_mapped found = {};
		long err = bpf_find_vma(task, from, look_at_area, &found, 0);

		if (err || found.end <= from) {
			/* Another thread is changing the map. */
			if (err && err != -ENOENT)
				count_lost(t->slot, AS_MAP_EXEC);
			break;
		}
		if (!found.file)
			anonymous = true;
		if (found.file && found.file != last)
			done_to(task, t, AS_MAP_EXEC, (struct file *)found.file, 0, 0, cast);
		last = found.file;
		from = found.end;
	}
	if (i == AREAS && from < to)
		count_lost(t->slot, AS_MAP_EXEC);
	if (anonymous)
		act(t, AS_ACT_EXECUTABLE_MEMORY, 0, 0, 0);
}

/* mmap and mprotect that make code of a file. */
static __always_inline void handle_map(struct task_struct *task, struct as_task *t,
				     struct pt_regs *regs, long ret, const bool cast)
{
	bool compat = is_compat(task);
	__u32 class = class_of(regs, compat);
	bool failed = ret < 0 && ret >= -4095;
	struct file *file;
	__u32 old[6] = {};
	__u64 fd, flags;

	if (class == AS_C_MMAP_OLD) {
		if (bpf_probe_read_user(old, sizeof(old), (void *)call_arg(regs, 0, compat))) {
			count_lost(t->slot, AS_MAP_EXEC);
			return;
		}
		if (!(old[2] & PROT_EXEC))
			return;
		flags = old[3];
		fd = old[4];
	} else {
		if (!(call_arg(regs, 2, compat) & PROT_EXEC))
			return;
		flags = call_arg(regs, 3, compat);
		fd = call_arg(regs, 4, compat);
	}
	if (class == AS_C_MPROTECT) {
		if (!failed)
			protected(task, t, call_arg(regs, 0, compat),
				     call_arg(regs, 1, compat), cast);
		return;
	}
	if (flags & MAP_ANONYMOUS) {
		act(t, AS_ACT_EXECUTABLE_MEMORY, 0, failed ? ret : 0, 0);
		return;
	}
	file = file_of(task, (__u32)fd);
	if (file)
		done_to(task, t, AS_MAP_EXEC, file, ret, 0, cast);
	else if (!failed)
		count_lost(t->slot, AS_MAP_EXEC); /* closed by another thread since */
}

PATH_HANDLER(map)

#endif
