/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Calls that move bytes. What is no regular file leaves at once. */
#ifndef AGENTSEC_IO_H
#define AGENTSEC_IO_H

/*
 * Looks for the fact that opened the file. The flags that act once are gone from it, and the
 * launcher may have been the one: each is tried.
 */
static __always_inline void find_fact(struct as_recent *r, struct task_struct *task,
				      struct as_task *t, struct file *file, const bool cast)
{
	__u32 access = access_of(r->flags & ~(O_CREAT | O_TRUNC)), i;

	r->key.slot = t->slot;
	file_key(&r->key, task, file, cast);
	for (i = 0; i < 8; i++) {
		__u32 bits = access | (t->phase ? 0 : AS_A_RUNTIME);

		if (i & 1)
			bits |= AS_A_CREATE;
		if (i & 2)
			bits |= AS_A_TRUNCATE;
		if (i & 4)
			bits ^= AS_A_RUNTIME;
		r->key.kind_aux = AS_OPEN | bits << 8;
		if (bpf_map_lookup_elem(&facts, &r->key))
			return;
	}
	r->key.kind_aux = 0;
}

static __always_inline void moved(struct task_struct *task, struct as_task *t, __u32 fd,
				  __u64 bytes, const bool out, const bool cast)
{
	struct file *file = file_at(task, fd, cast);
	__u64 dentry, now = bpf_jiffies64();
	struct as_flow *flow;
	struct as_recent *r;
	struct inode *inode;
	__u32 flags;

	if (!file)
		return;
	inode = PEEK(cast, file, file, f_inode);
	if ((PEEK(cast, inode, inode, i_mode) & S_IFMT) != S_IFREG)
		return;
	flow = bpf_task_storage_get(&flows, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!flow) {
		/* Of this call the bytes are not known. */
		count_fault(t->slot, AS_OPEN);
		return;
	}
	r = out ? &flow->out : &flow->in;
	dentry = (__u64)PEEK(cast, file, file, f_path.dentry);
	flags = PEEK(cast, file, file, f_flags);
	if (r->file == (__u64)file && r->dentry == dentry && r->flags == flags &&
	    r->slot == t->slot) {
		r->bytes += bytes;
		if (now - r->since < AS_FLOW_JIFFIES)
			return;
		pass_on(r, out);
	} else {
		pass_on(r, out);
		r->file = (__u64)file;
		r->dentry = dentry;
		r->flags = flags;
		r->slot = t->slot;
		r->bytes = bytes;
		find_fact(r, task, t, file, cast);
	}
	r->since = now;
}

/* read, write and their kin; sendfile, copy_file_range and splice move from file to file. */
static __always_inline void handle_io(struct task_struct *task, struct as_task *t,
				    struct pt_regs *regs, long ret, const bool cast)
{
	bool compat = is_compat(task);
	__u32 class = class_of(regs, compat);
	__u32 first = call_arg(regs, 0, compat);

	if (ret <= 0)
		return;
	if (class == AS_C_WRITE || class == AS_C_SENDFILE)
		moved(task, t, first, ret, true, cast);
	else
		moved(task, t, first, ret, false, cast);
	if (class == AS_C_SENDFILE)
		moved(task, t, call_arg(regs, 1, compat), ret, false, cast);
	else if (class == AS_C_COPY)
		moved(task, t, call_arg(regs, 2, compat), ret, true, cast);
}

PATH_HANDLER(io)

#endif
