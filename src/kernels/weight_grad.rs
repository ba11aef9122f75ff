//! Lowers gradients of weights: how a convolution's inputs correlate with the gradients of its outputs.
//!
//! A tile holds the sums of some output channels (lanes) and some weights of each (positions) in registers
//! while it goes over all pixels of a sample; samples are added in memory, one after the other. So no sum
//! depends on who computes it, and none is longer than a picture before it is added to the others.

use std::collections::BTreeMap;

use super::call::CallBuilder;
use super::ir::{Count, LANES, Spills, VecBinary, Vreg};
use super::lower::{LowerError, Lowering, distance};
use super::step::{Call, CallArg, Nest, TableArg};
use crate::plan::task::WeightGrad;
use crate::plan::{BufferId, LayoutKind, View};

/// Blocks of output channels in a tile: with four positions, 12 sums, 3 gradients and an input are 16 registers.
const MOST_VECTORS: u64 = 3;

/// From the first element of its `x` and `out`: bytes.
type Place = (i64, i64);

/// Positions of a tile from its first one, and where the first ones of such tiles are.
struct Pattern {
    from_first: Vec<Place>,
    firsts: Vec<Place>,
}

/// Tiles of a unit: those of `patterns`, at each of the places in `units`.
struct Family {
    units: Vec<Place>,
    patterns: Vec<Pattern>,
}

/// One unit of work makes the gradients of a tile's output channels under one tap, or of one tile where
/// there are few input channels.
pub(super) fn lower(
    task: &WeightGrad,
    out: BufferId,
    low: &mut Lowering,
) -> Result<Vec<Vec<Nest>>, LowerError> {
    let views = Views { x: low.view(task.x), dy: low.view(task.dy), out: low.view(out) };
    let inputs = views.out.dims[2];
    let sound = views.dy.kind == LayoutKind::Blocked
        && views.out.kind == LayoutKind::Blocked
        && views.out.dims[3] == task.taps.len() as u64
        && views.x.dims[0] == views.dy.dims[0];
    if !sound {
        return Err(LowerError::Plan("the gradient of a weight between other buffers"));
    }
    let mut nests = Vec::new();
    if task.depthwise {
        let tile = Tile { vectors: 1, first: 0, count: views.out.planes() };
        let positions: Vec<Place> = (0..task.taps.len()).map(|t| views.position(task, 0, t)).collect();
        for family in alike(&positions, 8) {
            nests.push(family_nest(task, &views, &tile, &family, low)?);
        }
        return Ok(vec![nests]);
    }
    for tile in tiles(views.out.planes()) {
        let most = if tile.vectors == 1 { 8 } else { 4 };
        for family in families(task, &views, inputs, most) {
            nests.push(family_nest(task, &views, &tile, &family, low)?);
        }
    }
    Ok(vec![nests])
}

struct Views {
    x: View,
    dy: View,
    out: View,
}

impl Views {
    /// A weight of input channel `c` and tap `t`.
    fn position(&self, task: &WeightGrad, c: i64, t: usize) -> Place {
        let lanes = LANES as i64;
        let channel = match self.x.kind {
            LayoutKind::Planar => c * self.x.strides[1],
            LayoutKind::Blocked => c / lanes * self.x.strides[1] + 4 * (c % lanes),
        };
        let (dy, dx) = task.taps[t];
        let tap = i64::from(dy) * self.x.strides[2] + i64::from(dx) * self.x.strides[3];
        (channel + tap, c * self.out.strides[2] + t as i64 * self.out.strides[3])
    }
}

/// Output channels that are computed together: `count` times `vectors` blocks from `first` on.
struct Tile {
    vectors: u64,
    first: u64,
    count: u64,
}

