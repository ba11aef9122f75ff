//! Which convolutions Winograd's filtering computes, and in which chunks.

pub(crate) mod grid;

use super::algorithm::{Algorithm, algorithm};
use super::build::{Builder, PlanError};
use super::conv::Weights;
use super::cost::{self, Layer};
use super::dims::dims4;
use super::fuse::Group;
use super::task::{PackWinograd, TaskKind, Tiles, Winograd, WinogradTile};
use super::tiles::tile_vectors;
use super::{BufferId, Fill, Layout, LayoutKind, Phase, PlanOptions, Task};
use crate::graph::{Graph, Node, Op, Value};
use crate::kernels::ir::{LANES, VECTOR_BYTES};
use crate::target::{Math, Target};

/// Chunks from which on each unit takes one through all stages: fewer would leave cores without work.
const UNITS: u64 = 6;
/// Units into which panels are cut where inputs are transformed beforehand.
const PANEL_UNITS: u64 = 8;
/// Tiles of a chunk whose inputs are transformed beforehand, at most.
const SHARED_TILES: u64 = 64;
/// Tiles of a chunk at least: with fewer, weights are fetched for too few products.
const FEWEST_TILES: u64 = 12;
/// What Winograd's filtering may cost of what taps do: less is not worth its rounding.
const WORTH: f64 = 0.9;
/// Bytes of transformed weights at most.
const MOST_WEIGHTS: u64 = 1 << 28;

/// Winograd's filtering of a convolution.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Choice {
    tile: WinogradTile,
    /// As in [`Tiles`].
    dilation: [u32; 2],
    chunk: Vec<[u32; 5]>,
    /// Whether inputs are transformed beforehand.
    shared: bool,
    panels: u32,
}

impl Choice {
    /// Rows and columns of whole tiles.
    pub(super) fn covered(&self, out: [u64; 2]) -> [u64; 2] {
        covered(out, self.dilation, self.tile)
    }
}

fn covered(out: [u64; 2], dilation: [u32; 2], tile: WinogradTile) -> [u64; 2] {
    [0, 1].map(|a| grid::covered(out[a], u64::from(dilation[a]), u64::from(tile.outputs())))
}

/// What became of the question.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Considered {
    /// Nothing where taps are cheaper.
    pub(super) choice: Option<Choice>,
    /// The costs, in words.
    pub(super) reason: String,
}

/// For each node for which Winograd's filtering is possible, whether it is chosen, and why.
pub(super) fn consider(
    graph: &Graph,
    kinds: &[LayoutKind],
    phases: &[Phase],
    options: &PlanOptions,
) -> Vec<Option<Considered>> {
    let of = |(value, node): (Value, &Node)| {
        let possible = options.math == Math::Default
            && matches!(algorithm(graph, value, kinds), Some((Algorithm::Contract(LayoutKind::Blocked), _)));
        let phase = phases.get(node.args.get(1)?.index())?;
        let layer = layer(graph, node, *phase).filter(|_| possible)?;
        Some(compare(&layer, fill(node), &options.target))
    };
    graph.values().map(of).collect()
}

/// The sizes of a convolution that has the right taps.
fn layer(graph: &Graph, node: &Node, weights: Phase) -> Option<Layer> {
    let (window, groups) = match &node.op {
        Op::Conv(conv) => (&conv.window, conv.groups),
        Op::ConvTranspose(conv) => (&conv.window, conv.groups),
        _ => return None,
    };
    let plain = window.kernel == [3, 3] && window.stride == [1, 1];
    let [in_channels, ..] = graph.ty(*node.args.first()?).chw().filter(|_| plain && groups == 1)?;
    let [pictures, out_channels, h, w] = dims4(&node.ty);
    let every_run = weights == Phase::Run;
    // Taps farther apart than outputs leave phases of one output or none.
    let near = |axis: usize| Some(window.dilation[axis]).filter(|d| *d <= [h, w][axis]);
    let dilation = [u32::try_from(near(0)?).ok()?, u32::try_from(near(1)?).ok()?];
    Some(Layer { pictures, in_channels, out_channels, out: [h, w], dilation, every_run })
}

fn fill(node: &Node) -> Fill {
    match &node.op {
        Op::Conv(conv) => conv.border.fill(),
        _ => Fill::Zero,
    }
}

/// Whether a halo may be larger than taps need it.
fn may_grow(fill: Fill) -> bool {
    matches!(fill, Fill::Zero | Fill::Replicate)
}

