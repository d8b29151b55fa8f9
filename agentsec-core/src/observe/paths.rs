//! Paths that the kernel did not resolve, put together lexically.

use crate::event::Text;

/// What was asked for, under the directory it was asked from. `.` components and doubled slashes
/// go; `..` stays, since what it means depends on links that nobody followed.
pub(crate) fn join(directory: &[u8], asked: &[u8]) -> Text {
    let mut out = Vec::with_capacity(directory.len() + asked.len() + 1);
    if !asked.starts_with(b"/") {
        append(&mut out, directory);
    }
    append(&mut out, asked);
    if out.is_empty() {
        out.extend_from_slice(if asked.is_empty() && directory.is_empty() {
            b""
        } else {
            b"/"
        });
    }
    Text::from(out)
}

fn append(out: &mut Vec<u8>, path: &[u8]) {
    for part in path
        .split(|&b| b == b'/')
        .filter(|p| !p.is_empty() && *p != b".")
    {
        out.push(b'/');
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_lexically() {
        assert_eq!(join(b"/a/b", b"c"), Text::from("/a/b/c"));
        assert_eq!(join(b"/a", b"./x//y/."), Text::from("/a/x/y"));
        assert_eq!(join(b"/a", b"../x"), Text::from("/a/../x"));
        assert_eq!(join(b"/ignored", b"/etc/passwd"), Text::from("/etc/passwd"));
        assert_eq!(join(b"/", b""), Text::from("/"));
        assert_eq!(join(b"", b""), Text::from(""));
    }
}
