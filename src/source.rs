//! The text of a model and positions in it.

use std::fmt;

use crate::diag::{self, Code, Diagnostic};
use crate::limits;

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

    /// Wraps the bytes of a file.
    ///
    /// # Errors
    /// `TextTooLong` past [`limits::TEXT_BYTES`], `NotUtf8` with the line and the byte.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self, Box<Diagnostic>> {
        if bytes.len() > limits::TEXT_BYTES {
            return Err(Box::new(diag::text_too_long(bytes.len())));
        }
        let error = match String::from_utf8(bytes) {
            Ok(text) => return Ok(Source::new(name, text)),
            Err(error) => error,
        };
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let (valid, rest) = bytes.split_at(at.min(bytes.len()));
        let line = valid.iter().filter(|&&b| b == b'\n').count() + 1;
        let column = valid.iter().rev().take_while(|&&b| b != b'\n').count() + 1;
        let byte = rest.first().copied().unwrap_or_default();
        let diagnostic = Diagnostic::file_error(Code::NotUtf8, "the text is not valid UTF-8")
            .note(format!("byte {column} of line {line} (offset {at}) is 0x{byte:02x}"));
        let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
        Err(Box::new(if is_utf16 {
            diagnostic.help("the file is in UTF-16: save it as UTF-8")
        } else if valid.contains(&0) || byte == 0x89 || byte == 0xff {
            diagnostic.help("this seems to be no text file")
        } else {
            diagnostic.help("save the file as UTF-8")
        }))
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
    use crate::diag::Code;
    use crate::limits;

    #[test]
    fn bytes_that_are_no_text_are_refused_with_their_place() {
        let read = |bytes: &[u8]| Source::from_bytes("m.conv", bytes.to_vec());
        assert_eq!(read("\u{feff}model 漢".as_bytes()).expect("UTF-8").text(), "model 漢");
        let error = read(b"one\ntwo \xe9\n").expect_err("Latin-1");
        assert_eq!(error.code, Code::NotUtf8);
        assert_eq!(error.notes, ["byte 5 of line 2 (offset 8) is 0xe9"]);
        assert_eq!(error.help, ["save the file as UTF-8"]);
        assert_eq!(
            read(b"\xff\xfem\0o\0").expect_err("UTF-16").help,
            ["the file is in UTF-16: save it as UTF-8"]
        );
        assert_eq!(read(b"\x89PNG\r\n").expect_err("a picture").help, ["this seems to be no text file"]);
        assert_eq!(
            read(b"abc\xe6\xbc").expect_err("cut short").notes,
            ["byte 4 of line 1 (offset 3) is 0xe6"]
        );
        assert!(read(&vec![b' '; limits::TEXT_BYTES]).is_ok());
        let error = read(&vec![b' '; limits::TEXT_BYTES + 1]).expect_err("too long");
        assert_eq!(error.code, Code::TextTooLong);
    }

    #[test]
    fn positions_count_lines_and_characters() {
        let source = Source::new("m.conv", "a\r\n漢字 x\n");
        let at = source.text().find('x').expect("x") as u32;
        assert_eq!((source.line(at), source.column(at)), (2, 4));
        assert_eq!((source.line(u32::MAX), source.column(u32::MAX)), (3, 1));
    }
}
