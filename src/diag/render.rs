//! Rendering of diagnostics, the only place that does.

use super::Diagnostic;
use crate::source::Source;

/// How to render.
#[derive(Clone, Copy, Debug, Default)]
pub struct RenderOptions {
    /// Whether to use ANSI colours.
    pub color: bool,
}

/// Renders one diagnostic with the text it is about.
pub fn render(source: &Source, diagnostic: &Diagnostic, _options: RenderOptions) -> String {
    format!("{}: {}", source.name(), diagnostic.message)
}
