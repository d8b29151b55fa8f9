//! System calls: how many, which most, and the few that change what a process may do.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use agentsec_core::event::{Fact, SyscallAbi, syscall};

use super::{Page, Seen};
use crate::text::{columns, counted, number};

/// Most names of the busiest.
const MOST: usize = 12;

/// Calls that a reader of a profile will ask about.
const NOTABLE: [&str; 34] = [
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "kcmp",
    "pidfd_getfd",
    "memfd_create",
    "memfd_secret",
    "execveat",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "unshare",
    "setns",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "open_tree",
    "move_mount",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "keyctl",
    "add_key",
    "request_key",
    "setuid",
    "setresuid",
    "capset",
    "personality",
    "open_by_handle_at",
];

pub(super) fn section(facts: &[Seen<'_>], page: &mut Page) {
    let mut abis: BTreeMap<SyscallAbi, BTreeMap<String, u64>> = BTreeMap::new();
    for (fact, evidence) in facts {
        if let Fact::Syscall(call) = fact {
            let name = syscall::display_name(call.abi, call.number).into_owned();
            let count = abis.entry(call.abi).or_default().entry(name).or_default();
            *count = count.saturating_add(evidence.count);
        }
    }
    for (abi, calls) in &abis {
        let total = calls.values().fold(0u64, |n, &c| n.saturating_add(c));
        let distinct = u64::try_from(calls.len()).unwrap_or(u64::MAX);
        let sum = format!(
            "{}: {} different, {} in all",
            abi.name(),
            distinct,
            counted(total, "call")
        );
        page.heading("System calls", &sum);
        let mut sorted: Vec<(&String, &u64)> = calls.iter().collect();
        sorted.sort_by_key(|&(name, &count)| (Reverse(count), name));
        let mut words: Vec<String> = sorted
            .iter()
            .take(MOST)
            .map(|(name, count)| format!("{name} {}", number(**count)))
            .collect();
        if let Some(left_out) = distinct.checked_sub(12).filter(|n| *n > 0) {
            words.push(format!("… and {left_out} more"));
        }
        wrap(&words, page);
        let notable: Vec<String> = NOTABLE
            .iter()
            .filter_map(|&name| Some(format!("{name} {}", number(*calls.get(name)?))))
            .collect();
        if !notable.is_empty() {
            let text = format!("  notable: {}", notable.join(" · "));
            page.line(&page.style.yellow(&text));
        }
    }
}

/// Words over as many lines as they need.
fn wrap(words: &[String], page: &mut Page) {
    let mut line = String::new();
    for word in words {
        if !line.is_empty() && columns(&line) + columns(word) + 5 > page.style.width {
            page.line(&format!("  {line} ·"));
            line.clear();
        }
        if !line.is_empty() {
            line += " · ";
        }
        line += word;
    }
    page.line(&format!("  {line}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notable_names_exist() {
        for name in NOTABLE {
            assert!(
                syscall::number(SyscallAbi::X86_64, name).is_some(),
                "{name}"
            );
        }
    }
}
