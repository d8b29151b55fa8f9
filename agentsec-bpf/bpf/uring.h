/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is done through an io_uring makes no system call of its own. A request shows its names
 * when it is submitted, and its result when it completes: in between, what is known of it waits.
 * Whoever submits or completes it, a thread of the kernel included, acts for the ring's owner.
 */
#ifndef AGENTSEC_URING_H
#define AGENTSEC_URING_H

enum {
	IORING_OP_FALLOCATE = 17,
	IORING_OP_OPENAT = 18,
	IORING_OP_OPENAT2 = 28,
	IORING_OP_RENAMEAT = 35,
	IORING_OP_UNLINKAT = 36,
	IORING_OP_MKDIRAT = 37,
	IORING_OP_SYMLINKAT = 38,
	IORING_OP_LINKAT = 39,
	IORING_OP_FSETXATTR = 41,
	IORING_OP_SETXATTR = 42,
	IORING_OP_FTRUNCATE = 55,
};

/* It completes without a word, unless it fails. */
#define REQ_F_CQE_SKIP (1u << 6)

/* Requests under way, by address; full: counted as lost. An entry is taken out on completion. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct as_spill_small);
} requests_small SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct as_spill_large);
} requests_large SEC(".maps");

/* What an operation makes, 0: nothing of a file's. */
static __always_inline __u32 kind_of_operation(__u32 opcode)
{
	switch (opcode) {
	case IORING_OP_OPENAT:
	case IORING_OP_OPENAT2:
		return AS_OPEN_FAILED;
	case IORING_OP_RENAMEAT:
		return AS_RENAME;
	case IORING_OP_UNLINKAT:
		return AS_UNLINK;
	case IORING_OP_MKDIRAT:
		return AS_MKDIR;
	case IORING_OP_SYMLINKAT:
		return AS_SYMLINK;
	case IORING_OP_LINKAT:
		return AS_LINK;
	case IORING_OP_SETXATTR:
	case IORING_OP_FSETXATTR:
		return AS_SETXATTR;
	case IORING_OP_FTRUNCATE:
	case IORING_OP_FALLOCATE:
		return AS_TRUNCATE;
	default:
		return 0;
	}
}

/* These have a file, not a name. */
static __always_inline bool has_file(__u32 opcode)
{
	return opcode == IORING_OP_FSETXATTR || opcode == IORING_OP_FTRUNCATE ||
	       opcode == IORING_OP_FALLOCATE;
}

static __always_inline __u64 name_of(struct filename *name)
{
	return (__u64)BPF_CORE_READ(name, name);
}

/* Commands lie at the beginning of a request. */
static __always_inline void names_of(void *req, __u32 opcode, struct as_names *n, __u32 *direct)
{
	struct io_open *open = req;
	struct io_rename *rename = req;
	struct io_unlink *unlink = req;
	struct io_mkdir *mkdir = req;
	struct io_link *link = req;
	struct io_xattr *xattr = req;

	n->dirfd = AT_FDCWD;
	n->dirfd2 = AT_FDCWD;
	switch (opcode) {
	case IORING_OP_OPENAT:
	case IORING_OP_OPENAT2:
		n->dirfd = BPF_CORE_READ(open, dfd);
		n->path = name_of(BPF_CORE_READ(open, filename));
		n->flags = BPF_CORE_READ(open, how.flags);
		*direct = BPF_CORE_READ(open, file_slot);
		break;
	case IORING_OP_RENAMEAT:
		n->dirfd = BPF_CORE_READ(rename, old_dfd);
		n->path = name_of(BPF_CORE_READ(rename, oldpath));
		n->dirfd2 = BPF_CORE_READ(rename, new_dfd);
		n->path2 = name_of(BPF_CORE_READ(rename, newpath));
		break;
	case IORING_OP_UNLINKAT:
		n->dirfd = BPF_CORE_READ(unlink, dfd);
		n->path = name_of(BPF_CORE_READ(unlink, filename));
		break;
	case IORING_OP_MKDIRAT:
		n->dirfd = BPF_CORE_READ(mkdir, dfd);
		n->path = name_of(BPF_CORE_READ(mkdir, filename));
		break;
	case IORING_OP_SYMLINKAT:
		n->dirfd = BPF_CORE_READ(link, new_dfd);
		n->path = name_of(BPF_CORE_READ(link, newpath));
		n->path2 = name_of(BPF_CORE_READ(link, oldpath));
		break;
	case IORING_OP_LINKAT:
		n->dirfd = BPF_CORE_READ(link, old_dfd);
		n->path = name_of(BPF_CORE_READ(link, oldpath));
		n->dirfd2 = BPF_CORE_READ(link, new_dfd);
		n->path2 = name_of(BPF_CORE_READ(link, newpath));
		break;
	default:
		n->path = name_of(BPF_CORE_READ(xattr, filename));
		break;
	}
}

