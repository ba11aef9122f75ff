//! Statements.

use super::scope::{Checker, Context, Current};
use super::thing::{Id, Thing};
use crate::diag::{Code, Diagnostic};
use crate::limits;
use crate::source::Span;
use crate::syntax::ast::{Apply, Repeat, ShapeNote, Stmt, StmtKind};

impl<'a> Checker<'a> {
    /// Runs a statement. `top`: it stands in a model itself, not in a block or `repeat`.
    pub fn statement(&mut self, stmt: &'a Stmt, top: bool) {
        if self.budget.stopped {
            return;
        }
        match &stmt.kind {
            StmtKind::Apply(apply) => {
                if self.step(stmt.span) {
                    self.apply(apply, stmt.span);
                }
            }
            StmtKind::Repeat(repeat) => self.repeat(repeat, stmt.span),
            StmtKind::Param(def) => {
                if self.step(stmt.span) {
                    self.free_weight(def, stmt.span);
                }
            }
            StmtKind::Input(def) if !top => {
                let text = "an input is declared in a model itself, not in a block or `repeat`";
                self.error(Code::Misplaced, stmt.span, text);
                self.scope
                    .names
                    .entry(def.name.text.clone())
                    .or_insert(super::scope::Binding { thing: Thing::Unknown, span: def.name.span });
            }
            StmtKind::Weights(_) | StmtKind::Labels(_) | StmtKind::Output(_) if !top => {
                let what = match stmt.kind {
                    StmtKind::Weights(_) => "weights",
                    StmtKind::Labels(_) => "labels",
                    _ => "output",
                };
                let text = format!("`{what}` stands in a model itself, not in a block or `repeat`");
                self.error(Code::Misplaced, stmt.span, text);
            }
            // The model has read them before its statements, or reads them after.
            StmtKind::Input(_) | StmtKind::Weights(_) | StmtKind::Labels(_) | StmtKind::Output(_) => {}
            StmtKind::Error => {
                (self.scope.broken, self.broken) = (true, true);
                let unknown = self.unknown(Vec::new(), stmt.span);
                self.scope.it = Current::Is(unknown);
            }
        }
    }

    /// Reports `weights` and `labels` that stand twice.
    pub fn once(&mut self, body: &'a [Stmt]) {
        let (mut weights, mut labels): (Option<Span>, Option<Span>) = (None, None);
        for stmt in body {
            let (what, first) = match &stmt.kind {
                StmtKind::Weights(_) => ("weights", &mut weights),
                StmtKind::Labels(_) => ("labels", &mut labels),
                _ => continue,
            };
            match *first {
                None => *first = Some(stmt.span),
                Some(place) => {
                    let text = format!("a model has one `{what}` statement");
                    let diagnostic = Diagnostic::error(Code::Misplaced, stmt.span, text);
                    self.report(diagnostic.also(place, "the first is here"));
                }
            }
        }
    }

    /// Runs the statements of a block or of a round.
    pub fn body(&mut self, body: &'a [Stmt]) {
        for stmt in body {
            self.statement(stmt, false);
        }
    }

    fn repeat(&mut self, repeat: &'a Repeat, span: Span) {
        let Some(count) = self.whole(&repeat.count, 0, "the count of `repeat`") else {
            // How often is not known: neither is what comes after.
            self.scope.broken = true;
            let unknown = self.unknown(Vec::new(), span);
            self.scope.it = Current::Is(unknown);
            return;
        };
        if let Some(var) = &repeat.var {
            if super::keys::reserved(&var.text) {
                return self.reserved(&var.text, var.span);
            }
            if let Some(first) = self.scope.names.get(&var.text).map(|b| b.span) {
                let text = format!("`{}` is bound twice", var.text);
                let diagnostic = Diagnostic::error(Code::DuplicateName, var.span, text);
                return self.report(diagnostic.also(first, "the first is here"));
            }
        }
        if !self.deeper(span) {
            return;
        }
        for i in 0..count {
            if !self.step(span) {
                break;
            }
            let value = i64::try_from(i).unwrap_or(i64::MAX);
            if let Some(var) = &repeat.var {
                let binding = super::scope::Binding { thing: Thing::Int(value), span: var.span };
                self.scope.names.insert(var.text.clone(), binding);
                self.contexts.push(Context::Round { var: var.text.clone(), value });
            }
            self.body(&repeat.body);
            if let Some(var) = &repeat.var {
                self.contexts.pop();
                self.scope.names.remove(&var.text);
            }
        }
        self.budget.depth -= 1;
    }

