//! Pairs of bodies and statements → their trees.

use pest::iterators::Pair;

use super::explain::Scope;
use super::expression::{ident, unescape};
use super::grammar::Rule;
use super::{Builder, span_of};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{
    Apply, Dim, Expr, Ident, InputDef, Name, Repeat, ShapeNote, Stmt, StmtKind, Str, WeightDef,
};

impl Builder<'_> {
    /// `{ … }`, closed or not. `what` it belongs to is named where it is not.
    pub(super) fn body(&mut self, pair: Pair<'_, Rule>, what: &str) -> Vec<Stmt> {
        let mut statements = Vec::new();
        let mut open = span_of(&pair);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::comment | Rule::close_brace => {}
                Rule::open_brace => open = span_of(&part),
                Rule::junk_after => self.text_after_brace(&part),
                Rule::missing_brace => self.missing_brace(open, what, span_of(&part)),
                _ => statements.push(self.statement(part)),
            }
        }
        statements
    }

    fn missing_brace(&mut self, open: Span, what: &str, end: Span) {
        // Where the next definition begins: after the line break.
        let at = end.start as usize;
        let line_break = self.text.get(at..).map_or(0, |rest| rest.find('\n').map_or(0, |i| i + 1));
        let place = super::span(at + line_break, at + line_break);
        self.report(
            Diagnostic::error(Code::Unclosed, open, format!("the `{{` of this {what} is not closed"))
                .also(place, "`}` is missing before this place"),
        );
    }

    fn text_after_brace(&mut self, junk: &Pair<'_, Rule>) {
        let found = super::expect::found(self.text, junk.as_span().start());
        self.report(
            Diagnostic::error(
                Code::Syntax,
                found.span,
                format!("expected the end of the line after `}}`, found {}", found.words),
            )
            .help("what comes after a `}` goes on a line of its own"),
        );
    }

    /// A statement, parsed or not.
    pub(super) fn statement(&mut self, pair: Pair<'_, Rule>) -> Stmt {
        let span = span_of(&pair);
        let errors = self.errors;
        self.too_deep = false;
        let kind = match pair.as_rule() {
            Rule::input => self.input(pair),
            Rule::weight => self.weight(pair),
            Rule::weights => StmtKind::Weights(string(pair)),
            Rule::labels => StmtKind::Labels(string(pair)),
            Rule::output => StmtKind::Output(
                pair.into_inner().filter(|p| p.as_rule() == Rule::name).map(|p| self.name(p)).collect(),
            ),
            // The errors of its body are its statements' own.
            Rule::repeat => return Stmt { kind: self.repeat(pair, errors), span },
            Rule::apply => self.apply(pair),
            _ => {
                self.explain(&pair, Scope::Statement);
                self.body_of_broken(pair);
                StmtKind::Error
            }
        };
        Stmt { kind: if self.errors == errors { kind } else { StmtKind::Error }, span }
    }

    /// Reports the errors in a body whose header did not parse.
    pub(super) fn body_of_broken(&mut self, pair: Pair<'_, Rule>) {
        for body in pair.into_inner().filter(|part| part.as_rule() == Rule::body) {
            self.body(body, "body");
        }
    }

    fn repeat(&mut self, pair: Pair<'_, Rule>, errors: usize) -> StmtKind {
        let mut count = None;
        let mut var = None;
        let mut body = Vec::new();
        let mut header_is_good = true;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::integer => {
                    count = Some(self.expr(part));
                    header_is_good = self.errors == errors;
                }
                Rule::ident => var = Some(ident(&part)),
                Rule::body => body = self.body(part, "`repeat`"),
                _ => {}
            }
        }
        match count {
            Some(count) if header_is_good => StmtKind::Repeat(Repeat { count, var, body }),
            _ => StmtKind::Error,
        }
    }

    fn apply(&mut self, pair: Pair<'_, Rule>) -> StmtKind {
        let mut name = None;
        let mut value = None;
        let mut note = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.name(part)),
                Rule::expr => value = Some(self.expr(part)),
                Rule::continued => value = Some(self.continued(part)),
                Rule::note => note = Some(self.note(part)),
                _ => {}
            }
        }
        match value {
            Some(value) => StmtKind::Apply(Apply { name, value, note }),
            None => StmtKind::Error,
        }
    }

    fn note(&mut self, pair: Pair<'_, Rule>) -> ShapeNote {
        let span = span_of(&pair);
        let dims = pair
            .into_inner()
            .filter(|part| part.as_rule() == Rule::note_dim)
            .filter_map(|dim| dim.into_inner().next())
            .map(|dim| (dim.as_rule() == Rule::inner).then(|| self.expr(dim)))
            .collect();
        ShapeNote { dims, span }
    }

    fn input(&mut self, pair: Pair<'_, Rule>) -> StmtKind {
        let mut input = InputDef {
            tensor: false,
            name: Ident { text: String::new(), span: span_of(&pair) },
            dims: Vec::new(),
            dims_span: Span::default(),
            file: None,
        };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::kw_tensor => input.tensor = true,
                Rule::ident => input.name = ident(&part),
                Rule::string => input.file = Some(str_of(&part)),
                Rule::dims => {
                    input.dims_span = span_of(&part);
                    for dim in part.into_inner().filter(|part| part.as_rule() == Rule::dim) {
                        input.dims.extend(dim.into_inner().next().map(|dim| self.dim(dim)));
                    }
                }
                _ => {}
            }
        }
        StmtKind::Input(input)
    }

    fn weight(&mut self, pair: Pair<'_, Rule>) -> StmtKind {
        let mut weight = WeightDef {
            name: Name { parts: Vec::new(), span: span_of(&pair) },
            dims: Vec::new(),
            dims_span: Span::default(),
        };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => weight.name = self.name(part),
                Rule::shape => {
                    weight.dims_span = span_of(&part);
                    let dims = part.into_inner().filter(|part| part.as_rule() == Rule::inner);
                    weight.dims = dims.map(|dim| self.expr(dim)).collect();
                }
                _ => {}
            }
        }
        StmtKind::Param(weight)
    }

    fn dim(&mut self, pair: Pair<'_, Rule>) -> Dim {
        if pair.as_rule() != Rule::symbol {
            return Dim::Size(self.expr(pair));
        }
        let mut name = Ident { text: String::new(), span: span_of(&pair) };
        let mut default: Option<Expr> = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => name = ident(&part),
                Rule::inner => default = Some(self.expr(part)),
                _ => {}
            }
        }
        Dim::Symbol(name, default)
    }
}

fn string(pair: Pair<'_, Rule>) -> Str {
    let span = span_of(&pair);
    let found = pair.into_inner().find(|part| part.as_rule() == Rule::string);
    found.map_or(Str { value: String::new(), span }, |part| str_of(&part))
}

fn str_of(pair: &Pair<'_, Rule>) -> Str {
    Str { value: unescape(pair.as_str()), span: span_of(pair) }
}
