//! How an output is cut into tiles, and these into chunks.
//!
//! With taps `d` rows apart, rows `d` apart see each other's inputs and no others: a *phase* of rows, which is
//! filtered as a picture of its own. Phases of equally many rows are cut alike.

use super::super::task::Tiles;
use crate::kernels::ir::{LINE, VECTOR_BYTES};

/// Neighbouring phases along an axis that have equally many outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Phases {
    /// The first output of the first phase; those of the others follow one by one.
    pub(crate) first: u64,
    /// How many phases.
    pub(crate) count: u64,
    /// Outputs of each.
    pub(crate) outputs: u64,
}

/// The phases of `outputs` outputs under taps that are `dilation` apart: those that have one output more, then the others.
pub(crate) fn phases(outputs: u64, dilation: u64) -> Vec<Phases> {
    let (less, longer) = (outputs / dilation, outputs % dilation);
    let of = |first: u64, end: u64, outputs: u64| Phases { first, count: end - first, outputs };
    let all = [of(0, longer, less + 1), of(longer, dilation, less)];
    all.into_iter().filter(|p| p.count > 0 && p.outputs > 0).collect()
}

/// How far whole tiles of `tile` outputs reach along an axis: the outputs that there would be if all tiles had all of theirs.
pub(super) fn covered(outputs: u64, dilation: u64, tile: u64) -> u64 {
    let last = |p: Phases| p.first + p.count + dilation * (p.outputs.next_multiple_of(tile) - 1);
    phases(outputs, dilation).into_iter().map(last).max().unwrap_or(0)
}

impl Tiles {
    /// How many rows and columns of `x` whole tiles read, from `origin` on.
    pub(in crate::plan) fn reach(&self) -> [u64; 2] {
        let d = self.dilation.map(u64::from);
        [0, 1].map(|a| covered(self.out[a], d[a], u64::from(self.tile.outputs())) + 2 * d[a])
    }

    /// Rows and columns of phases that are of one size each, for each entry of [`Tiles::chunk`].
    pub(crate) fn classes(&self) -> Vec<[Phases; 2]> {
        let [rows, columns] = [0, 1].map(|a| phases(self.out[a], u64::from(self.dilation[a])));
        rows.iter().flat_map(|&rows| columns.iter().map(move |&columns| [rows, columns])).collect()
    }

    /// For each entry of [`Tiles::chunk`], the tiles that are cut into such chunks, along its axes.
    pub(in crate::plan) fn extents(&self) -> Vec<[u64; 5]> {
        let m = u64::from(self.tile.outputs());
        let of = |class: [Phases; 2]| {
            let [rows, columns] = class.map(|phases| phases.outputs.div_ceil(m));
            [self.pictures, rows, class[0].count, class[1].count, columns]
        };
        self.classes().into_iter().map(of).collect()
    }

    /// How many chunks there are.
    pub fn chunks(&self) -> u64 {
        let chunks = |(extent, chunk): ([u64; 5], &[u32; 5])| -> u64 {
            extent.iter().zip(chunk).map(|(n, &size)| n.div_ceil(u64::from(size))).product()
        };
        self.extents().into_iter().zip(&self.chunk).map(chunks).sum()
    }

    /// Tiles of the largest chunks.
    pub fn chunk_tiles(&self) -> u64 {
        let tiles = |chunk: &[u32; 5]| chunk.map(u64::from).iter().product();
        self.chunk.iter().map(tiles).max().unwrap_or(0)
    }

    /// Bytes from one position of a chunk's tiles to the next, of so many blocks of channels: an odd number
    /// of cache lines, so that the positions of one tile fall into different sets of a cache.
    pub fn pitch(&self, blocks: u64) -> u64 {
        ((blocks * self.chunk_tiles() * VECTOR_BYTES as u64).div_ceil(LINE as u64) | 1) * LINE as u64
    }

    /// Bytes of a chunk's transformed inputs, or of its products.
    pub fn chunk_bytes(&self, blocks: u64) -> u64 {
        u64::from(self.tile.positions()) * self.pitch(blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::{Phases, covered, phases};

    #[test]
    fn phases_have_each_output_once() {
        for (outputs, dilation) in [(56, 1), (56, 2), (7, 3), (33, 4), (3, 5), (1, 1), (5, 5)] {
            let mut all: Vec<u64> = Vec::new();
            for Phases { first, count, outputs } in phases(outputs, dilation) {
                for phase in first..first + count {
                    all.extend((0..outputs).map(|i| phase + i * dilation));
                }
            }
            all.sort_unstable();
            assert_eq!(all, (0..outputs).collect::<Vec<_>>(), "{outputs} by {dilation}");
        }
    }

    #[test]
    fn covered_is_where_the_last_tiles_end() {
        for outputs in 1..40 {
            for dilation in 1..8 {
                for tile in [2, 4] {
                    let tiles = |phase: u64| (outputs - phase).div_ceil(dilation).div_ceil(tile);
                    let last = |phase: u64| phase + dilation * (tile * tiles(phase) - 1) + 1;
                    let most = (0..dilation.min(outputs)).map(last).max();
                    assert_eq!(Some(covered(outputs, dilation, tile)), most, "{outputs} by {dilation}");
                }
            }
        }
    }
}
