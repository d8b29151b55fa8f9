/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What crosses from the kernel to user space. wire.rs mirrors it; both sides assert the layout.
 * Kinds and flags are numbered once: new ones are appended, retired ones never used again.
 */
#ifndef AGENTSEC_WIRE_H
#define AGENTSEC_WIRE_H

/* Raised whenever anything below changes. */
#define AS_WIRE_VERSION 3

enum as_kind {
	AS_EXEC = 1,
	AS_EXEC_FAILED = 2,
	AS_FORK = 3,
	AS_EXIT = 4,
	AS_OPEN = 5,
	AS_OPEN_FAILED = 6,
	AS_UNLINK = 7,
	AS_RENAME = 8,
	AS_CONNECT = 9,
	AS_INBOUND = 10,
	AS_LISTEN = 11,
	AS_SYSCALL = 12,
	AS_SCOPE_OPENED = 13,
	AS_SCOPE_CLOSED = 14,
	/* A process with several threads entered a scope: its other threads need a mark. */
	AS_MOVED = 15,
	/* Of an embedder's own programs. */
	AS_CUSTOM = 44,
	/* In losses only: the arguments of an exec, which is a kind of its own. */
	AS_ARGUMENTS = 63,
	/* What was done to files beyond opening them: as asked (AS_F_UNRESOLVED) or as found. */
	AS_LINK = 24,
	AS_SYMLINK = 25,
	AS_MKDIR = 26,
	AS_MKNOD = 27,
	AS_CHMOD = 28,
	AS_CHOWN = 29,
	AS_TRUNCATE = 30,
	AS_SETXATTR = 31,
	AS_REMOVEXATTR = 32,
	AS_MAP_EXEC = 33,
	AS_PRIVILEGE = 36, /* a: before, b: after, c: which */
	AS_ACTION = 37, /* a: number of the action, b: its detail, c: hash of its target */
	AS_ENVIRONMENT = 38, /* a: number of the variable */
	AS_WRITE_EXEC = 46,
	AS_KINDS = 64,
};

/* Bits of as_header.flags. */
#define AS_F_TRUNCATED (1u << 0)
#define AS_F_READ_FAULT (1u << 1)
#define AS_F_UNRESOLVED (1u << 2)
#define AS_F_UNSTABLE (1u << 3)
#define AS_F_UNREACHABLE (1u << 4)
#define AS_F_NOT_ACCEPTED (1u << 5)
#define AS_F_LATE (1u << 6)
#define AS_F_RUNTIME (1u << 8)
#define AS_F_NO_ACTOR (1u << 9)
#define AS_F_DELETED (1u << 10)
#define AS_F_NOT_COLLECTED (1u << 28)
/* TRUNCATED and READ_FAULT of an exec's arguments, which are another dimension. */
#define AS_F_ARGS_CUT (1u << 29)
#define AS_F_ARGS_FAULT (1u << 30)
#define AS_F_URGENT (1u << 31) /* it woke the consumer, or found it woken */

/* Bits of as_exec.flags. */
#define AS_X_SCRIPT (1u << 0)
#define AS_X_MEMFD (1u << 1)
#define AS_X_DELETED (1u << 2)
#define AS_X_UPPER (1u << 3)

/* as_fact_key.aux of files: access in the low byte, error number above. */
#define AS_A_READ (1u << 0)
#define AS_A_WRITE (1u << 1)
#define AS_A_CREATE (1u << 2)
#define AS_A_TRUNCATE (1u << 3)
#define AS_A_PATH (1u << 4)
#define AS_A_RUNTIME (1u << 7)
#define AS_AUX_ERRNO_SHIFT 8

/* as_fact_key.aux of peers: bit 0 IPv6, bit 7 runtime, error number above. */
#define AS_N_IPV6 (1u << 0)

