/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For an embedder's own CO-RE object that is loaded with the sensor (SensorBuilder::object): it
 * asks the sensor's gate who is in scope, and hands events over on the sensor's rings.
 *
 *	#include "agentsec.bpf.h"
 *
 *	SEC("tp_btf/signal_generate")
 *	int BPF_PROG(on_signal, int sig, ...)
 *	{
 *		struct task_struct *me = bpf_get_current_task_btf();
 *
 *		if (agentsec_in_scope(me))
 *			agentsec_emit(me, MY_KIND, &payload, sizeof(payload));
 *		return 0;
 *	}
 *
 * Include your vmlinux.h before it, or none: then the few types that the sensor reads are declared
 * here. It brings the names of the sensor's maps and functions, whose maps are not made again: the
 * loader puts the sensor's own in their places. Maps under other names are yours. An object is
 * loaded only by the version of the sensor whose header it was compiled with.
 */
#ifndef AGENTSEC_BPF_H
#define AGENTSEC_BPF_H

#ifdef __VMLINUX_H__
#define EEXIST 17
#else
#include "../bpf/kernel.h"
#endif
#include <bpf_helpers.h>
#include <bpf_core_read.h>
#include <bpf_tracing.h>

#include "../bpf/wire.h"
#include "../bpf/siphash.h"
#include "../bpf/maps.h"
#include "../bpf/gate.h"
/* Not all of it is wanted in every object. */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wunused-function"
#include "../bpf/record.h"

/* Filled in by the loader: the object's number. What was compiled in must be the loader's. */
const volatile struct as_custom agentsec_custom SEC(".rodata.agentsec") = {
	.version = AS_WIRE_VERSION,
};

/* Whether what `task` does belongs to somebody's scope: a trusted pointer, mostly the current. */
static __always_inline bool agentsec_in_scope(struct task_struct *task)
{
	return gate(task) && !is_consumer(task);
}

/*
 * Hands over an event of `task`, which must be in scope: `kind` is the embedder's own number, and
 * of the payload at most AS_CUSTOM_BYTES arrive. 0: it will arrive; what does not is counted as
 * lost against the scope.
 */
static __noinline long agentsec_emit(struct task_struct *task, __u32 kind, const void *payload,
				     __u32 len)
{
	struct as_task *t = gate(task);
	struct as_room *room;
	long err;

	if (!t)
		return -1;
	room = room_get(t->slot, AS_CUSTOM);
	if (!room)
		return -1;
	fill_header(room, t->slot, AS_CUSTOM, t->phase ? 0 : AS_F_RUNTIME);
	fill_actor(&room->r.h, task);
	room->r.arg[0] = kind;
	room->r.arg[1] = agentsec_custom.object;
	if (len > AS_CUSTOM_BYTES) {
		len = AS_CUSTOM_BYTES;
		room->r.h.flags |= AS_F_TRUNCATED;
	}
	if (len && bpf_probe_read_kernel(room->data, len, payload)) {
		room->r.h.flags |= AS_F_READ_FAULT;
		len = 0;
	}
	room->pos = len;
	end_segment(room, 0, 0);
	room->r.h.size = record_size(room);
	count_flags(&room->r.h);
	err = deliver_or_keep(room);
	room_put(room);
	return err;
}
#pragma clang diagnostic pop

#endif