fn compare(layer: &Layer, fill: Fill, target: &Target) -> Considered {
    // Wide registers make everything faster alike, and should not decide about bits.
    let narrow = target.without_wide();
    let direct = cost::direct(layer, &narrow);
    let mut best: Option<(f64, Choice, Tiles)> = None;
    for tile in [WinogradTile::Four, WinogradTile::Two] {
        if !may_grow(fill) && covered(layer.out, layer.dilation, tile) != layer.out {
            continue;
        }
        let Some((choice, tiles)) = chunks(layer, tile, target) else { continue };
        let cycles = cost::winograd(layer, &tiles, choice.shared, &narrow);
        if best.as_ref().is_none_or(|(least, ..)| cycles < *least) {
            best = Some((cycles, choice, tiles));
        }
    }
    let millions = |cycles: f64| format!("{:.3}", cycles / 1e6);
    let Layer { in_channels: c, out_channels: o, .. } = layer;
    let Some((cycles, choice, tiles)) = best else {
        return Considered { choice: None, reason: format!("{c} to {o} channels in blocks") };
    };
    let m = tiles.tile.outputs();
    let bytes = weight_bytes(layer, tiles.tile) as f64 / 1e6;
    let (of, choice) = if cycles < WORTH * direct { ("of", Some(choice)) } else { ("against", None) };
    let reason = format!(
        "Winograd {m}×{m}: {} {of} {} Mcycles direct; {c} to {o} channels, {}, transformed weights {bytes:.1} MB",
        millions(cycles),
        millions(direct),
        counted(&tiles),
    );
    Considered { choice, reason }
}

/// How many tiles there are, in words.
fn counted(tiles: &Tiles) -> String {
    let extents = tiles.extents();
    let [pictures, rows, .., columns] = extents.first().copied().unwrap_or_default();
    let phases = match tiles.dilation {
        [1, 1] => String::new(),
        [y, x] => format!("{y}×{x} phases of {}", if extents.len() > 1 { "up to " } else { "" }),
    };
    let of_pictures = if pictures == 1 { String::new() } else { format!("{pictures}×") };
    format!("{of_pictures}{phases}{rows}×{columns} tiles")
}

fn weight_bytes(layer: &Layer, tile: WinogradTile) -> u64 {
    let [c, o] = [layer.in_channels, layer.out_channels].map(|n| n.next_multiple_of(LANES as u64));
    4 * u64::from(tile.positions()) * c * o
}

/// How a layer is cut. Each unit takes a chunk through all stages, as large as half of the second-level cache
/// holds its inputs; where that gives too few units, inputs are transformed beforehand and units are panels.
fn chunks(layer: &Layer, tile: WinogradTile, target: &Target) -> Option<(Choice, Tiles)> {
    if weight_bytes(layer, tile) > MOST_WEIGHTS {
        return None;
    }
    let [c, o] = [layer.in_channels, layer.out_channels].map(|n| n.div_ceil(LANES as u64));
    let mut tiles = Tiles {
        x: BufferId(0),
        tile,
        origin: [0, 0],
        dilation: layer.dilation,
        pictures: layer.pictures,
        out: layer.out,
        chunk: Vec::new(),
    };
    let extents = tiles.extents();
    let total: u64 = extents.iter().map(|extent| extent.iter().product::<u64>()).sum();
    let held = |blocks: u64| u64::from(tile.positions()) * blocks * VECTOR_BYTES as u64;
    let l2 = u64::from(target.l2_bytes);
    let fits = l2 / 2 / held(c);
    let most = fits.min(total / UNITS);
    let shared = most < FEWEST_TILES;
    let most = if shared { SHARED_TILES } else { most };
    // Smaller chunks fetch weights more often: from the second-level cache that costs little.
    let may_halve = !shared && weight_bytes(layer, tile) <= l2 * 5 / 8;
    for extent in extents {
        let mut chunk = grown(extent, most);
        let [_, rows, phases, ..] = extent;
        if may_halve && chunk[0] == 1 && chunk[3..] == extent[3..] {
            if chunk[1] > 1 {
                chunk[1] = halved(1, rows, chunk[1]);
            } else {
                chunk[2] = halved(rows, phases, chunk[2]);
            }
        }
        let mut sizes = [0; 5];
        for (size, n) in sizes.iter_mut().zip(chunk) {
            *size = u32::try_from(n).ok()?;
        }
        tiles.chunk.push(sizes);
    }
    let vectors = u64::from(tile_vectors(o, false, target));
    let all = o.div_ceil(vectors);
    let panels = if shared {
        all.div_ceil(PANEL_UNITS)
    } else {
        let room = (l2 * 3 / 4).saturating_sub(tiles.chunk_bytes(c));
        (room / (held(vectors) * tiles.chunk_tiles())).clamp(1, all)
    };
    let choice =
        Choice { tile, dilation: tiles.dilation, chunk: tiles.chunk.clone(), shared, panels: panels as u32 };
    Some((choice, tiles))
}

/// A chunk of at most `most` of so many tiles, as even as can be along each axis: phases of columns, which share lines
/// of a cache, then a row of tiles, the phases of rows between it and the next, more rows, and more pictures.
fn grown(extent: [u64; 5], most: u64) -> [u64; 5] {
    let mut chunk = [1; 5];
    for axis in [3, 4, 2, 1, 0] {
        let n = extent[axis];
        let room = most / chunk.iter().product::<u64>();
        chunk[axis] = n.div_ceil(n.div_ceil(room.max(1)));
        if chunk[axis] < n {
            break;
        }
    }
    chunk
}

