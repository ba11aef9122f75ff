//! The syntax tree as text: the formatter.

use crate::diag::Diagnostic;
use crate::source::Source;

/// Formats.
pub fn format(source: &Source) -> Result<String, Vec<Diagnostic>> {
    Ok(source.text().to_owned())
}
