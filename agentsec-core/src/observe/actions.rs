//! Which system calls are sensitive actions, or change privileges.

use agentsec_bpf::wire::{class, privilege};

use super::syscalls::Entry;
use crate::event::{Action, Privilege};

/// The place of an action in the list of all, which is its number in the kernel.
const fn number(action: Action) -> u8 {
    action as u8
}

const fn act(call: &'static str, class: u8, action: Action) -> Entry {
    (call, class, number(action))
}

/// Argument `at` is the user or group that is asked for.
const fn id(call: &'static str, privilege: u8, at: u8) -> Entry {
    (
        call,
        class::CREDENTIALS,
        privilege | at << privilege::ARGUMENT_SHIFT,
    )
}

pub(crate) const ACTIONS: &[Entry] = &[
    act("ptrace", class::PTRACE, Action::Ptrace),
    act("process_vm_writev", class::ACT_PID, Action::ProcessWrite),
    act("process_vm_readv", class::ACT_PID, Action::ProcessRead),
    act("init_module", class::ACT, Action::ModuleLoad),
    act("finit_module", class::ACT_FD, Action::ModuleLoad),
    act("delete_module", class::ACT_TEXT, Action::ModuleUnload),
    act("bpf", class::ACT0, Action::Bpf),
    act("mount", class::MOUNT, Action::Mount),
    act("move_mount", class::MOVE_MOUNT, Action::Mount),
    act("open_tree", class::ACT_PATHAT, Action::Mount),
    act("mount_setattr", class::ACT_PATHAT, Action::Mount),
    act("fspick", class::ACT_PATHAT, Action::Mount),
    act("fsopen", class::ACT_TEXT, Action::Mount),
    act("umount2", class::ACT_PATH, Action::Unmount),
    act("umount", class::ACT_PATH, Action::Unmount),
    act("pivot_root", class::ACT_PATH, Action::PivotRoot),
    act("chroot", class::ACT_PATH, Action::Chroot),
    act("setns", class::ACT1, Action::SetNamespace),
    act("unshare", class::ACT0, Action::Unshare),
    act("memfd_create", class::ACT_TEXT, Action::MemfdCreate),
    act("memfd_secret", class::ACT, Action::SecretMemory),
    act("userfaultfd", class::ACT0, Action::Userfaultfd),
    act("io_uring_setup", class::URING, Action::IoUringSetup),
    act("keyctl", class::ACT0, Action::Keyctl),
    act("add_key", class::ACT, Action::Keyctl),
    act("request_key", class::ACT, Action::Keyctl),
    act("kexec_load", class::ACT, Action::Kexec),
    act("kexec_file_load", class::ACT_FD, Action::Kexec),
    act("prctl", class::PRCTL, Action::Prctl),
    act("pidfd_getfd", class::ACT, Action::PidfdGetfd),
    act("perf_event_open", class::ACT, Action::PerfEventOpen),
    act("reboot", class::ACT2, Action::Reboot),
    act("swapon", class::ACT_PATH, Action::System),
    act("swapoff", class::ACT_PATH, Action::System),
    act("acct", class::ACT_PATH, Action::System),
    act("sethostname", class::ACT, Action::System),
    act("setdomainname", class::ACT, Action::System),
    act("settimeofday", class::ACT, Action::System),
    act("clock_settime", class::ACT0, Action::System),
    act("adjtimex", class::ACT, Action::System),
    act("iopl", class::ACT0, Action::System),
    act("ioperm", class::ACT, Action::System),
    id("setuid", privilege::USER, 0),
    id("setuid32", privilege::USER, 0),
    id("setreuid", privilege::USER, 1),
    id("setreuid32", privilege::USER, 1),
    id("setresuid", privilege::USER, 1),
    id("setresuid32", privilege::USER, 1),
    id("setgid", privilege::GROUP, 0),
    id("setgid32", privilege::GROUP, 0),
    id("setregid", privilege::GROUP, 1),
    id("setregid32", privilege::GROUP, 1),
    id("setresgid", privilege::GROUP, 1),
    id("setresgid32", privilege::GROUP, 1),
    id("capset", privilege::CAPABILITIES, 0),
    id("seccomp", privilege::SECCOMP, 0),
];

/// Every privilege, by its number in the kernel.
pub(crate) const PRIVILEGES: [Privilege; 9] = [
    Privilege::User,
    Privilege::Group,
    Privilege::Capabilities,
    Privilege::SetUserIdExec,
    Privilege::SetGroupIdExec,
    Privilege::CapabilityExec,
    Privilege::NoNewPrivileges,
    Privilege::Seccomp,
    Privilege::UserNamespace,
];

#[cfg(test)]
mod tests {
    use agentsec_bpf::wire::action;

    use super::*;

    #[test]
    fn the_kernels_numbers_are_places_in_the_list() {
        for (number, expected) in [
            (action::PROCESS_MEMORY, Action::ProcessMemory),
            (action::UNSHARE, Action::Unshare),
            (action::OPEN_BY_HANDLE, Action::OpenByHandle),
            (action::IO_URING_OPERATION, Action::IoUringOperation),
            (action::EXECUTABLE_MEMORY, Action::ExecutableMemory),
        ] {
            assert_eq!(Action::ALL.get(number), Some(&expected));
        }
        for (at, &one) in Action::ALL.iter().enumerate() {
            assert_eq!(usize::from(number(one)), at);
        }
        let place = |p: u8| PRIVILEGES.get(usize::from(p));
        assert_eq!(place(privilege::USER), Some(&Privilege::User));
        assert_eq!(
            place(privilege::CAPABILITIES),
            Some(&Privilege::Capabilities)
        );
        assert_eq!(place(privilege::SECCOMP), Some(&Privilege::Seccomp));
    }
}
