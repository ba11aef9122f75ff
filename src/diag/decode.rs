//! Bytes → [`Source`], or what is wrong with them.

use super::{Code, Diagnostic};
use crate::limits;
use crate::source::Source;

impl Source {
    /// Wraps the bytes of a file.
    ///
    /// # Errors
    /// `TextTooLong` past [`limits::TEXT_BYTES`], `NotUtf8` with the line and the byte.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self, Box<Diagnostic>> {
        if bytes.len() > limits::TEXT_BYTES {
            return Err(Box::new(super::text_too_long(bytes.len())));
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
