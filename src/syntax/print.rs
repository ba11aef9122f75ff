//! The syntax tree as text: the formatter.
//!
//! It decides blanks and indentation; the author decides where lines break, except before the
//! operators inside brackets (a line breaks after an operator) and next to `=`. Comments stay where
//! they are, so that only a place where the grammar has a `gap` can hold one.

mod expression;
mod statement;
#[cfg(test)]
mod tests;

use crate::diag::Diagnostic;
use crate::source::{Source, Span};
use crate::syntax::ast::{Comment, File};
use crate::syntax::parse;

/// Blanks of one level of indentation.
const INDENT: usize = 2;

/// The text in its canonical form, which formatting does not change any more. The tree is the same.
///
/// # Errors
/// The errors of a text that does not parse.
pub fn format(source: &Source) -> Result<String, Vec<Diagnostic>> {
    let (file, diagnostics) = parse(source);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(diagnostics);
    }
    Ok(print(&file, source.text()))
}

/// Prints a tree that was parsed from a text, with the text's comments and line breaks.
fn print(file: &File, text: &str) -> String {
    let mut printer = Printer {
        text,
        comments: &file.comments,
        out: String::with_capacity(text.len()),
        at: 0,
        column: 0,
        line_indent: 0,
        indent: 0,
        hang: INDENT,
        compact: false,
        trailing: Vec::new(),
    };
    for item in &file.items {
        printer.item(item);
    }
    printer.own_line_comments(end(text));
    if !printer.out.is_empty() {
        printer.out.push('\n');
    }
    align(&printer.out, &printer.trailing)
}

/// Puts the comments at the ends of consecutive lines below each other. `trailing` are the bytes at
/// which such comments begin, in order.
fn align(text: &str, trailing: &[usize]) -> String {
    /// The lines of a run: where the comment begins, and the columns of what stands before it.
    fn flush(run: &mut Vec<(usize, usize)>, blanks: &mut Vec<(usize, usize)>) {
        let widest = run.iter().map(|&(_, width)| width).max().unwrap_or(0);
        blanks.extend(run.drain(..).map(|(at, width)| (at, widest - width)));
    }
    let mut run: Vec<(usize, usize)> = Vec::new();
    let mut blanks = Vec::new();
    let mut line_end = 0;
    for &at in trailing {
        let (before, comment) = text.split_at(at);
        if text.get(line_end..at).is_none_or(|between| between.matches('\n').count() != 1) {
            flush(&mut run, &mut blanks);
        }
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        run.push((at, before.get(line..).map_or(0, |line| line.chars().count())));
        line_end = at + comment.find('\n').unwrap_or(comment.len());
    }
    flush(&mut run, &mut blanks);
    let mut aligned = String::with_capacity(text.len());
    let mut from = 0;
    for (at, count) in blanks {
        aligned.push_str(text.get(from..at).unwrap_or(""));
        aligned.extend(std::iter::repeat_n(' ', count));
        from = at;
    }
    aligned.push_str(text.get(from..).unwrap_or(""));
    aligned
}

/// Where a text ends.
fn end(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

/// What separates two tokens where no line breaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    /// Nothing, and the author's line break is not kept.
    Joined,
    /// A blank, and the author's line break is not kept.
    Blank,
    /// A blank, or the author's line break.
    Break,
    /// A blank, or the author's line break and an empty line.
    Row,
}

struct Printer<'a> {
    text: &'a str,
    /// The comments that are not yet printed.
    comments: &'a [Comment],
    out: String,
    /// The byte of the text up to which everything is printed.
    at: u32,
    /// Characters in the current line.
    column: usize,
    /// Blanks at the beginning of the current line.
    line_indent: usize,
    /// The column at which lines of the innermost construct begin.
    indent: usize,
    /// The column at which a line goes on that was broken between operands.
    hang: usize,
    /// Whether operators stand without blanks: in `{i+1}`.
    compact: bool,
    /// The bytes of `out` at which comments begin that end a line of code.
    trailing: Vec<usize>,
}

