/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What system calls did to paths. Entered by tail call: the task is in scope. */
#ifndef AGENTSEC_FILES_H
#define AGENTSEC_FILES_H

#define O_ACCMODE 3
#if defined(__TARGET_ARCH_x86) || defined(__TARGET_ARCH_arm64)
#define O_CREAT 0100
#define O_TRUNC 01000
#define O_PATH 010000000
#endif

static __always_inline __u32 access_of(__u64 flags)
{
	__u32 mode = flags & O_ACCMODE, access = 0;

	if (flags & O_PATH)
		return AS_A_PATH;
	if (mode == 0 || mode == 2)
		access |= AS_A_READ;
	if (mode == 1 || mode == 2)
		access |= AS_A_WRITE;
	if (mode == 3)
		access |= AS_A_READ | AS_A_WRITE; /* ioctl only, checked for both */
	if (flags & O_CREAT)
		access |= AS_A_CREATE;
	if (flags & O_TRUNC)
		access |= AS_A_TRUNCATE;
	return access;
}

static __always_inline struct file *file_of(struct task_struct *task, __u32 fd)
{
	/* Typed from the task on: plain loads, not probe reads. */
	struct fdtable *fdt = task->files->fdt;
	struct file **array, *file = NULL;

	if (fd >= fdt->max_fds)
		return NULL;
	array = fdt->fd;
	bpf_probe_read_kernel(&file, sizeof(file), &array[fd]);
	return file;
}

/* The same by plain loads only. Any type does whose first member is a pointer. */
static __always_inline struct file *file_at(struct task_struct *task, __u32 fd, const bool cast)
{
	struct fdtable *fdt = task->files->fdt;

	if (!cast)
		return file_of(task, fd);
	if (fd >= fdt->max_fds)
		return NULL;
	return (void *)TYPED(path, &fdt->fd[fd])->mnt;
}

/* Mixes `len` bytes into the room's hash. Not static: verified once in each program. */
__noinline int hash_text(struct as_room *room, __u32 from, __u32 len)
{
	__u32 k;

	if (!room || from > AS_DATA)
		return 0;
	for (k = 0; k < 512; k++) {
		if (k * 8 >= len)
			break;
		sip_word(&room->sip, *(__u64 *)&room->data[from + k * 8]);
	}
	sip_word(&room->sip, len);
	return 0;
}

/* Appends the user's string as segment `i` and mixes it into the hash. */
static __always_inline void add_asked(struct as_room *room, int i, __u64 user)
{
	__u32 from = room->pos, len;
	long n;

	if (from > AS_DATA)
		return;
	n = bpf_probe_read_user_str(&room->data[from], 4096, (void *)user);
	if (n <= 0 || n > 4096) {
		room->r.h.flags |= AS_F_READ_FAULT;
		return;
	}
	len = n;
	/* Zeros behind the string, so that the last word of the hash holds nothing older. */
	*(__u64 *)&room->data[from + (len & 4095)] = 0;
	hash_text(room, from, len);
	if (n == 4096)
		room->r.h.flags |= AS_F_TRUNCATED;
	room->pos = from + len - 1;
	end_segment(room, i, from);
}

/* The directory that a relative path starts from. */
static __always_inline bool base_of(struct task_struct *task, int dirfd, struct path *out)
{
	struct file *file;

	if (dirfd == AT_FDCWD) {
		out->dentry = BPF_CORE_READ(task, fs, pwd.dentry);
		out->mnt = BPF_CORE_READ(task, fs, pwd.mnt);
		return true;
	}
	file = file_of(task, dirfd);
	if (!file)
		return false;
	out->dentry = BPF_CORE_READ(file, f_path.dentry);
	out->mnt = BPF_CORE_READ(file, f_path.mnt);
	return true;
}

/* What a call names, whatever its form. */
struct as_names {
	int dirfd;
	int dirfd2;
	__u64 path;
	__u64 path2;
	__u64 flags;
};

