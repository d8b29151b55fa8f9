/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel side of agentsec in one object; every program can be left out on its own. */
#include "kernel.h"
#include <bpf_helpers.h>
#include <bpf_core_read.h>
#include <bpf_tracing.h>

#include "wire.h"
#include "siphash.h"
#include "maps.h"
#include "gate.h"
#include "record.h"
#include "walk.h"
#include "bytes.h"
#include "process.h"
#include "syscalls.h"
#include "steady.h"
#include "files.h"
#include "actions.h"
#include "opens.h"
#include "paths.h"
#include "io.h"
#include "privilege.h"
#include "environment.h"
#include "calls.h"
#include "uring.h"
#include "net.h"

_Static_assert(sizeof(struct as_header) == 64, "header");
_Static_assert(sizeof(struct as_fact_key) == 32, "key");
_Static_assert(sizeof(struct as_record) == 112, "record");
_Static_assert(sizeof(struct as_exec) == 64, "exec");
_Static_assert(sizeof(struct as_fact) == 48, "fact");
_Static_assert(sizeof(struct as_scope) == 48, "scope");
_Static_assert(sizeof(struct as_task) == 32, "task");
_Static_assert(sizeof(struct as_state) == 40, "state");
_Static_assert(sizeof(struct as_syscalls) == 4160, "syscalls");
_Static_assert(sizeof(struct as_usage) == 64, "usage");
_Static_assert(sizeof(struct as_losses) == 40 * AS_KINDS, "losses");

char LICENSE[] SEC("license") = "Dual BSD/GPL";