/// The size of chunks of `n`, from `most` down to half of it, that two threads share best, where there are `times`
/// such rows of chunks: once 14 rows by 2 are 8 and 6 rows, by 1 twice 7. A tenth more for the larger half is let pass, for
/// large chunks fetch weights for more products.
fn halved(times: u64, n: u64, most: u64) -> u64 {
    let larger_half = |size: u64| {
        let chunks = n.div_ceil(size);
        let half = times * chunks / 2;
        let first = (half / chunks * n + half % chunks * size).min(times * n);
        first.max(times * n - first)
    };
    let sizes = (most.div_ceil(2)..=most).rev();
    let least = sizes.clone().map(larger_half).min().unwrap_or(n);
    sizes.into_iter().find(|&size| 10 * larger_half(size) <= 11 * least).unwrap_or(most)
}

impl Builder<'_> {
    /// How Winograd's filtering computes a node, where it does.
    pub(super) fn winograd_of(&self, value: Value) -> Option<Choice> {
        self.winograd.get(value.index()).and_then(|w| w.as_ref()).and_then(|w| w.choice.clone())
    }

    /// Why taps or Winograd's filtering compute a node, where that was a question.
    pub(super) fn winograd_reason(&self, value: Value) -> Option<String> {
        self.winograd.get(value.index()).and_then(|w| w.as_ref()).map(|w| w.reason.clone())
    }

    /// Tasks of a convolution by Winograd's filtering.
    pub(super) fn winograd(
        &mut self,
        root: Value,
        group: &Group,
        weights: &Weights,
        taps: &[(i32, i32)],
        choice: Choice,
        reason: String,
    ) -> Result<(), PlanError> {
        let node = self.graph.node(root);
        let [pictures, _, h, w] = dims4(&node.ty);
        let first = |axis: fn(&(i32, i32)) -> i32| taps.iter().map(axis).min().unwrap_or(0);
        let tiles = Tiles {
            x: self.framed_for(node, LayoutKind::Blocked, Some(&choice))?,
            tile: choice.tile,
            origin: [first(|tap| tap.0), first(|tap| tap.1)],
            dilation: choice.dilation,
            pictures,
            out: [h, w],
            chunk: choice.chunk,
        };
        let vectors = tile_vectors(weights.out_channels.div_ceil(LANES as u64), false, self.target);
        let bias = match weights.bias {
            Some(bias) => Some(self.channels(bias, weights.out_channels, LayoutKind::Blocked)?),
            None => None,
        };
        let transformed = if choice.shared {
            Some(self.transformed(&tiles, weights.in_channels, root, &node.name))
        } else {
            None
        };
        let task = Winograd {
            tiles,
            transformed,
            w: self.pack_winograd(weights, choice.tile, vectors, &node.name)?,
            bias,
            panels: choice.panels,
            vectors,
            epilogue: self.epilogue(group, root, LayoutKind::Blocked)?,
        };
        self.make_all(group, LayoutKind::Blocked, vec![TaskKind::Winograd(task)], reason)
    }

    /// A layer's inputs, transformed.
    fn transformed(&mut self, tiles: &Tiles, channels: u64, root: Value, name: &str) -> BufferId {
        let phase = self.values.phase(root);
        let floats = tiles.chunks() * tiles.chunk_bytes(channels.div_ceil(LANES as u64)) / 4;
        let out = self.values.fresh(phase, None, [1, 1, 1, floats], Layout::DENSE);
        let reason = "too few tiles for a chunk a unit".to_owned();
        let kind = TaskKind::WinogradTiles(tiles.clone());
        self.values.push(phase, Task { name: name.to_owned(), kind, out, reason });
        out
    }

    /// Weights transformed, once.
    fn pack_winograd(
        &mut self,
        weights: &Weights,
        tile: WinogradTile,
        vectors: u32,
        name: &str,
    ) -> Result<BufferId, PlanError> {
        let (out_channels, in_channels) = (weights.out_channels, weights.in_channels);
        let pack = PackWinograd {
            w: self.values.dense(weights.w)?,
            transposed: weights.transposed,
            tile,
            out_channels,
            in_channels,
            vectors,
        };
        let floats = pack.panels().bytes() / 4 * u64::from(tile.positions());
        let phase = self.values.phase(weights.w);
        let out = self.values.fresh(phase, None, [1, 1, 1, floats], Layout::DENSE);
        let reason = format!("panels of {} output channels, transformed", vectors * LANES as u32);
        self.values
            .push(phase, Task { name: name.to_owned(), kind: TaskKind::PackWinograd(pack), out, reason });
        Ok(out)
    }
}
