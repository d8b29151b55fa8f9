/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TCP. State changes often run in an interrupt on somebody else's time, so who it was is kept
 * with the socket from the moment when the current process is certain.
 */
#ifndef AGENTSEC_NET_H
#define AGENTSEC_NET_H

struct as_address {
	__u64 high;
	__u64 low;
	__u16 port; /* host order */
	bool ipv6;
};

static __always_inline void set_ipv4(struct as_address *a, __be32 v)
{
	a->high = 0;
	a->low = v;
	a->ipv6 = false;
}

static __always_inline void set_ipv6(struct as_address *a, struct in6_addr *v)
{
	__u32 *w = v->in6_u.u6_addr32;

	if (!w[0] && !w[1] && w[2] == __builtin_bswap32(0xffff)) {
		set_ipv4(a, w[3]);
		return;
	}
	a->high = (__u64)w[1] << 32 | w[0];
	a->low = (__u64)w[3] << 32 | w[2];
	a->ipv6 = true;
}

/* The same of a socket that the program was given: plain loads. */
static __always_inline void given_peer_of(struct sock *sk, struct as_address *a)
{
	if (sk->__sk_common.skc_family == AF_INET) {
		set_ipv4(a, sk->__sk_common.skc_daddr);
	} else {
		struct in6_addr v;

		v.in6_u.u6_addr32[0] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[0];
		v.in6_u.u6_addr32[1] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[1];
		v.in6_u.u6_addr32[2] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[2];
		v.in6_u.u6_addr32[3] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[3];
		set_ipv6(a, &v);
	}
	a->port = __builtin_bswap16(sk->__sk_common.skc_dport);
}

static __always_inline void peer_of(const struct sock *sk, struct as_address *a)
{
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET) {
		set_ipv4(a, BPF_CORE_READ(sk, __sk_common.skc_daddr));
	} else {
		struct in6_addr v = BPF_CORE_READ(sk, __sk_common.skc_v6_daddr);

		set_ipv6(a, &v);
	}
	a->port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
}

static __always_inline void local_of(const struct sock *sk, struct as_address *a)
{
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET) {
		set_ipv4(a, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
	} else {
		struct in6_addr v = BPF_CORE_READ(sk, __sk_common.skc_v6_rcv_saddr);

		set_ipv6(a, &v);
	}
	a->port = BPF_CORE_READ(sk, __sk_common.skc_num);
}

static __always_inline void peer_key(struct as_fact_key *key, __u32 slot, __u32 kind,
				     struct as_address *a, bool runtime, __u32 err)
{
	key->slot = slot;
	key->kind_aux = kind | ((a->ipv6 ? AS_N_IPV6 : 0) | (runtime ? AS_A_RUNTIME : 0)) << 8 |
			(err & 0xfff) << (8 + AS_AUX_ERRNO_SHIFT);
	key->a = a->high;
	key->b = a->low;
	key->c = a->port | (__u64)IPPROTO_TCP << 16;
}

/* Counts a peer and, at first sight, delivers it; conn is who it was, NULL: nobody known. */
static __noinline int note_peer(struct as_fact_key *key, struct as_conn *conn)
{
	struct as_room *room;
	__u32 kind;

	if (!key || !conn)
		return 0;
	kind = key->kind_aux & 0xff;
	if (touch(key) != TOUCH_NEW)
		return 0;
	room = room_try();
	if (!room)
		return 0;
	fill_header(room, key->slot, kind, conn->flags);
	room->r.key = *key;
	room->r.h.tgid = conn->tgid;
	room->r.h.tid = conn->tid;
	room->r.h.start = conn->start;
	room->r.h.ns_tgid = conn->ns_tgid;
	room->r.h.uid = conn->uid;
	hand_over(room);
	room_put(room);
	return 0;
}

static __always_inline void conn_actor(struct as_conn *c, struct task_struct *task,
				       struct as_task *t)
{
	struct as_header h;

	fill_actor(&h, task);
	c->slot = t->slot;
	c->scope = scope_id(t->slot);
	c->tgid = h.tgid;
	c->tid = h.tid;
	c->start = h.start;
	c->ns_tgid = h.ns_tgid;
	c->uid = h.uid;
	c->flags = t->phase ? 0 : AS_F_RUNTIME;
}