/* The record of a request that waited, now with its result. */
static __always_inline void finish(struct as_room *room, __s32 res)
{
	struct as_record *r = &room->r;

	if (res < 0) {
		r->key.kind_aux |= error_bits(res);
	} else if (r->h.kind == AS_OPEN_FAILED) {
		/* It succeeded, but there is no descriptor to resolve it by. */
		r->h.kind = AS_OPEN;
		r->key.kind_aux = (r->key.kind_aux & ~0xffu) | AS_OPEN;
	}
	if (touch(&r->key) == TOUCH_NEW)
		hand_over(room);
}

/* What an answer without a request can be told by. */
static __always_inline __u64 mark_of_answer(void *ring, __u64 user_data)
{
	return (__u64)ring * 0x9e3779b97f4a7c15ULL + user_data;
}

/* Takes what waited of a request; NULL: nothing, or its scope has ended. Give the room back. */
static __noinline struct as_room *take(__u64 req)
{
	struct as_cpu *cpu = this_cpu();
	struct as_room *room = NULL;
	void *waiting;
	struct as_header h;
	__u32 size;

	waiting = bpf_map_lookup_elem(&requests_small, &req);
	if (!waiting)
		waiting = bpf_map_lookup_elem(&requests_large, &req);
	if (!waiting)
		return NULL;
	bpf_probe_read_kernel(&h, sizeof(h), waiting);
	/* Slots are used again. */
	if (is_live(h.slot, h.seq))
		room = room_get(h.slot, h.kind);
	if (room) {
		size = h.size;
		if (size < sizeof(struct as_record) || size > AS_SPILL_LARGE)
			size = sizeof(struct as_record);
		bpf_probe_read_kernel(room, size, waiting);
		room->pos = size - sizeof(struct as_record);
		room->r.h.cpu = bpf_get_smp_processor_id();
		room->r.h.time = bpf_ktime_get_boot_ns();
		room->r.h.seq = cpu ? cpu->seq++ : 0;
	}
	bpf_map_delete_elem(&requests_small, &req);
	bpf_map_delete_elem(&requests_large, &req);
	return room;
}

struct as_sought {
	__u64 mark;
	__u64 req;
};

static long is_sought(void *map, __u64 *req, struct as_record *waiting, struct as_sought *sought)
{
	if (waiting->arg[1] != sought->mark)
		return 0;
	sought->req = *req;
	return 1;
}

/*
 * Takes a request that an answer can belong to where it names none. Requests that share their
 * answers' mark may be mixed up, which their flag says; none is told twice, or never.
 */
static __always_inline struct as_room *take_by_mark(__u64 mark)
{
	struct as_sought sought = { .mark = mark };
	struct as_room *room;

	bpf_for_each_map_elem(&requests_small, is_sought, &sought, 0);
	if (!sought.req)
		bpf_for_each_map_elem(&requests_large, is_sought, &sought, 0);
	if (!sought.req)
		return NULL;
	room = take(sought.req);
	if (room)
		room->r.h.flags |= AS_F_UNSTABLE;
	return room;
}

