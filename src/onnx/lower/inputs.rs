//! The inputs of a network with the sizes that they are bound to.

use super::super::call::{Live, Value};
use super::super::draft::{Axis, Input, Ref};
use super::super::error::OnnxError;
use super::super::network::{InputAxis, Network, NetworkInput};
use super::super::tensor::{Kind, count};
use super::Bindings;
use super::builder::Builder;
use crate::limits;

/// The inputs that are not constants.
pub struct Inputs {
    all: Vec<Bound>,
}

/// An input with numbers for all of its axes.
struct Bound {
    /// Its place among the network's inputs.
    index: usize,
    axes: Vec<Axis>,
    /// Whether its first axis may be that of a batch.
    batched: bool,
}

fn length(axis: &Axis) -> u64 {
    match axis {
        Axis::Fixed(n) | Axis::Open(_, n) => *n,
    }
}

impl Inputs {
    /// Finds a number for every axis.
    ///
    /// # Errors
    /// If there is none, or what is bound does not fit what the network declares.
    pub fn of(network: &Network, bindings: &Bindings) -> Result<Inputs, OnnxError> {
        check_names(network, bindings)?;
        let mut all = Vec::new();
        for (index, input) in network.inputs.iter().enumerate() {
            if let Some(constant) = bindings.constants.get(&input.name) {
                if !declared(input, constant.dims()) {
                    let what =
                        format!("a constant of the shape {:?} is not what it declares", constant.dims());
                    return Err(OnnxError::Input { input: input.name.clone(), what });
                }
                continue;
            }
            // Others are an error where they are used.
            if input.kind == Some(Kind::Float) {
                all.push(bound(index, input, bindings)?);
            }
        }
        Ok(Inputs { all })
    }

    /// The length of the batch axis, if some inputs have one, all of the same length.
    pub fn batch(&self) -> Option<u64> {
        let mut lengths = self.all.iter().filter(|b| b.batched).filter_map(|b| b.axes.first()).map(length);
        let first = lengths.next()?;
        lengths.all(|n| n == first).then_some(first)
    }

    /// Adds them to a draft.
    pub fn add<'a>(&self, network: &'a Network, b: &mut Builder<'a>, batched: bool) {
        for bound in &self.all {
            let Some(input) = network.inputs.get(bound.index) else { continue };
            let batched = batched && bound.batched;
            let axes: Vec<Axis> = bound.axes.iter().skip(usize::from(batched)).cloned().collect();
            let at = Ref::Input(u32::try_from(b.draft.inputs.len()).unwrap_or(u32::MAX));
            let dims = axes.iter().map(length).collect();
            b.draft.inputs.push(Input { name: input.word.clone(), batched, axes });
            b.values.insert(&input.name, Value::Live(Live { at, batched, dims }));
        }
    }
}

fn check_names(network: &Network, bindings: &Bindings) -> Result<(), OnnxError> {
    let input = |name: &String| network.inputs.iter().any(|i| i.name == *name);
    let unknown = bindings
        .shapes
        .keys()
        .find(|n| !input(n))
        .or_else(|| bindings.constants.keys().find(|n| !input(n) && !network.constants.contains_key(*n)));
    match unknown {
        None => Ok(()),
        Some(name) => {
            let names: Vec<&str> = network.inputs.iter().map(|i| i.name.as_str()).collect();
            let what = format!("the network has no such input; it has {names:?}");
            Err(OnnxError::Input { input: name.clone(), what })
        }
    }
}

/// Whether a shape is one that an input declares.
fn declared(input: &NetworkInput, dims: &[u64]) -> bool {
    let Some(axes) = &input.axes else { return true };
    let fits = |(axis, d): (&InputAxis, &u64)| match axis {
        InputAxis::Fixed(n) => n == d,
        InputAxis::Open(_) => true,
    };
    axes.len() == dims.len() && axes.iter().zip(dims).all(fits)
}

fn bound(index: usize, input: &NetworkInput, bindings: &Bindings) -> Result<Bound, OnnxError> {
    let wrong = |what: String| OnnxError::Input { input: input.name.clone(), what };
    let given = bindings.shapes.get(&input.name);
    let axes: Vec<InputAxis> = match (&input.axes, given) {
        (Some(axes), _) => axes.clone(),
        // Nothing is declared: what is given is all there is.
        (None, Some(given)) => given.iter().map(|&n| InputAxis::Fixed(n)).collect(),
        (None, None) => {
            return Err(wrong(
                "the file does not say how many axes it has; its shape must be given".to_owned(),
            ));
        }
    };
    if let Some(given) = given.filter(|given| given.len() != axes.len()) {
        let what = format!("it has {} axes, and the shape {given:?} has {}", axes.len(), given.len());
        return Err(wrong(what));
    }
    let open_first = matches!(axes.first(), Some(InputAxis::Open(_)));
    let batched = axes.len() == 4 || open_first;
    let mut numbers = Vec::with_capacity(axes.len());
    for (i, axis) in axes.iter().enumerate() {
        let given = given.and_then(|g| g.get(i)).copied();
        numbers.push(match axis {
            InputAxis::Fixed(n) => {
                // A network made for one batch is applied to any, sample by sample.
                if given.is_some_and(|g| g != *n) && !(batched && i == 0) {
                    let what =
                        format!("axis {i} is {n} in the network, and {} was given", given.unwrap_or(0));
                    return Err(wrong(what));
                }
                Axis::Fixed(*n)
            }
            InputAxis::Open(symbol) => {
                let size = given.or_else(|| bindings.sizes.get(symbol).copied());
                let size = size.or((batched && i == 0).then_some(1));
                let size = size.ok_or_else(|| OnnxError::OpenSize {
                    input: input.name.clone(),
                    symbol: symbol.clone(),
                })?;
                Axis::Open(symbol.clone(), size)
            }
        });
    }
    let dims: Vec<u64> = numbers.iter().map(length).collect();
    if dims.iter().any(|&d| d == 0 || d > limits::DIM) {
        return Err(wrong(format!("its shape {dims:?} has an axis of no elements, or of too many")));
    }
    if count(&dims).is_none_or(|n| n > limits::ELEMENTS) || dims.len() > limits::RANK {
        return Err(wrong(format!("its shape {dims:?} is too large")));
    }
    Ok(Bound { index, axes: numbers, batched })
}
