//! Expressions, and everything between brackets.

use super::{Gap, INDENT, Printer};
use crate::source::Span;
use crate::syntax::ast::{BinaryOp, Call, Expr, ExprKind, Ident, Name, NamePart};

/// One of the things between brackets.
pub(super) enum Row<'a> {
    /// An expression.
    Value(&'a Expr),
    /// `name` or `name=value`.
    Setting(&'a Ident, Option<&'a Expr>),
    /// `_`
    Open,
    /// A row of numbers, each to be as wide as its column.
    Numbers(&'a Expr, &'a [usize]),
}

/// The brackets around rows.
pub(super) struct Brackets {
    /// The opening one.
    pub open: &'static str,
    /// The closing one.
    pub close: &'static str,
    /// The byte after the opening one.
    pub from: u32,
    /// The byte of the closing one; `None` if it is the next after the last row.
    pub to: Option<u32>,
    /// Whether a comma may stand after the last row.
    pub trailing_comma: bool,
}

impl Brackets {
    /// Brackets that a span begins and ends with.
    pub(super) fn of(open: &'static str, close: &'static str, span: Span) -> Self {
        Brackets {
            open,
            close,
            from: span.start + 1,
            to: Some(span.end.saturating_sub(1)),
            trailing_comma: true,
        }
    }
}

