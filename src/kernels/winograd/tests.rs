use proptest::prelude::*;

use super::chunks::{Cut, cuts};
use super::{lower, lower_tiles, pack};
use crate::graph::BinaryOp;
use crate::kernels::testbed::{At, Bed, cases, halos};
use crate::plan::task::{
    Epilogue, Operand, PackWinograd, Pointwise, PointwiseOp, Tiles, Winograd, WinogradTile,
};
use crate::plan::{BufferId, Fill, Halo, LayoutKind};

/// An output by taps, and what its bound is proportional to: the largest input of its tile times the sum of the
/// weights' magnitudes.
fn exact(bed: &Bed, task: &Winograd, weight: impl Fn(i64, i64, i64) -> f32, at: At) -> (f64, f64) {
    let [n, o, row, column] = at;
    let bias = task.bias.map_or(0.0, |bias| f64::from(bed.get(bias, [0, o, 0, 0])));
    let (mut sum, mut most) = (bias, 0.0f64);
    let mut weights = 0.0;
    let m = i64::from(task.tiles.tile.outputs());
    let (x, origin) = (task.tiles.x, task.tiles.origin.map(i64::from));
    let apart = task.tiles.dilation.map(i64::from);
    // The `i`-th input of the tile that has output `at` along an axis.
    let input = |axis: usize, at: i64, i: i64| {
        let (phase, number) = (at % apart[axis], at / apart[axis]);
        origin[axis] + phase + (number / m * m + i) * apart[axis]
    };
    for c in 0..bed.dims(x)[1] {
        for tap in 0..9 {
            let at = [n, c, row + tap / 3 * apart[0] + origin[0], column + tap % 3 * apart[1] + origin[1]];
            let weight = f64::from(weight(o, c, tap));
            sum += f64::from(bed.get(x, at)) * weight;
            weights += weight.abs();
        }
        for i in 0..(m + 2) * (m + 2) {
            let at = [n, c, input(0, row, i / (m + 2)), input(1, column, i % (m + 2))];
            most = most.max(f64::from(bed.get(x, at)).abs());
        }
    }
    (sum, most * weights + bias.abs())
}

#[derive(Clone, Debug)]
struct Case {
    tile: WinogradTile,
    leads: u64,
    channels: [u64; 2],
    out: [u64; 2],
    origin: [i32; 2],
    dilation: [u32; 2],
    /// For phases of each size.
    chunk: [[u32; 5]; 4],
    panels: u32,
    vectors: u32,
    halo: Halo,
    biased: bool,
    operand: bool,
    shared: bool,
    transposed: bool,
}

/// The transformed inputs in a buffer of their own.
fn transform(bed: &mut Bed, tiles: &Tiles) -> BufferId {
    let blocks = (bed.dims(tiles.x)[1] as u64).div_ceil(8);
    let floats = tiles.chunks() * tiles.chunk_bytes(blocks) / 4;
    let out = bed.buffer([1, 1, 1, floats], LayoutKind::Planar, Halo::NONE);
    bed.run(out, |_, _| true, |low| lower_tiles(tiles, out, low));
    out
}