/* What the kernel does with a system call beyond counting it. */
enum as_class {
	AS_C_NONE = 0,
	AS_C_OPEN = 1,      /* path, flags */
	AS_C_CREAT = 2,     /* path */
	AS_C_OPENAT = 3,    /* dirfd, path, flags */
	AS_C_OPENAT2 = 4,   /* dirfd, path, how */
	AS_C_OPENHANDLE = 5,/* mount fd, handle, flags */
	AS_C_EXECVE = 6,    /* path */
	AS_C_EXECVEAT = 7,  /* dirfd, path */
	/* 8 to 11 are retired. */
	AS_C_CONNECT = 12,  /* fd, address, length */
	AS_C_ACCEPT = 13,   /* fd */
	AS_C_FORK = 14,     /* returns twice */
	/* These make a record of the kind in as_config.sys_kind. */
	AS_C_PATH = 28,     /* path */
	AS_C_PATHAT = 29,   /* dirfd, path */
	AS_C_FD = 30,       /* fd */
	AS_C_FALLOCATE = 31,/* fd, mode */
	AS_C_TWO = 32,      /* old, new */
	AS_C_TWOAT = 33,    /* olddirfd, old, newdirfd, new */
	AS_C_SYMLINK = 34,  /* target, path */
	AS_C_SYMLINKAT = 35,/* target, dirfd, path */
	AS_C_MMAP = 36,     /* address, length, protection, flags, fd */
	AS_C_MMAP_OLD = 37, /* the same in memory */
	AS_C_MPROTECT = 38, /* address, length, protection */
	/* Bytes of files. */
	AS_C_READ = 39,     /* fd */
	AS_C_WRITE = 40,    /* fd */
	AS_C_SENDFILE = 41, /* to fd, from fd */
	AS_C_COPY = 42,     /* from fd, offset, to fd */
	/* Actions, of the number in sys_kind; their detail is an argument or nothing. */
	AS_C_ACT = 48,
	AS_C_ACT0 = 49,
	AS_C_ACT1 = 50,
	AS_C_ACT2 = 51,
	AS_C_ACT_PID = 52,  /* process */
	AS_C_PTRACE = 53,   /* request, process */
	AS_C_ACT_TEXT = 54, /* string */
	AS_C_ACT_FD = 55,   /* fd */
	AS_C_PRCTL = 56,    /* option */
	AS_C_URING = 57,    /* entries, parameters */
	AS_C_ACT_PATH = 58, /* path, flags */
	AS_C_MOUNT = 59,    /* source, target, type, flags */
	AS_C_ACT_PATHAT = 60,/* dirfd, path */
	AS_C_MOVE_MOUNT = 61,/* fromdirfd, from, todirfd, to */
	/* sys_kind: the privilege, and above it which argument is the new id */
	AS_C_CREDENTIALS = 62,
	AS_CLASSES = 64,
};

/* Actions that no table of system calls names; the others have numbers of the same list. */
#define AS_ACT_PROCESS_MEMORY 3
#define AS_ACT_UNSHARE 12
#define AS_ACT_IO_URING_OPERATION 17
#define AS_ACT_OPEN_BY_HANDLE 20
#define AS_ACT_EXECUTABLE_MEMORY 22

enum as_privilege {
	AS_P_USER = 0,
	AS_P_GROUP = 1,
	AS_P_CAPABILITIES = 2,
	AS_P_SETUID_EXEC = 3,
	AS_P_SETGID_EXEC = 4,
	AS_P_CAPABILITY_EXEC = 5,
	AS_P_NO_NEW_PRIVILEGES = 6,
	AS_P_SECCOMP = 7,
	AS_P_USER_NAMESPACE = 8,
};
#define AS_P_ARGUMENT_SHIFT 4

/* as_record.arg[1] of an action: its target is a text that is no path. */
#define AS_T_TEXT 1

/* sys_kind of calls that fork, where new namespaces may be asked for. */
#define AS_FORK_CLONE 1
#define AS_FORK_CLONE3 2

#define AS_SYSCALLS 512
#define AS_SEGMENTS 4

struct as_header {
	__u32 size;   /* of the whole record */
	__u8 kind;
	__u8 segments; /* reserved, zero */
	__u16 cpu;
	__u64 time;   /* CLOCK_BOOTTIME */
	__u64 seq;    /* per processor */
	__u32 slot;   /* of the scope */
	__u32 flags;
	__u32 tgid;
	__u32 tid;
	__u64 start;  /* of the process */
	__u32 ns_tgid; /* as the process sees itself */
	__u32 uid;
	__u16 seg[AS_SEGMENTS]; /* lengths of what follows */
};

/* Identity of a fact. */
struct as_fact_key {
	__u32 slot;
	__u32 kind_aux; /* kind | aux << 8 */
	__u64 a;
	__u64 b;
	__u64 c;
};

struct as_record {
	struct as_header h;
	struct as_fact_key key;
	__u64 arg[2];
	/* segments follow */
};

struct as_exec {
	__u64 ino;
	__u64 caps;
	__u64 cgroup;
	__u64 parent_start;
	__u32 parent_tgid;
	__u32 dev;    /* kernel encoding */
	__u32 flags;
	__u32 uid;
	__u32 gid;
	__u32 euid;
	__u32 egid;
	__u32 mnt_ns;
};

enum as_fact_state {
	AS_OWED = 0,
	AS_DELIVERED = 1,
	AS_SPILLED = 2,
};

