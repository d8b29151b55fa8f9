/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What system calls did to paths. Entered by tail call: the task is in scope. */
#ifndef AGENTSEC_FILES_H
#define AGENTSEC_FILES_H

#define O_ACCMODE 3
#define FMODE_CREATED (1u << 20)
#define S_IFMT 0170000
#define S_IFREG 0100000
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

struct as_mixing {
	struct as_room *room;
	__u32 from;
	__u32 words;
};

static long mix_word(__u32 k, struct as_mixing *m)
{
	if (m->from > AS_DATA || k >= 512 || k >= m->words)
		return 1;
	sip_word(&m->room->sip, *(__u64 *)&m->room->data[m->from + k * 8]);
	return 0;
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
	struct as_mixing m = { .room = room, .from = from, .words = (len + 7) / 8 };
	__u32 k;

	if (!room || from > AS_DATA)
		return 0;
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) {
		bpf_loop(512, mix_word, &m, 0);
	} else {
		for (k = 0; k < 512; k++)
			if (mix_word(k, &m))
				break;
	}
	sip_word(&room->sip, len);
	return 0;
}

/* The longest that the kernel takes ends just where we stop reading. */
static __always_inline bool ends_at(__u64 text, const bool kernel)
{
	char last = 1;

	if (kernel)
		bpf_probe_read_kernel(&last, 1, (void *)text);
	else
		bpf_probe_read_user(&last, 1, (void *)text);
	return !last;
}

/* Appends a string as segment `i` and mixes it into the hash; the user's, or the kernel's copy. */
static __always_inline void add_asked(struct as_room *room, int i, __u64 text, const bool kernel)
{
	__u32 from = room->pos, len;
	long n;

	if (from > AS_DATA)
		return;
	if (!text) {
		room->r.h.flags |= AS_F_NOT_COLLECTED;
		return;
	}
	n = kernel ? bpf_probe_read_kernel_str(&room->data[from], 4096, (void *)text) :
		     bpf_probe_read_user_str(&room->data[from], 4096, (void *)text);
	if (n <= 0 || n > 4096) {
		room->r.h.flags |= AS_F_READ_FAULT;
		return;
	}
	len = n;
	/* Zeros behind the string, so that the last word of the hash holds nothing older. */
	*(__u64 *)&room->data[from + 1 + ((len - 1) & 4095)] = 0;
	hash_text(room, from, len);
	if (len == 4096 && !ends_at(text + 4095, kernel)) {
		room->r.h.flags |= AS_F_TRUNCATED;
		sip_word(&room->sip, AS_F_TRUNCATED);
	}
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
	__u32 mode;   /* of a change of permissions */
	bool no_path; /* nothing but dirfd, which may lead nowhere */
};

static __always_inline bool names_two(__u32 kind)
{
	return kind == AS_RENAME || kind == AS_LINK || kind == AS_SYMLINK;
}

/*
 * Where the kernel keeps no resolved path: the string as asked and the directory it starts from.
 * Fills the room's key and strings; the directories are walked by asked_from.
 */
static __always_inline void asked_key(struct as_room *room, struct task_struct *task,
				      struct as_task *t, __u32 kind, __u32 access, long ret,
				      struct as_names *n, struct path *base, struct path *base2,
				      const bool kernel)
{
	struct as_fact_key *key = &room->r.key;
	__u32 from;

	fill_header(room, t->slot, kind, AS_F_UNRESOLVED | (t->phase ? 0 : AS_F_RUNTIME));
	sip_init(&room->sip, config.key);
	if (!n->no_path)
		add_asked(room, 0, n->path, kernel);
	if ((room->r.h.seg[0] == 0 || room->data[0] != '/') && !base_of(task, n->dirfd, base))
		room->r.h.flags |= AS_F_NOT_COLLECTED;
	sip_word(&room->sip, (__u64)base->dentry);
	sip_word(&room->sip, (__u64)base->mnt);
	if (names_two(kind)) {
		from = room->pos;
		add_asked(room, 2, n->path2, kernel);
		/* What a symbolic link says starts nowhere. */
		if (kind != AS_SYMLINK &&
		    (room->r.h.seg[2] == 0 || (from <= AS_DATA && room->data[from] != '/')) &&
		    !base_of(task, n->dirfd2, base2))
			room->r.h.flags |= AS_F_NOT_COLLECTED;
		sip_word(&room->sip, (__u64)base2->dentry);
		sip_word(&room->sip, (__u64)base2->mnt);
	}
	room->r.arg[1] = (__u64)n->mode << 32;
	key->slot = t->slot;
	key->kind_aux = kind | access << 8 | label_bits(t) | error_bits(ret);
	key->a = sip_first(&room->sip);
	key->b = sip_second(&room->sip);
	key->c = n->mode;
}