static __always_inline void submitted(void *req, const bool cast)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct as_task *t = gate(task);
	struct path base = {}, base2 = {};
	struct as_names n = {};
	struct io_kiocb *r = req;
	__u32 opcode, kind, access = 0, direct = 0;
	__u64 address = (__u64)req;
	struct as_room *room;
	long err;

	if (!t || is_consumer(task))
		return;
	opcode = BPF_CORE_READ(r, opcode);
	kind = kind_of_operation(opcode);
	if (!kind) {
		act(t, AS_ACT_IO_URING_OPERATION, opcode, 0, 0);
		return;
	}
	if (has_file(opcode))
		return;
	/* Its address is used again, so the one before is over, and nobody heard of it. */
	room = take(address);
	if (room) {
		room->r.h.flags |= AS_F_UNSTABLE;
		room->r.arg[0] = 0;
		room->r.arg[1] = 0;
		finish(room, 0);
		room_put(room);
	}
	names_of(req, opcode, &n, &direct);
	if (kind == AS_OPEN_FAILED)
		access = access_of(n.flags);
	room = room_get(t->slot, kind);
	if (!room)
		return;
	asked_key(room, task, t, kind, access, 0, &n, &base, &base2, true);
	asked_from(room, task, &base, &base2, cast);
	/* Until its result is known: */
	room->r.arg[0] = (__u64)direct << 32 | (__u32)n.flags;
	room->r.arg[1] = mark_of_answer(BPF_CORE_READ(r, ctx), BPF_CORE_READ(r, cqe.user_data));
	room->r.h.size = record_size(room);
	if (BPF_CORE_READ(r, flags) & REQ_F_CQE_SKIP) {
		room->r.h.flags |= AS_F_UNSTABLE;
		room->r.arg[0] = 0;
		room->r.arg[1] = 0;
		finish(room, 0);
	} else {
		err = -1;
		room->r.h.seq = scope_id(t->slot);
		if (room->r.h.size <= AS_SPILL_SMALL)
			err = bpf_map_update_elem(&requests_small, &address, room, BPF_ANY);
		else if (room->r.h.size <= AS_SPILL_LARGE)
			err = bpf_map_update_elem(&requests_large, &address, room, BPF_ANY);
		if (err)
			count_lost(t->slot, kind);
	}
	room_put(room);
}

/* The result of a request that waited. */
static __always_inline void answered(struct as_room *room, __s32 res, const bool cast)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct as_task *t = gate(task);
	__u64 waited = room->r.arg[0];
	bool by_fd = t && room->r.h.kind == AS_OPEN_FAILED && res >= 0 && !(waited >> 32) &&
		     room->r.h.tgid == task->tgid;

	room->r.arg[0] = 0;
	room->r.arg[1] = 0;
	if (!by_fd)
		finish(room, res);
	room_put(room);
	if (by_fd)
		opened(task, t, res, (__u32)waited, cast);
}

static __always_inline void completed(void *req, const bool cast)
{
	struct io_kiocb *r = req;
	struct as_room *room;
	struct as_task *t;
	struct file *file;
	__u32 opcode, kind;

	/* One of several answers to the same request. */
	if (!req)
		return;
	opcode = BPF_CORE_READ(r, opcode);
	kind = kind_of_operation(opcode);
	if (!kind)
		return;
	if (has_file(opcode)) {
		struct task_struct *task = bpf_get_current_task_btf();

		t = gate(task);
		file = BPF_CORE_READ(r, file);
		if (t && file)
			done_to(task, t, kind, file, BPF_CORE_READ(r, cqe.res), 0, cast);
		return;
	}
	room = take((__u64)req);
	/* Taken for another's answer, which then is this one's to give. */
	if (!room && gate(bpf_get_current_task_btf()))
		room = take_by_mark(mark_of_answer(BPF_CORE_READ(r, ctx),
						   BPF_CORE_READ(r, cqe.user_data)));
	if (room)
		answered(room, BPF_CORE_READ(r, cqe.res), cast);
}

/* The answer found no room, and names no request: nor can a descriptor be certain. */
static __always_inline void overflowed(void *ring, __u64 user_data, __s32 res)
{
	struct as_room *room;

	if (!gate(bpf_get_current_task_btf()))
		return;
	room = take_by_mark(mark_of_answer(ring, user_data));
	if (!room)
		return;
	room->r.arg[0] = 0;
	room->r.arg[1] = 0;
	finish(room, res);
	room_put(room);
}

#define URING(form, cast)                                                                    \
	SEC("?tp_btf/io_uring_submit_req")                                                   \
	int BPF_PROG(uring_req_##form, void *req)                                            \
	{                                                                                    \
		submitted(req, cast);                                                        \
		return 0;                                                                    \
	}                                                                                    \
                                                                                             \
	/* Its name before 6.4. */                                                           \
	SEC("?tp_btf/io_uring_submit_sqe")                                                   \
	int BPF_PROG(uring_sqe_##form, void *req)                                            \
	{                                                                                    \
		submitted(req, cast);                                                        \
		return 0;                                                                    \
	}                                                                                    \
                                                                                             \
	SEC("?tp_btf/io_uring_complete")                                                     \
	int BPF_PROG(uring_complete_##form, void *ring, void *req)                           \
	{                                                                                    \
		completed(req, cast);                                                        \
		return 0;                                                                    \
	}

URING(cast, true)
URING(probe, false)

SEC("tp_btf/io_uring_cqe_overflow")
int BPF_PROG(uring_overflow, void *ring, __u64 user_data, __s32 res)
{
	overflowed(ring, user_data, res);
	return 0;
}

#endif
