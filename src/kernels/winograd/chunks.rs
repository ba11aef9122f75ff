//! How tiles are cut into chunks, and where these lie.

use super::{local, scatter};
use crate::kernels::axes::pieces;
use crate::kernels::ir::VECTOR_BYTES;
use crate::kernels::lower::{LowerError, Lowering, distance};
use crate::kernels::step::{Call, CallArg};
use crate::plan::task::Tiles;
use crate::plan::winograd::grid::Phases;
use crate::plan::{BufferId, LayoutKind, View};

/// Chunks of one size along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cut {
    /// The first tile, phase or picture.
    pub(super) first: u64,
    /// How many a chunk has.
    pub(super) size: u64,
    /// How many chunks.
    pub(super) count: u64,
    /// Outputs of the last chunk's last tile, where some of them lie outside.
    pub(super) edge: Option<u64>,
}

/// Cuts the tiles of `outputs` outputs along an axis into chunks of `size`, a narrower last one, and one by
/// itself whose last tile has outputs outside.
pub(super) fn cuts(outputs: u64, tile: u64, size: u64) -> Vec<Cut> {
    let tiles = outputs.div_ceil(tile);
    let edge = Some(outputs % tile).filter(|&rest| rest > 0);
    let mut cuts: Vec<Cut> =
        pieces(tiles, size).map(|(first, size, count)| Cut { first, size, count, edge: None }).collect();
    if let (Some(last), Some(_)) = (cuts.last().copied(), edge) {
        cuts.pop();
        let before = last.count - 1;
        if before > 0 {
            cuts.push(Cut { count: before, ..last });
        }
        cuts.push(Cut { first: last.first + before * last.size, count: 1, edge, ..last });
    }
    cuts
}

/// Cuts neighbouring phases into chunks.
fn phase_cuts(phases: Phases, size: u64) -> Vec<Cut> {
    let of = |(first, size, count)| Cut { first: phases.first + first, size, count, edge: None };
    pieces(phases.count, size).map(of).collect()
}

/// Chunks of one size along all axes.
#[derive(Clone, Copy)]
pub(super) struct Region {
    pub(super) cut: [Cut; 5],
    /// How many chunks come before, where all of them lie one after the other.
    before: u64,
}

impl Region {
    /// How many chunks there are along each axis.
    pub(super) fn dims(&self) -> Vec<u64> {
        self.cut.map(|cut| cut.count).to_vec()
    }
}

/// Transformed inputs: where they lie, and how they are cut.
pub(super) struct Chunks<'a> {
    tiles: &'a Tiles,
    pub(super) x: View,
    /// Where the first chunk begins.
    pub(super) at: CallArg,
    /// Bytes from one chunk to the next.
    step: i64,
}

