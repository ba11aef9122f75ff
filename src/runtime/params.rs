//! Canonical weights: the values of a graph's parameters, from a file or a seed.

mod load;
mod seed;
mod table;
mod write;

pub use load::{Stored, tensors_of_shape};
pub(crate) use seed::Stream;
pub use table::{Table, to_safetensors};
pub use write::{Entry, write_safetensors};

use std::collections::{BTreeMap, BTreeSet, btree_map};

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

/// Copies tensors out of a file, unless those that lie in it are nearly all of it: it would stay in memory for a few. Those
/// that are the same elements stay so.
///
/// None where there is no memory for them.
pub(crate) fn leave_file(tensors: Vec<&mut Tensor>, file: &[u8]) -> Option<()> {
    let of_file = file.as_ptr_range();
    let place = |tensor: &Tensor| match tensor.raw() {
        Raw::Bytes(bytes) if of_file.contains(&bytes.as_ptr()) => Some((bytes.as_ptr(), bytes.len())),
        _ => None,
    };
    let places: BTreeSet<(*const u8, usize)> = tensors.iter().filter_map(|tensor| place(tensor)).collect();
    let used: usize = places.iter().map(|(_, bytes)| bytes).sum();
    if used >= file.len() - file.len() / 10 {
        return Some(());
    }
    let mut copies: BTreeMap<(*const u8, usize), Tensor> = BTreeMap::new();
    for tensor in tensors {
        let Some(place) = place(tensor) else { continue };
        let copy = match copies.entry(place) {
            btree_map::Entry::Occupied(copy) => copy.into_mut(),
            btree_map::Entry::Vacant(free) => free.insert(tensor.copied()?),
        };
        *tensor = copy.clone().reshape(tensor.shape()).ok()?;
    }
    Some(())
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
