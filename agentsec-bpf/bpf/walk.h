/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The path of a dentry as the current process sees it: components from the leaf upwards, each
 * followed by a slash; user space turns them round.
 *
 * Two forms with one result: typed loads where the kernel has bpf_rdonly_cast, else probe reads.
 * The state lives in a map value, or the verifier does not converge.
 */
#ifndef AGENTSEC_WALK_H
#define AGENTSEC_WALK_H

extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

#define WALK_STEPS 256
#define WALK_BYTES 4096

#define TYPED(type, ptr) ((struct type *)bpf_rdonly_cast(ptr, bpf_core_type_id_kernel(struct type)))
#define PEEK(cast, type, ptr, field) \
	((cast) ? TYPED(type, ptr)->field : BPF_CORE_READ((struct type *)(ptr), field))

/*
 * An address as a number. The verifier allows no other sum with a typed pointer than a difference
 * of two; what it is taken from is the same as long as the object is loaded. What a probe read
 * gave is a number already.
 */
static __always_inline __u64 number_of(const bool typed, const void *ptr)
{
	__u64 number = (__u64)ptr;

	if (typed)
		asm volatile("%0 -= %1" : "+r"(number) : "r"(&config));
	return number;
}

static __always_inline void walk_start(struct as_room *room, struct dentry *dentry,
				       struct vfsmount *mnt, struct task_struct *task)
{
	struct as_walk *w = &room->walk;
	struct fs_struct *fs = task->fs;

	w->dentry = dentry;
	w->mnt = mnt;
	w->mnt_root = BPF_CORE_READ(mnt, mnt_root);
	w->root_dentry = fs->root.dentry;
	w->root_mnt = fs->root.mnt;
}

/* Appends one name; false when there is no room. */
static __always_inline bool append_name(struct as_room *room, const unsigned char *name, __u32 len,
					__u32 from)
{
	__u32 pos = room->pos;

	if (pos - from > WALK_BYTES - 256 || pos > AS_DATA)
		return false;
	if (len > 255)
		len = 255;
	if (bpf_probe_read_kernel(&room->data[pos], len, name))
		return false;
	pos += len;
	if (pos > AS_DATA + 255)
		return false;
	room->data[pos] = '/';
	room->pos = pos + 1;
	return true;
}

#define WALK_ON (~0u)

/* One step upwards: WALK_ON, or the flags of the walk's end. */
static __always_inline __u32 climb(struct as_room *room, __u32 from, const bool cast)
{
	struct as_walk *w = &room->walk;
	struct dentry *d = w->dentry, *parent;

	if (d == w->root_dentry && w->mnt == w->root_mnt)
		return 0;
	if (d == w->mnt_root) {
		__u64 offset = bpf_core_field_offset(struct mount, mnt);
		void *m = (void *)w->mnt - offset;
		struct mount *up = PEEK(cast, mount, m, mnt_parent);

		if (up != m) {
			/* Named: a relocated read of our own struct's field would relocate both. */
			struct vfsmount *mnt = (void *)up + offset;

			w->dentry = PEEK(cast, mount, m, mnt_mountpoint);
			w->mnt = mnt;
			w->mnt_root = PEEK(cast, vfsmount, mnt, mnt_root);
			return WALK_ON;
		}
	}
	parent = PEEK(cast, dentry, d, d_parent);
	if (parent == d) {
		/* The root of something this process cannot reach, or no tree at all. */
		if (room->pos == from)
			append_name(room, PEEK(cast, dentry, d, d_name.name),
				    PEEK(cast, dentry, d, d_name.hash_len) >> 32, from);
		return AS_F_UNREACHABLE;
	}
	if (!append_name(room, PEEK(cast, dentry, d, d_name.name),
			 PEEK(cast, dentry, d, d_name.hash_len) >> 32, from))
		return AS_F_TRUNCATED;
	w->dentry = parent;
	return WALK_ON;
}

struct as_climb {
	struct as_room *room;
	__u32 from;
	__u32 end;
};

static long climb_on(__u32 i, struct as_climb *c)
{
	c->end = climb(c->room, c->from, true);
	return c->end != WALK_ON;
}

/*
 * Not static: the verifier looks at it once in each program, not at each call. Kernels with typed
 * loads have bpf_loop too, whose steps it looks at once, not each in turn.
 */
__noinline int walk_cast(struct as_room *room)
{
	struct as_climb c = { .room = room, .end = WALK_ON };

	if (!room)
		return 0;
	c.from = room->pos;
	bpf_loop(WALK_STEPS, climb_on, &c, 0);
	return c.end == WALK_ON ? AS_F_TRUNCATED : c.end;
}

__noinline int walk_probe(struct as_room *room)
{
	__u32 from, end;
	int i;

	if (!room)
		return 0;
	from = room->pos;
	for (i = 0; i < WALK_STEPS; i++) {
		end = climb(room, from, false);
		if (end != WALK_ON)
			return end;
	}
	return AS_F_TRUNCATED;
}

/* Appends the path of `dentry` as segment `i`. */
static __always_inline void add_path(struct as_room *room, int i, struct dentry *dentry,
				     struct vfsmount *mnt, struct task_struct *task, const bool cast)
{
	__u32 from = room->pos;

	walk_start(room, dentry, mnt, task);
	room->r.h.flags |= cast ? walk_cast(room) : walk_probe(room);
	end_segment(room, i, from);
}

#endif
