//! Actions that attacks are made of, and few programs need.

use super::Phase;
use crate::event::{Outcome, Text};

macro_rules! actions {
    ($($(#[$doc:meta])* $member:ident = $name:literal,)+) => {
        /// A sensitive action.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Action {
            $($(#[$doc])* $member,)+
        }

        impl Action {
            /// The stable name used in every output.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$member => $name,)+
                }
            }

            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$member),+];
        }
    };
}

actions! {
    /// Another process was traced, or asked to be: the request is the detail.
    Ptrace = "ptrace",
    /// Another process's memory was written (`process_vm_writev`).
    ProcessWrite = "process-write",
    /// Another process's memory was read (`process_vm_readv`).
    ProcessRead = "process-read",
    /// The memory file of a process was opened for writing.
    ProcessMemory = "process-memory",
    /// A kernel module was loaded.
    ModuleLoad = "module-load",
    /// A kernel module was removed.
    ModuleUnload = "module-unload",
    /// The `bpf` system call: the command is the detail.
    Bpf = "bpf",
    /// Something was mounted, moved or remounted.
    Mount = "mount",
    /// Something was unmounted.
    Unmount = "unmount",
    /// The root of the mount namespace was changed (`pivot_root`).
    PivotRoot = "pivot-root",
    /// The root of a process was changed.
    Chroot = "chroot",
    /// A namespace was entered: its flag is the detail.
    SetNamespace = "setns",
    /// Namespaces were left for new ones (`unshare`, `clone`): their flags are the detail.
    Unshare = "unshare",
    /// An anonymous file in memory was made.
    MemfdCreate = "memfd-create",
    /// An anonymous file in memory was executed.
    MemfdExec = "memfd-exec",
    /// Page faults are handled in user space.
    Userfaultfd = "userfaultfd",
    /// An io_uring was set up: its flags are the detail.
    IoUringSetup = "io_uring-setup",
    /// An operation was submitted through an io_uring: the opcode is the detail.
    IoUringOperation = "io_uring-operation",
    /// The kernel's keys were used: the operation is the detail.
    Keyctl = "keyctl",
    /// Another kernel was loaded.
    Kexec = "kexec",
    /// A file was opened without a path (`open_by_handle_at`).
    OpenByHandle = "open-by-handle",
    /// A process attribute that matters here was changed: the option is the detail.
    Prctl = "prctl",
    /// Memory was made executable.
    ExecutableMemory = "executable-memory",
    /// A program was executed through a descriptor and an empty path.
    EmptyPathExec = "empty-path-exec",
    /// A descriptor was taken from another process.
    PidfdGetfd = "pidfd-getfd",
    /// Performance counters or probes were opened.
    PerfEventOpen = "perf-event-open",
    /// Memory that not even the kernel maps was made.
    SecretMemory = "memfd-secret",
    /// The machine was told to restart or stop.
    Reboot = "reboot",
    /// A swap area, a quota, the accounting or the clock of the machine was changed.
    System = "system",
}

/// A sensitive action.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionFact {
    /// What was done.
    pub action: Action,
    /// To what: a path, the name of a file in memory, or the program of another process.
    pub target: Option<Text>,
    /// A number that says more: see the action.
    pub detail: Option<u64>,
    /// How it ended.
    pub outcome: Outcome,
    /// Launcher or workload.
    pub phase: Phase,
}
