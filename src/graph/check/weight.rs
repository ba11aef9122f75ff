//! `param name [dims]`: a tensor of weights as a value.

use super::keys;
use super::scope::Checker;
use super::thing::{Dim, Id, Shape, Thing};
use crate::graph::{Param, ParamRole};
use crate::source::Span;
use crate::syntax::ast::WeightDef;

impl<'a> Checker<'a> {
    /// Binds the name to the tensor; the current value stays as it is.
    pub fn free_weight(&mut self, def: &'a WeightDef, span: Span) {
        let mut dims: Vec<Dim> = Vec::with_capacity(def.dims.len());
        let before = self.reports.count();
        for dim in &def.dims {
            dims.push(self.whole(dim, 1, "an axis"));
        }
        let failed = self.reports.count() > before;
        let Some(name) = self.name_text(&def.name) else {
            // The name is not known: what it would bind is not either.
            self.scope.broken = true;
            return;
        };
        if keys::reserved(&name) || self.scope.names.contains_key(&name) {
            return self.bind(name, Thing::Unknown, def.name.span);
        }
        let shape = Shape { batched: false, dims };
        let fits = self.within_limits(&shape, def.dims_span);
        let value = match (failed || !fits, shape.concrete()) {
            (true, _) => self.unknown(Vec::new(), span),
            (false, Some(ty)) => self.new_weight(&name, ty.dims, span),
            // It waits for a size, and so does its key.
            (false, None) => {
                let key = format!("{}{name}", self.scope.prefix);
                let unique = self.drafts.named(&key);
                self.emit_as(None, Vec::new(), Some(shape), unique, span)
            }
        };
        self.bind(name, Thing::Value(value), def.name.span);
    }

    fn new_weight(&mut self, name: &str, dims: Vec<u64>, span: Span) -> Id {
        self.hold_to_names(true, "param", span);
        if let Some(span) = self.nameless.take() {
            self.unnamed.push(super::Unnamed { span, dims: dims.clone() });
        }
        let role = ParamRole::Weight { fan_in: fan_in(&dims) };
        let key = format!("{}{name}", self.scope.prefix);
        let param = Param { key, aliases: Vec::new(), dims, role, span };
        match self.weight(param, false) {
            Some(id) => {
                if let Some(node) = self.drafts.nodes.get_mut(id.index()) {
                    node.result = true;
                }
                id
            }
            None => self.unknown(Vec::new(), span),
        }
    }
}

/// The products that an output sums where the tensor is the right side of a matrix product.
fn fan_in(dims: &[u64]) -> u64 {
    match dims {
        [.., rows, _] => *rows,
        _ => 1,
    }
}
