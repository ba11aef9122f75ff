//! A network to a text: lowered, its open sizes tried, written.
//!
//! A network may leave sizes open and yet depend on them: a reshape to what a picture of 224×224 gives, a
//! resize to another value's shape. Whether it does is found by lowering it for two sizes: where only axes
//! differ, the text keeps the symbols; where a setting differs, it is for the one size alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::draft::{Axis, Draft};
use super::write::{WriteOptions, write};
use super::{Bindings, InputAxis, Network, OnnxError, lower};
use crate::runtime::params::{Table, leave_file};

/// How the text is written.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// One statement a line, no blocks.
    pub flat: bool,
    /// The file that the text's `weights` statement names; without it the text names none.
    pub weights_file: Option<String>,
    /// Lines of a comment at the top.
    pub comment: Vec<String>,
}

/// A network as text.
#[derive(Clone, Debug)]
pub struct Import {
    /// The text.
    pub text: String,
    /// The weights by their keys.
    pub weights: Table,
    /// The names of the inputs that the text declares, in the graph's order.
    pub inputs: Vec<String>,
    /// How many layers, functions and operators there are.
    pub layers: usize,
}

/// A size that is tried where none is given, and how much larger the second try is: multiples of what
/// networks usually divide by.
const TRIED: u64 = 256;
const LARGER: u64 = 64;

/// Makes a text of a network. Sizes that are not given stay open if nothing depends on them.
///
/// # Errors
/// As [`lower()`]; [`OnnxError::OpenSize`] for a size that must be given.
pub fn import(network: &Network, bindings: &Bindings, settings: &Settings) -> Result<Import, OnnxError> {
    let open = open_sizes(network, bindings);
    let first = lower(network, &with_sizes(bindings, &open, 0))?;
    let varied = variable_sizes(&first);
    let mut draft = first;
    let mut dims = None;
    if !varied.is_empty() {
        let second = lower(network, &larger(network, bindings, &varied)).ok().filter(|s| same(&draft, s));
        match second {
            Some(second) => dims = Some(fixed_axes(&draft, &second)),
            None => match open.iter().find_map(|(symbol, input)| {
                varied.iter().any(|(name, _)| name == symbol).then(|| (symbol.clone(), input.clone()))
            }) {
                Some((symbol, input)) => return Err(OnnxError::OpenSize { input, symbol }),
                None => close(&mut draft),
            },
        }
    }
    let options = WriteOptions {
        blocks: !settings.flat,
        weights_file: settings.weights_file.clone(),
        comment: settings.comment.clone(),
        fixed: dims,
    };
    let mut written = write(&draft, &options);
    let weights = written.weights.values_mut().map(Arc::make_mut).collect();
    leave_file(weights, &network.file).ok_or(OnnxError::Memory { bytes: network.file.len() as u64 })?;
    Ok(Import {
        text: written.text,
        weights: written.weights,
        inputs: draft.inputs.iter().map(|i| i.name.clone()).collect(),
        layers: draft.lines.len(),
    })
}

/// The symbols that nothing binds, each with the first input that has it.
fn open_sizes(network: &Network, bindings: &Bindings) -> BTreeMap<String, String> {
    let mut open = BTreeMap::new();
    for input in network.inputs() {
        let given = bindings.shapes.contains_key(&input.name) || bindings.constants.contains_key(&input.name);
        for (i, axis) in input.axes.iter().flatten().enumerate() {
            if let InputAxis::Open(symbol) = axis
                && !given
                // The batch is one sample unless a shape says more.
                && i > 0
                && !bindings.sizes.contains_key(symbol)
            {
                open.entry(symbol.clone()).or_insert_with(|| input.name.clone());
            }
        }
    }
    open
}

fn with_sizes(bindings: &Bindings, open: &BTreeMap<String, String>, more: u64) -> Bindings {
    let mut bindings = bindings.clone();
    for symbol in open.keys() {
        bindings.sizes.insert(symbol.clone(), TRIED + more);
    }
    bindings
}

/// The symbols of a draft's inputs with the numbers that it was made for.
fn variable_sizes(draft: &Draft) -> BTreeMap<String, u64> {
    let axes = draft.inputs.iter().flat_map(|i| &i.axes);
    axes.filter_map(|axis| match axis {
        Axis::Open(symbol, n) => Some((symbol.clone(), *n)),
        Axis::Fixed(_) => None,
    })
    .collect()
}

/// Bindings under which every open axis is larger.
fn larger(network: &Network, bindings: &Bindings, sizes: &BTreeMap<String, u64>) -> Bindings {
    let mut bindings = bindings.clone();
    for (symbol, n) in sizes {
        bindings.sizes.insert(symbol.clone(), n.saturating_add(LARGER));
    }
    for input in network.inputs() {
        let Some(shape) = bindings.shapes.get_mut(&input.name) else { continue };
        for (n, axis) in shape.iter_mut().zip(input.axes.iter().flatten()) {
            if let InputAxis::Open(symbol) = axis
                && let Some(other) = sizes.get(symbol)
            {
                *n = other.saturating_add(LARGER);
            }
        }
    }
    bindings
}

/// Whether two drafts differ in axes alone.
fn same(a: &Draft, b: &Draft) -> bool {
    let lines = a.lines.iter().zip(&b.lines);
    a.lines.len() == b.lines.len()
        && a.outputs == b.outputs
        && a.inputs.len() == b.inputs.len()
        && a.inputs.iter().zip(&b.inputs).all(|(a, b)| a.batched == b.batched)
        && lines.clone().all(|(a, b)| a.what == b.what && a.dims.len() == b.dims.len())
        && lines.clone().all(|(a, b)| {
            let weights = a.weights.iter().zip(&b.weights);
            a.weights.len() == b.weights.len()
                && weights.clone().all(|((s, t), (u, v))| s == u && (t.is(v) || t == v))
        })
}

/// For each line, which of its axes are the same in both drafts.
fn fixed_axes(a: &Draft, b: &Draft) -> Vec<Vec<bool>> {
    let lines = a.lines.iter().zip(&b.lines);
    lines.map(|(a, b)| a.dims.iter().zip(&b.dims).map(|(m, n)| m == n).collect()).collect()
}

/// Turns the symbols of a draft into their numbers.
fn close(draft: &mut Draft) {
    for axis in draft.inputs.iter_mut().flat_map(|i| &mut i.axes) {
        if let Axis::Open(_, n) = axis {
            *axis = Axis::Fixed(*n);
        }
    }
}
