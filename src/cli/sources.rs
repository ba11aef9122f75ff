//! Reading models' texts.

use std::path::Path;

use super::console::{escaped, shown};
use super::failure::Failure;
use crate::diag::{Code, Diagnostic};
use crate::io::safe_file;
use crate::limits;
use crate::source::Source;

/// Reads a model's text.
pub(super) fn read(path: &Path) -> Result<Source, Failure> {
    let bytes = safe_file::read(path, limits::TEXT_BYTES as u64).map_err(Failure::file)?;
    decode(&shown(path), bytes)
}

/// Makes a text of bytes, and says where they are not one.
pub(super) fn decode(name: &str, bytes: Vec<u8>) -> Result<Source, Failure> {
    if bytes.len() > limits::TEXT_BYTES {
        return Err(Failure::data(format!("{name}: the text is longer than {} bytes", limits::TEXT_BYTES)));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(escaped(name), text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let before = error.as_bytes().get(..at).unwrap_or_default();
            let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
            let source = Source::new(escaped(name), "");
            let diagnostic = Diagnostic::file_error(Code::NotUtf8, "the text is not valid UTF-8")
                .note(format!("byte {at}, in line {line}, starts no character"));
            Err(Failure::Model(Box::new(source), vec![diagnostic]))
        }
    }
}
