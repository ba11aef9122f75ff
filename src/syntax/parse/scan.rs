//! Brackets before parsing: the parser recurses on them, so their depth is limited first.
//!
//! Strings and comments are skipped as the grammar's `junk_string` and `comment` do.

use super::span;
use crate::diag::{Code, Diagnostic};
use crate::limits;
use crate::source::Span;

/// What is wrong with a text whose brackets are nested deeper than [`limits::NESTING`].
///
/// The parser goes on after brackets that do not match, so they count as open until one of their
/// own kind closes them: `( {)` leaves the brace open, which may begin a body. Only a brace closes what
/// was opened within it, as no body is inside of other brackets.
pub(super) fn too_nested(text: &str) -> Option<Diagnostic> {
    let mut open = Vec::new();
    for bracket in brackets(text) {
        if bracket.opens() {
            open.push(bracket);
            if open.len() > limits::NESTING {
                let outermost = open.first().map_or(0, |b| b.at);
                return Some(
                    Diagnostic::error(
                        Code::TooNested,
                        bracket.span(),
                        format!("brackets are nested more than {} deep", limits::NESTING),
                    )
                    .label("this bracket is one too many")
                    .also(span(outermost, outermost + 1), "the outermost bracket that is still open"),
                );
            }
        } else if let Some(at) = open.iter().rposition(|b| b.partner() == bracket.char) {
            if bracket.char == '}' {
                open.truncate(at);
            } else {
                open.remove(at);
            }
        }
    }
    None
}

/// The innermost bracket of a text that nothing closes.
pub(super) fn unclosed(text: &str) -> Option<Bracket> {
    let mut open: Vec<Bracket> = Vec::new();
    for bracket in brackets(text) {
        if bracket.opens() {
            open.push(bracket);
        } else {
            // A wrong closing bracket is an error of its own: it still closes something.
            open.pop();
        }
    }
    open.pop()
}

/// The bracket that is open at a position.
pub(super) fn open_at(text: &str, at: usize) -> Option<Bracket> {
    unclosed(text.get(..at)?)
}

/// One bracket of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bracket {
    /// Which.
    pub char: char,
    /// Its byte.
    pub at: usize,
}

impl Bracket {
    fn opens(self) -> bool {
        matches!(self.char, '(' | '[' | '{')
    }

    /// What closes it.
    pub fn partner(self) -> char {
        match self.char {
            '(' => ')',
            '[' => ']',
            _ => '}',
        }
    }

    fn span(self) -> Span {
        span(self.at, self.at + 1)
    }
}

/// All brackets of a text outside of strings and comments.
fn brackets(text: &str) -> impl Iterator<Item = Bracket> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at;
            let byte = *bytes.get(at)?;
            at += 1;
            match byte {
                b'(' | b')' | b'[' | b']' | b'{' | b'}' => {
                    return Some(Bracket { char: char::from(byte), at: start });
                }
                b'#' => at = find(bytes, at, b"\n").unwrap_or(bytes.len()),
                b'"' => at = end_of_string(bytes, at).unwrap_or(at),
                _ => {}
            }
        }
    })
}

/// The position after the quote that ends the string whose text begins at `at`.
pub(super) fn end_of_string(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\n' => return None,
            b'\\' if bytes.get(at + 1).is_some_and(|&b| b != b'\n') => at += 2,
            _ => at += 1,
        }
    }
}

fn find(bytes: &[u8], from: usize, any: &[u8]) -> Option<usize> {
    bytes.get(from..)?.iter().position(|b| any.contains(b)).map(|i| from + i)
}