static __always_inline void add_bytes(struct as_fact_key *key, struct sock *sk)
{
	struct as_fact *f = bpf_map_lookup_elem(&facts, key);
	struct tcp_sock *tp;
	__u64 in, out;

	if (!f)
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	in = tp->bytes_received;
	out = tp->bytes_sent - tp->bytes_retrans;
	/* The peer's FIN counts as one byte. */
	if (in && (sk->sk_shutdown & RCV_SHUTDOWN))
		in--;
	__sync_fetch_and_add(&f->bytes_in, in);
	__sync_fetch_and_add(&f->bytes_out, out);
	f->last = bpf_ktime_get_boot_ns();
}

static __always_inline __u32 slot_of_socket(const struct sock *sk)
{
	return slot_of_cgroup(BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id));
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_tcp_state, struct sock *sk, int old, int new)
{
	struct as_address a = {};
	struct as_conn *c;
	struct as_task *t;

	/* Half of all changes say nothing: of a connection that lives, and of its orderly end. */
	if (new != TCP_CLOSE && new != TCP_SYN_SENT && new != TCP_LISTEN && old != TCP_SYN_SENT &&
	    (old != TCP_SYN_RECV || new != TCP_ESTABLISHED))
		return 0;
	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (new == TCP_SYN_SENT || new == TCP_LISTEN) {
		struct task_struct *task = bpf_get_current_task_btf();

		t = gate(task);
		if (!t || is_consumer(task))
			return 0;
		c = bpf_sk_storage_get(&connections, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (!c) {
			count_lost(t->slot, new == TCP_LISTEN ? AS_LISTEN : AS_CONNECT);
			return 0;
		}
		conn_actor(c, task, t);
		if (new == TCP_LISTEN) {
			local_of(sk, &a);
			c->direction = AS_LISTEN;
			peer_key(&c->key, t->slot, AS_LISTEN, &a, c->flags & AS_F_RUNTIME, 0);
			note_peer(&c->key, c);
		} else {
			c->direction = AS_CONNECT;
			t->connecting = (__u64)sk;
		}
		c->counted = 0;
		return 0;
	}
	c = bpf_sk_storage_get(&connections, sk, 0, 0);
	/* Kept by a socket that outlives its scope, or handed down by such a listener. */
	if (c && c->slot && !is_live(c->slot, c->scope)) {
		c->slot = 0;
		c->counted = 0;
		c->direction = 0;
	}
	if (old == TCP_SYN_SENT && c && c->direction == AS_CONNECT) {
		__u32 err = new == TCP_CLOSE ? sk->sk_err : 0;

		if (new == TCP_CLOSE && !err) {
			t = gate(bpf_get_current_task_btf());
			if (t && t->connecting == (__u64)sk) {
				/* The call itself gave up, and its result says why. */
				t->connecting = 0;
				return 0;
			}
			err = ECONNABORTED;
		}
		given_peer_of(sk, &a);
		peer_key(&c->key, c->slot, AS_CONNECT, &a, c->flags & AS_F_RUNTIME, err);
		c->counted = !err;
		note_peer(&c->key, c);
		return 0;
	}
	if (old == TCP_SYN_RECV && new == TCP_ESTABLISHED) {
		/* Whoever runs now may be anybody: the socket itself says where it belongs. */
		if (!c || !c->slot) {
			__u32 slot = slot_of_socket(sk);

			if (!slot)
				return 0;
			c = bpf_sk_storage_get(&connections, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
			if (!c) {
				count_lost(slot, AS_INBOUND);
				return 0;
			}
			c->slot = slot;
			c->scope = scope_id(slot);
			c->flags = 0;
		}
		given_peer_of(sk, &a);
		a.port = sk->__sk_common.skc_num;
		c->direction = AS_INBOUND;
		peer_key(&c->key, c->slot, AS_INBOUND, &a, c->flags & AS_F_RUNTIME, 0);
		c->counted = 1;
		return 0;
	}
	if (new == TCP_CLOSE) {
		__u64 address = (__u64)sk;
		struct as_accepted *by_accept;

		/* Nobody accepts what he connected himself. */
		if (c && c->counted && c->direction == AS_CONNECT) {
			add_bytes(&c->key, sk);
			c->counted = 0;
			return 0;
		}
		by_accept = bpf_map_lookup_elem(&accepted, &address);
		if (by_accept) {
			struct as_fact_key key = by_accept->key;

			if (is_live(key.slot, by_accept->scope))
				add_bytes(&key, sk);
			bpf_map_delete_elem(&accepted, &address);
		} else if (c && c->counted && c->direction == AS_INBOUND) {
			/* Nobody took it: no process, only the scope. */
			c->flags |= AS_F_NOT_ACCEPTED | AS_F_NO_ACTOR;
			c->tgid = 0;
			c->tid = 0;
			c->start = 0;
			c->ns_tgid = 0;
			c->uid = 0;
			note_peer(&c->key, c);
			add_bytes(&c->key, sk);
		}
		if (c)
			c->counted = 0;
	}
	return 0;
}

/* A connect that never left the machine: refused by policy, no route, no such family. */
static __always_inline int handle_connect(struct task_struct *task, struct as_task *t,
				     struct pt_regs *regs, long ret)
{
	bool compat = is_compat(task);
	struct as_fact_key key = {};
	struct as_address a = {};
	struct as_conn conn = {};
	struct socket *socket;
	struct sock *sk;
	struct file *file;
	__u8 raw[28] = {};
	__u64 user, handled;

	handled = t->connecting;
	t->connecting = 0;
	if (ret >= 0 || ret == -EALREADY || ret == -EISCONN || ret == -EINPROGRESS)
		return 0;
	file = file_of(task, call_arg(regs, 0, compat));
	if (!file)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	if ((BPF_CORE_READ(file, f_inode, i_mode) & 0170000) != 0140000)
		return 0;
	sk = BPF_CORE_READ(socket, sk);
	if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	if (handled == (__u64)sk)
		return 0; /* the state change has it */
	conn_actor(&conn, task, t);
	conn.flags |= AS_F_UNRESOLVED;
	user = call_arg(regs, 1, compat);
	/* As asked: the socket does not know an address it never got. */
	if (bpf_probe_read_user(raw, 28, (void *)user) && bpf_probe_read_user(raw, 16, (void *)user)) {
		count_lost(t->slot, AS_CONNECT);
		return 0;
	}
	if (*(__u16 *)raw == AF_INET6) {
		struct in6_addr v;

		__builtin_memcpy(&v, raw + 8, 16);
		set_ipv6(&a, &v);
	} else if (*(__u16 *)raw == AF_INET) {
		set_ipv4(&a, *(__be32 *)(raw + 4));
	} else {
		return 0;
	}
	a.port = __builtin_bswap16(*(__be16 *)(raw + 2));
	peer_key(&key, t->slot, AS_CONNECT, &a, !t->phase, -ret);
	note_peer(&key, &conn);
	return 0;
}

static __always_inline int handle_accept(struct task_struct *task, struct as_task *t,
				     struct pt_regs *regs, long ret)
{
	struct as_fact_key key = {};
	struct as_address a = {};
	struct as_conn conn = {};
	struct as_accepted taken;
	struct socket *socket;
	struct sock *sk;
	struct file *file;
	__u64 address;

	if (ret < 0)
		return 0;
	file = file_of(task, ret);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & 0170000) != 0140000)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	peer_of(sk, &a);
	a.port = BPF_CORE_READ(sk, __sk_common.skc_num);
	peer_key(&key, t->slot, AS_INBOUND, &a, !t->phase, 0);
	conn_actor(&conn, task, t);
	note_peer(&key, &conn);
	if (BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_CLOSE)
		return 0; /* reset while it waited: its bytes are counted */
	address = (__u64)sk;
	taken.scope = conn.scope;
	taken.key = key;
	if (bpf_map_update_elem(&accepted, &address, &taken, BPF_ANY))
		count_lost(t->slot, AS_INBOUND);
	return 0;
}

HANDLER(connect)
HANDLER(accept)

#endif
