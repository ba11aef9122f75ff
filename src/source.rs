//! The text of a model and positions in it.

use std::fmt;

/// A half-open range of bytes `[start, end)` in one [`Source`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The span `[start, end)`.
    pub const fn new(start: u32, end: u32) -> Self {
        Span { start, end }
    }

    /// The smallest span that covers both.
    pub fn to(self, other: Span) -> Span {
        Span::new(self.start.min(other.start), self.end.max(other.end))
    }

    /// The empty span at the end of this one: where something is missing.
    pub fn after(self) -> Span {
        Span::new(self.end, self.end)
    }

    /// As a range of byte indices.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A model's text and the name it is shown under.
///
/// Invariant: `text` is valid UTF-8 without a byte-order mark and shorter than
/// [`crate::limits::TEXT_BYTES`], so that every position fits a `u32`.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    name: String,
    text: String,
}

impl Source {
    /// Wraps a text. The caller has checked its length; see [`crate::syntax::parse`].
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text: String = text.into();
        let text = match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        };
        Source { name: name.into(), text }
    }

    /// The name shown in diagnostics, usually a path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text under a span; empty when the span is not of this source.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or("")
    }

    /// The 1-based line of a position.
    pub fn line(&self, at: u32) -> usize {
        let end = (at as usize).min(self.text.len());
        self.text.as_bytes()[..end].iter().filter(|&&b| b == b'\n').count() + 1
    }

    /// The 1-based column of a position, in characters.
    pub fn column(&self, at: u32) -> usize {
        let end = (at as usize).min(self.text.len());
        let bytes = &self.text.as_bytes()[..end];
        let start = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        String::from_utf8_lossy(&bytes[start..]).chars().count() + 1
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({:?}, {} bytes)", self.name, self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn positions_count_lines_and_characters() {
        let source = Source::new("m.conv", "a\r\n漢字 x\n");
        let at = source.text().find('x').expect("x") as u32;
        assert_eq!((source.line(at), source.column(at)), (2, 4));
        assert_eq!((source.line(u32::MAX), source.column(u32::MAX)), (3, 1));
    }
}