/* Where the kernel keeps no resolved path: the string as asked and the directory it starts from. */
static __always_inline void asked(struct task_struct *task, struct as_task *t, __u32 kind,
				  __u32 access, long ret, struct as_names *n, const bool cast)
{
	struct path base = {}, base2 = {};
	struct as_fact_key *key;
	struct as_room *room;
	__u32 from = 0;

	room = room_get(t->slot, kind);
	if (!room)
		return;
	fill_header(room, t->slot, kind, AS_F_UNRESOLVED | (t->phase ? 0 : AS_F_RUNTIME));
	sip_init(&room->sip, config.key);
	add_asked(room, 0, n->path);
	if (room->r.h.seg[0] == 0 || room->data[0] != '/')
		base_of(task, n->dirfd, &base);
	sip_word(&room->sip, (__u64)base.dentry);
	sip_word(&room->sip, (__u64)base.mnt);
	if (kind == AS_RENAME) {
		from = room->pos;
		add_asked(room, 2, n->path2);
		if (room->r.h.seg[2] == 0 || (from <= AS_DATA && room->data[from] != '/'))
			base_of(task, n->dirfd2, &base2);
		sip_word(&room->sip, (__u64)base2.dentry);
		sip_word(&room->sip, (__u64)base2.mnt);
	}
	key = &room->r.key;
	key->slot = t->slot;
	key->kind_aux = kind | (access | (t->phase ? 0 : AS_A_RUNTIME)) << 8;
	if (ret < 0)
		key->kind_aux |= (__u32)(-ret & 0xfff) << (8 + AS_AUX_ERRNO_SHIFT);
	key->a = sip_first(&room->sip);
	key->b = sip_second(&room->sip);
	key->c = 0;
	if (touch(key) == TOUCH_NEW) {
		fill_actor(&room->r.h, task);
		/* Segments lie in the order 0, 2, 1, 3: both strings, then both directories. */
		if (base.dentry)
			add_path(room, 1, base.dentry, base.mnt, task, cast);
		if (kind == AS_RENAME && base2.dentry)
			add_path(room, 3, base2.dentry, base2.mnt, task, cast);
		hand_over(room);
	}
	room_put(room);
}

static __always_inline void opened(struct task_struct *task, struct as_task *t, __u32 fd,
				   __u64 flags, const bool cast)
{
	struct file *file = file_at(task, fd, cast);
	struct fs_struct *fs = task->fs;
	struct as_fact_key key;
	struct dentry *dentry;
	struct vfsmount *mnt;
	struct inode *inode;
	struct as_room *room;
	struct super_block *sb;
	__u32 access, real;
	__u64 place, parent;

	if (!file) {
		/* Closed by another thread since. */
		count_lost(t->slot, AS_OPEN);
		return;
	}
	dentry = PEEK(cast, file, file, f_path.dentry);
	mnt = PEEK(cast, file, file, f_path.mnt);
	inode = PEEK(cast, file, file, f_inode);
	real = PEEK(cast, file, file, f_flags);
	/* The kernel drops the flags that act once. */
	access = access_of((real & ~(O_CREAT | O_TRUNC)) | (flags & (O_CREAT | O_TRUNC)));
	key.slot = t->slot;
	key.kind_aux = AS_OPEN | (access | (t->phase ? 0 : AS_A_RUNTIME)) << 8;
	key.a = PEEK(cast, inode, inode, i_ino);
	/* The same inode under another mount or another root has another path. */
	place = number_of(cast, mnt) * 0x9e3779b97f4a7c15ULL +
		number_of(true, fs->root.dentry) * 0xc2b2ae3d27d4eb4fULL;
	sb = PEEK(cast, inode, inode, i_sb);
	key.b = PEEK(cast, super_block, sb, s_dev) | (place & ~0xffffffffULL);
	parent = number_of(cast, PEEK(cast, dentry, dentry, d_parent));
	key.c = PEEK(cast, dentry, dentry, d_name.hash_len) ^ parent >> 4;
	if (touch(&key) != TOUCH_NEW)
		return;
	room = room_get(t->slot, AS_OPEN);
	if (!room)
		return;
	fill_header(room, t->slot, AS_OPEN, t->phase ? 0 : AS_F_RUNTIME);
	fill_actor(&room->r.h, task);
	room->r.key = key;
	if ((real ^ flags) & (O_ACCMODE | O_PATH))
		room->r.h.flags |= AS_F_UNSTABLE;
	if (!BPF_CORE_READ(dentry, d_hash.pprev) && BPF_CORE_READ(dentry, d_parent) != dentry)
		room->r.h.flags |= AS_F_DELETED;
	room->r.arg[0] = key.a;
	room->r.arg[1] = (__u32)key.b;
	add_path(room, 0, dentry, mnt, task, cast);
	hand_over(room);
	room_put(room);
}

