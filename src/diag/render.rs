//! Rendering of diagnostics, the only place that does.

use std::borrow::Cow;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, Label, Severity};
use crate::source::{Source, Span};

/// How to render.
#[derive(Clone, Copy, Debug, Default)]
pub struct RenderOptions {
    /// Whether to use ANSI colours.
    pub color: bool,
}

/// Renders one diagnostic with the text it is about, without a newline at its end.
///
/// Control characters of the text and of the messages are shown as escapes or pictures: what is
/// rendered cannot steer a terminal.
pub fn render(source: &Source, diagnostic: &Diagnostic, options: RenderOptions) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let path = escape(source.name());
    let title = level.primary_title(escape(&diagnostic.message)).id(diagnostic.code.number());
    let mut group = Group::with_title(title);
    group = match &diagnostic.primary {
        Some(primary) => {
            let window = Window::new(source, std::iter::once(primary).chain(&diagnostic.secondary));
            let primary = window.annotation(AnnotationKind::Primary, primary);
            let secondary =
                diagnostic.secondary.iter().map(|l| window.annotation(AnnotationKind::Context, l));
            let snippet = Snippet::source(window.text.clone()).path(path).line_start(window.line);
            group.element(snippet.annotation(primary).annotations(secondary))
        }
        None => group.element(Origin::path(path)),
    };
    let notes = diagnostic.notes.iter().map(|note| Level::NOTE.message(escape_lines(note)));
    let help = diagnostic.help.iter().map(|help| Level::HELP.message(escape_lines(help)));
    let report = [group.elements(notes.chain(help))];
    let renderer = if options.color { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&report)
}

/// A text with its control characters written as escapes, `\u{1b}`: safe to print.
pub fn escape(text: &str) -> String {
    escape_all(text, |_| false)
}

/// The same, for texts of several lines.
fn escape_lines(text: &str) -> String {
    escape_all(text, |char| char == '\n')
}

fn escape_all(text: &str, except: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if (char.is_control() || is_direction(char)) && !except(char) {
            escaped.extend(char.escape_default());
        } else {
            escaped.push(char);
        }
    }
    escaped
}

/// Characters that reorder what is displayed.
fn is_direction(char: char) -> bool {
    matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The lines of a text that labels are about.
struct Window<'a> {
    /// The lines. The renderer makes pictures of control characters below U+0080; the others have
    /// become U+FFFD, which takes three bytes instead of two.
    text: Cow<'a, str>,
    /// The byte of the source at which they begin.
    start: usize,
    /// The number of the first line.
    line: usize,
    /// Bytes of the window that are followed by one byte more than in the source.
    longer: Vec<usize>,
}

impl<'a> Window<'a> {
    fn new<'l>(source: &'a Source, labels: impl Iterator<Item = &'l Label> + Clone) -> Self {
        let text = source.text();
        let first = labels.clone().map(|label| label.span.start as usize).min().unwrap_or(0);
        let last = labels.map(|label| label.span.end as usize).max().unwrap_or(0);
        let (first, last) = (floor(text, first), floor(text, last));
        let start = text.get(..first).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let end = text.get(last..).and_then(|after| after.find('\n')).map_or(text.len(), |at| last + at);
        let lines = text.get(start..end).unwrap_or("");
        let line = source.line(u32::try_from(start).unwrap_or(u32::MAX));
        let is_high = |char: char| char.is_control() && !char.is_ascii();
        let longer: Vec<usize> = lines.match_indices(is_high).map(|(at, _)| at).collect();
        let text = if longer.is_empty() { lines.into() } else { lines.replace(is_high, "\u{fffd}").into() };
        Window { text, start, line, longer }
    }

    fn annotation(&self, kind: AnnotationKind, label: &Label) -> annotate_snippets::Annotation<'a> {
        let Span { start, end } = label.span;
        let (start, end) = (self.place(start), self.place(end));
        let annotation = kind.span(start..end.max(start));
        match label.text.as_str() {
            "" => annotation,
            text => annotation.label(escape(text)),
        }
    }

    /// The byte of the window for a byte of the source.
    fn place(&self, at: u32) -> usize {
        let at = (at as usize).saturating_sub(self.start);
        let at = at + self.longer.iter().take_while(|&&longer| longer < at).count();
        floor(&self.text, at)
    }
}

/// The nearest start of a character at or before a byte.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests;