    /// Goes one level deeper; false, and reported, where that is too deep. Whoever got true takes the
    /// level back.
    pub fn deeper(&mut self, span: Span) -> bool {
        if self.budget.depth >= limits::EXPANSION_DEPTH {
            let text = format!(
                "blocks, repeats and expressions are nested more than {} deep",
                limits::EXPANSION_DEPTH
            );
            self.error(Code::TooDeep, span, text);
            return false;
        }
        self.budget.depth += 1;
        true
    }

    fn apply(&mut self, apply: &'a Apply, span: Span) {
        let name = match &apply.name {
            Some(name) => match self.name_text(name) {
                Some(text) => Some((text, name.span)),
                None => {
                    // The name is not known: what it would bind is not either.
                    self.scope.broken = true;
                    None
                }
            },
            None => None,
        };
        let first = self.drafts.nodes.len();
        let text = name.as_ref().map(|(text, _)| text.as_str());
        let result = self.chain(&apply.value, text);
        if let Some(note) = &apply.note {
            self.note(note, result);
        }
        if let Some(node) = self.drafts.nodes.get_mut(result.index())
            && result.index() >= first
        {
            node.result = true;
            node.span = if node.shape.is_none() { span } else { node.span };
        }
        if let Some((text, span)) = name {
            self.rename(result, first, &text);
            self.bind(text, Thing::Value(result), span);
        }
        self.scope.it = Current::Is(result);
    }

    /// Gives a node that this statement made the statement's name, unless that is taken.
    fn rename(&mut self, id: Id, first: usize, name: &str) {
        let full = format!("{}{name}", self.scope.prefix);
        let made_here = id.index() >= first;
        let weighted = self
            .drafts
            .keys
            .range(format!("{full}.")..)
            .next()
            .is_some_and(|(key, _)| key.strip_prefix(&full).is_some_and(|rest| rest.starts_with('.')));
        if made_here
            && !weighted
            && self.drafts.free(&full)
            && let Some(node) = self.drafts.nodes.get_mut(id.index())
            && !node.name.is_empty()
        {
            node.name = full.clone();
            self.drafts.take(full);
        }
    }

    /// Holds a note `-> [64, 112, 112]` against the shape it is about.
    fn note(&mut self, note: &'a ShapeNote, id: Id) {
        let mut claimed: Vec<Option<u64>> = Vec::new();
        let mut open = Vec::new();
        for dim in &note.dims {
            open.push(dim.is_none());
            claimed.push(dim.as_ref().and_then(|expr| self.whole(expr, 1, "an axis")));
        }
        let Some(shape) = self.shape(id) else { return };
        let fits = shape.dims.len() == claimed.len()
            && shape.dims.iter().zip(&claimed).all(|(have, want)| match (have, want) {
                (Some(have), Some(want)) => have == want,
                _ => true,
            });
        if fits {
            return;
        }
        let wanted: Vec<String> = claimed
            .iter()
            .zip(&open)
            .map(|(dim, open)| match (dim, open) {
                (Some(d), _) => d.to_string(),
                (None, true) => "_".to_owned(),
                (None, false) => "?".to_owned(),
            })
            .collect();
        let text = format!("the shape is {shape}, the note says [{}]", wanted.join(", "));
        let diagnostic = Diagnostic::error(Code::WrongNote, note.span, text).label(format!("it is {shape}"));
        let diagnostic = self.explain_shape(diagnostic, id, &claimed);
        self.report(diagnostic);
    }
}
