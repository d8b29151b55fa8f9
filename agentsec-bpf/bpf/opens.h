/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Opens: what a file is used for from then on, and the two that are actions besides. */
#ifndef AGENTSEC_OPENS_H
#define AGENTSEC_OPENS_H

static __always_inline void opened(struct task_struct *task, struct as_task *t, __u32 fd,
				   __u64 flags, const bool cast)
{
	struct file *file = file_at(task, fd, cast);
	struct as_fact_key key = {};
	struct inode *inode;
	__u32 access, real, note;
	__u16 mode;

	if (!file) {
		/* Closed by another thread since. */
		count_lost(t->slot, AS_OPEN);
		return;
	}
	real = PEEK(cast, file, file, f_flags);
	/* The kernel drops the flags that act once. */
	access = access_of((real & ~(O_CREAT | O_TRUNC)) | (flags & (O_CREAT | O_TRUNC)));
	key.slot = t->slot;
	key.kind_aux = AS_OPEN | access << 8 | label_bits(t);
	file_key(&key, task, file, cast);
	note = t->phase ? 0 : AS_F_RUNTIME;
	if ((real ^ flags) & (O_ACCMODE | O_PATH))
		note |= AS_F_UNSTABLE;
	sight(&key, file, note, 0, cast);
	if (!(access & AS_A_WRITE))
		return;
	/* What this open made is new, not changed. */
	if (PEEK(cast, file, file, f_mode) & FMODE_CREATED)
		return;
	if (is_process_memory(file))
		act_on_file(task, t, AS_ACT_PROCESS_MEMORY, file, 0, cast);
	inode = PEEK(cast, file, file, f_inode);
	mode = PEEK(cast, inode, inode, i_mode);
	if ((mode & S_IFMT) != S_IFREG || !(mode & 0111))
		return;
	key.kind_aux = AS_WRITE_EXEC | label_bits(t);
	sight(&key, file, note, 0, cast);
}

/* open, creat, openat, openat2, open_by_handle_at. */
static __always_inline void handle_open(struct task_struct *task, struct as_task *t,
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
	if (class == AS_C_OPENHANDLE)
		act(t, AS_ACT_OPEN_BY_HANDLE, 0, ret, 0);
	if (ret >= 0)
		opened(task, t, ret, n.flags, cast);
	else
		asked(task, t, AS_OPEN_FAILED, access_of(n.flags), ret, &n, cast);
}

PATH_HANDLER(open)

#endif
