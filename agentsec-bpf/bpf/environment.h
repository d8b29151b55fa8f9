/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which variables of interest a program was given. Only their numbers leave the kernel: no name
 * that is not in the list below, and never a value.
 */
#ifndef AGENTSEC_ENVIRONMENT_H
#define AGENTSEC_ENVIRONMENT_H

/* Variables that are looked at. */
#define VARIABLES 1024
#define NAMES 11
#define NAME_BYTES 48

/*
 * Their names as FNV-1a hashes, in the order in which user space knows them. Whoever finds another
 * name of the same hash could as well have used the name itself.
 */
static const volatile __u64 names[NAMES] = {
	0xf2b1b4094ac030f7ULL, /* AWS_ROLE_ARN */
	0xbffdac82176deb5bULL, /* AWS_WEB_IDENTITY_TOKEN_FILE */
	0x314fd52095ce47b4ULL, /* AWS_CONTAINER_CREDENTIALS_FULL_URI */
	0x7aea658abc4f4559ULL, /* AWS_CONTAINER_CREDENTIALS_RELATIVE_URI */
	0x91e22bd0e0c4953dULL, /* AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE */
	0x52792eb2f7aa4ec7ULL, /* AWS_ACCESS_KEY_ID */
	0x8cab224d2c2fd732ULL, /* AWS_SECRET_ACCESS_KEY */
	0xfd977661cfc9fb8bULL, /* AWS_SESSION_TOKEN */
	0x558189713e633254ULL, /* AWS_PROFILE */
	0x5842b0c1c284ef2eULL, /* AWS_SHARED_CREDENTIALS_FILE */
	0xe9032b5b5250e814ULL, /* AWS_CONFIG_FILE */
};

/* The bit of the variable at the room's start, 0 if it is none of them. */
__noinline int variable_at(struct as_room *room)
{
	__u64 hash = 0xcbf29ce484222325ULL;
	int i;

	if (!room)
		return 0;
	for (i = 0; i < NAME_BYTES; i++) {
		__u8 c = room->data[i];

		if (c == '=')
			break;
		if (!c)
			return 0;
		hash = (hash ^ c) * 0x100000001b3ULL;
	}
	for (i = 0; i < NAMES; i++)
		if (names[i] == hash)
			return 1 << i;
	return 0;
}

/* Between two variables its state is in the room, or the verifier does not converge. */
__noinline int read_names(struct as_room *room)
{
	int i;

	if (!room)
		return 0;
	for (i = 0; i < VARIABLES; i++) {
		__u64 at = room->r.arg[0];
		long n;

		if (at >= room->r.arg[1])
			return 0;
		n = bpf_probe_read_user_str(room->data, 4096, (void *)at);
		if (n <= 0 || n > 4096) {
			room->r.h.flags |= AS_F_READ_FAULT;
			return 0;
		}
		if (!room->r.key.a && *(__u32 *)room->data == 0x5f535741 /* AWS_ */)
			room->pos |= variable_at(room);
		/* A value longer than that goes on. */
		room->r.key.a = n == 4096;
		room->r.arg[0] = at + (n == 4096 ? 4095 : n);
	}
	room->r.h.flags |= AS_F_TRUNCATED;
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec_environment, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct as_task *t = gate(task);
	__u64 at, end;
	struct as_losses *l;
	struct as_room *room;
	__u32 found, flags, i;

	if (!t)
		return 0;
	at = BPF_CORE_READ(task, mm, env_start);
	end = BPF_CORE_READ(task, mm, env_end);
	if (at >= end)
		return 0;
	room = room_get(t->slot, AS_ENVIRONMENT);
	if (!room)
		return 0;
	room->r.h.flags = 0;
	room->r.arg[0] = at;
	room->r.arg[1] = end;
	room->r.key.a = 0;
	read_names(room);
	found = room->pos;
	flags = room->r.h.flags;
	room_put(room);
	l = flags ? losses_of(t->slot) : NULL;
	if (l && flags & AS_F_TRUNCATED)
		add_one(&l->truncated[AS_ENVIRONMENT]);
	if (l && flags & AS_F_READ_FAULT)
		add_one(&l->faults[AS_ENVIRONMENT]);
	for (i = 0; i < NAMES && found; i++) {
		struct as_fact_key key = {};

		if (!(found & (1u << i)))
			continue;
		key.slot = t->slot;
		key.kind_aux = AS_ENVIRONMENT | label_bits(t);
		key.a = i;
		note_urgent(&key, 0);
	}
	return 0;
}

#endif
