//! A cgroup path, cut into the names it consists of.

/// The names of a path from the root down.
pub(super) struct Components<'a> {
    path: &'a [u8],
    list: Vec<Component<'a>>,
    /// How many levels above the reader's own root the path starts: the leading `..`.
    above: usize,
}

#[derive(Clone, Copy)]
struct Component<'a> {
    name: &'a [u8],
    /// Where the name ends in the path.
    end: usize,
}

impl<'a> Components<'a> {
    /// `None` where the path is not one that a kernel writes: `.` or `..` after a name.
    pub(super) fn split(path: &'a [u8]) -> Option<Self> {
        let mut list = Vec::new();
        let mut above = 0_usize;
        let mut start = 0;
        for name in path.split(|&b| b == b'/') {
            let end = start + name.len();
            start = end + 1;
            match name {
                b"" => {}
                b".." if list.is_empty() => above += 1,
                b"." | b".." => return None,
                _ => list.push(Component { name, end }),
            }
        }
        Some(Self { path, list, above })
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The name at `index`.
    pub(super) fn name(&self, index: usize) -> Option<&'a [u8]> {
        self.list.get(index).map(|c| c.name)
    }

    /// The name `levels` above `index`: [`Parent::Hidden`] where the path does not begin at the
    /// root.
    pub(super) fn parent(&self, index: usize, levels: usize) -> Parent<'a> {
        match index.checked_sub(levels).and_then(|i| self.name(i)) {
            Some(name) => Parent::Named(name),
            None if self.above > 0 => Parent::Hidden,
            None => Parent::Root,
        }
    }

    /// The names before `index`.
    pub(super) fn before(&self, index: usize) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.list.iter().take(index).map(|c| c.name)
    }

    /// How long the path is down to the name at `index`.
    pub(super) fn end(&self, index: usize) -> usize {
        self.list.get(index).map_or(self.path.len(), |c| c.end)
    }

    /// Whether the path begins above the reader's own root.
    pub(super) fn begins_above(&self) -> bool {
        self.above > 0
    }
}

/// What lies above a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parent<'a> {
    Named(&'a [u8]),
    Root,
    /// The path was cut by a cgroup namespace, so nobody can tell.
    Hidden,
}

impl Parent<'_> {
    /// Whether this is `name`, as far as can be seen.
    pub(super) fn may_be(self, name: &[u8]) -> bool {
        match self {
            Self::Named(own) => own == name,
            Self::Root => false,
            Self::Hidden => true,
        }
    }
}
