//! The smallest program: it ends at once. It needs no file system and no library.

/// `exit_group(0)`.
#[cfg(target_arch = "x86_64")]
const CODE: &[u8] = &[
    0x31, 0xff, // xor edi, edi
    0xb8, 0xe7, 0x00, 0x00, 0x00, // mov eax, 231
    0x0f, 0x05, // syscall
];
#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;

/// `exit_group(0)`.
#[cfg(target_arch = "aarch64")]
const CODE: &[u8] = &[
    0x00, 0x00, 0x80, 0xd2, // mov x0, #0
    0xc8, 0x0b, 0x80, 0xd2, // mov x8, #94
    0x01, 0x00, 0x00, 0xd4, // svc #0
];
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const CODE: &[u8] = &[];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const MACHINE: u16 = 0;

const HEADER: u16 = 64;
const SEGMENT: u16 = 56;
const BASE: u64 = 0x40_0000;

/// It as an ELF file: one header, one segment, and the code.
pub(super) fn image() -> Vec<u8> {
    let mut out = b"\x7fELF\x02\x01\x01".to_vec();
    out.resize(16, 0);
    let size = u64::from(HEADER + SEGMENT) + CODE.len() as u64;
    let entry = BASE + u64::from(HEADER + SEGMENT);
    out.extend(2u16.to_le_bytes()); // executable
    out.extend(MACHINE.to_le_bytes());
    out.extend(1u32.to_le_bytes());
    out.extend(entry.to_le_bytes());
    out.extend(u64::from(HEADER).to_le_bytes()); // where its one segment is described
    out.extend(0u64.to_le_bytes());
    out.extend(0u32.to_le_bytes());
    out.extend(HEADER.to_le_bytes());
    out.extend(SEGMENT.to_le_bytes());
    out.extend(1u16.to_le_bytes());
    out.extend([0; 6]);
    out.extend(1u32.to_le_bytes()); // to be loaded
    out.extend(5u32.to_le_bytes()); // readable and executable
    out.extend(0u64.to_le_bytes());
    out.extend([BASE.to_le_bytes(), BASE.to_le_bytes()].concat());
    out.extend([size.to_le_bytes(), size.to_le_bytes()].concat());
    out.extend(0x1000u64.to_le_bytes());
    out.extend(CODE);
    out
}