/// Blocks in tiles of about equal size.
fn tiles(blocks: u64) -> Vec<Tile> {
    let count = blocks.div_ceil(MOST_VECTORS);
    let (small, large) = (blocks / count.max(1), blocks % count.max(1));
    let all = [(small + 1, 0, large), (small, large * (small + 1), count - large)];
    let tile = |(vectors, first, count)| Tile { vectors, first, count };
    all.into_iter().filter(|(vectors, _, count)| vectors * count > 0).map(tile).collect()
}

fn families(task: &WeightGrad, views: &Views, inputs: u64, most: usize) -> Vec<Family> {
    if inputs < 4 {
        let taps = 0..task.taps.len();
        let all: Vec<Place> =
            taps.flat_map(|t| (0..inputs as i64).map(move |c| views.position(task, c, t))).collect();
        return alike(&all, most);
    }
    let first = views.position(task, 0, 0);
    let less = |place: Place| (place.0 - first.0, place.1 - first.1);
    let units = (0..task.taps.len()).map(|t| views.position(task, 0, t)).collect();
    let channels: Vec<Place> = (0..inputs as i64).map(|c| less(views.position(task, c, 0))).collect();
    vec![Family { units, patterns: alike(&channels, most).into_iter().flat_map(Family::patterns).collect() }]
}

impl Family {
    /// Its units as tiles of one unit at the origin.
    fn patterns(self) -> Vec<Pattern> {
        let units = self.units;
        let moved = |pattern: Pattern| Pattern { firsts: units.clone(), ..pattern };
        self.patterns.into_iter().map(moved).collect()
    }
}

/// Positions in tiles of `most`; those that look the same from their first position are a family.
fn alike(positions: &[Place], most: usize) -> Vec<Family> {
    let mut found: BTreeMap<Vec<Place>, Vec<Place>> = BTreeMap::new();
    for chunk in positions.chunks(most) {
        let [first, ..] = *chunk else { continue };
        let from_first = chunk.iter().map(|place| (place.0 - first.0, place.1 - first.1)).collect();
        found.entry(from_first).or_default().push(first);
    }
    let family =
        |(from_first, units)| Family { units, patterns: vec![Pattern { from_first, firsts: vec![(0, 0)] }] };
    found.into_iter().map(family).collect()
}

/// The units of a family: `[tile, place]`, and within each, for every pattern, `[sample, tile]`.
fn family_nest(
    task: &WeightGrad,
    views: &Views,
    tile: &Tile,
    family: &Family,
    low: &mut Lowering,
) -> Result<Nest, LowerError> {
    let Views { x, dy, out } = views;
    let samples = x.dims[0];
    let vectors = tile.vectors as i64;
    let first = tile.first as i64;
    let x_tile = if task.depthwise { x.strides[1] } else { 0 };
    let place = |dim: usize, of: &[Place], second: bool| TableArg {
        dim,
        offsets: of.iter().map(|place| if second { place.1 } else { place.0 }).collect(),
    };
    let arg = |view: &View, offset: i64, strides: Vec<i64>, tables: Vec<TableArg>| CallArg::Ptr {
        base: view.base,
        offset: view.origin + offset,
        strides,
        tables,
    };
    let mut inner = Vec::new();
    for pattern in &family.patterns {
        let strides = [vectors * out.strides[1], 0, 0];
        let tables = |dim| vec![place(1, &family.units, true), place(dim, &pattern.firsts, true)];
        let to = |strides: &[i64], dim| arg(out, first * out.strides[1], strides.to_vec(), tables(dim));
        let call = zeros(tile, &pattern.from_first, to(&strides, 2), out, low)?;
        inner.push(Nest::new(vec![pattern.firsts.len() as u64], vec![call]));
        let from = arg(
            x,
            0,
            vec![x_tile, 0, x.strides[0], 0],
            vec![place(1, &family.units, false), place(3, &pattern.firsts, false)],
        );
        let gradient_strides = vec![vectors * dy.strides[1], 0, dy.strides[0], 0];
        let gradient = arg(dy, first * dy.strides[1], gradient_strides, Vec::new());
        let mut strides = strides.to_vec();
        strides.push(0);
        let call = correlate(task, views, tile, &pattern.from_first, [from, gradient, to(&strides, 3)], low)?;
        inner.push(Nest::new(vec![samples, pattern.firsts.len() as u64], vec![call]));
    }
    Ok(Nest::around(vec![tile.count, family.units.len() as u64], inner))
}

