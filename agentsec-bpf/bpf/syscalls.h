/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every system call of a scope is counted where it returns. Three do not return as others do:
 * rt_sigreturn loses its number, exit and exit_group stay, and a fork returns twice.
 */
#ifndef AGENTSEC_SYSCALLS_H
#define AGENTSEC_SYSCALLS_H

#if defined(__TARGET_ARCH_x86)
static __always_inline bool is_compat(struct task_struct *task)
{
	return task->thread_info.status & TS_COMPAT;
}
static __always_inline int call_number(struct pt_regs *regs)
{
	return (int)regs->orig_ax;
}
static __always_inline __u64 call_arg(struct pt_regs *regs, int n, bool compat)
{
	switch (n) {
	case 0:
		return compat ? (__u32)regs->bx : regs->di;
	case 1:
		return compat ? (__u32)regs->cx : regs->si;
	case 2:
		return compat ? (__u32)regs->dx : regs->dx;
	case 3:
		return compat ? (__u32)regs->si : regs->r10;
	case 4:
		return compat ? (__u32)regs->di : regs->r8;
	default:
		return 0;
	}
}
#else
#define TIF_32BIT 22
static __always_inline bool is_compat(struct task_struct *task)
{
	return task->thread_info.flags & (1UL << TIF_32BIT);
}
static __always_inline int call_number(struct pt_regs *regs)
{
	return regs->syscallno;
}
static __always_inline __u64 call_arg(struct pt_regs *regs, int n, bool compat)
{
	__u64 v = n ? regs->regs[n & 7] : regs->orig_x0;

	return compat ? (__u32)v : v;
}
#endif

static __always_inline __u32 class_of(struct pt_regs *regs, bool compat)
{
	return config.sys_class[compat][call_number(regs) & (AS_SYSCALLS - 1)];
}

static __always_inline bool succeeded(long ret)
{
	return ret >= 0 || ret < -4095;
}

/*
 * A call that no table counts, or that it counts for the first time: a fact with the actor and the
 * result. `counted`: by the table, so that not holding the fact loses nothing but that.
 */
static __noinline int first_call(struct task_struct *task, struct as_task *t, __u32 nr, long ret,
				 bool counted)
{
	bool compat = is_compat(task);
	enum touch known;
	struct as_fact *f;
	struct as_fact_key key = {};
	struct as_room *room;

	key.slot = t->slot;
	key.kind_aux = AS_SYSCALL | label_bits(t);
	key.a = nr;
	key.b = compat;
	known = counted ? touch_or(&key, false) : touch(&key);
	if (counted && known != TOUCH_NEW)
		return 0;
	f = bpf_map_lookup_elem(&facts, &key);
	if (f && f->count == 1)
		f->bytes_in = ret;
	if (f && !counted && !f->succeeded && succeeded(ret))
		f->succeeded = 1;
	if (known != TOUCH_NEW)
		return 0;
	room = room_try();
	if (!room)
		return 0;
	fill_header(room, t->slot, AS_SYSCALL, t->phase ? 0 : AS_F_RUNTIME);
	fill_actor(&room->r.h, task);
	room->r.key = key;
	room->r.arg[0] = ret;
	hand_over(room);
	room_put(room);
	return 0;
}

static __always_inline void count_call(struct task_struct *task, struct as_task *t, __u32 nr,
				       long ret, bool compat)
{
	__u32 index = t->slot * 2 + t->phase;
	struct as_syscalls *c;

	if (compat || nr >= AS_SYSCALLS) {
		/* Not in any table: the fact itself keeps the count. */
		first_call(task, t, nr, ret, false);
		return;
	}
	c = bpf_map_lookup_elem(&syscalls_native, &index);
	if (!c) {
		count_lost(t->slot, AS_SYSCALL);
		return;
	}
	if (!c->count[nr]++)
		first_call(task, t, nr, ret, true);
	if (succeeded(ret)) {
		__u64 bit = 1ULL << (nr & 63), *word = &c->ok[nr >> 6];

		if (!(*word & bit))
			*word |= bit;
	}
}

static __always_inline void count_last_call(struct task_struct *task, struct as_task *t)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	bool compat = is_compat(task);
	int nr = call_number(regs);

	if (nr == config.nr_exit[compat] || nr == config.nr_exit_group[compat])
		count_call(task, t, nr & (AS_SYSCALLS - 1), 0, compat);
}

SEC("tp_btf/signal_deliver")
int BPF_PROG(on_signal, int sig, void *info, struct k_sigaction *ka)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct as_task *t = gate(task);

	/* Neither default nor ignored: a handler will run and return. */
	if (t && (unsigned long)BPF_CORE_READ(ka, sa.sa_handler) > 1 && t->handlers < 255)
		t->handlers++;
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct as_task *t = gate(task);
	bool compat;
	__u32 class;
	int nr;

	if (!t)
		return 0;
	if (is_consumer(task))
		return 0;
	nr = call_number(regs);
	compat = is_compat(task);
	if (nr < 0) {
		/* Lost on the way out of a handler; the same number also marks skipped calls. */
		if (!t->handlers)
			return 0;
		t->handlers--;
		count_call(task, t, config.nr_rt_sigreturn[compat] & (AS_SYSCALLS - 1), 0, compat);
		return 0;
	}
	if (nr >= AS_SYSCALLS) {
		count_call(task, t, nr, ret, compat);
		return 0;
	}
	class = class_of(regs, compat);
	if (class == AS_C_FORK && ret == 0)
		return 0; /* the child's return */
	count_call(task, t, nr & (AS_SYSCALLS - 1), ret, compat);
	/* In the other gear they hang on the tracepoints of these calls alone. */
	if (class && !control.steady)
		bpf_tail_call(ctx, &handlers, class);
	return 0;
}

#endif
