//! Receptive fields: which part of an input a value depends on.
//!
//! [`pull`] takes an interval of a value's rows and columns and pulls it back through the graph,
//! layer by layer, to the interval of every value before it; where ways meet, it takes their hull.
//! [`fields`] says for each value and input what one output position sees. Along a chain of windows
//! that is the same everywhere: a size, a stride and a start ([`Extent::Regular`]). Behind a resize
//! or a transposed convolution neighbouring positions see different amounts, and the interval of the
//! position in the middle is given instead ([`Extent::Interval`]).
//!
//! Layers that mix all positions (a global pool, a flatten, a softmax over rows) see everything. That
//! is kept beside the local field, because a network may have both: a gate computed from the whole
//! picture, multiplied to what a few windows saw.

mod blocks;
mod pull;
mod regular;

pub use pull::{Region, pull};

use super::{Graph, Input, Value};

/// Positions `first ..= last` along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The first.
    pub first: i64,
    /// The last.
    pub last: i64,
}

impl Interval {
    /// How many positions.
    pub const fn len(&self) -> u64 {
        self.last.abs_diff(self.first) + 1
    }

    /// An interval is never empty.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// The smallest interval that covers both.
    pub fn hull(self, other: Interval) -> Interval {
        Interval { first: self.first.min(other.first), last: self.last.max(other.last) }
    }

    /// The common part, if there is one.
    pub fn meet(self, other: Interval) -> Option<Interval> {
        let both = Interval { first: self.first.max(other.first), last: self.last.min(other.last) };
        (both.first <= both.last).then_some(both)
    }
}

/// What an output position sees of an input along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Position o sees `start + stride·o ..= start + stride·o + size − 1`, as far as the input goes.
    Regular {
        /// Positions seen.
        size: u64,
        /// Step in the input for a step in the output; 0 where every position sees the same.
        stride: u64,
        /// What position 0 sees first; negative where it sees padding.
        start: i64,
    },
    /// Positions differ. Within the input:
    Interval {
        /// The position in the middle of the output,
        at: u64,
        /// what it sees,
        seen: Interval,
        /// and the most that it or a neighbour sees.
        size: u64,
    },
}

/// What an output position sees of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Rows and columns seen through windows; `None` if only global layers lead to the input.
    pub local: Option<[Extent; 2]>,
    /// Whether a global layer on some way sees the whole input.
    pub global: bool,
}

/// For each node its field in one input, or `None` where it does not depend on it.
///
/// The time grows with the number of nodes, and for values behind resizing layers with its square.
pub fn fields(graph: &Graph, input: &Input) -> Vec<Option<Field>> {
    let reaches = regular::reaches(graph, input.value);
    let irregular = reaches.iter().flatten().filter(|r| r.is_irregular()).count();
    let phases = phases(graph.nodes.len(), irregular);
    let mut out = Vec::with_capacity(reaches.len());
    for ((value, _), reach) in graph.values().zip(&reaches) {
        out.push(reach.map(|reach| {
            let pulled = reach.is_irregular().then(|| middle(graph, value, phases));
            let local = reach.local.map(|axes| {
                [0, 1].map(|axis| match (axes[axis], &pulled) {
                    (Some(extent), _) => extent,
                    (None, Some(seen)) => seen.extent(axis, input.value),
                    (None, None) => Extent::Regular { size: 1, stride: 0, start: 0 },
                })
            });
            Field { local, global: reach.global }
        }));
    }
    out
}

/// Neighbouring positions that are pulled back to find the largest field, so that the whole stays
/// within about 2²⁵ steps.
fn phases(nodes: usize, irregular: usize) -> u64 {
    let steps = (nodes.max(1) as u64).saturating_mul(irregular.max(1) as u64);
    ((1 << 25) / steps.max(1)).clamp(1, 16)
}

/// Some positions in the middle of a value, pulled back.
struct Middle {
    at: [u64; 2],
    pulled: Vec<Vec<Option<Region>>>,
}

fn middle(graph: &Graph, value: Value, phases: u64) -> Middle {
    let size = pull::sides(graph, value).map(|n| n.max(1) as u64);
    let at = size.map(|n| (n - 1) / 2);
    let pulled = (0..phases.min(size[0].max(size[1])))
        .map(|phase| {
            let position = [0, 1].map(|i| (at[i] + phase).min(size[i] - 1) as i64);
            pull(graph, value, position.map(|p| Interval { first: p, last: p }))
        })
        .collect();
    Middle { at, pulled }
}

impl Middle {
    fn extent(&self, axis: usize, input: Value) -> Extent {
        let seen = |pulled: &Vec<Option<Region>>| {
            let region = pulled.get(input.index()).copied().flatten()?;
            region.local.map(|local| local[axis])
        };
        let mut all = self.pulled.iter().filter_map(seen);
        let first = all.next().unwrap_or(Interval { first: 0, last: 0 });
        let size = all.map(|i| i.len()).fold(first.len(), u64::max);
        Extent::Interval { at: self.at[axis], seen: first, size }
    }
}

#[cfg(test)]
mod tests;