/// Sets a tile's gradients to 0.
fn zeros(
    tile: &Tile,
    positions: &[Place],
    to: CallArg,
    out: &View,
    low: &mut Lowering,
) -> Result<Call, LowerError> {
    let mut c = CallBuilder::new(format!("weight_grad_zero_v{}_p{}", tile.vectors, positions.len()));
    let to = c.ptr(to);
    let zero = c.b.splat(0.0);
    for &(_, place) in positions {
        for v in 0..tile.vectors as i64 {
            c.b.store(to.at(distance(place + v * out.strides[1])?), zero, LANES);
        }
    }
    Ok(c.finish(Spills::Refused, low))
}

/// Adds what a sample gives to a tile's gradients.
fn correlate(
    task: &WeightGrad,
    views: &Views,
    tile: &Tile,
    positions: &[Place],
    [from, gradient, to]: [CallArg; 3],
    low: &mut Lowering,
) -> Result<Call, LowerError> {
    let Views { x, dy, out } = views;
    let [sy, sx] = task.stride.map(i64::from);
    let (rows, columns) = (dy.dims[2] as i64, dy.dims[3] as i64);
    let what = if task.depthwise { "depthwise_grad" } else { "weight_grad" };
    let mut c = CallBuilder::new(format!("{what}_v{}_p{}", tile.vectors, positions.len()));
    let (from, gradient, to) = (c.ptr(from), c.ptr(gradient), c.ptr(to));
    let (rows, count) = (c.int(rows), c.int(columns));
    let next_row = c.int(sy * x.strides[2] - columns * sx * x.strides[3]);
    let next_gradients = c.int(dy.strides[2] - columns * dy.strides[3]);
    let at = |places: Place, v: i64| distance(places.1 + v * out.strides[1]);
    let vectors: Vec<i64> = (0..tile.vectors as i64).collect();
    let planes: Vec<i32> =
        vectors.iter().map(|v| distance(v * dy.strides[1])).collect::<Result<_, LowerError>>()?;
    let reads: Vec<i32> = positions.iter().map(|p| distance(p.0)).collect::<Result<_, LowerError>>()?;
    let (column, gradient_column) = (distance(sx * x.strides[3])?, distance(dy.strides[3])?);
    let sums: Vec<Vec<Vreg>> =
        positions.iter().map(|_| vectors.iter().map(|_| c.b.splat(0.0)).collect()).collect();
    c.b.repeat(Count::Int(rows), |b| {
        b.repeat(Count::Int(count), |b| {
            let gradients: Vec<Vreg> = planes.iter().map(|&p| b.load(gradient.at(p), LANES)).collect();
            for (sums, &read) in sums.iter().zip(&reads) {
                if task.depthwise {
                    for (&sum, &gradient) in sums.iter().zip(&gradients) {
                        b.fma(sum, gradient, from.at(read));
                    }
                } else {
                    let x = b.load_splat(from.at(read));
                    for (&sum, &gradient) in sums.iter().zip(&gradients) {
                        b.fma(sum, gradient, x);
                    }
                }
            }
            b.advance(from, column);
            b.advance(gradient, gradient_column);
        });
        b.advance_int(from, next_row);
        b.advance_int(gradient, next_gradients);
    });
    for (sums, &position) in sums.iter().zip(positions) {
        for (&sum, &v) in sums.iter().zip(&vectors) {
            let at = to.at(at(position, v)?);
            let total = c.b.binary(VecBinary::Add, sum, at);
            c.b.store(at, total, LANES);
        }
    }
    Ok(c.finish(Spills::Refused, low))
}
