/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Life of processes: the label is inherited before a child runs, and follows its cgroup. */
#ifndef AGENTSEC_PROCESS_H
#define AGENTSEC_PROCESS_H

/* Labels a task that has none; phase: whether what it does next is the workload's own. */
static __always_inline struct as_task *mark(struct task_struct *task, __u64 cgroup, __u32 tree,
					    __u64 tree_id, __u8 phase)
{
	struct as_task *t = bpf_task_storage_get(&tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!t)
		return NULL;
	t->tree = tree;
	t->tree_id = tree_id;
	t->phase = phase;
	label(t, cgroup);
	return t;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(on_newtask, struct task_struct *child, __u64 clone_flags)
{
	struct task_struct *parent = bpf_get_current_task_btf();
	struct as_task *p = gate(parent);
	__u64 cgroup = cgroup_of(child);
	__u32 slot = slot_of_cgroup(cgroup), tree = 0;
	__u64 tree_id = 0;
	struct as_room *room;
	struct as_task *t;
	__u8 phase = 0;

	if (control.log_forks && !(clone_flags & CLONE_THREAD)) {
		__u32 c = child->tgid, q = parent->tgid;

		if (bpf_map_update_elem(&fork_log, &c, &q, BPF_ANY))
			add_one(&state.forks_missed);
	}
	if (p) {
		tree = live_tree(p);
		tree_id = p->tree_id;
		if (tree || p->slot == slot)
			phase = p->phase;
	}
	if (!tree && !slot)
		return 0;
	t = mark(child, cgroup, tree, tree_id, phase);
	if (!t) {
		count_lost(tree ? tree : slot, AS_FORK);
		return 0;
	}
	/* Forked in a handler: the child returns from it as well. */
	if (p && !(clone_flags & CLONE_VM))
		t->handlers = p->handlers;
	if (!t->slot || (clone_flags & CLONE_THREAD))
		return 0;
	room = room_get(t->slot, AS_FORK);
	if (!room)
		return 0;
	fill_header(room, t->slot, AS_FORK, t->phase ? 0 : AS_F_RUNTIME);
	fill_actor(&room->r.h, parent);
	room->r.arg[0] = child->tgid;
	room->r.arg[1] = child->start_boottime;
	deliver_or_keep(room);
	room_put(room);
	return 0;
}

static __always_inline void fill_exec(struct as_room *room, struct task_struct *task,
				      struct linux_binprm *bprm, const bool cast)
{
	/* Typed from the arguments on: plain loads, not probe reads. */
	struct file *file = bprm->file;
	struct inode *inode = file->f_inode;
	struct dentry *dentry = file->f_path.dentry;
	struct super_block *sb = inode->i_sb;
	const char *filename = bprm->filename;
	const char *interp = bprm->interp;
	struct task_struct *parent = task->real_parent;
	unsigned long magic = sb->s_magic;
	unsigned int nlink = inode->i_nlink;
	struct as_exec *x = (struct as_exec *)room->data;
	const struct cred *cred;
	unsigned long start, end;
	__u32 from, len;
	long n;

	x->ino = inode->i_ino;
	x->dev = sb->s_dev;
	cred = task->cred;
	bpf_probe_read_kernel(&x->caps, sizeof(x->caps), &cred->cap_effective);
	x->cgroup = cgroup_of(task);
	x->parent_start = parent->group_leader->start_boottime;
	x->parent_tgid = parent->tgid;
	x->uid = cred->uid.val;
	x->gid = cred->gid.val;
	x->euid = cred->euid.val;
	x->egid = cred->egid.val;
	x->mnt_ns = task->nsproxy->mnt_ns->ns.inum;
	x->flags = 0;
	if (interp != filename)
		x->flags |= AS_X_SCRIPT;
	if (!nlink || !dentry->d_hash.pprev) {
		x->flags |= AS_X_DELETED;
		if (magic == MFD_MAGIC && dentry->d_parent == dentry)
			x->flags |= AS_X_MEMFD;
	}
	if (magic == OVERLAYFS_MAGIC) {
		/* The upper dentry is the first member behind the inode in overlayfs's own inode. */
		void *upper = NULL;

		bpf_probe_read_kernel(&upper, sizeof(upper),
				      (void *)inode + bpf_core_type_size(struct inode));
		if (upper)
			x->flags |= AS_X_UPPER;
	}
	room->pos = sizeof(*x);
	end_segment(room, 0, 0);
	add_path(room, 1, dentry, file->f_path.mnt, task, cast);

	from = room->pos;
	if (from <= AS_DATA) {
		n = bpf_probe_read_kernel_str(&room->data[from], 4096, filename);
		if (n > 0 && n <= 4096) {
			if (n == 4096)
				room->r.h.flags |= AS_F_TRUNCATED;
			room->pos = from + n - 1;
		} else {
			room->r.h.flags |= AS_F_READ_FAULT;
		}
	}
	end_segment(room, 2, from);

	/* Exactly the arguments: one byte more would be the environment. */
	start = BPF_CORE_READ(task, mm, arg_start);
	end = BPF_CORE_READ(task, mm, arg_end);
	from = room->pos;
	if (end > start && from <= AS_DATA) {
		unsigned long size = end - start;

		if (size > 4095) {
			size = 4095;
			room->r.h.flags |= AS_F_ARGS_CUT;
		}
		len = size & 4095;
		if (bpf_probe_read_user(&room->data[from], len, (void *)start))
			room->r.h.flags |= AS_F_ARGS_FAULT;
		else
			room->pos = from + len;
	}
	end_segment(room, 3, from);
}

__noinline int hash_text(struct as_room *room, __u32 from, __u32 len);

/*
 * Whether the scope ran this before: the same program, command line and privileges. The strings
 * lie one after the other behind the fixed part.
 */
static __always_inline bool ran_before(struct as_room *room)
{
	struct as_exec *x = (struct as_exec *)room->data;
	__u32 pos = room->pos, len = pos - sizeof(*x);
	struct as_command command;
	__u8 known = 1;

	/* What the hash would not reach is always new. */
	if (pos > AS_DATA || pos < sizeof(*x) || len > 4096)
		return false;
	*(__u64 *)&room->data[pos] = 0;
	sip_init(&room->sip, config.key);
	sip_word(&room->sip, scope_id(room->r.h.slot));
	sip_word(&room->sip, x->ino);
	sip_word(&room->sip, (__u64)x->dev << 32 | x->flags);
	sip_word(&room->sip, x->caps);
	sip_word(&room->sip, (__u64)x->uid << 32 | x->euid);
	sip_word(&room->sip, (__u64)x->gid << 32 | x->egid);
	sip_word(&room->sip, (__u64)room->r.h.flags << 32 | room->r.h.seg[1] << 16 |
			     room->r.h.seg[2]);
	hash_text(room, sizeof(*x), len);
	command.first = sip_first(&room->sip);
	command.second = sip_second(&room->sip);
	if (bpf_map_lookup_elem(&commands, &command))
		return true;
	/* Not kept: it wakes the consumer again, and no more than that. */
	bpf_map_update_elem(&commands, &command, &known, BPF_ANY);
	return false;
}

static __always_inline int exec(struct task_struct *task, struct linux_binprm *bprm,
				const bool cast)
{
	struct as_task *t = gate(task);
	struct as_room *room;
	struct as_exec *x;
	__u8 phase;

	if (!t)
		return 0;
	phase = t->phase;
	t->phase = 1;
	t->handlers = 0;
	room = room_get(t->slot, AS_EXEC);
	if (!room)
		return 0;
	fill_header(room, t->slot, AS_EXEC, 0);
	fill_actor(&room->r.h, task);
	fill_exec(room, task, bprm, cast);
	/*
	 * Runtimes protect their own program: inside the container's cgroup they execute a copy of
	 * it that has no place in any file system. The workload's program has one.
	 */
	x = (struct as_exec *)room->data;
	if (!phase && (room->r.h.flags & AS_F_UNREACHABLE ||
		       x->flags & (AS_X_MEMFD | AS_X_DELETED))) {
		t->phase = 0;
		room->r.h.flags |= AS_F_RUNTIME;
	}
	if (ran_before(room))
		deliver_quiet(room);
	else
		deliver_urgent(room);
	room_put(room);
	return 0;
}

SEC("?tp_btf/sched_process_exec")
int BPF_PROG(on_exec_cast, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	return exec(task, bprm, true);
}

SEC("?tp_btf/sched_process_exec")
int BPF_PROG(on_exec_probe, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	return exec(task, bprm, false);
}

/* System calls that never come back. */
static __always_inline void count_last_call(struct task_struct *task, struct as_task *t);

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	struct as_task *t = gate(task);
	struct signal_struct *signal;
	struct as_room *room;
	int code;

	if (!t)
		return 0;
	count_last_call(task, t);
	end_flow(task);
	signal = task->signal;
	if (signal->live.counter > 0)
		return 0;
	code = signal->flags & SIGNAL_GROUP_EXIT ?
		signal->group_exit_code :
		task->group_leader->exit_code;
	room = room_get(t->slot, AS_EXIT);
	if (!room)
		return 0;
	fill_header(room, t->slot, AS_EXIT, t->phase ? 0 : AS_F_RUNTIME);
	fill_actor(&room->r.h, task);
	room->r.arg[0] = (__u32)code;
	deliver_quiet(room);
	room_put(room);
	return 0;
}

