//! Names of Linux error numbers.
//!
//! The numbers are those of x86 and ARM; both use the generic set.

/// Names by number, from 1; two numbers were never given out.
#[rustfmt::skip]
static NAMES: [&str; 134] = [
    /*   0 */ "",
    /*   1 */ "EPERM", "ENOENT", "ESRCH", "EINTR", "EIO", "ENXIO", "E2BIG", "ENOEXEC", "EBADF",
    /*  10 */ "ECHILD", "EAGAIN", "ENOMEM", "EACCES", "EFAULT", "ENOTBLK", "EBUSY", "EEXIST",
    /*  18 */ "EXDEV", "ENODEV", "ENOTDIR", "EISDIR", "EINVAL", "ENFILE", "EMFILE", "ENOTTY",
    /*  26 */ "ETXTBSY", "EFBIG", "ENOSPC", "ESPIPE", "EROFS", "EMLINK", "EPIPE", "EDOM", "ERANGE",
    /*  35 */ "EDEADLK", "ENAMETOOLONG", "ENOLCK", "ENOSYS", "ENOTEMPTY", "ELOOP", "", "ENOMSG",
    /*  43 */ "EIDRM", "ECHRNG", "EL2NSYNC", "EL3HLT", "EL3RST", "ELNRNG", "EUNATCH", "ENOCSI",
    /*  51 */ "EL2HLT", "EBADE", "EBADR", "EXFULL", "ENOANO", "EBADRQC", "EBADSLT", "", "EBFONT",
    /*  60 */ "ENOSTR", "ENODATA", "ETIME", "ENOSR", "ENONET", "ENOPKG", "EREMOTE", "ENOLINK",
    /*  68 */ "EADV", "ESRMNT", "ECOMM", "EPROTO", "EMULTIHOP", "EDOTDOT", "EBADMSG", "EOVERFLOW",
    /*  76 */ "ENOTUNIQ", "EBADFD", "EREMCHG", "ELIBACC", "ELIBBAD", "ELIBSCN", "ELIBMAX",
    /*  83 */ "ELIBEXEC", "EILSEQ", "ERESTART", "ESTRPIPE", "EUSERS", "ENOTSOCK", "EDESTADDRREQ",
    /*  90 */ "EMSGSIZE", "EPROTOTYPE", "ENOPROTOOPT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT",
    /*  95 */ "EOPNOTSUPP", "EPFNOSUPPORT", "EAFNOSUPPORT", "EADDRINUSE", "EADDRNOTAVAIL",
    /* 100 */ "ENETDOWN", "ENETUNREACH", "ENETRESET", "ECONNABORTED", "ECONNRESET", "ENOBUFS",
    /* 106 */ "EISCONN", "ENOTCONN", "ESHUTDOWN", "ETOOMANYREFS", "ETIMEDOUT", "ECONNREFUSED",
    /* 112 */ "EHOSTDOWN", "EHOSTUNREACH", "EALREADY", "EINPROGRESS", "ESTALE", "EUCLEAN",
    /* 118 */ "ENOTNAM", "ENAVAIL", "EISNAM", "EREMOTEIO", "EDQUOT", "ENOMEDIUM", "EMEDIUMTYPE",
    /* 125 */ "ECANCELED", "ENOKEY", "EKEYEXPIRED", "EKEYREVOKED", "EKEYREJECTED", "EOWNERDEAD",
    /* 131 */ "ENOTRECOVERABLE", "ERFKILL", "EHWPOISON",
];

/// Numbers that never leave the kernel; a probe on a system call's exit sees them.
static INTERNAL: [(u16, &str); 18] = [
    (512, "ERESTARTSYS"),
    (513, "ERESTARTNOINTR"),
    (514, "ERESTARTNOHAND"),
    (515, "ENOIOCTLCMD"),
    (516, "ERESTART_RESTARTBLOCK"),
    (517, "EPROBE_DEFER"),
    (518, "EOPENSTALE"),
    (519, "ENOPARAM"),
    (521, "EBADHANDLE"),
    (522, "ENOTSYNC"),
    (523, "EBADCOOKIE"),
    (524, "ENOTSUPP"),
    (525, "ETOOSMALL"),
    (526, "ESERVERFAULT"),
    (527, "EBADTYPE"),
    (528, "EJUKEBOX"),
    (529, "EIOCBQUEUED"),
    (530, "ERECALLCONFLICT"),
];

