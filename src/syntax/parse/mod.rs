//! Text → syntax tree. The only module that names pest.
//!
//! The grammar parses every text: what is not the language ends in nodes of its section 5, and
//! [`explain`] turns each of them into a diagnostic by parsing it once more by itself.

mod definitions;
mod expect;
mod explain;
mod expression;
mod hints;
mod scan;
mod statement;
#[cfg(test)]
mod tests;

use pest::Parser;
use pest::iterators::Pair;

use crate::diag::{self, Code, Diagnostic};
use crate::limits;
use crate::source::{Source, Span};
use crate::syntax::ast::{Comment, File, Item};

/// What pest makes of `grammar/conv.pest`.
mod grammar {
    /// The generated parser.
    #[derive(pest_derive::Parser)]
    #[grammar = "../grammar/conv.pest"]
    pub(super) struct Grammar;
}

use grammar::{Grammar, Rule};

/// Parses a text. Every statement and definition that does not parse is an error in the list and an
/// `Error` node in the tree; the rest of the tree is good.
///
/// Past [`limits::TEXT_BYTES`], [`limits::NESTING`] or a failure of the parser itself the whole text is
/// one such node.
pub fn parse(source: &Source) -> (File, Vec<Diagnostic>) {
    let text = source.text();
    let empty = File { items: vec![Item::Error(span(0, text.len()))], comments: Vec::new() };
    if text.len() > limits::TEXT_BYTES {
        return (empty, vec![diag::text_too_long(text.len())]);
    }
    if let Some(error) = scan::too_nested(text) {
        return (empty, vec![error]);
    }
    let mut pairs = match Grammar::parse(Rule::file, text) {
        Ok(pairs) => pairs,
        Err(error) => return (empty, vec![explain::failure(text, &error)]),
    };
    let mut builder = Builder { text, diagnostics: Vec::new(), errors: 0, too_deep: false };
    let comments = comments(pairs.clone());
    let items = pairs.next().map(|file| builder.items(file)).unwrap_or_default();
    (File { items, comments }, builder.finish())
}

/// All comments, wherever they stand.
fn comments(pairs: pest::iterators::Pairs<'_, Rule>) -> Vec<Comment> {
    pairs
        .flatten()
        .filter(|pair| pair.as_rule() == Rule::comment)
        .map(|pair| {
            // A comment may end in blanks, or in a carriage return that belongs to no line break.
            let text = pair.as_str().trim_end();
            let start = pair.as_span().start();
            Comment { text: text.to_owned(), span: span(start, start + text.len()) }
        })
        .collect()
}

/// Turns pest's pairs into the tree, and what did not parse into diagnostics.
struct Builder<'a> {
    text: &'a str,
    diagnostics: Vec<Diagnostic>,
    /// All errors found, also those past [`limits::ERRORS`] that are only counted.
    errors: usize,
    /// Whether the statement at hand was found too deep, so that it is said once.
    too_deep: bool,
}

impl Builder<'_> {
    /// Reports an error, or only counts it.
    fn report(&mut self, diagnostic: Diagnostic) {
        self.errors += 1;
        if self.errors <= limits::ERRORS {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Whether there is still room for an error, so that it is worth its making.
    fn has_room(&self) -> bool {
        self.errors < limits::ERRORS
    }

    /// The diagnostics in the order of the text.
    fn finish(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|d| d.primary.as_ref().map_or(0, |label| label.span.start));
        if let Some(hidden) = self.errors.checked_sub(limits::ERRORS).filter(|&n| n > 0) {
            let errors = if hidden == 1 { "error is" } else { "errors are" };
            self.diagnostics.push(Diagnostic::file_error(
                Code::TooManyErrors,
                format!("{hidden} more {errors} not shown"),
            ));
        }
        self.diagnostics
    }
}

/// A span of byte indices, which fit: the text's length was checked.
fn span(start: usize, end: usize) -> Span {
    Span::new(u32::try_from(start).unwrap_or(u32::MAX), u32::try_from(end).unwrap_or(u32::MAX))
}

/// The span of a pair. Pest leaves blanks at its end where an optional last part is missing.
fn span_of(pair: &Pair<'_, Rule>) -> Span {
    let start = pair.as_span().start();
    span(start, start + pair.as_str().trim_end_matches([' ', '\t']).len())
}
