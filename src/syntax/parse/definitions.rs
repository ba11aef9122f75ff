//! Pairs of a file's definitions → their trees.

use pest::iterators::Pair;

use super::explain::{Lone, Scope};
use super::expression::ident;
use super::grammar::Rule;
use super::{Builder, span_of};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{BlockDef, Expr, Ident, Item, KernelDef, ModelDef, ParamDef};

impl Builder<'_> {
    /// All definitions of a file.
    pub(super) fn items(&mut self, file: Pair<'_, Rule>) -> Vec<Item> {
        let mut items = Vec::new();
        // Statements outside of a model are one mistake, however many there are in a row.
        let mut outside: Option<Outside> = None;
        for part in file.into_inner() {
            let span = span_of(&part);
            let item = match part.as_rule() {
                Rule::comment | Rule::EOI => continue,
                Rule::junk | Rule::broken_block if !self.has_room() => {
                    self.errors += 1;
                    Item::Error(span)
                }
                Rule::junk | Rule::broken_block => {
                    let is_run = outside.as_ref().is_some_and(|outside| outside.count >= LONG_RUN);
                    if is_run || self.is_statement(&part) {
                        let outside = outside.get_or_insert(Outside { first: span, count: 0 });
                        outside.count += 1;
                        self.body_of_broken(part);
                        items.push(Item::Error(span));
                        continue;
                    }
                    self.explain(&part, Scope::Item);
                    self.body_of_broken(part);
                    Item::Error(span)
                }
                Rule::stray_brace => {
                    // The brace that was meant to close the model that is missing.
                    if outside.is_none() {
                        self.stray_brace(span);
                    }
                    Item::Error(span)
                }
                Rule::kernel_def => self.kernel(part),
                Rule::block_def => self.block(part),
                _ => self.model(part),
            };
            self.outside(outside.take());
            items.push(item);
        }
        self.outside(outside);
        items
    }

    /// Whether what is no definition is a statement, a good one or at least one that is meant so.
    fn is_statement(&mut self, pair: &Pair<'_, Rule>) -> bool {
        match self.lone(pair) {
            Lone::Statement => true,
            Lone::BrokenStatement => {
                self.explain(pair, Scope::Statement);
                true
            }
            Lone::Item => false,
        }
    }

    fn outside(&mut self, outside: Option<Outside>) {
        let Some(Outside { first, count }) = outside else { return };
        let message = match count {
            1 => "a statement stands outside of a model".to_owned(),
            _ => format!("{count} statements stand outside of a model"),
        };
        self.report(
            Diagnostic::error(Code::OutsideModel, first, message)
                .label(if count == 1 { "this one" } else { "the first of them" })
                .help("put them between `model name {` and `}`"),
        );
    }

    fn stray_brace(&mut self, span: Span) {
        self.report(
            Diagnostic::error(Code::Syntax, span, "this `}` closes nothing")
                .help("leave it out, or look for a `}` too many above"),
        );
    }

    fn kernel(&mut self, pair: Pair<'_, Rule>) -> Item {
        let span = span_of(&pair);
        let errors = self.errors;
        self.too_deep = false;
        let mut name = None;
        let mut value: Option<Expr> = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => name = Some(ident(&part)),
                Rule::expr => value = Some(self.expr(part)),
                _ => {}
            }
        }
        match (name, value) {
            (Some(name), Some(value)) if self.errors == errors => {
                Item::Kernel(KernelDef { name, value, span })
            }
            _ => Item::Error(span),
        }
    }

    fn block(&mut self, pair: Pair<'_, Rule>) -> Item {
        let mut def = BlockDef {
            name: Ident { text: String::new(), span: span_of(&pair) },
            params: Vec::new(),
            body: Vec::new(),
            span: span_of(&pair),
        };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => def.name = ident(&part),
                Rule::params => {
                    for param in part.into_inner().filter(|part| part.as_rule() == Rule::param) {
                        def.params.extend(self.param(param));
                    }
                }
                Rule::body => def.body = self.body(part, "block"),
                _ => {}
            }
        }
        Item::Block(def)
    }

    fn param(&mut self, pair: Pair<'_, Rule>) -> Option<ParamDef> {
        self.too_deep = false;
        let mut name = None;
        let mut default = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => name = Some(ident(&part)),
                Rule::inner => default = Some(self.expr(part)),
                _ => {}
            }
        }
        name.map(|name| ParamDef { name, default })
    }

    fn model(&mut self, pair: Pair<'_, Rule>) -> Item {
        let mut def = ModelDef {
            name: Ident { text: String::new(), span: span_of(&pair) },
            body: Vec::new(),
            span: span_of(&pair),
        };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => def.name = ident(&part),
                Rule::body => def.body = self.body(part, "model"),
                _ => {}
            }
        }
        Item::Model(def)
    }
}

/// After so many statements outside of a model the next are not looked at any more.
const LONG_RUN: usize = 1_000;

/// Statements in a row outside of a model.
struct Outside {
    first: Span,
    count: usize,
}