impl Printer<'_> {
    pub(super) fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Number(number) => self.push(&number.text),
            ExprKind::Str(value) => self.string(value),
            ExprKind::Name(name) => self.name(name),
            ExprKind::List(items) => self.list(expr, items),
            ExprKind::Tuple(items) => {
                let rows: Vec<Row<'_>> = items.iter().map(Row::Value).collect();
                self.rows(&rows, Brackets::of("(", ")", expr.span));
            }
            ExprKind::Paren(inner) => {
                let brackets = Brackets { trailing_comma: false, ..Brackets::of("(", ")", expr.span) };
                self.rows(&[Row::Value(inner)], brackets);
            }
            ExprKind::Call(call) => self.call(call),
            ExprKind::Neg(operand) => {
                self.push("-");
                self.expr(operand);
            }
            ExprKind::Binary(op, left, right) => self.binary(*op, left, right),
            ExprKind::Pipe(first, stages) => {
                self.expr(first);
                for stage in stages {
                    self.gap(stage.span.start, Gap::Break, self.hang);
                    self.push("|> ");
                    self.expr(stage);
                }
            }
        }
        self.done(expr.span.end);
    }

    fn binary(&mut self, op: BinaryOp, left: &Expr, right: &Expr) {
        self.expr(left);
        if self.compact {
            self.push(op.symbol());
            self.gap(right.span.start, Gap::Joined, self.hang);
        } else {
            self.push(" ");
            self.push(op.symbol());
            self.gap(right.span.start, Gap::Break, self.hang);
        }
        self.expr(right);
    }

    fn call(&mut self, call: &Call) {
        self.push(&call.callee.text);
        let rows: Vec<Row<'_>> = call
            .args
            .iter()
            .map(|arg| match &arg.name {
                Some(name) => Row::Setting(name, Some(&arg.value)),
                None => Row::Value(&arg.value),
            })
            .collect();
        self.rows(&rows, Brackets::of("(", ")", call.args_span));
    }

    pub(super) fn name(&mut self, name: &Name) {
        for part in &name.parts {
            match part {
                NamePart::Text(text) => self.push(text),
                NamePart::Index(index) => {
                    self.push("{");
                    self.done(index.span.start);
                    let compact = std::mem::replace(&mut self.compact, true);
                    self.expr(index);
                    self.compact = compact;
                    self.push("}");
                }
            }
        }
        self.done(name.span.end);
    }

    pub(super) fn string(&mut self, value: &str) {
        self.push("\"");
        for char in value.chars() {
            if matches!(char, '"' | '\\') {
                self.push("\\");
            }
            self.push(char.encode_utf8(&mut [0; 4]));
        }
        self.push("\"");
    }

    /// A list; numbers in rows below each other are aligned in columns.
    fn list(&mut self, expr: &Expr, items: &[Expr]) {
        let widths = self.column_widths(items);
        let rows: Vec<Row<'_>> = items
            .iter()
            .map(|item| match &widths {
                Some(widths) => Row::Numbers(item, widths),
                None => Row::Value(item),
            })
            .collect();
        self.rows(&rows, Brackets::of("[", "]", expr.span));
    }

    /// The widths of the columns, if a list consists of rows of numbers on a line each.
    fn column_widths(&self, rows: &[Expr]) -> Option<Vec<usize>> {
        let on_lines_of_their_own =
            rows.windows(2).all(|pair| matches!(pair, [a, b] if self.breaks(a.span.end, b.span.start) > 0));
        if rows.len() < 2 || !on_lines_of_their_own {
            return None;
        }
        let mut widths: Vec<usize> = Vec::new();
        for (i, row) in rows.iter().enumerate() {
            let ExprKind::List(numbers) = &row.kind else { return None };
            let last = numbers.last().map_or(row.span.end, |last| last.span.end);
            let on_one_line =
                self.breaks(row.span.start, last) == 0 && !self.has_comment(row.span.start, row.span.end);
            if !on_one_line || (i > 0 && numbers.len() != widths.len()) {
                return None;
            }
            widths.resize(numbers.len(), 0);
            for (width, item) in widths.iter_mut().zip(numbers) {
                *width = (*width).max(number(item)?.len());
            }
        }
        Some(widths)
    }

    /// `open row, row close`. Where the author breaks the line after the opening bracket, rows stand on
    /// lines of their own, indented; elsewhere they are aligned after the bracket.
    pub(super) fn rows(&mut self, rows: &[Row<'_>], brackets: Brackets) {
        self.push(brackets.open);
        self.done(brackets.from);
        let line_indent = self.line_indent;
        let first = match rows.first() {
            Some(row) => self.start_of(row),
            None => brackets.to.unwrap_or_else(|| self.seek(&[')']).0),
        };
        let hanging =
            self.breaks(self.at, first) > 0 && (!rows.is_empty() || self.has_comment(self.at, first));
        let saved = (self.indent, self.hang, self.compact);
        self.compact = false;
        self.indent = if hanging { line_indent + INDENT } else { self.column };
        self.hang = if hanging { self.indent + INDENT } else { self.indent };
        for (i, row) in rows.iter().enumerate() {
            let start = self.start_of(row);
            if i > 0 {
                self.push(",");
                self.gap(start, Gap::Row, self.indent);
            } else {
                self.gap(start, if hanging { Gap::Break } else { Gap::Joined }, self.indent);
            }
            self.row(row);
        }
        let close = brackets.to.unwrap_or_else(|| self.seek(&[')']).0);
        if hanging && brackets.trailing_comma && !rows.is_empty() {
            self.push(",");
        }
        self.gap(close, Gap::Joined, self.indent);
        if hanging {
            self.new_line(line_indent, false);
        }
        (self.indent, self.hang, self.compact) = saved;
        self.push(brackets.close);
        self.done(close + 1);
    }

    fn row(&mut self, row: &Row<'_>) {
        match row {
            Row::Value(value) => self.expr(value),
            Row::Setting(name, value) => {
                self.push(&name.text);
                self.done(name.span.end);
                if let Some(value) = value {
                    self.push("=");
                    self.gap(value.span.start, Gap::Joined, self.hang);
                    self.expr(value);
                }
            }
            Row::Open => {
                self.push("_");
                self.done(self.at + 1);
            }
            Row::Numbers(list, widths) => {
                let ExprKind::List(numbers) = &list.kind else { return };
                self.push("[");
                for (i, (item, width)) in numbers.iter().zip(*widths).enumerate() {
                    let text = number(item).unwrap_or_default();
                    self.push(if i > 0 { ", " } else { "" });
                    self.push(&format!("{text:>width$}"));
                }
                self.push("]");
                self.done(list.span.end);
            }
        }
    }

    /// Where the next row begins.
    fn start_of(&self, row: &Row<'_>) -> u32 {
        match row {
            Row::Value(expr) | Row::Numbers(expr, _) => expr.span.start,
            Row::Setting(name, _) => name.span.start,
            Row::Open => self.seek(&['_']).0,
        }
    }
}

/// A number with its sign, as text.
fn number(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Number(number) => Some(number.text.clone()),
        ExprKind::Neg(inner) => match &inner.kind {
            ExprKind::Number(number) => Some(format!("-{}", number.text)),
            _ => None,
        },
        _ => None,
    }
}
