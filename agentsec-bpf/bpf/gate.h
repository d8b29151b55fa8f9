/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who is in scope: one look into task storage decides. */
#ifndef AGENTSEC_GATE_H
#define AGENTSEC_GATE_H

static __always_inline __u64 cgroup_of(struct task_struct *task)
{
	/* Typed from the task on: plain loads, not probe reads. */
	return task->cgroups->dfl_cgrp->kn->id;
}

static __always_inline void add_one(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

static __always_inline struct as_losses *losses_of(__u32 slot)
{
	return bpf_map_lookup_elem(&losses, &slot);
}

static __always_inline void count_lost(__u32 slot, __u32 kind)
{
	struct as_losses *l = losses_of(slot);

	if (l && kind < AS_KINDS)
		add_one(&l->lost[kind]);
}

static __always_inline struct as_usage *usage_of(__u32 slot)
{
	return bpf_map_lookup_elem(&usage, &slot);
}

/*
 * Whether one that has `own` of what all have `used` together may take more: never more than
 * `times` of what is left, so that however many are greedy, something is left for the next.
 */
static __always_inline bool fair(__u64 own, __u64 used, __u64 bound, __u32 times)
{
	return used < bound && own < (bound - used) * times;
}

/* Something about an operation is not known, but that it happened is. */
static __always_inline void count_fault(__u32 slot, __u32 kind)
{
	struct as_losses *l = losses_of(slot);

	if (l && kind < AS_KINDS)
		add_one(&l->faults[kind]);
}

/* Slots are used again, ids are not. */
static __always_inline bool is_live(__u32 slot, __u64 id)
{
	struct as_scope *s = bpf_map_lookup_elem(&scopes, &slot);

	return s && s->state == AS_ACTIVE && s->id == id;
}

static __always_inline __u64 scope_id(__u32 slot)
{
	struct as_scope *s = bpf_map_lookup_elem(&scopes, &slot);

	return s ? s->id : 0;
}

static __always_inline __u32 this_epoch(void)
{
	return control.epoch + state.moves;
}

/* The scope of what runs in a cgroup, 0 if none. */
static __always_inline __u32 slot_of_cgroup(__u64 id)
{
	struct as_cgroup *c = bpf_map_lookup_elem(&cgroups, &id);

	return c ? c->slot : 0;
}

/*
 * A process-tree label counts as long as its scope lives; then it is that of the tree around it.
 * More trees than this inside one another end at once only on purpose.
 */
#define TREES_ENDED 4
static __always_inline __u32 live_tree(struct as_task *t)
{
	struct as_scope *s;
	__u32 slot;
	int i;

	for (i = 0; i < TREES_ENDED && t->tree; i++) {
		slot = t->tree;
		s = bpf_map_lookup_elem(&scopes, &slot);
		if (!s || s->id != t->tree_id)
			break;
		if (s->state == AS_ACTIVE)
			return slot;
		slot = s->outer;
		s = slot ? bpf_map_lookup_elem(&scopes, &slot) : NULL;
		if (!s || !(s->flags & AS_S_TREE))
			break;
		t->tree = slot;
		t->tree_id = s->id;
	}
	t->tree = 0;
	return 0;
}

static __always_inline void label(struct as_task *t, __u64 cgroup)
{
	__u32 tree = live_tree(t);

	t->slot = tree ? tree : slot_of_cgroup(cgroup);
	t->epoch = this_epoch();
}

/* NULL: not in scope. */
static __always_inline struct as_task *gate(struct task_struct *task)
{
	struct as_task *t = bpf_task_storage_get(&tasks, task, 0, 0);

	if (!t)
		return NULL;
	if (t->epoch != this_epoch())
		label(t, cgroup_of(task));
	return t->slot ? t : NULL;
}

static __always_inline bool is_consumer(struct task_struct *task)
{
	return (__u32)task->pid == state.consumer;
}

#endif
