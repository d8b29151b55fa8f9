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
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct file **array, *file = NULL;

	if (fd >= BPF_CORE_READ(fdt, max_fds))
		return NULL;
	array = BPF_CORE_READ(fdt, fd);
	bpf_probe_read_kernel(&file, sizeof(file), &array[fd]);
	return file;
}

/* Appends the user's string as segment `i` and mixes it into the hash. */
static __always_inline void add_asked(struct as_room *room, int i, __u64 user, struct sip *s)
{
	__u32 from = room->pos, len, k;
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
	for (k = 0; k < 512; k++) {
		if (k * 8 >= len)
			break;
		sip_word(s, *(__u64 *)&room->data[from + k * 8]);
	}
	sip_word(s, len);
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

/* Where the kernel keeps no resolved path: the string as asked and the directory it starts from. */
static __always_inline void asked(struct task_struct *task, struct as_task *t, __u32 kind,
				  __u32 access, long ret, int dirfd, __u64 user, int dirfd2,
				  __u64 user2, const bool two, const bool cast)
{
	struct path base = {}, base2 = {};
	struct as_fact_key *key;
	struct as_room *room;
	struct sip s;
	__u32 from = 0;

	room = room_get(t->slot, kind);
	if (!room)
		return;
	fill_header(room, t->slot, kind, AS_F_UNRESOLVED | (t->phase ? 0 : AS_F_RUNTIME));
	sip_init(&s);
	add_asked(room, 0, user, &s);
	if (room->r.h.seg[0] == 0 || room->data[0] != '/')
		base_of(task, dirfd, &base);
	sip_word(&s, (__u64)base.dentry);
	sip_word(&s, (__u64)base.mnt);
	if (two) {
		from = room->pos;
		add_asked(room, 2, user2, &s);
		if (room->r.h.seg[2] == 0 || (from <= AS_DATA && room->data[from] != '/'))
			base_of(task, dirfd2, &base2);
		sip_word(&s, (__u64)base2.dentry);
		sip_word(&s, (__u64)base2.mnt);
	}
	key = &room->r.key;
	key->slot = t->slot;
	key->kind_aux = kind | (access | (t->phase ? 0 : AS_A_RUNTIME)) << 8;
	if (ret < 0)
		key->kind_aux |= (__u32)(-ret & 0xfff) << (8 + AS_AUX_ERRNO_SHIFT);
	key->a = sip_first(&s);
	key->b = sip_second(&s);
	key->c = 0;
	if (touch(key) == TOUCH_NEW) {
		fill_actor(&room->r.h, task);
		/* Segments lie in the order 0, 2, 1, 3: both strings, then both directories. */
		if (base.dentry)
			add_path(room, 1, base.dentry, base.mnt, task, cast);
		if (two && base2.dentry)
			add_path(room, 3, base2.dentry, base2.mnt, task, cast);
		hand_over(room);
	}
	room_put(room);
}

static __always_inline void opened(struct task_struct *task, struct as_task *t, __u32 fd,
				   __u64 flags, const bool cast)
{
	struct file *file = file_of(task, fd);
	struct as_fact_key key = {};
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
	/* Read as numbers: they are mixed into the key. */
	mnt = BPF_CORE_READ(file, f_path.mnt);
	inode = PEEK(cast, file, file, f_inode);
	real = PEEK(cast, file, file, f_flags);
	/* The kernel drops the flags that act once. */
	access = access_of((real & ~(O_CREAT | O_TRUNC)) | (flags & (O_CREAT | O_TRUNC)));
	key.slot = t->slot;
	key.kind_aux = AS_OPEN | (access | (t->phase ? 0 : AS_A_RUNTIME)) << 8;
	key.a = PEEK(cast, inode, inode, i_ino);
	/* The same inode under another mount or another root has another path. */
	place = (__u64)mnt * 0x9e3779b97f4a7c15ULL +
		(__u64)BPF_CORE_READ(task, fs, root.dentry) * 0xc2b2ae3d27d4eb4fULL;
	sb = PEEK(cast, inode, inode, i_sb);
	key.b = PEEK(cast, super_block, sb, s_dev) | (place & ~0xffffffffULL);
	parent = (__u64)BPF_CORE_READ(dentry, d_parent);
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

/* Where the arguments of sibling calls lie. */
struct as_call {
	__u64 user;
	__u64 user2;
	__u64 flags;
	int dirfd;
	int dirfd2;
};

static __always_inline void call_of(struct as_call *c, struct task_struct *task,
				    struct pt_regs *regs)
{
	bool compat = is_compat(task);
	__u64 a = call_arg(regs, 0, compat), b = call_arg(regs, 1, compat);
	__u64 d = call_arg(regs, 2, compat), e = call_arg(regs, 3, compat);

	c->dirfd = AT_FDCWD;
	c->dirfd2 = AT_FDCWD;
	c->user = a;
	c->user2 = b;
	c->flags = 0;
	switch (class_of(regs, compat)) {
	case AS_C_OPEN:
		c->flags = b;
		break;
	case AS_C_CREAT:
		c->flags = O_CREAT | O_TRUNC | 1;
		break;
	case AS_C_OPENAT:
		c->dirfd = a;
		c->user = b;
		c->flags = d;
		break;
	case AS_C_OPENAT2:
		c->dirfd = a;
		c->user = b;
		bpf_probe_read_user(&c->flags, sizeof(c->flags), (void *)d);
		break;
	case AS_C_OPENHANDLE:
		/* There is no string: a failure has nothing to say but its error number. */
		c->dirfd = a;
		c->user = 0;
		c->flags = d;
		break;
	case AS_C_EXECVEAT:
	case AS_C_UNLINKAT:
		c->dirfd = a;
		c->user = b;
		break;
	case AS_C_RENAMEAT:
		c->dirfd = a;
		c->user = b;
		c->dirfd2 = d;
		c->user2 = e;
		break;
	}
}

/* One program per family of calls and form of the walk: each costs the verifier a tenth of a second. */
#define HANDLER(name, body)                                                                  \
	static __always_inline void name(struct task_struct *task, struct as_task *t,        \
					 struct as_call *c, long ret, const bool cast)       \
	{                                                                                    \
		body;                                                                        \
	}                                                                                    \
	SEC("?tp_btf/sys_exit")                                                              \
	int BPF_PROG(name##_cast, struct pt_regs *regs, long ret)                            \
	{                                                                                    \
		struct task_struct *task = bpf_get_current_task_btf();                       \
		struct as_task *t = gate(task);                                              \
		struct as_call c;                                                            \
		if (!t)                                                                      \
			return 0;                                                            \
		call_of(&c, task, regs);                                                     \
		name(task, t, &c, ret, true);                                                \
		return 0;                                                                    \
	}                                                                                    \
	SEC("?tp_btf/sys_exit")                                                              \
	int BPF_PROG(name##_probe, struct pt_regs *regs, long ret)                           \
	{                                                                                    \
		struct task_struct *task = bpf_get_current_task_btf();                       \
		struct as_task *t = gate(task);                                              \
		struct as_call c;                                                            \
		if (!t)                                                                      \
			return 0;                                                            \
		call_of(&c, task, regs);                                                     \
		name(task, t, &c, ret, false);                                               \
		return 0;                                                                    \
	}

HANDLER(call_open, {
	if (ret >= 0)
		opened(task, t, ret, c->flags, cast);
	else
		asked(task, t, AS_OPEN_FAILED, access_of(c->flags), ret, c->dirfd, c->user, 0, 0,
		      false, cast);
})
HANDLER(call_exec, {
	if (ret < 0)
		asked(task, t, AS_EXEC_FAILED, 0, ret, c->dirfd, c->user, 0, 0, false, cast);
})
HANDLER(call_unlink, asked(task, t, AS_UNLINK, 0, ret, c->dirfd, c->user, 0, 0, false, cast))
HANDLER(call_rename,
	asked(task, t, AS_RENAME, 0, ret, c->dirfd, c->user, c->dirfd2, c->user2, true, cast))

#endif
