/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sensitive actions. Each is a fact like others: the first of a kind goes out on the urgent lane,
 * what repeats is counted, so that nobody can flood the lane by repeating it.
 */
#ifndef AGENTSEC_ACTIONS_H
#define AGENTSEC_ACTIONS_H

#define CLONE_NEWUSER 0x10000000
#define CLONE_NEWANY 0x7e020080

static __always_inline void act_key(struct as_fact_key *key, struct as_task *t, __u32 action,
				    __u64 detail, long ret)
{
	key->slot = t->slot;
	key->kind_aux = AS_ACTION | label_bits(t) | error_bits(ret);
	key->a = action;
	key->b = detail;
	key->c = 0;
}

/* Counts a fact without strings and delivers it at first sight, urgently. */
static __noinline int note_urgent(struct as_fact_key *key, __u64 arg)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct as_room *room;
	__u32 kind, runtime;

	if (!key || touch(key) != TOUCH_NEW)
		return 0;
	kind = key->kind_aux & 0xff;
	runtime = key->kind_aux >> 8 & AS_A_RUNTIME;
	/* It is counted: without room it stays owed. */
	room = room_try();
	if (!room)
		return 0;
	fill_header(room, key->slot, kind, runtime ? AS_F_RUNTIME : 0);
	fill_actor(&room->r.h, task);
	room->r.key = *key;
	room->r.arg[0] = arg;
	hand_over_urgent(room);
	room_put(room);
	return 0;
}

static __always_inline void act(struct as_task *t, __u32 action, __u64 detail, long ret,
				__u32 target)
{
	struct as_fact_key key = {};

	act_key(&key, t, action, detail, ret);
	/* Only a number that proved to be a process's: made-up ones would be a fact each. */
	key.c = ret < 0 ? 0 : target;
	note_urgent(&key, target);
}

/* The same with a string that is no path: the name of a file in memory, of a file system. */
static __always_inline void act_on_text(struct task_struct *task, struct as_task *t,
					__u32 action, __u64 text, long ret)
{
	struct as_room *room = room_get(t->slot, AS_ACTION);

	if (!room)
		return;
	fill_header(room, t->slot, AS_ACTION, t->phase ? 0 : AS_F_RUNTIME);
	sip_init(&room->sip, config.key);
	add_asked(room, 0, text, false);
	act_key(&room->r.key, t, action, 0, ret);
	room->r.key.c = sip_first(&room->sip);
	room->r.arg[1] = AS_T_TEXT;
	if (touch(&room->r.key) == TOUCH_NEW) {
		fill_actor(&room->r.h, task);
		hand_over_urgent(room);
	}
	room_put(room);
}

/* The same with a path as asked for. */
static __always_inline void act_on_path(struct task_struct *task, struct as_task *t, __u32 action,
					__u64 detail, long ret, struct as_names *n, const bool cast)
{
	struct path base = {}, none = {};
	struct as_fact_key *key;
	struct as_room *room = room_get(t->slot, AS_ACTION);

	if (!room)
		return;
	asked_key(room, task, t, AS_ACTION, 0, ret, n, &base, &none, false);
	key = &room->r.key;
	key->c = key->a;
	key->a = action;
	key->b = detail;
	if (touch(key) == TOUCH_NEW) {
		asked_from(room, task, &base, &none, cast);
		room->r.arg[0] = 0;
		room->r.arg[1] = 0;
		hand_over_urgent(room);
	}
	room_put(room);
}

/* The same with the file behind a descriptor. */
static __always_inline void act_on_file(struct task_struct *task, struct as_task *t, __u32 action,
					struct file *file, long ret, const bool cast)
{
	struct as_fact_key id = {};
	struct as_room *room = room_get(t->slot, AS_ACTION);

	if (!room)
		return;
	fill_header(room, t->slot, AS_ACTION, t->phase ? 0 : AS_F_RUNTIME);
	file_key(&id, task, file, cast);
	act_key(&room->r.key, t, action, 0, ret);
	room->r.key.c = id.a ^ id.b ^ id.c;
	if (touch(&room->r.key) == TOUCH_NEW) {
		fill_actor(&room->r.h, task);
		add_path(room, 0, BPF_CORE_READ(file, f_path.dentry),
			 BPF_CORE_READ(file, f_path.mnt), task, cast);
		hand_over_urgent(room);
	}
	room_put(room);
}

/* The memory of a process, opened to be written. */
static __always_inline bool is_process_memory(struct file *file)
{
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	const unsigned char *name;
	char text[4] = {};

	if (BPF_CORE_READ(file, f_inode, i_sb, s_magic) != PROC_SUPER_MAGIC ||
	    BPF_CORE_READ(dentry, d_name.hash_len) >> 32 != 3)
		return false;
	name = BPF_CORE_READ(dentry, d_name.name);
	bpf_probe_read_kernel(text, 3, name);
	return text[0] == 'm' && text[1] == 'e' && text[2] == 'm';
}

#endif