/* Segments lie in the order 0, 2, 1, 3: both strings, then both directories. */
static __always_inline void asked_from(struct as_room *room, struct task_struct *task,
				       struct path *base, struct path *base2, const bool cast)
{
	fill_actor(&room->r.h, task);
	if (base->dentry)
		add_path(room, 1, base->dentry, base->mnt, task, cast);
	if (base2->dentry)
		add_path(room, 3, base2->dentry, base2->mnt, task, cast);
}

static __always_inline void asked(struct task_struct *task, struct as_task *t, __u32 kind,
				  __u32 access, long ret, struct as_names *n, const bool cast)
{
	struct path base = {}, base2 = {};
	struct as_room *room;

	room = room_get(t->slot, kind);
	if (!room)
		return;
	asked_key(room, task, t, kind, access, ret, n, &base, &base2, false);
	if (touch(&room->r.key) == TOUCH_NEW) {
		asked_from(room, task, &base, &base2, cast);
		hand_over(room);
	}
	room_put(room);
}

/* Identity of a file: its inode, and the mount and the name that it was reached by. */
static __always_inline void file_key(struct as_fact_key *key, struct task_struct *task,
				     struct file *file, const bool cast)
{
	struct dentry *dentry = PEEK(cast, file, file, f_path.dentry);
	struct vfsmount *mnt = PEEK(cast, file, file, f_path.mnt);
	struct inode *inode = PEEK(cast, file, file, f_inode);
	struct fs_struct *fs = task->fs;
	struct super_block *sb;
	__u64 place, parent;

	key->a = PEEK(cast, inode, inode, i_ino);
	/* The same inode under another mount or another root has another path. */
	place = number_of(cast, mnt) * 0x9e3779b97f4a7c15ULL +
		number_of(true, fs->root.dentry) * 0xc2b2ae3d27d4eb4fULL;
	sb = PEEK(cast, inode, inode, i_sb);
	key->b = PEEK(cast, super_block, sb, s_dev) | (place & ~0xffffffffULL);
	parent = number_of(cast, PEEK(cast, dentry, dentry, d_parent));
	key->c = PEEK(cast, dentry, dentry, d_name.hash_len) ^ parent >> 4;
}

/* Delivers what is new about a file that the kernel has at hand. */
static __always_inline int first_sight(struct as_fact_key *key, struct file *file, __u32 flags,
				       __u32 mode, const bool cast)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 kind = key->kind_aux & 0xff;
	struct as_room *room = room_try();
	struct dentry *dentry;

	if (!room)
		return 0;
	fill_header(room, key->slot, kind, flags);
	fill_actor(&room->r.h, task);
	room->r.key = *key;
	dentry = BPF_CORE_READ(file, f_path.dentry);
	if (!BPF_CORE_READ(dentry, d_hash.pprev) && BPF_CORE_READ(dentry, d_parent) != dentry)
		room->r.h.flags |= AS_F_DELETED;
	room->r.arg[0] = key->a;
	room->r.arg[1] = (__u32)key->b | (__u64)mode << 32;
	add_path(room, 0, dentry, BPF_CORE_READ(file, f_path.mnt), task, cast);
	hand_over(room);
	room_put(room);
	return 0;
}

/* Not static, as the walks: looked at once in each program. */
__noinline int first_sight_cast(struct as_fact_key *key, __u64 file, __u32 flags, __u32 mode)
{
	return key ? first_sight(key, (struct file *)file, flags, mode, true) : 0;
}

__noinline int first_sight_probe(struct as_fact_key *key, __u64 file, __u32 flags, __u32 mode)
{
	return key ? first_sight(key, (struct file *)file, flags, mode, false) : 0;
}

static __always_inline void sight(struct as_fact_key *key, struct file *file, __u32 flags,
				  __u32 mode, const bool cast)
{
	if (touch(key) != TOUCH_NEW)
		return;
	if (cast)
		first_sight_cast(key, (__u64)file, flags, mode);
	else
		first_sight_probe(key, (__u64)file, flags, mode);
}

/* What was done to a file that the call has by a descriptor. */
static __always_inline void done_to(struct task_struct *task, struct as_task *t, __u32 kind,
				    struct file *file, long ret, __u32 mode, const bool cast)
{
	struct as_fact_key key = {};

	key.slot = t->slot;
	key.kind_aux = kind | label_bits(t) | error_bits(ret);
	file_key(&key, task, file, cast);
	/* Each mode is a fact of its own. */
	key.c ^= (__u64)mode << 48;
	sight(&key, file, t->phase ? 0 : AS_F_RUNTIME, mode, cast);
}

#endif
