//! Reading models' texts.

use std::path::Path;

use super::console::shown;
use super::failure::Failure;
use crate::io::safe_file;
use crate::limits;
use crate::model::Report;
use crate::source::Source;

/// Reads a model's text.
pub(super) fn read(path: &Path) -> Result<Source, Failure> {
    let bytes = safe_file::read(path, limits::TEXT_BYTES as u64).map_err(Failure::file)?;
    decode(&shown(path), bytes)
}

/// Makes a text of bytes, and says where they are not one.
pub(super) fn decode(name: &str, bytes: Vec<u8>) -> Result<Source, Failure> {
    Source::from_bytes(name, bytes).map_err(|diagnostic| {
        Failure::Model(Box::new(Report { source: Source::new(name, ""), diagnostics: vec![*diagnostic] }))
    })
}