fn check(case: &Case) {
    let mut bed = Bed::new();
    let m = case.tile.outputs();
    // As much halo as the last tiles read: those of the last phase that is as long as the first.
    let reach = |a: usize| {
        let (n, d) = (case.out[a] as u32, case.dilation[a]);
        let long = d.min(if n.is_multiple_of(d) { d } else { n % d });
        let tiles = |phase: u32| (n - phase).div_ceil(d).div_ceil(m);
        let ends = [long, d.min(n)].map(|p| p + d * (tiles(p - 1) * m + 1));
        ends.into_iter().max().unwrap_or(0) as i32 + case.origin[a]
    };
    let size = [0, 1].map(|a| reach(a).max(1) as u64);
    let [top, left] = case.origin.map(|o| (-o).max(0) as u32);
    let halo = Halo { top, bottom: 0, left, right: 0, fill: Fill::Zero };
    let [c, o] = case.channels;
    let x = bed.random([case.leads, c, size[0], size[1]], LayoutKind::Blocked, halo, true);
    let [first, second] = if case.transposed { [c, o] } else { [o, c] };
    let w = bed.random([1, first, second, 9], LayoutKind::Planar, Halo::NONE, false);
    let pack = PackWinograd {
        w,
        transposed: case.transposed,
        tile: case.tile,
        out_channels: o,
        in_channels: c,
        vectors: case.vectors,
    };
    let floats = pack.panels().bytes() / 4 * u64::from(case.tile.positions());
    let u = bed.buffer([1, 1, 1, floats], LayoutKind::Planar, Halo::NONE);
    bed.run(u, |_, _| true, |low| pack::lower(&pack, u, low));
    let bias = case.biased.then(|| bed.random([1, o, 1, 1], LayoutKind::Blocked, Halo::NONE, false));
    let dims = [case.leads, o, case.out[0], case.out[1]];
    let operand = case.operand.then(|| bed.random(dims, LayoutKind::Blocked, case.halo, false));
    let expr = operand.map(|operand| Pointwise {
        inputs: vec![Operand::Sum, Operand::Buffer(operand)],
        ops: vec![PointwiseOp::Operand(0), PointwiseOp::Operand(1), PointwiseOp::Binary(BinaryOp::Sub, 1, 0)],
    });
    let tiles = Tiles {
        x,
        tile: case.tile,
        origin: case.origin,
        dilation: case.dilation,
        pictures: case.leads,
        out: case.out,
        chunk: Vec::new(),
    };
    let tiles = with_chunks(tiles, &case.chunk);
    let transformed = case.shared.then(|| transform(&mut bed, &tiles));
    let task = Winograd {
        tiles,
        transformed,
        w: u,
        bias,
        panels: case.panels,
        vectors: case.vectors,
        epilogue: Epilogue { expr },
    };
    let out = bed.buffer(dims, LayoutKind::Blocked, case.halo);
    bed.run(out, |bed, at| bed.is_inside(out, at), |low| lower(&task, out, low));
    for at in bed.elements(out) {
        if !bed.is_inside(out, at) {
            continue;
        }
        let actual = f64::from(bed.get(out, at));
        if at[1] >= o as i64 {
            assert_eq!(actual, 0.0, "padding at {at:?}");
            continue;
        }
        let (sum, magnitude) = exact(
            &bed,
            &task,
            |o, c, tap| {
                if case.transposed { bed.get(w, [0, c, o, 8 - tap]) } else { bed.get(w, [0, o, c, tap]) }
            },
            at,
        );
        let expected = operand.map_or(sum, |operand| f64::from(bed.get(operand, at)) - sum);
        let bound = (40.0 + c as f64) * 2f64.powi(-24) * magnitude * case.tile.growth() + 1e-6;
        assert!((actual - expected).abs() <= bound, "{actual}, not {expected} at {at:?}, {bound}");
    }
}

fn chunk() -> impl Strategy<Value = [u32; 5]> {
    [1..3u32, 1..4u32, 1..3u32, 1..4u32, 1..5u32]
}

/// Chunks for the phases of each size that there are.
fn with_chunks(mut tiles: Tiles, chunk: &[[u32; 5]]) -> Tiles {
    let sizes = tiles.classes().len();
    tiles.chunk = chunk.iter().copied().cycle().take(sizes).collect();
    tiles
}

fn tiles() -> impl Strategy<Value = WinogradTile> {
    prop_oneof![Just(WinogradTile::Two), Just(WinogradTile::Four)]
}

prop_compose! {
    fn any_case()(
        tile in tiles(),
        leads in 1..3u64,
        channels in [1..20u64, 1..42u64],
        out in [1..14u64, 1..20u64],
        dilation in prop_oneof![Just([1, 1]), [1..4u32, 1..4u32]],
        origin in [-4..3i32, -4..3i32],
        chunk in [chunk(), chunk(), chunk(), chunk()],
        panels in 1..4u32,
        vectors in 1..4u32,
        halo in halos(2),
        biased: bool,
        operand: bool,
        transposed: bool,
        shared: bool,
    ) -> Case {
        Case { tile, leads, channels, out, origin, dilation, chunk, panels, vectors, halo, biased, operand, shared, transposed }
    }
}

proptest! {
    #![proptest_config(cases(48))]
    #[test]
    fn filters_as_taps_do(case in any_case()) {
        check(&case);
    }

    #[test]
    fn chunks_cover_everything_once(outputs in 1..200u64, size in 1..9u64, tile in 2..5u64) {
        let cuts = cuts(outputs, tile, size);
        let mut next = 0;
        for (i, Cut { first, size: tiles, count, edge }) in cuts.iter().copied().enumerate() {
            prop_assert_eq!(first, next);
            prop_assert!(count > 0 && (1..=size).contains(&tiles));
            prop_assert!(edge.is_none() || count == 1 && i + 1 == cuts.len());
            next += tiles * count;
        }
        prop_assert_eq!(next, outputs.div_ceil(tile));
        let rest = outputs % tile;
        prop_assert_eq!(cuts.last().and_then(|cut| cut.edge), (rest > 0).then_some(rest));
    }
}

