/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Building records, counting facts, handing over. */
#ifndef AGENTSEC_RECORD_H
#define AGENTSEC_RECORD_H

static __always_inline struct as_cpu *this_cpu(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cpus, &zero);
}

/* Takes a room; give it back with room_put. NULL: a fact that is counted stays owed. */
static __always_inline struct as_room *room_try(void)
{
	struct as_room *room;
	__u32 i;

	for (i = 0; i < AS_ROOMS; i++) {
		__u32 index = i;

		room = bpf_map_lookup_elem(&rooms, &index);
		if (room && !__sync_lock_test_and_set(&room->busy, 1)) {
			room->pos = 0;
			return room;
		}
	}
	return NULL;
}

/* For what nothing has counted yet. */
static __always_inline struct as_room *room_get(__u32 slot, __u32 kind)
{
	struct as_room *room = room_try();

	if (!room)
		count_lost(slot, kind);
	return room;
}

static __always_inline void room_put(struct as_room *room)
{
	room->busy = 0;
}

static __always_inline __u32 ns_tgid_of(struct task_struct *task)
{
	struct pid *pid = task->group_leader->thread_pid;
	__u32 level = pid->level;
	__u32 offset = bpf_core_field_offset(struct pid, numbers);
	__u32 nr = 0;

	if (!level)
		return pid->numbers[0].nr;
	if (level > 32)
		return 0;
	offset += level * bpf_core_type_size(struct upid) + bpf_core_field_offset(struct upid, nr);
	bpf_probe_read_kernel(&nr, sizeof(nr), (void *)pid + offset);
	return nr;
}

static __always_inline void fill_actor(struct as_header *h, struct task_struct *task)
{
	h->tgid = task->tgid;
	h->tid = task->pid;
	h->start = task->group_leader->start_boottime;
	h->ns_tgid = ns_tgid_of(task);
	h->uid = task->cred->euid.val;
}

static __always_inline void fill_header(struct as_room *room, __u32 slot, __u32 kind, __u32 flags)
{
	struct as_cpu *cpu = this_cpu();
	struct as_header *h = &room->r.h;

	h->kind = kind;
	h->segments = 0;
	h->cpu = bpf_get_smp_processor_id();
	h->time = bpf_ktime_get_boot_ns();
	h->seq = cpu ? cpu->seq++ : 0;
	h->slot = slot;
	h->flags = flags;
	h->tgid = 0;
	h->tid = 0;
	h->start = 0;
	h->ns_tgid = 0;
	h->uid = 0;
	__builtin_memset(h->seg, 0, sizeof(h->seg));
	room->r.arg[0] = 0;
	room->r.arg[1] = 0;
}

/* Notes in the losses what the flags of a finished record say. */
static __always_inline void count_flags(struct as_header *h)
{
	struct as_losses *l;
	__u32 kind = h->kind;

	if (!(h->flags & (AS_F_TRUNCATED | AS_F_READ_FAULT | AS_F_NOT_COLLECTED | AS_F_ARGS_CUT |
			  AS_F_ARGS_FAULT)) ||
	    kind >= AS_KINDS)
		return;
	l = losses_of(h->slot);
	if (!l)
		return;
	if (h->flags & AS_F_TRUNCATED)
		add_one(&l->truncated[kind]);
	if (h->flags & (AS_F_READ_FAULT | AS_F_NOT_COLLECTED))
		add_one(&l->faults[kind]);
	if (h->flags & AS_F_ARGS_CUT)
		add_one(&l->truncated[AS_ARGUMENTS]);
	if (h->flags & AS_F_ARGS_FAULT)
		add_one(&l->faults[AS_ARGUMENTS]);
}

static __always_inline __u32 record_size(struct as_room *room)
{
	__u32 pos = room->pos;

	if (pos > AS_DATA)
		pos = AS_DATA;
	return sizeof(struct as_record) + pos;
}

/* Wakes once, by the record that fills a ring so far: a wake-up costs more than all the rest. */
static __always_inline __u64 backlog(__u64 before, __u32 size)
{
	return before < config.ring_backlog && before + size >= config.ring_backlog ?
		BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/* To the ring of this processor. 0: handed over. */
static __noinline long deliver(struct as_room *room)
{
	__u32 cpu = bpf_get_smp_processor_id();
	__u32 size = record_size(room);
	void *ring = bpf_map_lookup_elem(&rings, &cpu);

	if (!ring)
		return -1;
	room->r.h.size = size;
	return bpf_ringbuf_output(ring, room, size,
				  backlog(bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA), size));
}

