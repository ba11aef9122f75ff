//! Lowers Winograd's filtering.
//!
//! The output is cut into chunks of tiles. A unit takes a chunk through all three stages while it is in a
//! cache: [`scatter`] transforms its inputs, for each position of a tile the contraction's kernel multiplies
//! them with the transformed weights, and [`gather`] transforms the products back. Between them lie, in memory
//! of the thread, the transformed inputs `[position][channel block][tile][8]` and the products
//! `[position][output block][tile][8]` of some panels. What a tile is computed from, and in which order, depends on
//! neither its chunk nor the panels: every sum goes over channel blocks, then lanes.
//!
//! A chunk has five axes: pictures, rows of tiles, phases of rows and of columns, columns of tiles. Phases lie between one
//! another, so they are distances like all others: from one phase to the next a row or a column, from one tile to the next, and
//! within a tile, so many as taps are apart. Without dilation there is one.

mod chunks;
mod gather;
pub(super) mod pack;
mod scatter;
#[cfg(test)]
mod tests;
mod transform;

use self::chunks::{Chunks, Region};
use self::gather::Gather;
use super::axes::pieces;
use super::contract::ahead::Ahead;
use super::contract::cut::straight;
use super::contract::tile::{Lanes, TileSpec};
use super::ir::{LANES, VECTOR_BYTES};
use super::lower::{LowerError, Lowering, distance};
use super::step::{Base, Call, CallArg, Nest, TableArg};
use crate::plan::task::{Tiles, Winograd};
use crate::plan::tiles::{is_wide, most_pixels, split_row};
use crate::plan::{BufferId, LayoutKind, View};

/// One step, a unit of which is a chunk of tiles; of transformed inputs, some panels of a chunk.
pub(super) fn lower(
    task: &Winograd,
    out: BufferId,
    low: &mut Lowering<'_>,
) -> Result<Vec<Vec<Nest>>, LowerError> {
    let mut job = Job::new(task, low.view(out), low)?;
    job.place(low);
    let mut nests = Vec::new();
    for region in job.chunks.regions() {
        nests.extend(job.chunk(&region, low)?);
    }
    Ok(vec![nests])
}

/// Transforms the inputs for all units: one step, a unit of which is a row of tiles of a chunk, of one block.
pub(super) fn lower_tiles(
    tiles: &Tiles,
    out: BufferId,
    low: &mut Lowering<'_>,
) -> Result<Vec<Vec<Nest>>, LowerError> {
    let chunks = Chunks::shared(tiles, out, low)?;
    let mut nests = Vec::new();
    for region in chunks.regions() {
        let (inner, call) = chunks.scatter(&region, low)?;
        nests.push(Nest::new([region.dims(), inner].concat(), vec![call]));
    }
    Ok(vec![nests])
}

/// A task with its buffers.
struct Job<'a> {
    task: &'a Winograd,
    chunks: Chunks<'a>,
    out: View,
    w: View,
    /// Output blocks whose products are held together, at most.
    held: u64,
    /// Where in the thread's memory products begin.
    products_at: i64,
}