/// Second names of a number, understood and never printed.
static ALIASES: [(u16, &str); 3] = [(11, "EWOULDBLOCK"), (35, "EDEADLOCK"), (95, "ENOTSUP")];

/// The name of an error number, e.g. `ENOENT` of 2.
pub fn name(number: u16) -> Option<&'static str> {
    let common = NAMES
        .get(usize::from(number))
        .copied()
        .filter(|name| !name.is_empty());
    common.or_else(|| {
        INTERNAL
            .iter()
            .find(|(n, _)| *n == number)
            .map(|&(_, name)| name)
    })
}

/// The number behind a name; second names such as `EWOULDBLOCK` are understood too.
pub fn number(name: &str) -> Option<u16> {
    if name.is_empty() {
        return None;
    }
    let common = NAMES
        .iter()
        .position(|&n| n == name)
        .and_then(|n| u16::try_from(n).ok());
    common.or_else(|| {
        INTERNAL
            .iter()
            .chain(&ALIASES)
            .find(|(_, other)| *other == name)
            .map(|&(number, _)| number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        let mut known = 0;
        for n in 0..=u16::MAX {
            if let Some(text) = name(n) {
                assert_eq!(number(text), Some(n), "{text}");
                known += 1;
            }
        }
        assert_eq!(known, 131 + 18);
        assert_eq!(name(0), None);
        assert_eq!(name(41), None);
        assert_eq!(name(134), None);
        assert_eq!(number(""), None);
        assert_eq!(number("enoent"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn agrees_with_the_c_library() {
        let pairs = [
            (libc::EPERM, "EPERM"),
            (libc::ENOENT, "ENOENT"),
            (libc::EAGAIN, "EAGAIN"),
            (libc::EWOULDBLOCK, "EWOULDBLOCK"),
            (libc::ERANGE, "ERANGE"),
            (libc::EDEADLK, "EDEADLK"),
            (libc::ELOOP, "ELOOP"),
            (libc::ENOMSG, "ENOMSG"),
            (libc::EBADSLT, "EBADSLT"),
            (libc::EBFONT, "EBFONT"),
            (libc::EOVERFLOW, "EOVERFLOW"),
            (libc::EOPNOTSUPP, "EOPNOTSUPP"),
            (libc::EADDRINUSE, "EADDRINUSE"),
            (libc::ECONNREFUSED, "ECONNREFUSED"),
            (libc::EINPROGRESS, "EINPROGRESS"),
            (libc::ECANCELED, "ECANCELED"),
            (libc::EHWPOISON, "EHWPOISON"),
        ];
        for (n, text) in pairs {
            assert_eq!(number(text).map(i32::from), Some(n), "{text}");
        }
    }

    /// The headers of the kernel, where this machine has them, must agree with the whole table.
    #[test]
    fn agrees_with_the_headers() {
        let mut seen = 0;
        for file in [
            "/usr/include/asm-generic/errno-base.h",
            "/usr/include/asm-generic/errno.h",
        ] {
            let Ok(header) = std::fs::read_to_string(file) else {
                eprintln!("SKIPPED: {file} is not installed");
                return;
            };
            for line in header.lines() {
                let mut words = line.split_whitespace();
                if let (Some("#define"), Some(text), Some(Ok(n))) = (
                    words.next(),
                    words.next(),
                    words.next().map(str::parse::<u16>),
                ) {
                    assert_eq!(name(n), Some(text));
                    seen += 1;
                }
            }
        }
        assert_eq!(seen, 131);
    }
}
