/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * While nobody's system calls are counted, only those that a handler is for are stopped at: at the
 * tracepoints of their own. No other call of the machine runs a program of ours.
 */
#ifndef AGENTSEC_STEADY_H
#define AGENTSEC_STEADY_H

struct as_sys_exit {
	__u64 common;
	long nr;
	long ret;
};

/* Handlers by class, as `handlers` has them for the other gear. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, AS_CLASSES);
	__type(key, __u32);
	__type(value, __u32);
} handlers_steady SEC(".maps");

/* Attached to the tracepoint of each call that has a handler. */
SEC("?tracepoint")
int on_call(struct as_sys_exit *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct as_task *t = gate(task);

	if (!t || !control.steady || is_consumer(task))
		return 0;
	/* These tracepoints leave out 32-bit calls. */
	bpf_tail_call(ctx, &handlers_steady, class_of((struct pt_regs *)bpf_task_pt_regs(task), false));
	return 0;
}

/* One handler as a program of each gear. */
#define HANDLER_AS(program, handle, ...)                                                     \
	SEC("?tp_btf/sys_exit")                                                              \
	int BPF_PROG(program, struct pt_regs *regs, long ret)                                \
	{                                                                                    \
		struct task_struct *task = bpf_get_current_task_btf();                       \
		struct as_task *t = gate(task);                                              \
                                                                                             \
		if (t)                                                                       \
			handle(task, t, regs, ret, ##__VA_ARGS__);                           \
		return 0;                                                                    \
	}                                                                                    \
	SEC("?tracepoint")                                                                   \
	int program##_steady(struct as_sys_exit *ctx)                                        \
	{                                                                                    \
		struct task_struct *task = bpf_get_current_task_btf();                       \
		struct as_task *t = gate(task);                                              \
                                                                                             \
		if (t)                                                                       \
			handle(task, t, (struct pt_regs *)bpf_task_pt_regs(task), ctx->ret,  \
			       ##__VA_ARGS__);                                               \
		return 0;                                                                    \
	}

/* One that walks paths: in both forms of the walk. */
#define PATH_HANDLER(name)                                                                   \
	HANDLER_AS(call_##name##_cast, handle_##name, true)                                  \
	HANDLER_AS(call_##name##_probe, handle_##name, false)

/* One that does not. */
#define HANDLER(name) HANDLER_AS(call_##name, handle_##name)

#endif
