/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every map, its bound, and what happens at the bound. Sizes marked (load) are set before load. */
#ifndef AGENTSEC_MAPS_H
#define AGENTSEC_MAPS_H

const volatile struct as_config config SEC(".rodata.config") = {};
struct as_control control SEC(".data.control") = {};
struct as_state state SEC(".bss.state") = {};

/* Slot of the label of every task in scope; freed with the task. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct as_task);
} tasks SEC(".maps");

/* Slot 0 is nobody. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64); /* (load) */
	__type(key, __u32);
	__type(value, struct as_scope);
} scopes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64); /* (load) */
	__type(key, __u32);
	__type(value, struct as_losses);
} losses SEC(".maps");

/* What each scope has of what they share; slot 0: all of them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64); /* (load) */
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct as_usage);
} usage SEC(".maps");

/* Slots for scopes that the kernel opens; empty: the new cgroup stays unobserved and is counted. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 64); /* (load) */
	__type(value, __u32);
} free_slots SEC(".maps");

/* Every cgroup in scope, descendants included; full: counted against the parent's scope. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct as_cgroup);
} cgroups SEC(".maps");

/* Members of process-tree scopes that the iterator shall mark: process number -> slot, phase. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u32);
} tree_members SEC(".maps");

/* While a process tree is being added: child -> parent of every fork; full: counted. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u32);
} fork_log SEC(".maps");

/* What is known; full: the operation is counted as lost. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1048576); /* (load) */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct as_fact_key);
	__type(value, struct as_fact);
} facts SEC(".maps");

/*
 * The owed store: what the rings refused, in two classes of size. Each fills an allocation of a
 * power of two, with the key and what the kernel adds. Full: facts stay owed, the rest is lost.
 */
#define AS_SPILL_SMALL 424
#define AS_SPILL_LARGE 8104
struct as_spill_small {
	__u8 record[AS_SPILL_SMALL];
};
struct as_spill_large {
	__u8 record[AS_SPILL_LARGE];
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 524288); /* (load) */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct as_fact_key);
	__type(value, struct as_spill_small);
} spill_small SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096); /* (load) */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct as_fact_key);
	__type(value, struct as_spill_large);
} spill_large SEC(".maps");

/* Two phases per slot. Unknown numbers and calls of the other ABI are facts. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 128); /* (load) */
	__type(key, __u32);
	__type(value, struct as_syscalls);
} syscalls_native SEC(".maps");

/* One ring per processor; one more, shared, for what must not wait behind a flood. */
struct as_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576); /* (load) */
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1); /* (load) */
	__type(key, __u32);
	__array(values, struct as_ring);
} rings SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576); /* (load) */
} urgent SEC(".maps");

/* Connections of scopes; cloned from a listener to what it accepts. */
struct as_conn {
	__u64 start;
	__u64 scope; /* its id: slots are used again */
	__u32 slot;
	__u32 tgid;
	__u32 tid;
	__u32 ns_tgid;
	__u32 uid;
	__u32 flags;
	struct as_fact_key key; /* of the fact its bytes belong to */
	__u8 direction; /* AS_CONNECT, AS_INBOUND, AS_LISTEN */
	__u8 counted;   /* key is valid */
	__u16 pad;
	__u32 pad2;
};
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct as_conn);
} connections SEC(".maps");

/* Sockets that a process accepted and that are still open, by address: erased at close. */
struct as_accepted {
	__u64 scope;
	struct as_fact_key key;
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct as_accepted);
} accepted SEC(".maps");

/* Room to build a record. An interrupt or another task may come in between: some to spare. */
#define AS_DATA 16384
#define AS_DATA_SLACK 4352
struct as_walk {
	struct dentry *dentry;
	struct vfsmount *mnt;
	struct dentry *mnt_root;
	struct dentry *root_dentry;
	struct vfsmount *root_mnt;
};
struct as_room {
	struct as_record r;
	__u8 data[AS_DATA + AS_DATA_SLACK];
	struct as_walk walk;
	struct sip sip;
	__u32 pos;
	__u32 busy;
};
#define AS_ROOMS 3
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, AS_ROOMS);
	__type(key, __u32);
	__type(value, struct as_room);
} rooms SEC(".maps");

/* Command lines that a scope ran before, by hash; one forgotten wakes the consumer once more. */
struct as_command {
	__u64 first;
	__u64 second;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct as_command);
	__type(value, __u8);
} commands SEC(".maps");

struct as_cpu {
	__u64 seq;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct as_cpu);
} cpus SEC(".maps");

/* Handlers of system calls by class, entered by tail call from the one sys_exit program. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, AS_CLASSES);
	__type(key, __u32);
	__type(value, __u32);
} handlers SEC(".maps");

#endif
