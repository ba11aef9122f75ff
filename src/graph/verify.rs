//! Checks the invariants that [`super`] states, by computing every type again from the shape rules.
//!
//! A graph that [`super::check`] or an importer made is checked once, and again after each pass in
//! tests. All problems are collected.

use std::collections::BTreeSet;

use super::{Graph, Node, Op, Type, Value, shape};
use crate::limits;

/// An invariant that does not hold: a mistake of whoever made the graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("graph `{graph}`, {place}: {message}")]
pub struct Problem {
    /// The graph's name.
    pub graph: String,
    /// The node (`%3`) or the table it is in.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

/// Checks a graph.
///
/// # Errors
/// Everything that is wrong with it.
pub fn verify(graph: &Graph) -> Result<(), Vec<Problem>> {
    let mut verifier = Verifier { graph, problems: Vec::new() };
    verifier.tables();
    for (value, node) in graph.values() {
        verifier.node(value, node);
    }
    verifier.outputs();
    if verifier.problems.is_empty() { Ok(()) } else { Err(verifier.problems) }
}

struct Verifier<'a> {
    graph: &'a Graph,
    problems: Vec<Problem>,
}

impl Verifier<'_> {
    fn problem(&mut self, place: impl Into<String>, message: impl Into<String>) {
        let (place, message) = (place.into(), message.into());
        self.problems.push(Problem { graph: self.graph.name.clone(), place, message });
    }

    /// Inputs, constants and parameters: named once, and used by at most one node each.
    fn tables(&mut self) {
        let graph = self.graph;
        self.unique("inputs", graph.inputs.iter().map(|i| i.name.as_str()));
        self.unique("outputs", graph.outputs.iter().map(|o| o.name.as_str()));
        self.unique("params", graph.params.iter().map(|p| p.key.as_str()));
        self.unique("nodes", graph.nodes.iter().map(|n| n.name.as_str()));
        let mut seen = BTreeSet::new();
        for (value, node) in graph.values() {
            let entry = match node.op {
                Op::Input(i) => ("input", i),
                Op::Const(i) => ("const", i),
                Op::Param(i) => ("param", i),
                _ => continue,
            };
            if !seen.insert(entry) {
                self.problem(at(value), format!("{} {} has two nodes", entry.0, entry.1));
            }
        }
        for (i, input) in graph.inputs.iter().enumerate() {
            let node = graph.nodes.get(input.value.index());
            if node.is_none_or(|n| n.op != Op::Input(i as u32)) {
                self.problem(format!("input `{}`", input.name), "its value is not its node");
            }
        }
        for (i, constant) in graph.consts.iter().enumerate() {
            if shape::elements(&constant.dims).ok() != Some(constant.data.len() as u64) {
                self.problem(format!("const {i}"), "its axes do not hold its elements");
            }
        }
    }

    fn unique<'n>(&mut self, what: &str, names: impl Iterator<Item = &'n str>) {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(name) {
                self.problem(what, format!("the name `{name}` is there twice"));
            }
        }
    }

    fn node(&mut self, value: Value, node: &Node) {
        if let Err(message) = limits_hold(&node.ty) {
            self.problem(at(value), message);
        }
        let graph = self.graph;
        let declared = match node.op {
            Op::Input(i) => Some(graph.inputs.get(i as usize).map(|_| node.ty.clone())),
            Op::Const(i) => Some(graph.consts.get(i as usize).map(|c| Type::plain(c.dims.as_slice()))),
            Op::Param(i) => Some(graph.params.get(i as usize).map(|p| Type::plain(p.dims.as_slice()))),
            _ => None,
        };
        match declared {
            Some(None) => return self.problem(at(value), "it names no entry of its table"),
            Some(Some(ty)) if ty != node.ty => {
                return self.problem(at(value), format!("its type is {}, its table says {ty}", node.ty));
            }
            _ => {}
        }
        let mut args = Vec::with_capacity(node.args.len());
        for &arg in &node.args {
            match graph.nodes.get(arg.index()) {
                Some(n) if arg < value => args.push(&n.ty),
                _ => {
                    return self
                        .problem(at(value), format!("its argument %{} does not come before it", arg.0));
                }
            }
        }
        match shape::infer::infer(&node.op, &args, &node.ty) {
            Ok(ty) if ty == node.ty => {}
            Ok(ty) => self.problem(
                at(value),
                format!("its type is {}{}, the rules give {}{ty}", batch(&node.ty), node.ty, batch(&ty)),
            ),
            Err(e) => self.problem(at(value), e.to_string()),
        }
    }

    fn outputs(&mut self) {
        let graph = self.graph;
        if graph.outputs.is_empty() {
            self.problem("outputs", "there is none");
        }
        for output in &graph.outputs {
            if output.value.index() >= graph.nodes.len() {
                self.problem(format!("output `{}`", output.name), "there is no such value");
            }
        }
    }
}

fn at(value: Value) -> String {
    format!("%{}", value.0)
}

fn batch(ty: &Type) -> &'static str {
    if ty.batched { "N x " } else { "" }
}

/// Axes, lengths and elements within the limits, and no axis of length 0.
pub(crate) fn limits_hold(ty: &Type) -> Result<(), String> {
    if ty.dims.len() > limits::RANK {
        return Err(format!("{ty} has more than {} axes", limits::RANK));
    }
    if ty.dims.iter().any(|&d| d == 0 || d > limits::DIM) {
        return Err(format!("an axis of {ty} is not between 1 and {}", limits::DIM));
    }
    match shape::elements(&ty.dims) {
        Ok(n) if n <= limits::ELEMENTS => Ok(()),
        _ => Err(format!("{ty} has more than {} elements", limits::ELEMENTS)),
    }
}

#[cfg(test)]
mod tests;