static __always_inline bool is_unified(struct cgroup *cgrp)
{
	return BPF_CORE_READ(cgrp, root, hierarchy_id) == 0;
}

SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(on_attach, struct cgroup *dst, const char *path, struct task_struct *task,
	     bool threadgroup)
{
	struct as_task *t;
	struct as_room *room;
	bool threads;
	__u64 id;
	__u32 slot;

	if (!is_unified(dst))
		return 0;
	id = BPF_CORE_READ(dst, kn, id);
	slot = slot_of_cgroup(id);
	t = bpf_task_storage_get(&tasks, task, 0, 0);
	if (!t && !slot)
		return 0;
	/* Only the first thread is named here: the others look again where they belong. */
	threads = threadgroup && BPF_CORE_READ(task, signal, live.counter) > 1;
	if (threads)
		__sync_fetch_and_add(&state.moves, 1);
	if (t) {
		label(t, id);
		if (!slot)
			slot = t->slot;
	} else if (slot && !mark(task, id, 0, 0, 0)) {
		count_lost(slot, AS_FORK);
	}
	/* Those that never had a label get it from the iterator. */
	if (slot && threads) {
		room = room_get(slot, AS_MOVED);
		if (!room)
			return 0;
		fill_header(room, slot, AS_MOVED, 0);
		fill_actor(&room->r.h, task);
		deliver_urgent(room);
		room_put(room);
	}
	return 0;
}