/* To the urgent lane. It wakes the consumer once for all that comes before that begins to read. */
static __noinline long output_urgent(struct as_room *room)
{
	__u32 size = record_size(room);
	__u64 flags = BPF_RB_NO_WAKEUP;
	void *nothing;
	long err;

	room->r.h.size = size;
	room->r.h.flags |= AS_F_URGENT;
	if (!state.woken && !__sync_lock_test_and_set(&state.woken, 1))
		flags = BPF_RB_FORCE_WAKEUP;
	err = bpf_ringbuf_output(&urgent, room, size, flags);
	if (err) {
		state.woken = 0;
	} else if (flags == BPF_RB_NO_WAKEUP && !state.woken) {
		/* It began to read meanwhile, and may have missed this one. */
		nothing = bpf_ringbuf_reserve(&urgent, 8, 0);
		if (nothing)
			bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
	}
	return err;
}

/* One scope alone may fill eight ninths of the owed store, and half of the urgent lane. */
#define AS_FAIR_OWED 8
#define AS_FAIR_URGENT 1

/* Into the owed store, under a key of its own. 0: kept. */
static __noinline long keep(struct as_room *room, struct as_fact_key *key)
{
	struct as_header *h = &room->r.h;
	struct as_losses *l = losses_of(h->slot);
	struct as_usage *own = usage_of(h->slot), *all = usage_of(0);
	__u32 kind = h->kind, class = h->size > AS_SPILL_SMALL;
	long err;

	if (!key || !own || !all)
		return -1;
	if (l && kind < AS_KINDS)
		add_one(&l->refused[kind]);
	if (h->size > AS_SPILL_LARGE)
		return -1;
	if (!fair(own->owed[class] - own->owed_gone[class],
		  all->owed[class] - all->owed_gone[class], config.owed[class], AS_FAIR_OWED))
		return -1;
	h->flags |= AS_F_LATE;
	/* Counted first: user space may take it out at once. */
	add_one(&own->owed[class]);
	add_one(&all->owed[class]);
	err = class ? bpf_map_update_elem(&spill_large, key, room, BPF_NOEXIST) :
		      bpf_map_update_elem(&spill_small, key, room, BPF_NOEXIST);
	if (!err) {
		add_one(&state.spilled);
		return 0;
	}
	__sync_fetch_and_add(&own->owed[class], -1);
	__sync_fetch_and_add(&all->owed[class], -1);
	return err == -EEXIST ? 0 : err;
}

/* On the ring, else kept; what neither takes is lost. For what is no fact. */
static __noinline long deliver_or_keep(struct as_room *room)
{
	struct as_header *h = &room->r.h;
	struct as_fact_key key = {};

	if (!deliver(room))
		return 0;
	key.slot = h->slot;
	key.kind_aux = h->kind;
	key.a = h->time;
	key.b = h->seq << 16 | h->cpu;
	if (!keep(room, &key))
		return 0;
	count_lost(h->slot, h->kind);
	return -1;
}

/* On the urgent lane, if it has room and the scope its share of it. 0: handed over. */
static __always_inline long offer_urgent(struct as_room *room, const bool wake)
{
	struct as_header *h = &room->r.h;
	struct as_usage *own = usage_of(h->slot);
	__u32 size = record_size(room), taken = (size + 15) & ~7u;
	__u64 waiting = bpf_ringbuf_query(&urgent, BPF_RB_AVAIL_DATA);
	long err;

	h->size = size;
	if (!own || !fair(own->urgent - own->urgent_gone + taken, waiting + taken,
			  config.urgent_bytes, AS_FAIR_URGENT))
		return -1;
	__sync_fetch_and_add(&own->urgent, taken);
	err = wake ? output_urgent(room) :
		     bpf_ringbuf_output(&urgent, room, size, backlog(waiting, size));
	if (err)
		__sync_fetch_and_add(&own->urgent, -(__u64)taken);
	return err;
}

/* On the urgent lane, of which a scope has a share; else like the rest. */
static __noinline long deliver_urgent(struct as_room *room)
{
	count_flags(&room->r.h);
	return offer_urgent(room, true) ? deliver_or_keep(room) : 0;
}