impl<'a> Chunks<'a> {
    /// In memory of the thread; each unit's chunk in the same place.
    pub(super) fn private(tiles: &'a Tiles, low: &Lowering<'_>) -> Result<Chunks<'a>, LowerError> {
        Chunks::new(tiles, low, local(0, Vec::new()), 0)
    }

    /// In a buffer, one after the other.
    pub(super) fn shared(
        tiles: &'a Tiles,
        buffer: BufferId,
        low: &Lowering<'_>,
    ) -> Result<Chunks<'a>, LowerError> {
        let step = tiles.chunk_bytes(low.view(tiles.x).planes()) as i64;
        Chunks::new(tiles, low, low.view(buffer).arg(0, &[]), step)
    }

    fn new(tiles: &'a Tiles, low: &Lowering<'_>, at: CallArg, step: i64) -> Result<Chunks<'a>, LowerError> {
        let x = low.view(tiles.x);
        let none = tiles.dilation.contains(&0) || tiles.chunk.iter().any(|chunk| chunk.contains(&0));
        if x.kind != LayoutKind::Blocked || none || x.dims[0] != tiles.pictures {
            return Err(LowerError::Plan("tiles of another layout, of no size, or of other pictures"));
        }
        if tiles.chunk.len() != tiles.classes().len() {
            return Err(LowerError::Plan("not one size of chunks for each size of phases"));
        }
        distance(tiles.chunk_bytes(x.planes()) as i64)?;
        let [row, column] = tap_strides(&x, tiles);
        let inputs = i64::from(tiles.tile.inputs());
        distance(row * inputs + column * inputs)?;
        Ok(Chunks { tiles, x, at, step })
    }

    /// The chunks, those of equal size together.
    pub(super) fn regions(&self) -> Vec<Region> {
        let tiles = self.tiles;
        let m = u64::from(tiles.tile.outputs());
        let mut regions = Vec::new();
        let mut before = 0;
        for ([y, x], chunk) in tiles.classes().into_iter().zip(&tiles.chunk) {
            let [pictures, rows, rows_of, columns_of, columns] = chunk.map(u64::from);
            let axes = [
                cuts(tiles.pictures, 1, pictures),
                cuts(y.outputs, m, rows),
                phase_cuts(y, rows_of),
                phase_cuts(x, columns_of),
                cuts(x.outputs, m, columns),
            ];
            // Every combination, the last axis first.
            let lengths = axes.each_ref().map(|axis| axis.len() as i64);
            let strides = row_major(lengths, 1);
            for number in 0..lengths.iter().product() {
                let cut = [0, 1, 2, 3, 4].map(|a| axes[a][(number / strides[a] % lengths[a]) as usize]);
                let region = Region { cut, before };
                before += region.dims().iter().product::<u64>();
                regions.push(region);
            }
        }
        regions
    }

    /// Bytes from one position to the next.
    pub(super) fn pitch(&self) -> i64 {
        self.tiles.pitch(self.x.planes()) as i64
    }

    /// Bytes from one block of channels to the next.
    pub(super) fn block(&self) -> i64 {
        self.tiles.chunk_tiles() as i64 * VECTOR_BYTES
    }

    /// `bytes` from the beginning of a region's chunks, with more dims behind theirs.
    pub(super) fn arg(&self, region: &Region, bytes: i64, inner: &[i64]) -> CallArg {
        let mut arg = self.at.clone();
        if let CallArg::Ptr { offset, strides, .. } = &mut arg {
            let counts = region.cut.map(|cut| cut.count as i64);
            *offset += region.before as i64 * self.step + bytes;
            strides.extend(row_major(counts, self.step));
            strides.extend(inner);
        }
        arg
    }

    /// The call that transforms a row of tiles, for a nest over `[…, channel block, picture, tile row, phases]`, and these
    /// dims. Within a chunk blocks are outermost: threads find them where they made them, and rows of tiles share rows of inputs.
    pub(super) fn scatter(
        &self,
        region: &Region,
        low: &mut Lowering<'_>,
    ) -> Result<(Vec<u64>, Call), LowerError> {
        let Chunks { tiles, x, .. } = self;
        let cut = region.cut;
        let steps = tile_strides(x, tiles);
        let start = i64::from(tiles.origin[0]) * x.strides[2]
            + i64::from(tiles.origin[1]) * x.strides[3]
            + first_tile(cut, x, tiles);
        let args = vec![
            x.arg(start, &[&chunk_strides(cut, steps)[..], &[x.strides[1]], &steps[..4]].concat()),
            self.arg(region, 0, &[&[self.block()], &packed(cut)[..4]].concat()),
            CallArg::Int(cut[4].size as i64),
        ];
        let [row, column] = tap_strides(x, tiles);
        let kernel =
            scatter::kernel(tiles.tile, [distance(row)?, distance(column)?], distance(self.pitch())?);
        let dims = std::iter::once(x.planes()).chain(cut[..4].iter().map(|cut| cut.size)).collect();
        Ok((dims, Call { kernel: low.kernel(kernel), args }))
    }
}

/// Bytes from one index to the next of each axis, where the last one's elements are `step` apart.
fn row_major(extents: [i64; 5], step: i64) -> [i64; 5] {
    let mut strides = [step; 5];
    for axis in (0..4).rev() {
        strides[axis] = strides[axis + 1] * extents[axis + 1];
    }
    strides
}

/// Bytes from one tile of a chunk to the next where tiles lie one after the other, as they are multiplied.
pub(super) fn packed(cut: [Cut; 5]) -> [i64; 5] {
    row_major(cut.map(|cut| cut.size as i64), VECTOR_BYTES)
}

/// Bytes of a view with the output's rows and columns from one tap to the next.
pub(super) fn tap_strides(view: &View, tiles: &Tiles) -> [i64; 2] {
    [0, 1].map(|axis| i64::from(tiles.dilation[axis]) * view.strides[2 + axis])
}

/// Bytes of such a view from one tile to the next along the axes of a chunk.
pub(super) fn tile_strides(view: &View, tiles: &Tiles) -> [i64; 5] {
    let [picture, _, row, column] = view.strides;
    let [tile_row, tile_column] = tap_strides(view, tiles).map(|tap| tap * i64::from(tiles.tile.outputs()));
    [picture, tile_row, row, column, tile_column]
}

/// Bytes from one chunk to the next, `steps` from one tile to the next.
pub(super) fn chunk_strides(cut: [Cut; 5], steps: [i64; 5]) -> [i64; 5] {
    let mut strides = steps;
    strides.iter_mut().zip(cut).for_each(|(stride, cut)| *stride *= cut.size as i64);
    strides
}

/// Bytes to the first tile of a cut.
pub(super) fn first_tile(cut: [Cut; 5], view: &View, tiles: &Tiles) -> i64 {
    cut.iter().zip(tile_strides(view, tiles)).map(|(cut, stride)| cut.first as i64 * stride).sum()
}
