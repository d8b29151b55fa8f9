use super::*;

const ABIS: [SyscallAbi; 4] = [
    SyscallAbi::X86_64,
    SyscallAbi::Ia32,
    SyscallAbi::Aarch64,
    SyscallAbi::Arm,
];

#[test]
fn names_and_numbers_agree() {
    for (abi, calls) in ABIS.into_iter().zip([383, 459, 325, 428]) {
        let mut seen = std::collections::BTreeSet::new();
        for (n, text) in all(abi) {
            assert_eq!(name(abi, n), Some(text));
            assert_eq!(number(abi, text), Some(n), "{text}");
            assert!(seen.insert(text), "{text} twice in {}", abi.name());
            assert!(
                text.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            );
        }
        assert_eq!(seen.len(), calls, "{}", abi.name());
    }
}

#[test]
fn well_known_numbers() {
    let rows = [
        ("read", [Some(0), Some(3), Some(63), Some(3)]),
        ("open", [Some(2), Some(5), None, Some(5)]),
        ("openat", [Some(257), Some(295), Some(56), Some(322)]),
        ("openat2", [Some(437); 4]),
        ("execve", [Some(59), Some(11), Some(221), Some(11)]),
        ("execveat", [Some(322), Some(358), Some(281), Some(387)]),
        ("exit_group", [Some(231), Some(252), Some(94), Some(248)]),
        ("rt_sigreturn", [Some(15), Some(173), Some(139), Some(173)]),
        ("connect", [Some(42), Some(362), Some(203), Some(283)]),
        ("accept4", [Some(288), Some(364), Some(242), Some(366)]),
        ("newfstatat", [Some(262), None, Some(79), None]),
        ("mmap2", [None, Some(192), None, Some(192)]),
        ("rseq", [Some(334), Some(386), Some(293), Some(398)]),
        ("uretprobe", [Some(335), None, None, None]),
        ("uprobe", [Some(336), None, None, None]),
        ("io_uring_setup", [Some(425); 4]),
        ("clone3", [Some(435); 4]),
        ("memfd_secret", [Some(447), Some(447), Some(447), None]),
        ("cachestat", [Some(451); 4]),
        ("mseal", [Some(462); 4]),
        ("file_setattr", [Some(469); 4]),
        ("set_tls", [None, None, None, Some(0xf_0005)]),
        ("sync_file_range2", [None, None, None, Some(341)]),
    ];
    for (text, numbers) in rows {
        for (abi, expected) in ABIS.into_iter().zip(numbers) {
            assert_eq!(number(abi, text), expected, "{text} on {}", abi.name());
        }
    }
    assert_eq!(name(SyscallAbi::Arm, 341), Some("arm_sync_file_range"));
}

#[test]
fn unknown_numbers_have_a_display_name() {
    for abi in ABIS {
        for n in [470, 511, 600, 0x4000_0000, u32::MAX] {
            assert_eq!(name(abi, n), None);
            assert_eq!(display_name(abi, n), format!("syscall_{n}"));
        }
        assert_eq!(number(abi, ""), None);
        assert_eq!(number(abi, "syscall_9999"), None);
    }
    assert_eq!(display_name(SyscallAbi::X86_64, 0), "read");
    assert_eq!(name(SyscallAbi::X86_64, 337), None);
    assert_eq!(name(SyscallAbi::Aarch64, 244), None);
}

/// `#define __NR_name number` lines of a header; `prefix` is cut off the names.
fn header(file: &str, prefix: &str) -> Option<Vec<(String, u32)>> {
    let Ok(text) = std::fs::read_to_string(file) else {
        eprintln!("SKIPPED: {file} is not installed");
        return None;
    };
    let pairs = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let name = (words.next()? == "#define")
            .then(|| words.next())??
            .strip_prefix(prefix)?;
        Some((name.to_owned(), words.next()?.parse().ok()?))
    });
    Some(pairs.collect())
}

/// The headers of the kernel, where this machine has them, must agree with the tables.
#[test]
fn agrees_with_the_headers() {
    let folder = "/usr/include/x86_64-linux-gnu/asm";
    let files = [
        (SyscallAbi::X86_64, "unistd_64.h"),
        (SyscallAbi::Ia32, "unistd_32.h"),
    ];
    for (abi, file) in files {
        let Some(pairs) = header(&format!("{folder}/{file}"), "__NR_") else {
            continue;
        };
        assert!(pairs.len() > 350, "{file}: {}", pairs.len());
        for (text, n) in pairs {
            assert_eq!(name(abi, n), Some(text.as_str()));
        }
    }
    // The generic header serves several architectures: its conditional names are left out.
    let only_elsewhere = [
        "sync_file_range2",
        "arch_specific_syscall",
        "syscalls",
        "riscv_flush_icache",
    ];
    let Some(pairs) = header("/usr/include/asm-generic/unistd.h", "__NR_") else {
        return;
    };
    let mut seen = 0;
    for (text, n) in pairs {
        let year_2038 = (403..424).contains(&n);
        if !year_2038 && !only_elsewhere.contains(&text.as_str()) {
            assert_eq!(name(SyscallAbi::Aarch64, n), Some(text.as_str()));
            seen += 1;
        }
    }
    assert!(seen > 250, "{seen}");
}