/* On the urgent lane, for its room and its order, but to be read with the next tick. */
static __noinline long deliver_quiet(struct as_room *room)
{
	count_flags(&room->r.h);
	return offer_urgent(room, false) ? deliver_or_keep(room) : 0;
}

/*
 * Of its quota a scope may fill eight ninths with one kind, and of all facts two thirds. With
 * quotas up to half of all facts a scope that is alone has its whole quota.
 */
#define AS_FAIR_KIND 8
#define AS_FAIR_FACTS 2

/* What as_fact_key.kind_aux says of every fact: whose it is, and how it ended. */
static __always_inline __u32 label_bits(struct as_task *t)
{
	return (t->phase ? 0 : AS_A_RUNTIME) << 8;
}

static __always_inline __u32 error_bits(long ret)
{
	return ret < 0 && ret >= -4095 ? (__u32)-ret << (8 + AS_AUX_ERRNO_SHIFT) : 0;
}

enum touch { TOUCH_KNOWN, TOUCH_NEW };

/*
 * Counts one operation of a fact. TOUCH_NEW: build its record and call hand_over.
 * A fact that cannot be held is counted as lost here, unless somebody else counts it: operations
 * seen are always the sum of the facts' counts and the lost ones.
 */
static __always_inline enum touch touch_or(struct as_fact_key *key, const bool lose)
{
	struct as_fact *f = bpf_map_lookup_elem(&facts, key);
	__u64 now = bpf_ktime_get_boot_ns();
	struct as_fact fresh = {};
	struct as_losses *l;
	struct as_usage *all;
	struct as_scope *s;
	__u32 slot = key->slot, kind = key->kind_aux & 0xff;
	long err;

	if (f) {
known:
		add_one(&f->count);
		f->last = now;
		return f->state == AS_OWED ? TOUCH_NEW : TOUCH_KNOWN;
	}
	s = bpf_map_lookup_elem(&scopes, &slot);
	l = losses_of(slot);
	all = usage_of(0);
	if (!s || !l || !all || kind >= AS_KINDS)
		return TOUCH_KNOWN;
	if (!fair(l->held[kind], s->facts, s->quota, AS_FAIR_KIND) ||
	    !fair(s->facts, all->facts - all->facts_gone, config.facts, AS_FAIR_FACTS)) {
		if (lose)
			add_one(&l->lost[kind]);
		return TOUCH_KNOWN;
	}
	fresh.first = now;
	fresh.last = now;
	fresh.count = 1;
	err = bpf_map_update_elem(&facts, key, &fresh, BPF_NOEXIST);
	if (err == -EEXIST) {
		f = bpf_map_lookup_elem(&facts, key);
		if (f)
			goto known;
	}
	if (err) {
		if (lose)
			add_one(&l->lost[kind]);
		return TOUCH_KNOWN;
	}
	add_one(&s->facts);
	add_one(&l->held[kind]);
	add_one(&all->facts);
	return TOUCH_NEW;
}

static __always_inline enum touch touch(struct as_fact_key *key)
{
	return touch_or(key, true);
}

/* Hands over the record of a fact that is owed; keeps it where the ring is full. */
static __noinline int hand_over(struct as_room *room)
{
	struct as_fact_key key = room->r.key;
	struct as_fact *f = bpf_map_lookup_elem(&facts, &key);

	if (!f)
		return 0;
	if (!deliver(room))
		f->state = AS_DELIVERED;
	else if (!keep(room, &key))
		f->state = AS_SPILLED;
	else
		return 0;
	/* Once: what stays owed is built anew. */
	count_flags(&room->r.h);
	return 0;
}

/* The same on the urgent lane, where it is not full. */
static __noinline int hand_over_urgent(struct as_room *room)
{
	struct as_fact_key key = room->r.key;
	struct as_fact *f = bpf_map_lookup_elem(&facts, &key);

	if (!f)
		return 0;
	if (!offer_urgent(room, true)) {
		count_flags(&room->r.h);
		f->state = AS_DELIVERED;
		return 0;
	}
	return hand_over(room);
}

/* Ends segment `i`, which began at `from`. */
static __always_inline void end_segment(struct as_room *room, int i, __u32 from)
{
	room->r.h.seg[i] = room->pos - from;
}

#endif
