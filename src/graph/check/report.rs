//! Collecting what is found.

use std::collections::BTreeSet;

use crate::diag::{Code, Diagnostic};
use crate::limits;
use crate::source::Span;

/// Findings: each kind once at each place, errors up to the limit.
#[derive(Default)]
pub(super) struct Reports {
    found: Vec<Diagnostic>,
    seen: BTreeSet<(Code, Option<Span>)>,
    errors: usize,
}

impl Reports {
    /// Adds a finding, unless the same was found at the same place (in another round of a `repeat`,
    /// or another use of a block).
    pub fn add(&mut self, diagnostic: Diagnostic) {
        let place = diagnostic.primary.as_ref().map(|label| label.span);
        if self.seen.len() > 100 * limits::ERRORS || !self.seen.insert((diagnostic.code, place)) {
            return;
        }
        if diagnostic.is_error() {
            self.errors += 1;
            if self.errors > limits::ERRORS {
                return;
            }
        }
        self.found.push(diagnostic);
    }

    /// How many errors were found.
    pub fn count(&self) -> usize {
        self.errors
    }

    /// Whether an error was found.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// All findings in the order of the text.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|d| d.primary.as_ref().map(|label| (label.span.start, label.span.end)));
        if self.errors > limits::ERRORS {
            let more = self.errors - limits::ERRORS;
            let text = format!("{more} more errors are not shown");
            self.found.push(Diagnostic::file_error(Code::TooManyErrors, text));
        }
        self.found
    }
}
