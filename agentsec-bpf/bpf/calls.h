/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* System calls that are sensitive actions, or change privileges. */
#ifndef AGENTSEC_CALLS_H
#define AGENTSEC_CALLS_H

/* Options of prctl that change what a process may do, or may be done to it. */
static __always_inline bool prctl_matters(__u64 option)
{
	switch (option) {
	case 4:   /* PR_SET_DUMPABLE */
	case 8:   /* PR_SET_KEEPCAPS */
	case 24:  /* PR_CAPBSET_DROP */
	case 28:  /* PR_SET_SECUREBITS */
	case 35:  /* PR_SET_MM */
	case 47:  /* PR_CAP_AMBIENT */
	case 59:  /* PR_SET_SYSCALL_USER_DISPATCH */
	case 0x59616d61: /* PR_SET_PTRACER */
		return true;
	default:
		return false;
	}
}
#define PR_SET_SECCOMP 22
#define PR_SET_NO_NEW_PRIVS 38

/* New namespaces; what else a task may cease to share matters to nobody here. */
static __always_inline void unshared(struct as_task *t, __u64 flags, long ret)
{
	flags &= CLONE_NEWANY;
	if (flags)
		act(t, AS_ACT_UNSHARE, flags, ret, 0);
	if (flags & CLONE_NEWUSER)
		note_privilege(t, AS_P_USER_NAMESPACE, 0, 1, ret);
}

static __always_inline int handle_act(struct task_struct *task, struct as_task *t,
				      struct pt_regs *regs, long ret)
{
	bool compat = is_compat(task);
	__u32 class = class_of(regs, compat), action = kind_of(regs, compat), flags = 0;
	__u64 detail = 0, target = 0;

	switch (class) {
	case AS_C_ACT0:
	case AS_C_PTRACE:
		detail = call_arg(regs, 0, compat);
		/* The first request, to be traced, has no target: its number is anything. */
		if (class == AS_C_PTRACE && detail)
			target = call_arg(regs, 1, compat);
		break;
	case AS_C_ACT1:
		detail = call_arg(regs, 1, compat);
		break;
	case AS_C_ACT2:
		detail = call_arg(regs, 2, compat);
		break;
	case AS_C_ACT_PID:
		/* Of no bytes the kernel does not look for the process. */
		if (ret)
			target = call_arg(regs, 0, compat);
		break;
	case AS_C_URING:
		/* After the two numbers of entries. */
		bpf_probe_read_user(&flags, 4, (void *)call_arg(regs, 1, compat) + 8);
		detail = flags;
		break;
	case AS_C_ACT_TEXT:
		act_on_text(task, t, action, call_arg(regs, 0, compat), ret);
		return 0;
	case AS_C_PRCTL:
		detail = call_arg(regs, 0, compat);
		if (detail == PR_SET_NO_NEW_PRIVS)
			note_privilege(t, AS_P_NO_NEW_PRIVILEGES, 0, 1, ret);
		else if (detail == PR_SET_SECCOMP)
			note_seccomp(task, t, ret);
		if (!prctl_matters(detail))
			return 0;
		break;
	}
	if (action == AS_ACT_UNSHARE)
		unshared(t, detail, ret);
	else
		act(t, action, detail, ret, target);
	return 0;
}

static __always_inline int handle_clone(struct task_struct *task, struct as_task *t,
					struct pt_regs *regs, long ret)
{
	bool compat = is_compat(task);
	__u32 form = kind_of(regs, compat);
	__u64 flags = call_arg(regs, 0, compat);

	/* The child's own return. */
	if (!ret)
		return 0;
	if (form == AS_FORK_CLONE3) {
		__u64 at = flags;

		flags = 0;
		bpf_probe_read_user(&flags, sizeof(flags), (void *)at);
	} else if (form == AS_FORK_CLONE) {
		/* The lowest byte is a signal. */
		flags &= ~0xffULL;
	} else {
		return 0;
	}
	unshared(t, flags, ret);
	return 0;
}

static __always_inline int handle_credentials(struct task_struct *task, struct as_task *t,
					      struct pt_regs *regs, long ret)
{
	bool compat = is_compat(task);
	__u32 what = kind_of(regs, compat);
	__u32 privilege = what & ((1 << AS_P_ARGUMENT_SHIFT) - 1);
	struct as_privileges now = {};

	if (privilege == AS_P_SECCOMP) {
		/* Its other operations only ask. */
		if (call_arg(regs, 0, compat) < 2)
			note_seccomp(task, t, ret);
		return 0;
	}
	if (ret >= 0) {
		privileges_changed(task, t);
		return 0;
	}
	privileges_of(task, &now);
	if (privilege == AS_P_CAPABILITIES)
		note_privilege(t, privilege, now.caps, 0, ret);
	else
		note_privilege(t, privilege, privilege == AS_P_USER ? now.euid : now.egid,
			       (__u32)call_arg(regs, (what >> AS_P_ARGUMENT_SHIFT) & 3, compat),
			       ret);
	return 0;
}

static __always_inline void handle_act_path(struct task_struct *task, struct as_task *t,
					    struct pt_regs *regs, long ret, const bool cast)
{
	bool compat = is_compat(task);
	__u32 class = class_of(regs, compat), action = kind_of(regs, compat);
	struct as_names n = { .dirfd = AT_FDCWD };
	struct file *file;
	__u64 detail = 0;

	n.path = call_arg(regs, 0, compat);
	if (class == AS_C_ACT_FD) {
		file = file_of(task, (__u32)n.path);
		if (file)
			act_on_file(task, t, action, file, ret, cast);
		else
			act(t, action, 0, ret, 0);
		return;
	}
	if (class == AS_C_MOUNT) {
		n.path = call_arg(regs, 1, compat);
		detail = call_arg(regs, 3, compat);
	} else if (class == AS_C_ACT_PATHAT) {
		n.dirfd = (int)n.path;
		n.path = call_arg(regs, 1, compat);
	} else if (class == AS_C_MOVE_MOUNT) {
		n.dirfd = (int)call_arg(regs, 2, compat);
		n.path = call_arg(regs, 3, compat);
	}
	act_on_path(task, t, action, detail, ret, &n, cast);
}

HANDLER(act)
HANDLER(clone)
HANDLER(credentials)
PATH_HANDLER(act_path)

#endif
