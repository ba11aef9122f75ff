//! Canonical weights: the values of a graph's parameters, from a file or a seed.

mod load;
mod seed;
mod table;
mod write;

pub use load::{Stored, tensors_of_shape};
pub(crate) use seed::Stream;
pub use table::{Table, to_safetensors};
pub use write::{Entry, write_safetensors};

use std::collections::BTreeMap;

use crate::graph::Graph;
use crate::tensor::{Raw, Tensor};

/// What the keys begin with that a checkpoint has beside its weights, and the one of them that every checkpoint has.
pub(crate) const TRAINER: &str = "trainer.";
pub(crate) const STEPS: &str = "trainer.steps";

/// The values of a graph's parameters. Invariant: as many tensors as the graph has parameters, in
/// its order and with its shapes.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    tensors: Vec<Tensor>,
}

impl Params {
    /// The tensors in the order of [`Graph::params`].
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The tensors, to be changed.
    pub fn into_tensors(self) -> Vec<Tensor> {
        self.tensors
    }

    /// The bytes that a graph's parameters take as f32; `u64::MAX` where that overflows.
    pub fn size_bytes(graph: &Graph) -> u64 {
        let bytes = |dims: &[u64]| dims.iter().fold(4u64, |n, &d| n.saturating_mul(d));
        graph.params.iter().fold(0, |sum, p| sum.saturating_add(bytes(&p.dims)))
    }
}

/// Copies tensors out of the file of so many bytes that they lie in, unless they are nearly all of it: it would stay in
/// memory for a few.
pub(crate) fn leave_file(tensors: Vec<&mut Tensor>, file_bytes: u64) {
    let in_file = |tensor: &Tensor| match tensor.raw() {
        Raw::Bytes(bytes) => bytes.len() as u64,
        Raw::Numbers(_) => 0,
    };
    // Some are the same elements.
    let places: BTreeMap<*const u8, u64> =
        tensors.iter().map(|tensor| (tensor.raw().start(), in_file(tensor))).collect();
    let used = places.values().fold(0, |sum: u64, &bytes| sum.saturating_add(bytes));
    if used < file_bytes - file_bytes / 10 {
        tensors.into_iter().filter(|tensor| in_file(tensor) > 0).for_each(|tensor| {
            tensor.data_mut();
        });
    }
}

/// A tensor whose elements come from `element`, or `None` where memory does not suffice.
fn tensor(dims: &[u64], elements: impl Iterator<Item = f32>) -> Option<Tensor> {
    let shape: Vec<usize> = dims.iter().map(|&d| usize::try_from(d).ok()).collect::<Option<_>>()?;
    let len = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
    let mut data = Vec::new();
    data.try_reserve_exact(len).ok()?;
    data.extend(elements.take(len));
    Tensor::new(&shape, data).ok()
}

#[cfg(test)]
mod tests;
