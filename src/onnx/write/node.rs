//! A draft's lines as nodes of a list in which repeated stretches become calls of blocks.
//!
//! Invariants:
//! - a node refers only to inputs and to results of nodes before it in its list, or, in a block's body, to
//!   values outside, which all are the block's one argument;
//! - a value keeps the number that it has in the draft, wherever its node goes.

use std::collections::BTreeMap;

use crate::onnx::draft::{Draft, Operand, Ref, Setting, What};

/// A whole number of a node that may differ where a structure repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    /// The setting, or the place in a list of axes.
    pub(super) setting: String,
    /// One number, or two for rows and columns.
    pub(super) values: Vec<i64>,
}

/// A line, or a call of a block.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// An entry of [`Draft::lines`].
    Line(usize),
    /// A block with the numbers of its parameters, and the nodes that it stands for.
    Call { block: usize, inner: Vec<Node> },
}

/// One entry of a list.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// The value that it makes.
    pub(super) result: Ref,
    /// What it reads, in order; of a call the block's argument.
    pub(super) reads: Vec<Ref>,
    /// What the network calls it; dotted.
    pub(super) hint: String,
    /// Whether it has weights.
    pub(super) weighted: bool,
    /// Whether the names of its weights are those of modules, which are kept whatever it costs.
    pub(super) modular: bool,
    /// What must be the same where a structure repeats.
    pub(super) shape: String,
    /// What may differ.
    pub(super) wholes: Vec<Whole>,
}

/// Settings that may be parameters of a block, with what holds where they are left out.
const DEFAULTS: &[(&str, i64)] =
    &[("stride", 1), ("pad", 0), ("dilation", 1), ("groups", 1), ("output_pad", 0)];

/// The nodes of a draft's lines.
pub(super) fn nodes(draft: &Draft) -> Vec<Node> {
    (0..draft.lines.len()).map(|i| node(draft, i)).collect()
}

fn node(draft: &Draft, index: usize) -> Node {
    let line = &draft.lines[index];
    let mut wholes = Vec::new();
    let mut shape = String::new();
    let settings: &[(&'static str, Setting)] = match &line.what {
        What::Layer { layer, settings, .. } => {
            shape.push_str(layer);
            if matches!(*layer, "conv" | "conv_transpose") {
                for (name, default) in DEFAULTS {
                    let absent = !settings.iter().any(|(n, _)| n == name);
                    if absent && (*layer == "conv_transpose" || *name != "output_pad") {
                        wholes.push(Whole { setting: (*name).to_owned(), values: vec![*default] });
                    }
                }
            }
            settings
        }
        What::Function { function, operands, settings } => {
            shape.push_str(function);
            operands.iter().for_each(|o| shape.push_str(&operand(o)));
            settings
        }
        What::Operator(op, a, b) => {
            shape.push(*op);
            shape.push_str(&operand(a));
            shape.push_str(&operand(b));
            &[]
        }
        What::Param => {
            shape.push_str("param");
            for (i, d) in line.dims.iter().enumerate() {
                wholes.push(Whole { setting: i.to_string(), values: vec![*d as i64] });
            }
            &[]
        }
    };
    for (name, setting) in settings {
        match setting {
            Setting::Whole(n) => wholes.push(Whole { setting: (*name).to_owned(), values: vec![*n] }),
            Setting::Pair([a, b]) if a == b => {
                wholes.push(Whole { setting: (*name).to_owned(), values: vec![*a] });
            }
            Setting::Sides([[a, b], [c, d]]) if a == b && b == c && c == d => {
                wholes.push(Whole { setting: (*name).to_owned(), values: vec![*a] });
            }
            other => shape.push_str(&format!(" {name}={}", super::text::setting(other))),
        }
    }
    wholes.sort_by(|a, b| a.setting.cmp(&b.setting));
    for (suffix, _) in &line.weights {
        shape.push_str(&format!(" .{suffix}"));
    }
    Node {
        kind: Kind::Line(index),
        result: Ref::Line(index as u32),
        reads: line.refs(),
        hint: line.name.clone(),
        weighted: !line.weights.is_empty(),
        modular: !line.weights.is_empty() && line.name.contains('.'),
        shape,
        wholes,
    }
}

/// An operand as far as it must be the same.
fn operand(operand: &Operand) -> String {
    match operand {
        Operand::Value(_) => " _".to_owned(),
        Operand::Number(n) => format!(" {}", super::text::number(*n)),
    }
}

/// For each value, the place in a list of the last node that reads it; `usize::MAX` for those that are
/// needed after the list.
pub(super) fn last_reads(list: &[Node], kept: &[Ref]) -> BTreeMap<Ref, usize> {
    let mut last = BTreeMap::new();
    for (i, node) in list.iter().enumerate() {
        for read in &node.reads {
            last.insert(*read, i);
        }
    }
    for value in kept {
        last.insert(*value, usize::MAX);
    }
    last
}
