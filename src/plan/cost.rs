//! What a convolution costs by each algorithm, in cycles of one core, estimated from sizes and the target.
//!
//! Cycles are those of multiply-adds at the rate of the target's units, of the transforms, and of bytes that
//! come from beyond the first-level cache. Only quotients of costs matter.

use super::task::{Tiles, WinogradTile};
use super::tiles::{most_pixels, rows_together, split_row, tile_vectors};
use crate::kernels::ir::{LANES, VECTOR_BYTES};
use crate::target::{Isa, Target, X64Level};

/// Of the multiply-add units' rate, what a contraction of enough pixels reaches.
const REACHED: f64 = 0.92;
/// Cycles from a multiply-add to the next one of the same sum.
const LATENCY: f64 = 4.0;
/// Bytes a cycle from the second-level cache, beside the arithmetic.
const L2_RATE: f64 = 64.0;
/// Bytes a cycle from beyond the second-level cache, beside the arithmetic.
const FAR_RATE: f64 = 5.0;
/// Bytes a cycle from memory.
const MEMORY_RATE: f64 = 3.0;
/// How many times the second-level cache weights may take to be found in a cache when they are needed again.
const LAST_LEVEL: u64 = 16;
/// Cycles of a call.
const CALL: f64 = 40.0;

/// Sizes of a 3×3 convolution at stride 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Layer {
    pub(super) pictures: u64,
    pub(super) in_channels: u64,
    pub(super) out_channels: u64,
    /// Rows and columns of the output.
    pub(super) out: [u64; 2],
    /// Rows and columns from one tap to the next.
    pub(super) dilation: [u32; 2],
    /// Whether weights are new in every run.
    pub(super) every_run: bool,
}

impl Layer {
    fn blocks(&self) -> [u64; 2] {
        [self.in_channels, self.out_channels].map(|c| c.div_ceil(LANES as u64))
    }

    /// Bytes of weights of so many taps or positions.
    fn weight_bytes(&self, taps: u64) -> u64 {
        taps * self.in_channels * self.blocks()[1] * VECTOR_BYTES as u64
    }
}

/// Multiply-adds of 8 lanes a cycle, in contractions.
fn rate(target: &Target) -> f64 {
    match target.isa {
        Isa::X64(X64Level::Avx512) => 4.0,
        Isa::X64(X64Level::Avx2) => 2.0,
        Isa::X64(X64Level::Sse41) => 0.5,
        Isa::Aarch64 => 1.0,
    }
}

/// Cycles until bytes that are used once in a while are there.
fn fetch(bytes: u64, target: &Target) -> f64 {
    let l2 = u64::from(target.l2_bytes);
    let rate = match bytes {
        n if n <= l2 / 2 => L2_RATE,
        n if n <= LAST_LEVEL * l2 => FAR_RATE,
        _ => MEMORY_RATE,
    };
    bytes as f64 / rate
}

/// Arithmetic while its weights come: most of them were asked for in time.
fn beside(arithmetic: f64, weights: f64) -> f64 {
    arithmetic.max(weights) + weights / 4.0
}

/// Cycles in which a row of `pixels` pixels, cut into tiles of registers, takes one input channel and tap into one
/// block of output channels, where `blocks` of them are computed.
fn row(pixels: u64, blocks: u64, target: &Target) -> f64 {
    let vectors = tile_vectors(blocks, false, target);
    // Few sums do not hide the latency.
    let tile = |p: u32| (f64::from(p * vectors) / rate(target)).max(LATENCY);
    let tiles = split_row(pixels, most_pixels(vectors, target));
    tiles.iter().map(|&(p, count)| tile(p) * count as f64).sum::<f64>() / f64::from(vectors) / REACHED
}

/// By taps.
pub(super) fn direct(layer: &Layer, target: &Target) -> f64 {
    let [_, blocks] = layer.blocks();
    let [h, w] = layer.out;
    let together = rows_together(h, w, tile_vectors(blocks, false, target), target);
    let cycles = |rows: u64| row(rows * w, blocks, target);
    let plane = (h / together) as f64 * cycles(together) + cycles(h % together);
    // Panels of weights that no cache holds stay for all pictures.
    let sums = (9 * layer.pictures * layer.in_channels * blocks) as f64 * plane;
    beside(sums, fetch(layer.weight_bytes(9), target))
}

/// Vector operations of a tile's two transforms, of one block of channels each.
fn transforms(tile: WinogradTile) -> [f64; 2] {
    match tile {
        WinogradTile::Two => [80.0, 70.0],
        WinogradTile::Four => [240.0, 220.0],
    }
}

/// Vector operations of the transform of a block of output channels' weights for one input channel.
fn weight_transform(tile: WinogradTile) -> f64 {
    match tile {
        WinogradTile::Two => 80.0,
        WinogradTile::Four => 200.0,
    }
}

/// By Winograd's filtering, its inputs transformed by each unit or (`shared`) beforehand.
pub(super) fn winograd(layer: &Layer, tiles: &Tiles, shared: bool, target: &Target) -> f64 {
    let [ins, outs] = layer.blocks();
    let extents = tiles.extents();
    let count: u64 = extents.iter().map(|extent| extent.iter().product::<u64>()).sum();
    let chunks = tiles.chunks();
    let positions = u64::from(tiles.tile.positions());
    let sums = (positions * layer.in_channels * outs) as f64;
    let rows = |(extent, chunk): (&[u64; 5], &[u32; 5])| {
        let chunk: u64 = chunk.map(u64::from).iter().product();
        row(chunk, outs, target) * extent.iter().product::<u64>() as f64 / chunk as f64
    };
    let products = sums * extents.iter().zip(&tiles.chunk).map(rows).sum::<f64>();
    let [scatter, gather] = transforms(tiles.tile);
    let transforms =
        count as f64 * (ins as f64 * scatter + outs as f64 * gather) / rate(&target.without_wide());
    let vectors = u64::from(tile_vectors(outs, false, target));
    let calls = (chunks * positions * outs.div_ceil(vectors)) as f64;
    let weights = layer.weight_bytes(positions);
    let inputs = tiles.chunk_bytes(ins) * chunks;
    // Each chunk takes all weights.
    let weights = fetch(weights, target) * chunks as f64;
    let inputs = if shared { 2.0 * fetch(inputs, target) } else { inputs as f64 / L2_RATE };
    let packing =
        if layer.every_run { (layer.in_channels * outs) as f64 * weight_transform(tiles.tile) } else { 0.0 };
    beside(products, weights) + transforms + packing + calls * CALL + inputs
}
