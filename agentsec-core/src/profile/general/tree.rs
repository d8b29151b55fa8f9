//! Paths of one class as a tree of their parts.

/// One part of what tells a fact from others of its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part<'a> {
    pub(super) token: Token<'a>,
    /// It stays as it is, because of the directory it is in.
    pub(super) is_fixed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Token<'a> {
    /// The second path begins.
    Next,
    /// Whatever is below; a part as it is to the tree, and open in a template.
    Rest,
    /// A part of a path.
    Name(&'a [u8]),
}

/// A fact as its parts.
#[derive(Debug)]
pub(super) struct Item<'a> {
    pub(super) parts: Vec<Part<'a>>,
    pub(super) fact: usize,
}

/// All items by their parts.
pub(super) struct Tree<'a>(Vec<Node<'a>>);

struct Node<'a> {
    part: Part<'a>,
    children: Vec<usize>,
    /// Items that end here.
    items: Vec<usize>,
}

impl<'a> Tree<'a> {
    /// The node above the first parts.
    pub(super) const ROOT: usize = 0;

    /// Builds it from items in order, in which those that begin alike are in a row.
    pub(super) fn of(items: &[Item<'a>]) -> Self {
        let root = Part {
            token: Token::Next,
            is_fixed: true,
        };
        let mut tree = Self(Vec::new());
        tree.grow(None, root);
        // The nodes of the item before, one for each of its parts.
        let mut branch: Vec<usize> = Vec::new();
        for (number, item) in items.iter().enumerate() {
            let pairs = branch.iter().zip(&item.parts);
            let shared = pairs.take_while(|(node, part)| tree.part(**node) == Some(part));
            branch.truncate(shared.count());
            for part in item.parts.iter().skip(branch.len()) {
                let parent = branch.last().copied().unwrap_or(Self::ROOT);
                branch.push(tree.grow(Some(parent), *part));
            }
            let end = branch.last().copied().unwrap_or(Self::ROOT);
            if let Some(node) = tree.0.get_mut(end) {
                node.items.push(number);
            }
        }
        tree
    }

    fn grow(&mut self, parent: Option<usize>, part: Part<'a>) -> usize {
        let number = self.0.len();
        self.0.push(Node {
            part,
            children: Vec::new(),
            items: Vec::new(),
        });
        if let Some(parent) = parent.and_then(|parent| self.0.get_mut(parent)) {
            parent.children.push(number);
        }
        number
    }

    pub(super) fn part(&self, node: usize) -> Option<&Part<'a>> {
        self.0.get(node).map(|node| &node.part)
    }

    pub(super) fn children(&self, node: usize) -> &[usize] {
        self.0.get(node).map_or(&[], |node| &node.children)
    }

    pub(super) fn items(&self, node: usize) -> &[usize] {
        self.0.get(node).map_or(&[], |node| &node.items)
    }
}
