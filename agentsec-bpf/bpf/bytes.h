/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Bytes read from and written to regular files belong to the fact of the file's open. To find
 * that fact takes as long as a small read itself, so each thread adds up what it does to one
 * file at a time, and passes the sum on when it turns to another, after a while, or at its end.
 */
#ifndef AGENTSEC_BYTES_H
#define AGENTSEC_BYTES_H

/* The file a thread has last read, or written. */
struct as_recent {
	__u64 file; /* these three: whether it is the same */
	__u64 dentry;
	__u32 flags;
	__u32 slot;
	__u64 bytes;
	__u64 since; /* in jiffies, when bytes were last passed on */
	struct as_fact_key key; /* kind_aux 0: the scope has not opened it */
};

struct as_flow {
	struct as_recent in;
	struct as_recent out;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct as_flow);
} flows SEC(".maps");

/* A tenth of a second to a second, whatever the kernel's tick. */
#define AS_FLOW_JIFFIES 100

static __always_inline void pass_on(struct as_recent *r, const bool out)
{
	struct as_fact *f;

	if (!r->bytes || !r->key.kind_aux)
		return;
	f = bpf_map_lookup_elem(&facts, &r->key);
	if (f) {
		__sync_fetch_and_add(out ? &f->bytes_out : &f->bytes_in, r->bytes);
		f->last = bpf_ktime_get_boot_ns();
	}
	r->bytes = 0;
}

/* The thread ends. */
static __noinline int end_flow(struct task_struct *task)
{
	struct as_flow *flow = bpf_task_storage_get(&flows, task, 0, 0);

	if (flow) {
		pass_on(&flow->in, false);
		pass_on(&flow->out, true);
	}
	return 0;
}

#endif