/* open, creat, openat, openat2, open_by_handle_at. */
static __always_inline void call_open(struct task_struct *task, struct as_task *t,
				      struct pt_regs *regs, long ret, const bool cast)
{
	bool compat = is_compat(task);
	__u32 class = class_of(regs, compat);
	struct as_names n = { .dirfd = AT_FDCWD };

	if (class == AS_C_OPEN || class == AS_C_CREAT) {
		n.path = call_arg(regs, 0, compat);
		n.flags = class == AS_C_CREAT ? O_CREAT | O_TRUNC | 1 : call_arg(regs, 1, compat);
	} else {
		n.dirfd = call_arg(regs, 0, compat);
		n.flags = call_arg(regs, 2, compat);
		/* A handle is no string: its failure has nothing to say but its error number. */
		if (class != AS_C_OPENHANDLE)
			n.path = call_arg(regs, 1, compat);
		if (class == AS_C_OPENAT2) {
			void *how = (void *)n.flags;

			n.flags = 0;
			bpf_probe_read_user(&n.flags, sizeof(n.flags), how);
		}
	}
	if (ret >= 0)
		opened(task, t, ret, n.flags, cast);
	else
		asked(task, t, AS_OPEN_FAILED, access_of(n.flags), ret, &n, cast);
}

/* execve and execveat that failed; unlink, rmdir, unlinkat, rename, renameat, renameat2. */
static __always_inline void call_path(struct task_struct *task, struct as_task *t,
				      struct pt_regs *regs, long ret, const bool cast)
{
	bool compat = is_compat(task);
	__u32 class = class_of(regs, compat), kind;
	struct as_names n = { .dirfd = AT_FDCWD, .dirfd2 = AT_FDCWD };
	bool at = class == AS_C_EXECVEAT || class == AS_C_UNLINKAT || class == AS_C_RENAMEAT;

	if (class == AS_C_EXECVE || class == AS_C_EXECVEAT) {
		if (ret >= 0)
			return;
		kind = AS_EXEC_FAILED;
	} else if (class == AS_C_UNLINK || class == AS_C_UNLINKAT) {
		kind = AS_UNLINK;
	} else {
		kind = AS_RENAME;
		n.dirfd2 = at ? (int)call_arg(regs, 2, compat) : AT_FDCWD;
		n.path2 = at ? call_arg(regs, 3, compat) : call_arg(regs, 1, compat);
	}
	if (at)
		n.dirfd = call_arg(regs, 0, compat);
	n.path = at ? call_arg(regs, 1, compat) : call_arg(regs, 0, compat);
	asked(task, t, kind, 0, ret, &n, cast);
}

#define AS_FORM_cast true
#define AS_FORM_probe false

/* One program per handler and form of the walk. */
#define HANDLER(name, cast)                                                                  \
	SEC("?tp_btf/sys_exit")                                                              \
	int BPF_PROG(name##_##cast, struct pt_regs *regs, long ret)                          \
	{                                                                                    \
		struct task_struct *task = bpf_get_current_task_btf();                       \
		struct as_task *t = gate(task);                                              \
                                                                                             \
		if (t)                                                                       \
			name(task, t, regs, ret, AS_FORM_##cast);                        \
		return 0;                                                                    \
	}

HANDLER(call_open, cast)
HANDLER(call_open, probe)
HANDLER(call_path, cast)
HANDLER(call_path, probe)

#endif
