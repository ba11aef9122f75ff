//! Diagnostics: what is wrong with a model, as inert data.
//!
//! A [`Diagnostic`] is made where a mistake is found and rendered in one place ([`render`]). It
//! carries a stable [`Code`], the spans it is about, the formula with its numbers in `notes`, and
//! what would mend it in `help`.

mod codes;
mod decode;
mod render;
mod suggest;

pub use codes::Code;
pub use render::{RenderOptions, escape, render};
pub use suggest::did_you_mean;

use crate::limits;
use crate::source::{Source, Span};

/// How serious a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The model cannot be compiled.
    Error,
    /// The model compiles; something in it is probably not meant.
    Warning,
}

/// A place in the text and what is to be said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What; may be empty.
    pub text: String,
}

/// One finding about a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code, listed in `docs/errors.md`.
    pub code: Code,
    /// How serious it is.
    pub severity: Severity,
    /// One sentence without a full stop: what is wrong.
    pub message: String,
    /// The place the caret stands under; `None` where the file as a whole is meant.
    pub primary: Option<Label>,
    /// Other places that explain it (where a value came from).
    pub secondary: Vec<Label>,
    /// Facts: shapes and formulas with their numbers put in.
    pub notes: Vec<String>,
    /// What would mend it.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            primary: Some(Label { span, text: String::new() }),
            secondary: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
        }
    }

    /// An error about the file as a whole.
    pub fn file_error(code: Code, message: impl Into<String>) -> Self {
        Diagnostic { primary: None, ..Diagnostic::error(code, Span::default(), message) }
    }

    /// A warning at a place.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, span, message) }
    }

    /// Says something beside the caret.
    pub fn label(mut self, text: impl Into<String>) -> Self {
        if let Some(primary) = &mut self.primary {
            primary.text = text.into();
        }
        self
    }

    /// Points at another place as well.
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// Adds a fact: a shape, or a formula with its numbers.
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Adds what would mend it.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// The 1-based line and column (in characters) of its place, for messages of one line and for
    /// editors; `None` where the file as a whole is meant.
    pub fn position(&self, source: &Source) -> Option<(usize, usize)> {
        let at = self.primary.as_ref()?.span.start;
        Some((source.line(at), source.column(at)))
    }

    /// Whether it stops the compilation.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// What is said about a text longer than [`limits::TEXT_BYTES`].
pub(crate) fn text_too_long(bytes: usize) -> Diagnostic {
    Diagnostic::file_error(
        Code::TextTooLong,
        format!("the text is {bytes} bytes long, the limit is {}", limits::TEXT_BYTES),
    )
}
