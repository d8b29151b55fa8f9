//! Rust source as tokens: as much of the grammar as it takes to never mistake text for code.

/// One token; literals and lifetimes keep no content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// An identifier or keyword, without `r#`.
    Word(String),
    /// `::`
    PathSeparator,
    /// Any other character of punctuation.
    Punctuation(char),
    /// A string, a character, a number or a lifetime.
    Literal,
}

/// Splits `source` into tokens with the line each begins on.
pub(crate) fn read(source: &str) -> Vec<(usize, Token)> {
    let mut reader = Reader {
        rest: source,
        line: 1,
    };
    let mut tokens = Vec::new();
    loop {
        reader.skip_space_and_comments();
        let line = reader.line;
        match reader.token() {
            Some(token) => tokens.push((line, token)),
            None => return tokens,
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    fn skip(&mut self, bytes: usize) {
        let (gone, rest) = self.rest.split_at(bytes);
        self.line += gone.matches('\n').count();
        self.rest = rest;
    }

    /// Skips through the first `end` after `from` bytes, or everything.
    fn skip_through(&mut self, from: usize, end: &str) {
        let length = self.rest[from..]
            .find(end)
            .map_or(self.rest.len(), |at| from + at + end.len());
        self.skip(length);
    }

    fn skip_space_and_comments(&mut self) {
        loop {
            let space = self.rest.len() - self.rest.trim_start().len();
            self.skip(space);
            if self.rest.starts_with("//") {
                self.skip_through(0, "\n");
            } else if self.rest.starts_with("/*") {
                self.skip_block_comment();
            } else {
                return;
            }
        }
    }

    fn skip_block_comment(&mut self) {
        let mut depth = 0_usize;
        while !self.rest.is_empty() {
            if self.rest.starts_with("/*") {
                depth += 1;
                self.skip(2);
            } else if self.rest.starts_with("*/") {
                depth -= 1;
                self.skip(2);
                if depth == 0 {
                    return;
                }
            } else {
                self.skip_character();
            }
        }
    }

    fn skip_character(&mut self) {
        let length = self.rest.chars().next().map_or(0, char::len_utf8);
        self.skip(length);
    }

    fn token(&mut self) -> Option<Token> {
        let first = self.rest.chars().next()?;
        if first.is_alphanumeric() || first == '_' {
            return Some(self.word_or_prefixed_literal());
        }
        Some(match first {
            '"' => self.quoted('"'),
            '\'' => self.character_or_lifetime(),
            ':' if self.rest.starts_with("::") => {
                self.skip(2);
                Token::PathSeparator
            }
            other => {
                self.skip_character();
                Token::Punctuation(other)
            }
        })
    }

    fn word(&mut self) -> String {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        let word = self.rest[..end.unwrap_or(self.rest.len())].to_owned();
        self.skip(word.len());
        word
    }

    fn word_or_prefixed_literal(&mut self) -> Token {
        let word = self.word();
        let hashes = self.rest.len() - self.rest.trim_start_matches('#').len();
        let quote = self.rest[hashes..].chars().next();
        match (&*word, quote) {
            ("r" | "br" | "cr", Some('"')) => {
                let end = format!("\"{}", "#".repeat(hashes));
                self.skip_through(hashes + 1, &end);
                Token::Literal
            }
            ("r", Some(_)) if hashes == 1 => {
                self.skip(1);
                Token::Word(self.word())
            }
            ("b" | "c", Some('"')) if hashes == 0 => self.quoted('"'),
            ("b", Some('\'')) if hashes == 0 => self.quoted('\''),
            _ if word.starts_with(|c: char| c.is_ascii_digit()) => Token::Literal,
            _ => Token::Word(word),
        }
    }

    /// A literal in quotes, with escapes.
    fn quoted(&mut self, quote: char) -> Token {
        self.skip(1);
        while let Some(next) = self.rest.chars().next() {
            self.skip_character();
            if next == '\\' {
                self.skip_character();
            } else if next == quote {
                break;
            }
        }
        Token::Literal
    }

    fn character_or_lifetime(&mut self) -> Token {
        let mut ahead = self.rest.chars().skip(1);
        let (first, second) = (ahead.next(), ahead.next());
        if first == Some('\\') || second == Some('\'') {
            return self.quoted('\'');
        }
        self.skip(1);
        self.word();
        Token::Literal
    }
}
