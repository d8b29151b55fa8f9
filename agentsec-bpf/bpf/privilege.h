/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Changes of privileges. The kernel keeps only what is, so what was is kept with each thread that
 * executed or changed something; a new process has its parent's until then.
 */
#ifndef AGENTSEC_PRIVILEGE_H
#define AGENTSEC_PRIVILEGE_H

struct as_privileges {
	__u64 caps;
	__u32 euid;
	__u32 egid;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct as_privileges);
} privileges SEC(".maps");

static __always_inline void privileges_of(struct task_struct *task, struct as_privileges *p)
{
	const struct cred *cred = BPF_CORE_READ(task, cred);

	p->euid = BPF_CORE_READ(cred, euid.val);
	p->egid = BPF_CORE_READ(cred, egid.val);
	p->caps = 0;
	bpf_probe_read_kernel(&p->caps, sizeof(p->caps), &cred->cap_effective);
}

static __always_inline struct as_privileges *privileges_before(struct task_struct *task)
{
	struct as_privileges *p = bpf_task_storage_get(&privileges, task, 0, 0);
	struct task_struct *other;

	if (p)
		return p;
	other = task->group_leader;
	if (other)
		p = bpf_task_storage_get(&privileges, other, 0, 0);
	if (p)
		return p;
	other = task->real_parent;
	return other ? bpf_task_storage_get(&privileges, other, 0, 0) : NULL;
}

static __always_inline void note_privilege(struct as_task *t, __u32 privilege, __u64 from,
					   __u64 to, long ret)
{
	struct as_fact_key key = {};

	key.slot = t->slot;
	key.kind_aux = AS_PRIVILEGE | label_bits(t) | error_bits(ret);
	key.a = from;
	key.b = to;
	key.c = privilege;
	note_urgent(&key, 0);
}

/* Strict is 1, filters are 2; a filter more is a change too. */
static __always_inline void note_seccomp(struct task_struct *task, struct as_task *t, long ret)
{
	int mode = BPF_CORE_READ(task, seccomp.mode);
	int filters = BPF_CORE_READ(task, seccomp.filter_count.counter);

	if (ret < 0)
		note_privilege(t, AS_P_SECCOMP, mode, 2, ret);
	else
		note_privilege(t, AS_P_SECCOMP, filters > 1 ? mode : 0, mode, ret);
}

/* Where nothing is known of before, it is all bits set. */
static __always_inline void privileges_changed(struct task_struct *task, struct as_task *t)
{
	struct as_privileges now = {}, before = { ~0ULL, ~0U, ~0U }, *known;

	privileges_of(task, &now);
	known = privileges_before(task);
	if (known)
		before = *known;
	if (before.euid != now.euid)
		note_privilege(t, AS_P_USER, before.euid, now.euid, 0);
	if (before.egid != now.egid)
		note_privilege(t, AS_P_GROUP, before.egid, now.egid, 0);
	if (before.caps != now.caps)
		note_privilege(t, AS_P_CAPABILITIES, before.caps, now.caps, 0);
	known = bpf_task_storage_get(&privileges, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (known)
		*known = now;
	else
		count_fault(t->slot, AS_PRIVILEGE); /* what the next change starts from */
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec_privileges, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct as_task *t = gate(task);
	struct as_privileges now = {}, before, *known;

	if (!t)
		return 0;
	privileges_of(task, &now);
	before = now;
	known = privileges_before(task);
	if (known) {
		before = *known;
	} else {
		/* Set-user-id programs leave the real one as it is. */
		before.euid = BPF_CORE_READ(task, cred, uid.val);
		before.egid = BPF_CORE_READ(task, cred, gid.val);
	}
	if (before.euid != now.euid)
		note_privilege(t, AS_P_SETUID_EXEC, before.euid, now.euid, 0);
	if (before.egid != now.egid)
		note_privilege(t, AS_P_SETGID_EXEC, before.egid, now.egid, 0);
	if (now.caps & ~before.caps)
		note_privilege(t, AS_P_CAPABILITY_EXEC, before.caps, now.caps, 0);
	known = bpf_task_storage_get(&privileges, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (known)
		*known = now;
	else
		count_fault(t->slot, AS_PRIVILEGE); /* what the next change starts from */
	return 0;
}

#endif
