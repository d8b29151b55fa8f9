/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who sends which signal to whom: an embedder's own object, on the sensor's gate and rings. */
#include "agentsec.bpf.h"

/* What user space gets; src/main.rs mirrors it. */
struct sent {
	__u32 signal;
	__u32 target;
};
#define SIGNAL_SENT 1

#define SI_USER 0
#define SI_QUEUE -1
#define SI_TKILL -6

struct kernel_siginfo {
	int si_code;
} __attribute__((preserve_access_index));

SEC("tp_btf/signal_generate")
int BPF_PROG(on_signal_sent, int sig, struct kernel_siginfo *info, struct task_struct *target, int group, int result)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct sent sent = { .signal = sig };
	int code;

	if (!agentsec_in_scope(me))
		return 0;
	/* Others come from a timer or an interrupt, on the time of whoever runs. */
	if ((unsigned long)info < 2)
		return 0;
	code = BPF_CORE_READ(info, si_code);
	if (code != SI_USER && code != SI_QUEUE && code != SI_TKILL)
		return 0;
	sent.target = BPF_CORE_READ(target, tgid);
	agentsec_emit(me, SIGNAL_SENT, &sent, sizeof(sent));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