/// The output of a chunk of one tile and of many is the same to the bit.
#[test]
fn chunks_change_no_bit() {
    let result = |dilation: [u32; 2], chunk: [u32; 5], panels: u32, shared: bool| {
        let mut bed = Bed::new();
        let x = bed.random([3, 19, 32, 38], LayoutKind::Blocked, Halo::NONE, false);
        let w = bed.random([1, 40, 19, 9], LayoutKind::Planar, Halo::NONE, false);
        let tile = WinogradTile::Four;
        let pack = PackWinograd { w, transposed: false, tile, out_channels: 40, in_channels: 19, vectors: 2 };
        let floats = pack.panels().bytes() / 4 * u64::from(tile.positions());
        let u = bed.buffer([1, 1, 1, floats], LayoutKind::Planar, Halo::NONE);
        bed.run(u, |_, _| true, |low| pack::lower(&pack, u, low));
        let tiles =
            Tiles { x, tile, origin: [0, 0], dilation, pictures: 3, out: [19, 21], chunk: Vec::new() };
        let tiles = with_chunks(tiles, &[chunk]);
        let transformed = shared.then(|| transform(&mut bed, &tiles));
        let task = Winograd {
            tiles,
            transformed,
            w: u,
            bias: None,
            panels,
            vectors: 2,
            epilogue: Epilogue::default(),
        };
        let out = bed.buffer([3, 40, 19, 21], LayoutKind::Blocked, Halo::NONE);
        bed.run(out, |_, _| true, |low| lower(&task, out, low));
        bed.elements(out).into_iter().map(|at| bed.get(out, at).to_bits()).collect::<Vec<u32>>()
    };
    for dilation in [[1, 1], [2, 3]] {
        let whole = result(dilation, [1, 9, 1, 1, 9], 9, false);
        for shared in [false, true] {
            for chunk in [[1, 1, 1, 1, 1], [1, 2, 1, 1, 3], [2, 9, 1, 3, 9], [3, 2, 2, 1, 2], [2, 1, 2, 2, 2]]
            {
                assert!(whole == result(dilation, chunk, 2, shared), "{dilation:?} {chunk:?}");
            }
        }
    }
}

/// The matrices of a set of points and ∞, from their definition: `Aᵀ`, `G` and `Bᵀ` with `m + 2` columns, rows
/// and rows.
fn matrices(points: &[f64], m: usize) -> [Vec<Vec<f64>>; 3] {
    // The coefficients of the product of `x − p` over some points.
    let product = |skip: Option<usize>| {
        let mut c = vec![1.0];
        for (_, p) in points.iter().enumerate().filter(|(i, _)| Some(*i) != skip) {
            let mut next = vec![0.0; c.len() + 1];
            for (k, &value) in c.iter().enumerate() {
                next[k] -= p * value;
                next[k + 1] += value;
            }
            c = next;
        }
        c.resize(points.len() + 1, 0.0);
        c
    };
    let (mut a, mut g, mut b) = (Vec::new(), Vec::new(), Vec::new());
    for (i, p) in points.iter().enumerate() {
        let apart: f64 = points.iter().enumerate().filter(|(k, _)| *k != i).map(|(_, q)| p - q).product();
        a.push((0..m).map(|k| p.powi(k as i32)).collect());
        g.push((0..3).map(|k| p.powi(k) / apart).collect());
        b.push(product(Some(i)));
    }
    a.push((0..m).map(|k| f64::from(u8::from(k + 1 == m))).collect());
    g.push(vec![0.0, 0.0, 1.0]);
    b.push(product(None));
    [a, g, b]
}

#[test]
fn growth_is_that_of_the_matrices() {
    let (a, b) = (f64::from(super::transform::A), f64::from(super::transform::B));
    for (tile, points) in
        [(WinogradTile::Two, vec![0.0, 1.0, -1.0]), (WinogradTile::Four, vec![0.0, a, -a, b, -b])]
    {
        let m = tile.outputs() as usize;
        let [at, g, bt] = matrices(&points, m);
        let sum = |p: usize| -> f64 { bt[p].iter().map(|x| x.abs()).sum() };
        let of =
            |i: usize, j: usize| -> f64 { (0..m + 2).map(|p| (at[p][i] * g[p][j]).abs() * sum(p)).sum() };
        let pairs = (0..m).flat_map(|i| (0..3).map(move |j| (i, j)));
        let most = pairs.map(|(i, j)| of(i, j)).fold(0.0, f64::max);
        let growth = most * most;
        assert!(growth <= tile.growth() && growth > tile.growth() - 1.0, "{growth}");
    }
}
