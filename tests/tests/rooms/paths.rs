//! The paths in some tokens that lead out of their module.

use crate::tokens::Token;

/// What a piece of source reaches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A name in the crate's root: a room, or something re-exported there.
    Name(String),
    /// The root itself, through which everything could be reached.
    Root,
    /// The crate with the kernel side.
    Kernel,
    /// A construct that brings in source or names past this reader.
    Hidden(&'static str),
}

/// Finds them in `tokens`, the content of the module `module`, with their lines.
pub(crate) fn find(tokens: &[(usize, Token)], module: &[String]) -> Vec<(usize, Found)> {
    let mut finder = Finder {
        tokens,
        module: module.to_vec(),
        open: Vec::new(),
        found: Vec::new(),
    };
    finder.run();
    finder.found
}

struct Finder<'a> {
    tokens: &'a [(usize, Token)],
    /// The module at the present place, inline ones included.
    module: Vec<String>,
    /// For each open brace: whether it is that of an inline module.
    open: Vec<bool>,
    found: Vec<(usize, Found)>,
}

impl Finder<'_> {
    fn run(&mut self) {
        let mut at = 0;
        while at < self.tokens.len() {
            at = self.step(at);
        }
    }

    /// Reads one token or one path, and returns where to go on.
    fn step(&mut self, at: usize) -> usize {
        match &self.tokens[at].1 {
            Token::Punctuation('{') => self.open.push(false),
            Token::Punctuation('}') => {
                let module = self.open.pop() == Some(true);
                if module {
                    self.module.pop();
                }
            }
            Token::Punctuation('#') => self.attribute(at),
            Token::Word(word) => match &**word {
                "mod" => {
                    if let (Some(name), true) = (self.word(at + 1), self.is(at + 2, '{')) {
                        self.module.push(name.to_owned());
                        self.open.push(true);
                        return at + 3;
                    }
                }
                "include" if self.is(at + 1, '!') => self.note(at, Found::Hidden("include!")),
                "extern" if self.word(at + 1) == Some("crate") => {
                    self.note(at, Found::Hidden("extern crate"));
                    return at + 2;
                }
                "agentsec_core" => self.note(at, Found::Root),
                "agentsec_bpf" => self.note(at, Found::Kernel),
                "crate" | "super" | "self" if !self.is_visibility(at) => {
                    return self.tree(at, &[]);
                }
                _ => {}
            },
            _ => {}
        }
        at + 1
    }

    /// `#[path = …]` makes a module of a file that belongs elsewhere.
    fn attribute(&mut self, at: usize) {
        if !self.is(at + 1, '[') {
            return;
        }
        let mut depth = 0_usize;
        for next in at + 1..self.tokens.len() {
            match &self.tokens[next].1 {
                Token::Punctuation('[') => depth += 1,
                Token::Punctuation(']') => depth -= 1,
                Token::Word(word) if word == "path" && self.is(next + 1, '=') => {
                    self.note(next, Found::Hidden("#[path]"));
                }
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// `pub(crate)`, `pub(super)`, `pub(in …)`: who may see, not what is seen.
    fn is_visibility(&self, at: usize) -> bool {
        let open = if at > 0 && self.word(at - 1) == Some("in") {
            at.checked_sub(2)
        } else {
            at.checked_sub(1)
        };
        open.is_some_and(|open| {
            open > 0 && self.is(open, '(') && self.word(open - 1) == Some("pub")
        })
    }

    /// Reads a path, or the tree of paths of a `use`, that begins at `at` below `prefix`.
    fn tree(&mut self, mut at: usize, prefix: &[String]) -> usize {
        let start = at;
        let mut path = prefix.to_vec();
        loop {
            match self.tokens.get(at).map(|(_, token)| token) {
                Some(Token::Word(word)) => {
                    path.push(word.clone());
                    at += 1;
                    if !matches!(self.tokens.get(at), Some((_, Token::PathSeparator))) {
                        break;
                    }
                    at += 1;
                }
                Some(Token::Punctuation('{')) => return self.group(at + 1, &path),
                Some(Token::Punctuation('*')) => {
                    path.push("*".to_owned());
                    at += 1;
                    break;
                }
                _ => break,
            }
        }
        self.resolve(start, &path);
        at.max(start + 1)
    }

    /// Reads the members of a `use` group up to its closing brace.
    fn group(&mut self, mut at: usize, prefix: &[String]) -> usize {
        while at < self.tokens.len() {
            if self.is(at, '}') {
                return at + 1;
            } else if self.word(at) == Some("as") {
                at += 2;
            } else if self.is(at, ',') {
                at += 1;
            } else {
                at = self.tree(at, prefix);
            }
        }
        at
    }

    /// Follows a path from here to the crate's root, and notes where it comes out.
    fn resolve(&mut self, at: usize, path: &[String]) {
        let mut place = self.module.clone();
        for segment in path {
            match &**segment {
                "crate" => place.clear(),
                "self" => {}
                "super" => {
                    place.pop();
                }
                name => place.push(name.to_owned()),
            }
        }
        let found = match place.first() {
            None => Found::Root,
            Some(name) if name == "*" => Found::Root,
            Some(name) => Found::Name(name.clone()),
        };
        self.note(at, found);
    }

    fn note(&mut self, at: usize, found: Found) {
        self.found.push((self.tokens[at].0, found));
    }

    fn word(&self, at: usize) -> Option<&str> {
        match self.tokens.get(at) {
            Some((_, Token::Word(word))) => Some(word),
            _ => None,
        }
    }

    fn is(&self, at: usize, punctuation: char) -> bool {
        matches!(self.tokens.get(at), Some((_, Token::Punctuation(found))) if *found == punctuation)
    }
}
