//! Pairs of an expression → its tree. Operators are folded in loops, so that only brackets recurse.

use std::iter::Peekable;

use pest::iterators::{Pair, Pairs};

use super::grammar::Rule;
use super::{Builder, span_of};
use crate::diag::{Code, Diagnostic};
use crate::limits;
use crate::source::Span;
use crate::syntax::ast::{Arg, BinaryOp, Call, Expr, ExprKind, Ident, Name, NamePart, Number};

/// An expression and how many nodes stand above its deepest one.
struct Deep {
    expr: Expr,
    depth: usize,
}

/// The pairs of one expression without comments.
type Parts<'a> = Peekable<std::iter::Filter<Pairs<'a, Rule>, fn(&Pair<'a, Rule>) -> bool>>;

fn parts<'a>(pair: Pair<'a, Rule>) -> Parts<'a> {
    let is_part: fn(&Pair<'a, Rule>) -> bool = |part| part.as_rule() != Rule::comment;
    pair.into_inner().filter(is_part).peekable()
}

impl Builder<'_> {
    /// `expr`, `inner` or `integer`.
    pub(super) fn expr(&mut self, pair: Pair<'_, Rule>) -> Expr {
        self.deep(pair).expr
    }

    /// The stages of a statement that begins with `|>`, applied to `it`.
    pub(super) fn continued(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let span = span_of(&pair);
        let start = Span::new(span.start, span.start);
        let it = Name { parts: vec![NamePart::Text("it".to_owned())], span: start };
        let first = Deep { expr: Expr { kind: ExprKind::Name(it), span: start }, depth: 1 };
        self.stages(first, &mut parts(pair)).expr
    }

    fn deep(&mut self, pair: Pair<'_, Rule>) -> Deep {
        let mut parts = parts(pair);
        let first = self.sum(&mut parts);
        self.stages(first, &mut parts)
    }

    fn stages(&mut self, first: Deep, parts: &mut Parts<'_>) -> Deep {
        let mut stages = Vec::new();
        let (mut depth, mut span) = (first.depth, first.expr.span);
        for part in parts.filter(|part| part.as_rule() != Rule::pipe) {
            let Some(layer) = part.into_inner().next() else { continue };
            let stage = self.primary(layer);
            depth = depth.max(stage.depth);
            span = span.to(stage.expr.span);
            stages.push(stage.expr);
        }
        if stages.is_empty() {
            return first;
        }
        self.node(ExprKind::Pipe(Box::new(first.expr), stages), span, depth)
    }

    /// Operands and operators up to a `|>` or the end.
    fn sum(&mut self, parts: &mut Parts<'_>) -> Deep {
        let mut sum: Option<(Deep, BinaryOp)> = None;
        let mut product = self.operand(parts);
        while let Some(op) = parts.peek().and_then(|part| operator(part.as_rule())) {
            parts.next();
            let operand = self.operand(parts);
            if matches!(op, BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem) {
                product = self.binary(op, product, operand);
            } else {
                let left = match sum.take() {
                    Some((left, op)) => self.binary(op, left, product),
                    None => product,
                };
                sum = Some((left, op));
                product = operand;
            }
        }
        match sum {
            Some((left, op)) => self.binary(op, left, product),
            None => product,
        }
    }

    /// Signs and what they stand before.
    fn operand(&mut self, parts: &mut Parts<'_>) -> Deep {
        let mut signs = Vec::new();
        while let Some(sign) = parts.next_if(|part| part.as_rule() == Rule::neg) {
            signs.push(span_of(&sign));
        }
        let mut operand = match parts.next() {
            Some(part) => self.primary(part),
            None => Deep { expr: hole(Span::default()), depth: 1 },
        };
        while let Some(sign) = signs.pop() {
            let span = sign.to(operand.expr.span);
            let depth = operand.depth;
            operand = self.node(ExprKind::Neg(Box::new(operand.expr)), span, depth);
        }
        operand
    }

    fn binary(&mut self, op: BinaryOp, left: Deep, right: Deep) -> Deep {
        let span = left.expr.span.to(right.expr.span);
        let depth = left.depth.max(right.depth);
        self.node(ExprKind::Binary(op, Box::new(left.expr), Box::new(right.expr)), span, depth)
    }

    fn primary(&mut self, pair: Pair<'_, Rule>) -> Deep {
        let span = span_of(&pair);
        match pair.as_rule() {
            Rule::number => {
                let number = self.number(pair.as_str(), span);
                self.node(ExprKind::Number(number), span, 0)
            }
            Rule::string => self.node(ExprKind::Str(unescape(pair.as_str())), span, 0),
            Rule::name => {
                let name = self.name(pair);
                self.node(ExprKind::Name(name), span, 0)
            }
            Rule::call => self.call(pair),
            Rule::list => {
                let (items, depth) = self.all(pair);
                self.node(ExprKind::List(items), span, depth)
            }
            _ => {
                let (mut items, depth) = self.all(pair);
                let kind = match (items.len(), items.pop()) {
                    (1, Some(only)) => ExprKind::Paren(Box::new(only)),
                    (_, last) => ExprKind::Tuple(items.into_iter().chain(last).collect()),
                };
                self.node(kind, span, depth)
            }
        }
    }

    /// The expressions between brackets, and the depth of the deepest.
    fn all(&mut self, pair: Pair<'_, Rule>) -> (Vec<Expr>, usize) {
        let mut items = Vec::new();
        let mut depth = 0;
        for item in pair.into_inner().filter(|part| part.as_rule() == Rule::inner) {
            let item = self.deep(item);
            depth = depth.max(item.depth);
            items.push(item.expr);
        }
        (items, depth)
    }

    fn call(&mut self, pair: Pair<'_, Rule>) -> Deep {
        let span = span_of(&pair);
        let mut callee = Ident { text: String::new(), span };
        let mut call = Vec::new();
        let mut args_span = span.after();
        let mut depth = 0;
        for part in pair.into_inner() {
            if part.as_rule() == Rule::ident {
                callee = ident(&part);
                continue;
            }
            args_span = span_of(&part);
            for arg in part.into_inner().filter(|part| part.as_rule() == Rule::arg) {
                let mut name = None;
                let arg_span = span_of(&arg);
                for part in arg.into_inner() {
                    match part.as_rule() {
                        Rule::ident => name = Some(ident(&part)),
                        Rule::inner => {
                            let value = self.deep(part);
                            depth = depth.max(value.depth);
                            call.push(Arg { name: name.take(), value: value.expr, span: arg_span });
                        }
                        _ => {}
                    }
                }
            }
        }
        self.node(ExprKind::Call(Call { callee, args: call, args_span }), span, depth)
    }

    /// Makes a node above children of a depth, unless it would be too deep: an error then.
    fn node(&mut self, kind: ExprKind, span: Span, below: usize) -> Deep {
        if below < limits::EXPR_DEPTH {
            return Deep { expr: Expr { kind, span }, depth: below + 1 };
        }
        if !self.too_deep {
            self.too_deep = true;
            self.report(
                Diagnostic::error(
                    Code::TooNested,
                    span,
                    format!("an expression has more than {} operators inside each other", limits::EXPR_DEPTH),
                )
                .help("give parts of it names, in statements of their own"),
            );
        }
        Deep { expr: hole(span), depth: 1 }
    }

    fn number(&mut self, text: &str, span: Span) -> Number {
        let value: f64 = text.parse().unwrap_or(f64::NAN);
        let is_integer = text.bytes().all(|b| b.is_ascii_digit());
        let int = if is_integer { text.parse::<i64>().ok() } else { None };
        let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
        if is_integer && int.is_none() {
            self.report(
                Diagnostic::error(Code::BadNumber, span, "an integer does not fit 64 bits")
                    .label(format!("the largest is {}", i64::MAX))
                    .help(format!(
                        "a number that need not be exact is written with a point or an exponent: `{value:e}`"
                    )),
            );
        } else if !value.is_finite() {
            self.report(
                Diagnostic::error(Code::BadNumber, span, "a number is too large")
                    .label("the largest is about 1.8e308"),
            );
        } else if value == 0.0 && mantissa.bytes().any(|b| matches!(b, b'1'..=b'9')) {
            self.report(
                Diagnostic::error(Code::BadNumber, span, "a number is too small to differ from 0")
                    .label("the smallest is about 4.9e-324"),
            );
        }
        Number { value, int, text: text.to_owned() }
    }

    /// A dotted name with its interpolations.
    pub(super) fn name(&mut self, pair: Pair<'_, Rule>) -> Name {
        let span = span_of(&pair);
        let (start, end) = (pair.as_span().start(), pair.as_span().end());
        let mut parts = Vec::new();
        let mut at = start;
        for index in pair.into_inner() {
            self.name_text(at, index.as_span().start(), &mut parts);
            at = index.as_span().end();
            for value in index.into_inner().filter(|part| part.as_rule() == Rule::integer) {
                parts.push(NamePart::Index(self.expr(value)));
            }
        }
        self.name_text(at, end, &mut parts);
        Name { parts, span }
    }

    fn name_text(&self, start: usize, end: usize, parts: &mut Vec<NamePart>) {
        if let Some(text) = self.text.get(start..end).filter(|text| !text.is_empty()) {
            parts.push(NamePart::Text(text.to_owned()));
        }
    }
}

/// An identifier's pair.
pub(super) fn ident(pair: &Pair<'_, Rule>) -> Ident {
    Ident { text: pair.as_str().to_owned(), span: span_of(pair) }
}

/// A string's text without its quotes and escapes.
pub(super) fn unescape(quoted: &str) -> String {
    let inner = quoted.strip_prefix('"').unwrap_or(quoted);
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut value = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        value.extend(if char == '\\' { chars.next() } else { Some(char) });
    }
    value
}

/// What stands where an error was reported; its statement becomes an `Error` node.
fn hole(span: Span) -> Expr {
    Expr { kind: ExprKind::Tuple(Vec::new()), span }
}

fn operator(rule: Rule) -> Option<BinaryOp> {
    match rule {
        Rule::add => Some(BinaryOp::Add),
        Rule::sub => Some(BinaryOp::Sub),
        Rule::mul => Some(BinaryOp::Mul),
        Rule::div => Some(BinaryOp::Div),
        Rule::rem => Some(BinaryOp::Rem),
        _ => None,
    }
}