impl Job<'_> {
    fn new<'a>(task: &'a Winograd, out: View, low: &Lowering<'_>) -> Result<Job<'a>, LowerError> {
        let tiles = &task.tiles;
        let chunks = match task.transformed {
            Some(buffer) => Chunks::shared(tiles, buffer, low)?,
            None => Chunks::private(tiles, low)?,
        };
        let fits =
            out.kind == LayoutKind::Blocked && out.dims[2..] == tiles.out && out.dims[0] == chunks.x.dims[0];
        if !fits || task.vectors == 0 || task.panels == 0 {
            return Err(LowerError::Plan("Winograd's filtering into another layout or of no size"));
        }
        let held = out.planes().min(u64::from(task.panels) * u64::from(task.vectors));
        let job = Job { task, chunks, out, w: low.view(task.w), held, products_at: 0 };
        distance(job.local_bytes().iter().sum::<u64>() as i64)?;
        Ok(job)
    }

    /// Bytes of a thread's memory: transformed inputs, unless units share them, and products.
    fn local_bytes(&self) -> [u64; 2] {
        let tiles = &self.task.tiles;
        let own = if self.task.transformed.is_some() { 0 } else { tiles.chunk_bytes(self.chunks.x.planes()) };
        [own, tiles.chunk_bytes(self.held)]
    }

    /// Finds room for what lies in the thread's memory.
    fn place(&mut self, low: &mut Lowering<'_>) {
        let [own, held] = self.local_bytes();
        let at = low.local(own + held);
        if self.task.transformed.is_none() {
            self.chunks.at = local(at, Vec::new());
        }
        self.products_at = at + own as i64;
    }

    /// Products, `bytes` from their beginning, in a nest over `[…, group]` and more dims.
    fn products_arg(&self, bytes: i64, inner: &[i64]) -> CallArg {
        local(self.products_at + bytes, [&[0; 6], inner].concat())
    }

    /// Nests over the chunks of a region.
    fn chunk(&self, region: &Region, low: &mut Lowering<'_>) -> Result<Vec<Nest>, LowerError> {
        let dims = region.dims();
        let vectors = u64::from(self.task.vectors);
        let blocks = self.out.planes();
        let (full, rest) = (blocks / vectors, blocks % vectors);
        let mut groups: Vec<Group> = pieces(full, u64::from(self.task.panels))
            .map(|(first, panels, count)| Group {
                first: first * vectors,
                blocks: panels * vectors,
                vectors,
                count,
            })
            .collect();
        if rest > 0 {
            groups.push(Group { first: full * vectors, blocks: rest, vectors: rest, count: 1 });
        }
        let mut stages = Vec::new();
        if self.task.transformed.is_none() {
            let (inner, call) = self.chunks.scatter(region, low)?;
            stages.push(Nest::new(inner, vec![call]));
        }
        let shared = self.task.transformed.is_some();
        for group in groups {
            let mut inner = vec![self.contraction(group, region, low)?];
            inner.extend(Gather { job: self, group, cut: region.cut }.nests(low)?);
            let around = if shared { [dims.clone(), vec![group.count]].concat() } else { vec![group.count] };
            stages.push(Nest::around(around, inner));
        }
        Ok(if shared { stages } else { vec![Nest::around(dims, stages)] })
    }

    /// The nest over `[…, position, panel]`.
    fn contraction(&self, group: Group, region: &Region, low: &mut Lowering<'_>) -> Result<Nest, LowerError> {
        let x = &self.chunks.x;
        let in_channels = x.dims[1];
        let panels = group.blocks / group.vectors;
        // A block of output channels takes so much in the panels, a position so much in all.
        let block_weights = (x.planes() * LANES as u64) as i64 * VECTOR_BYTES;
        let position_weights = block_weights * self.out.planes() as i64;
        let [pitch, held_pitch] = [x.planes(), self.held].map(|blocks| self.task.tiles.pitch(blocks) as i64);
        let block = self.chunks.block();
        let vectors = group.vectors as u32;
        let runs =
            split_row(region.cut.iter().map(|cut| cut.size).product(), most_pixels(vectors, low.target()));
        let panel_weights = group.vectors as i64 * block_weights;
        let ahead = Ahead::of(
            panel_weights,
            in_channels.div_ceil(LANES as u64),
            runs.iter().map(|run| run.1).sum(),
            position_weights * i64::from(self.task.tiles.tile.positions()),
            low.target(),
        );
        let mut calls = Vec::new();
        let (mut start, mut tiles_before) = (0, 0);
        for (pixels, tiles) in runs {
            let spec = TileSpec {
                pixels: straight(pixels),
                vectors,
                wide: is_wide(vectors, low.target()),
                lanes: Lanes::Block { rest: (in_channels % LANES as u64) as u32 },
                rows: 1,
                dx: vec![0],
                column_bytes: VECTOR_BYTES as i32,
                stride: 1,
                x_row: 0,
                out_row: 0,
                out_column: VECTOR_BYTES as i32,
                ahead: ahead.map_or(0, Ahead::lines),
                bias: false,
                extras: Vec::new(),
                expr: None,
            };
            let mut args = vec![
                self.chunks.arg(region, start, &[0, pitch, 0]),
                self.w.arg(
                    group.first as i64 * block_weights,
                    &chunk_and([group.blocks as i64 * block_weights, position_weights, panel_weights]),
                ),
                self.products_arg(start, &[held_pitch, group.vectors as i64 * block]),
                CallArg::Int(tiles as i64),
                CallArg::Int((in_channels / LANES as u64) as i64),
                CallArg::Int(block),
                CallArg::Int(0),
                CallArg::Int(block),
            ];
            if let Some(ahead) = ahead {
                // After the last panel of a group comes the first one of the next position.
                let last = panels as i64 - 1;
                let offsets =
                    (0..=last).map(|p| if p < last { (p + 1) * panel_weights } else { position_weights });
                let group_weights = group.blocks as i64 * block_weights;
                let mut next = self.w.arg(
                    group.first as i64 * block_weights + ahead.share(tiles_before),
                    &chunk_and([group_weights, position_weights, 0]),
                );
                if let CallArg::Ptr { tables, .. } = &mut next {
                    tables.push(TableArg { dim: 7, offsets: offsets.collect() });
                }
                args.push(next);
                tiles_before += tiles;
            }
            calls.push(Call { kernel: low.kernel(spec.kernel()), args });
            start += i64::from(pixels) * tiles as i64 * VECTOR_BYTES;
        }
        Ok(Nest::new(vec![u64::from(self.task.tiles.tile.positions()), panels], calls))
    }
}

/// Groups of panels whose products are held together.
#[derive(Clone, Copy)]
struct Group {
    /// The first output block.
    first: u64,
    /// Output blocks of one group.
    blocks: u64,
    /// Vectors of its panels.
    vectors: u64,
    /// How many groups.
    count: u64,
}

/// Strides of what is the same for all chunks.
fn chunk_and(inner: [i64; 3]) -> Vec<i64> {
    [&[0; 5][..], &inner].concat()
}

/// An argument in the memory of the thread.
fn local(offset: i64, strides: Vec<i64>) -> CallArg {
    CallArg::Ptr { base: Base::Local, offset, strides, tables: Vec::new() }
}