impl Printer<'_> {
    /// Prints a piece of a line.
    fn push(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    /// Takes back the blanks at the end of the line.
    fn trim(&mut self) {
        let len = self.out.trim_end_matches(' ').len();
        self.column = self.column.saturating_sub(self.out.len() - len);
        self.out.truncate(len);
    }

    /// Prints what the text has from its current place up to `end`.
    fn done(&mut self, end: u32) {
        self.at = self.at.max(end);
    }

    /// Begins a new line; `empty` leaves one free before it.
    fn new_line(&mut self, column: usize, empty: bool) {
        self.trim();
        if self.out.is_empty() {
            return;
        }
        if !self.out.ends_with('\n') {
            self.push(if empty { "\n\n" } else { "\n" });
        }
        self.out.extend(std::iter::repeat_n(' ', column));
        self.column = column;
        self.line_indent = column;
    }

    /// Line breaks of the text between two places.
    fn breaks(&self, from: u32, to: u32) -> usize {
        self.text.get(from as usize..to as usize).map_or(0, |between| between.matches('\n').count())
    }

    /// Takes the next comment if it begins before `to`.
    fn next_comment(&mut self, to: u32) -> Option<Comment> {
        let (first, rest) = self.comments.split_first()?;
        if first.span.start >= to {
            return None;
        }
        self.comments = rest;
        Some(first.clone())
    }

    /// What stands between the last token and the one at `to`: comments, line breaks or blanks.
    fn gap(&mut self, to: u32, gap: Gap, column: usize) {
        let mut after_comment = false;
        while let Some(comment) = self.next_comment(to) {
            match self.breaks(self.at, comment.span.start) {
                0 if !after_comment => self.before_trailing_comment(),
                breaks => self.new_line(column, gap == Gap::Row && breaks > 1),
            }
            self.push(&comment.text);
            self.done(comment.span.end);
            after_comment = true;
        }
        let breaks = self.breaks(self.at, to);
        let keeps = matches!(gap, Gap::Break | Gap::Row);
        if after_comment || (keeps && breaks > 0) {
            self.new_line(column, gap == Gap::Row && breaks > 1);
        } else if gap != Gap::Joined {
            self.push(" ");
        }
        self.done(to);
    }

    fn before_trailing_comment(&mut self) {
        self.trim();
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.push("  ");
            self.trailing.push(self.out.len());
        }
    }

    /// The comment on the line that was just printed.
    fn trailing_comment(&mut self) {
        let Some(span) = self.comments.first().map(|comment| comment.span) else { return };
        if self.only_blanks(span)
            && let Some(comment) = self.next_comment(span.end)
        {
            self.before_trailing_comment();
            self.push(&comment.text);
            self.done(span.end);
        }
    }

    /// Whether nothing but blanks stands between the current place and a comment.
    fn only_blanks(&self, comment: Span) -> bool {
        let between = self.text.get(self.at as usize..comment.start as usize).unwrap_or("");
        between.trim_matches([' ', '\t']).is_empty()
    }

    /// Comments on lines of their own before `to`.
    fn own_line_comments(&mut self, to: u32) {
        while let Some(comment) = self.next_comment(to) {
            let empty = self.breaks(self.at, comment.span.start) > 1;
            self.begin_line(empty);
            self.push(&comment.text);
            self.done(comment.span.end);
        }
    }

    /// Begins the line of a statement, a definition or a comment.
    fn begin_line(&mut self, empty: bool) {
        // No empty line after the brace that opens a body.
        let first = self.out.ends_with('{');
        self.new_line(self.indent, empty && !first);
    }

    /// Whether a comment that is not yet printed begins between two places.
    fn has_comment(&self, from: u32, to: u32) -> bool {
        let first = self.comments.partition_point(|comment| comment.span.start < from);
        self.comments.get(first).is_some_and(|comment| comment.span.start < to)
    }

    /// The next place at or after the current one where one of some characters stands outside of a
    /// comment, and which.
    fn seek(&self, wanted: &[char]) -> (u32, Option<char>) {
        let mut at = self.at as usize;
        let mut comments = self.comments.iter();
        loop {
            let rest = self.text.get(at..).unwrap_or("");
            let Some(found) = rest.find(wanted) else { return (end(self.text), None) };
            match comments.next() {
                Some(comment) if (comment.span.start as usize) < at + found => {
                    at = at.max(comment.span.end as usize);
                }
                _ => {
                    let place = u32::try_from(at + found).unwrap_or(u32::MAX);
                    return (place, rest.get(found..).and_then(|rest| rest.chars().next()));
                }
            }
        }
    }
}
