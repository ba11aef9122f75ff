//! A draft as text that a person could have written, with the table of its weights.
//!
//! ```text
//! Draft ─nodes→ list ─find, replace→ list with calls, blocks ─emit→ statements ─print→ text
//! ```
//!
//! Chains go through `it`, expressions stand in one line, stretches that repeat become blocks, calls in a row
//! become `repeat`. The text is what `convc fmt` makes of it.

mod emit;
mod find;
mod inline;
mod layout;
mod names;
mod node;
mod params;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{Draft, Ref};
use crate::runtime::params::Table;
use emit::{Scope, emit};
use find::{Repeated, most_repeated};
use names::{Names, below, block_name, common_prefix, module_prefixes};
use node::{Kind, Node};
use params::Params;

/// How a text is written.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// Whether repeated stretches become blocks.
    pub blocks: bool,
    /// The file that a `weights` statement names.
    pub weights_file: Option<String>,
    /// Lines of a comment at the top.
    pub comment: Vec<String>,
    /// For each line of the draft which of its axes do not depend on open sizes; all where `None`.
    pub fixed: Option<Vec<Vec<bool>>>,
}

/// A text and its weights.
#[derive(Clone, Debug)]
pub struct Written {
    /// The text.
    pub text: String,
    /// The weights by their keys.
    pub weights: Table,
}

/// A stretch that occurs several times.
#[derive(Debug)]
struct Block {
    name: String,
    params: Params,
    /// The nodes of its first occurrence; hints are the names within.
    body: Vec<Node>,
    /// What the first occurrence is applied to.
    argument: Ref,
    /// The names of the nodes within, for those that have one.
    inner: Vec<Option<String>>,
}

/// The most blocks of a text. More do not make it easier to read.
const BLOCKS: usize = 24;

/// Writes a draft.
pub fn write(draft: &Draft, options: &WriteOptions) -> Written {
    let mut list = node::nodes(draft);
    let kept: Vec<Ref> = draft.outputs.iter().map(|(_, value)| *value).collect();
    let mut blocks: Vec<Block> = Vec::new();
    let mut block_names = Names::default();
    while options.blocks && blocks.len() < BLOCKS {
        let Some(found) = most_repeated(&list, &kept) else { break };
        let Some(block) = block(&list, &found, &mut block_names) else { break };
        list = replaced(&list, &found, blocks.len(), &block.params);
        blocks.push(block);
    }
    let mut bodies = Vec::new();
    for i in 0..blocks.len() {
        let block = &blocks[i];
        let mut taken = Names::default();
        // A parameter is a name of the block too.
        block.params.names.iter().for_each(|p| taken.take(p));
        let scope = Scope {
            draft,
            blocks: &blocks,
            start: Some(block.argument),
            outer: BTreeMap::from([(block.argument, "input".to_owned())]),
            kept: block.body.last().map(|n| (n.result, String::new())).into_iter().collect(),
            taken,
            prefix: String::new(),
            block: Some(block),
        };
        let emitted = emit(&block.body, scope);
        let inner = block.body.iter().map(|n| emitted.names.get(&n.result).cloned()).collect();
        bodies.push(emitted.statements);
        blocks[i].inner = inner;
    }
    let model = layout::model(draft, &list, &blocks, options);
    let mut weights = Table::new();
    let own = |i: usize| model.names.get(&list[i].result).cloned();
    collect(draft, &blocks, &list, &own, "", &mut weights);
    let text = layout::text(draft, &blocks, &bodies, &model, options);
    Written { text, weights }
}

/// The block that a repeated stretch becomes.
fn block(list: &[Node], found: &Repeated, taken: &mut Names) -> Option<Block> {
    let stretch = |start: usize| &list[start..start + found.len];
    let first = stretch(*found.starts.first()?);
    let results: BTreeSet<Ref> = first.iter().map(|n| n.result).collect();
    let argument = first.iter().flat_map(|n| &n.reads).find(|r| !results.contains(r)).copied()?;
    let stretches: Vec<&[Node]> = found.starts.iter().map(|&s| stretch(s)).collect();
    let prefixes = module_prefixes(&stretches);
    let mut body = first.to_vec();
    for node in &mut body {
        let prefix = prefixes.as_ref().and_then(|p| p.first());
        node.hint = prefix.and_then(|p| below(&node.hint, p)).unwrap_or_default().to_owned();
    }
    let stem = block_name(&body);
    let letters = std::iter::once(String::new()).chain(('b'..='z').map(|c| format!("_{c}")));
    let name = letters.map(|l| format!("{stem}{l}")).find(|name| taken.free(name))?;
    taken.take(&name);
    Some(Block { name, params: found.params.clone(), body, argument, inner: Vec::new() })
}

/// The list with each occurrence as a call.
fn replaced(list: &[Node], found: &Repeated, block: usize, params: &Params) -> Vec<Node> {
    let mut out = Vec::new();
    let mut at = 0;
    for (&start, values) in found.starts.iter().zip(&params.values) {
        out.extend_from_slice(&list[at..start]);
        let inner = list[start..start + found.len].to_vec();
        let results: BTreeSet<Ref> = inner.iter().map(|n| n.result).collect();
        let argument = inner.iter().flat_map(|n| &n.reads).find(|r| !results.contains(r)).copied();
        let wholes = params.names.iter().zip(values);
        out.push(Node {
            result: inner.last().map_or(Ref::Input(0), |n| n.result),
            reads: argument.into_iter().collect(),
            hint: common_prefix(&inner).unwrap_or_default(),
            weighted: inner.iter().any(|n| n.weighted),
            modular: inner.iter().any(|n| n.modular),
            shape: format!("call {block}"),
            wholes: wholes.map(|(name, v)| node::Whole { setting: name.clone(), values: vec![*v] }).collect(),
            kind: Kind::Call { block, inner },
        });
        at = start + found.len;
    }
    out.extend_from_slice(&list[at..]);
    out
}

/// The weights of a list under their keys.
fn collect(
    draft: &Draft,
    blocks: &[Block],
    list: &[Node],
    name: &dyn Fn(usize) -> Option<String>,
    prefix: &str,
    weights: &mut Table,
) {
    for (i, node) in list.iter().enumerate().filter(|(_, n)| n.weighted) {
        let own = format!("{prefix}{}", name(i).unwrap_or_default());
        match &node.kind {
            Kind::Line(line) => {
                for (suffix, tensor) in &draft.lines[*line].weights {
                    let key = if suffix.is_empty() { own.clone() } else { format!("{own}.{suffix}") };
                    weights.insert(key, tensor.clone());
                }
            }
            Kind::Call { block, inner } => {
                let names = |i: usize| blocks.get(*block)?.inner.get(i)?.clone();
                collect(draft, blocks, inner, &names, &format!("{own}."), weights);
            }
        }
    }
}
