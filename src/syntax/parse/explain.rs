//! Junk → a diagnostic: parses it by itself and says what was expected where.

use pest::Parser;
use pest::error::{Error, ErrorVariant, InputLocation};
use pest::iterators::Pair;

use super::expect::{expected, found, join};
use super::grammar::{Grammar, Rule};
use super::hints::{self, Mistake};
use super::{Builder, scan, span};
use crate::diag::{Code, Diagnostic};
use crate::limits;

/// Where something did not parse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// At the top of a file.
    Item,
    /// In a body.
    Statement,
}

/// What a piece at the top of a file that is no definition was meant as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lone {
    /// It is a statement.
    Statement,
    /// It looks like a statement with a mistake.
    BrokenStatement,
    /// It looks like a definition with a mistake.
    Item,
}

impl Builder<'_> {
    /// Reports why a piece does not parse.
    pub(super) fn explain(&mut self, pair: &Pair<'_, Rule>, scope: Scope) {
        if !self.has_room() {
            self.errors += 1;
            return;
        }
        let start = pair.as_span().start();
        let piece = pair.as_str();
        if let Some(diagnostic) = hints::misplaced(piece, start, scope) {
            self.report(diagnostic);
            return;
        }
        let rule = match scope {
            Scope::Item => Rule::lone_item,
            Scope::Statement => Rule::lone_statement,
        };
        let (at, rules) = match Grammar::parse(rule, piece) {
            Err(error) => failed_at(&error),
            // It parses by itself: only what follows it can be wrong.
            Ok(_) => (piece.len(), vec![Rule::line_end]),
        };
        for diagnostic in self.mistakes(piece, start, at, &rules, scope) {
            self.report(diagnostic);
        }
    }

    /// The diagnostics for a piece that failed at its byte `at`: for what stands there, for a
    /// bracket that is not closed, or for both.
    fn mistakes(
        &self,
        piece: &str,
        start: usize,
        at: usize,
        rules: &[Rule],
        scope: Scope,
    ) -> Vec<Diagnostic> {
        let unclosed = scan::unclosed(piece);
        let missing = unclosed.map(|bracket| {
            let open = start + bracket.at;
            let end = start + piece.trim_end().len();
            Diagnostic::error(
                Code::Unclosed,
                span(open, open + 1),
                format!("this `{}` is not closed", bracket.char),
            )
            .also(span(end, end), format!("`{}` is missing, at the latest here", bracket.partner()))
        });
        let at_end = piece.get(at..).is_none_or(|rest| rest.trim().is_empty());
        // What follows on later lines was not meant to stand within the bracket.
        let on_later_line = unclosed
            .and_then(|bracket| piece.get(bracket.at..at))
            .is_some_and(|between| between.contains('\n'));
        if let Some(missing) = &missing
            && (at_end || on_later_line)
        {
            return vec![missing.clone()];
        }
        let found = found(self.text, start + at);
        let expected = expected(rules, hints::is_keyword(piece.get(..at).unwrap_or(""), scope));
        let mistake = Mistake { piece, at, start, found: &found, expected: &expected, scope };
        let diagnostic = hints::special(&mistake).unwrap_or_else(|| {
            let message = format!("expected {}, found {}", join(&expected), found.words);
            let mut diagnostic = Diagnostic::error(Code::Syntax, found.span, message);
            if let Some(open) = scan::open_at(piece, at)
                && [")", "]", "}"].contains(&found.text.as_str())
                && !found.text.starts_with(open.partner())
            {
                let at = start + open.at;
                diagnostic = diagnostic.also(span(at, at + 1), format!("`{}` is still open here", open.char));
            }
            match hints::hint(&mistake) {
                Some(hint) => diagnostic.help(hint),
                None => diagnostic,
            }
        });
        [Some(diagnostic), missing].into_iter().flatten().collect()
    }

    /// What a piece at the top of a file was meant as.
    pub(super) fn lone(&self, pair: &Pair<'_, Rule>) -> Lone {
        let piece = pair.as_str();
        if hints::looks_like_item(piece) {
            return Lone::Item;
        }
        if Grammar::parse(Rule::lone_statement, piece).is_ok() {
            return Lone::Statement;
        }
        let is_block = pair.as_rule() == Rule::broken_block && !piece.starts_with("repeat");
        if is_block { Lone::Item } else { Lone::BrokenStatement }
    }
}

/// The furthest byte that pest reached, and what it would have taken there.
fn failed_at(error: &Error<Rule>) -> (usize, Vec<Rule>) {
    let at = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    };
    match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => (at, positives.clone()),
        ErrorVariant::CustomError { .. } => (at, Vec::new()),
    }
}

/// A text on which the parser gave up as a whole, which its grammar does only out of stack.
pub(super) fn failure(text: &str, error: &Error<Rule>) -> Diagnostic {
    let (at, rules) = failed_at(error);
    let found = found(text, at);
    if rules.is_empty() {
        return Diagnostic::error(
            Code::TooNested,
            found.span,
            "the text is nested too deeply for the stack of this thread",
        )
        .note(format!("at most {} brackets inside each other are allowed", limits::NESTING));
    }
    let expected = expected(&rules, false);
    Diagnostic::error(
        Code::Syntax,
        found.span,
        format!("expected {}, found {}", join(&expected), found.words),
    )
}