static __always_inline void announce(struct as_scope *s, __u32 slot, __u32 kind, const char *path)
{
	struct as_room *room = room_get(slot, kind);
	long n;

	if (!room)
		return;
	fill_header(room, slot, kind, AS_F_NO_ACTOR);
	room->r.arg[0] = s->id;
	room->r.arg[1] = s->outer;
	n = bpf_probe_read_kernel_str(room->data, 4096, path);
	if (n > 0 && n <= 4096)
		room->pos = n - 1;
	end_segment(room, 0, 0);
	deliver_urgent(room);
	room_put(room);
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(on_mkdir, struct cgroup *cgrp, const char *path)
{
	struct as_cgroup *above, fresh = {};
	struct as_scope *s, *parent;
	__u64 id, parent_id;
	__u32 slot, outer;

	if (!is_unified(cgrp))
		return 0;
	parent_id = BPF_CORE_READ(cgrp, self.parent, cgroup, kn, id);
	above = bpf_map_lookup_elem(&cgroups, &parent_id);
	if (!above)
		return 0;
	id = BPF_CORE_READ(cgrp, kn, id);
	fresh.slot = above->slot;
	if (above->below) {
		outer = above->below;
		parent = bpf_map_lookup_elem(&scopes, &outer);
		if (bpf_map_pop_elem(&free_slots, &slot)) {
			/* It stays in what is around it. */
			count_lost(outer, AS_SCOPE_OPENED);
			goto insert;
		}
		s = bpf_map_lookup_elem(&scopes, &slot);
		if (!s)
			return 0;
		/* The kernel's ids are odd, user space's even. */
		s->id = __sync_fetch_and_add(&state.scopes_opened, 1) * 2 + 1;
		s->facts = 0;
		s->quota = parent ? parent->quota : config.quota;
		s->cgroup = id;
		s->flags = AS_S_BY_KERNEL;
		s->outer = outer;
		s->state = AS_ACTIVE;
		fresh.slot = slot;
		announce(s, slot, AS_SCOPE_OPENED, path);
	}
insert:
	slot = fresh.slot;
	if (!slot)
		return 0;
	if (bpf_map_update_elem(&cgroups, &id, &fresh, BPF_ANY))
		count_lost(slot, AS_SCOPE_OPENED);
	return 0;
}

/* Closes the scope in `slot` if it is this cgroup's. */
static __noinline int close_with(__u32 slot, __u64 cgroup, const char *path)
{
	struct as_scope *s = bpf_map_lookup_elem(&scopes, &slot);

	if (slot && s && s->cgroup == cgroup && s->state == AS_ACTIVE)
		announce(s, slot, AS_SCOPE_CLOSED, path);
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(on_rmdir, struct cgroup *cgrp, const char *path)
{
	struct as_cgroup *c;
	__u32 slot, below;
	__u64 id;

	if (!is_unified(cgrp))
		return 0;
	id = BPF_CORE_READ(cgrp, kn, id);
	c = bpf_map_lookup_elem(&cgroups, &id);
	if (!c)
		return 0;
	slot = c->slot;
	below = c->below;
	close_with(slot, id, path);
	close_with(below, id, path);
	bpf_map_delete_elem(&cgroups, &id);
	return 0;
}

/* Puts a labelled task into a tree. One inside it already is nested from now on. */
static __always_inline void enter_tree(struct as_task *t, struct as_scope *tree, __u32 slot)
{
	__u32 now = live_tree(t);
	struct as_scope *inner;

	if (!now || now == tree->outer) {
		t->tree = slot;
		t->tree_id = tree->id;
	} else if (now != slot) {
		inner = bpf_map_lookup_elem(&scopes, &now);
		if (inner && inner->outer == tree->outer)
			inner->outer = slot;
	}
}

/*
 * Marks every thread that belongs to a scope and has no label yet; user space runs it after the
 * hooks above are attached. A process-tree scope's members are in tree_members by number.
 */
SEC("iter/task")
int mark_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct as_task *t;
	struct as_scope *s = NULL;
	__u32 *tree, tree_slot = 0;
	__u64 cgroup, tree_id = 0;
	__u8 phase = 1;
	__u32 tgid;

	if (!task)
		return 0;
	tgid = task->tgid;
	cgroup = cgroup_of(task);
	tree = bpf_map_lookup_elem(&tree_members, &tgid);
	if (tree) {
		tree_slot = *tree & ~AS_TREE_RUNTIME;
		phase = !(*tree & AS_TREE_RUNTIME);
		s = bpf_map_lookup_elem(&scopes, &tree_slot);
		if (s && s->state == AS_ACTIVE)
			tree_id = s->id;
		else
			tree_slot = 0;
	}
	t = bpf_task_storage_get(&tasks, task, 0, 0);
	if (!t && !tree_slot && !slot_of_cgroup(cgroup))
		return 0;
	if (t) {
		if (tree_slot && s)
			enter_tree(t, s, tree_slot);
		/* Now, while the slot of a tree that has ended is not used again. */
		if (tree_slot || t->epoch != this_epoch())
			label(t, cgroup);
		return 0;
	}
	if (!mark(task, cgroup, tree_slot, tree_id, phase))
		count_lost(tree_slot ? tree_slot : slot_of_cgroup(cgroup), AS_FORK);
	return 0;
}

/* Run by the thread that polls: only here its number is the one that the hooks see. */
SEC("syscall")
int identify_consumer(void *ctx)
{
	state.consumer = (__u32)bpf_get_current_pid_tgid();
	return 0;
}

#endif