struct as_fact {
	__u64 first;
	__u64 last;
	__u64 count;
	__u64 bytes_in;  /* of system calls: what the first one returned */
	__u64 bytes_out;
	__u32 state;
	__u32 succeeded; /* of system calls: whether one ever did */
};

enum as_scope_state {
	AS_FREE = 0,
	AS_ACTIVE = 1,
	AS_ENDED = 2,
};

#define AS_S_EACH_BELOW (1u << 0) /* observes nothing itself: each new child becomes a scope */
#define AS_S_BY_KERNEL (1u << 1)  /* opened by the kernel */
#define AS_S_TREE (1u << 2)       /* a process tree */

struct as_scope {
	__u64 id;
	__u64 facts; /* distinct ones held */
	__u64 quota;
	__u64 cgroup;
	__u32 state;
	__u32 flags;
	__u32 outer; /* slot of the scope around it, 0: none */
	__u32 pad;
};

/* Per scope and kind, absolute. */
struct as_losses {
	__u64 lost[AS_KINDS];
	__u64 truncated[AS_KINDS];
	__u64 faults[AS_KINDS];
	__u64 refused[AS_KINDS]; /* the ring was full; the fact may have been kept elsewhere */
	__u64 held[AS_KINDS];    /* distinct facts */
};

/* Classes of size in the owed store. */
#define AS_OWED_CLASSES 2

/*
 * How much of what the scopes share one of them has ever taken, and how much of that user space
 * has taken out again, which alone writes the second half. Never cleared. Slot 0: all together.
 */
struct as_usage {
	__u64 facts;
	__u64 urgent; /* bytes */
	__u64 owed[AS_OWED_CLASSES];
	__u64 facts_gone; /* slot 0 only */
	__u64 urgent_gone;
	__u64 owed_gone[AS_OWED_CLASSES];
};

/*
 * Counts of one scope and phase, of the native ABI; bits of `ok` are set once a call succeeded.
 * Calls of the other ABI are facts.
 */
struct as_syscalls {
	__u64 count[AS_SYSCALLS];
	__u64 ok[AS_SYSCALLS / 64];
};

struct as_cgroup {
	__u32 slot;  /* of the scope that what runs in it belongs to, 0: none */
	__u32 below; /* of the scope that makes each new child one of its own, 0: none */
};

/* Value of tree_members: a slot, and whether the process still is the launcher's. */
#define AS_TREE_RUNTIME (1u << 31)

/* Process number and start name a process. */
struct as_task {
	__u64 tree_id; /* id of the process-tree scope */
	__u64 connecting; /* socket that reached SYN_SENT in the call in flight */
	__u32 epoch;
	__u32 slot;    /* what its events carry */
	__u32 tree;    /* slot of the process-tree scope, 0: none */
	__u8 phase;    /* 0 before its first exec in the scope */
	__u8 handlers; /* signal handlers entered and not yet returned from */
	__u16 pad;
};

/* Filled in by user space before load. */
struct as_config {
	__u64 key[2];        /* of the string hash */
	__u64 quota;         /* facts per scope, for scopes the kernel opens */
	__u32 ring_backlog;  /* bytes that wake the consumer */
	__u32 slots;
	__u64 facts;         /* of all scopes */
	__u64 owed[AS_OWED_CLASSES]; /* records of all scopes */
	__u64 urgent_bytes;
	__u32 nr_rt_sigreturn[2];
	__u32 nr_exit[2];
	__u32 nr_exit_group[2];
	__u8 sys_class[2][AS_SYSCALLS]; /* native, compat */
	__u8 sys_kind[2][AS_SYSCALLS];  /* of the record, where the class leaves it open */
};

/* Of an embedder's own object; bytes of a payload at most. */
#define AS_CUSTOM_BYTES 4096
struct as_custom {
	__u32 version;
	__u32 object; /* written by user space before load */
};

/* Written by user space at run time. */
struct as_control {
	__u32 epoch;     /* raised when labels may have changed */
	__u32 log_forks; /* a process tree is being added */
	__u32 steady;    /* handlers are entered from the tracepoints of their own calls */
	__u32 pad;
};

/* Written by the kernel at run time. */
struct as_state {
	__u64 scopes_opened;
	__u64 spilled;      /* records kept because a ring was full, so far */
	__u64 forks_missed; /* not in the log of forks, which was full */
	__u32 moves;        /* a second epoch: processes of several threads that changed cgroup */
	__u32 consumer;     /* thread that polls: its own polling is not an observation */
	__u32 woken;        /* the consumer has been woken and has not begun to read; it clears this */
	__u32 pad;
};

#endif
