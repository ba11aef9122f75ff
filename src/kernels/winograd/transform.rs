//! The one-dimensional transforms of Winograd's filtering as vector code, 8 channels at a time.
//!
//! `m` outputs of 3 taps from `m + 2` inputs are `Aᵀ ((G g) ⊙ (Bᵀ d))`. The matrices belong to the points 0,
//! ±1 and ∞ (`m = 2`), or 0, ±5/8, ±3/2 and ∞ (`m = 4`): with the usual ±1, ±2 errors are twice to six times
//! as large. Points of opposite sign share their even and odd parts. All constants of `Aᵀ` and `Bᵀ` are exact.

use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{VecBinary, Vreg};
use crate::plan::task::WinogradTile;

/// The points of `m = 4` beside 0 and ∞ are ±[`A`] and ±[`B`].
pub(super) const A: f32 = 0.625;
/// See [`A`].
pub(super) const B: f32 = 1.5;

/// A transform with its constants in registers.
pub(super) struct Transform {
    kind: Kind,
    tile: WinogradTile,
    held: Vec<Vreg>,
}

#[derive(Clone, Copy)]
enum Kind {
    Input,
    Weights,
    Output,
}

impl Transform {
    /// `Bᵀ d`
    pub(super) fn input(k: &mut KernelBuilder, tile: WinogradTile) -> Transform {
        let held = match tile {
            WinogradTile::Two => Vec::new(),
            WinogradTile::Four => {
                vec![A, -A * B * B, B, -B * A * A, -B * B, -A * A, -(A * A + B * B), A * A * B * B]
            }
        };
        Transform::new(k, Kind::Input, tile, &held)
    }

    /// `G g`
    pub(super) fn weights(k: &mut KernelBuilder, tile: WinogradTile) -> Transform {
        let held = match tile {
            WinogradTile::Two => vec![0.5],
            WinogradTile::Four => {
                let (a, b) = (f64::from(A), f64::from(B));
                // The reciprocal of a point's distances from all others.
                let of = |p: f64, q: f64| 1.0 / (2.0 * p * p * (p * p - q * q));
                let (na, nb) = (of(a, b), of(b, a));
                [1.0 / (a * a * b * b), na, a * a * na, a * na, nb, b * b * nb, b * nb]
                    .map(|c| c as f32)
                    .to_vec()
            }
        };
        Transform::new(k, Kind::Weights, tile, &held)
    }

    /// `Aᵀ p`
    pub(super) fn output(k: &mut KernelBuilder, tile: WinogradTile) -> Transform {
        let held = match tile {
            WinogradTile::Two => Vec::new(),
            WinogradTile::Four => vec![A, B, A * A, B * B, A * A * A, B * B * B],
        };
        Transform::new(k, Kind::Output, tile, &held)
    }

    fn new(k: &mut KernelBuilder, kind: Kind, tile: WinogradTile, constants: &[f32]) -> Transform {
        Transform { kind, tile, held: constants.iter().map(|&c| k.splat(c)).collect() }
    }

    /// The transform of `m + 2` inputs, 3 weights or `m + 2` products, as `m + 2` or `m` values.
    pub(super) fn apply(&self, k: &mut KernelBuilder, from: &[Vreg]) -> Vec<Vreg> {
        match (self.kind, self.tile) {
            (Kind::Input, WinogradTile::Two) => input_two(k, from),
            (Kind::Input, WinogradTile::Four) => input_four(k, &self.held, from),
            (Kind::Weights, WinogradTile::Two) => weights_two(k, &self.held, from),
            (Kind::Weights, WinogradTile::Four) => weights_four(k, &self.held, from),
            (Kind::Output, WinogradTile::Two) => output_two(k, from),
            (Kind::Output, WinogradTile::Four) => output_four(k, &self.held, from),
        }
    }
}

fn add(k: &mut KernelBuilder, a: Vreg, b: Vreg) -> Vreg {
    k.binary(VecBinary::Add, a, b)
}

fn sub(k: &mut KernelBuilder, a: Vreg, b: Vreg) -> Vreg {
    k.binary(VecBinary::Sub, a, b)
}

/// `a · b + c`
fn fma(k: &mut KernelBuilder, a: Vreg, b: Vreg, c: Vreg) -> Vreg {
    let sum = k.copy(c);
    k.fma(sum, a, b);
    sum
}

/// `a · b + c · d`
fn dot(k: &mut KernelBuilder, a: Vreg, b: Vreg, c: Vreg, d: Vreg) -> Vreg {
    let sum = k.binary(VecBinary::Mul, a, b);
    k.fma(sum, c, d);
    sum
}

fn input_two(k: &mut KernelBuilder, d: &[Vreg]) -> Vec<Vreg> {
    vec![sub(k, d[0], d[2]), add(k, d[1], d[2]), sub(k, d[2], d[1]), sub(k, d[3], d[1])]
}

fn input_four(k: &mut KernelBuilder, c: &[Vreg], d: &[Vreg]) -> Vec<Vreg> {
    // The odd and the even part at ±A, then at ±B.
    let odd_a = dot(k, d[3], c[0], d[1], c[1]);
    let odd_b = dot(k, d[3], c[2], d[1], c[3]);
    let last = fma(k, d[3], c[6], d[5]);
    k.fma(last, d[1], c[7]);
    let even_a = fma(k, d[2], c[4], d[4]);
    let even_b = fma(k, d[2], c[5], d[4]);
    let first = fma(k, d[2], c[6], d[4]);
    k.fma(first, d[0], c[7]);
    vec![
        first,
        add(k, even_a, odd_a),
        sub(k, even_a, odd_a),
        add(k, even_b, odd_b),
        sub(k, even_b, odd_b),
        last,
    ]
}

fn weights_two(k: &mut KernelBuilder, c: &[Vreg], g: &[Vreg]) -> Vec<Vreg> {
    let ends = add(k, g[0], g[2]);
    let even = k.binary(VecBinary::Mul, ends, c[0]);
    let odd = k.binary(VecBinary::Mul, g[1], c[0]);
    vec![g[0], add(k, even, odd), sub(k, even, odd), g[2]]
}

fn weights_four(k: &mut KernelBuilder, c: &[Vreg], g: &[Vreg]) -> Vec<Vreg> {
    let first = k.binary(VecBinary::Mul, g[0], c[0]);
    let mut all = vec![first];
    for c in [&c[1..4], &c[4..7]] {
        let even = dot(k, g[0], c[0], g[2], c[1]);
        let odd = k.binary(VecBinary::Mul, g[1], c[2]);
        all.extend([add(k, even, odd), sub(k, even, odd)]);
    }
    all.push(g[2]);
    all
}

fn output_two(k: &mut KernelBuilder, p: &[Vreg]) -> Vec<Vreg> {
    let (even, odd) = (add(k, p[1], p[2]), sub(k, p[1], p[2]));
    vec![add(k, p[0], even), add(k, odd, p[3])]
}

fn output_four(k: &mut KernelBuilder, c: &[Vreg], p: &[Vreg]) -> Vec<Vreg> {
    let (even_a, odd_a) = (add(k, p[1], p[2]), sub(k, p[1], p[2]));
    let (even_b, odd_b) = (add(k, p[3], p[4]), sub(k, p[3], p[4]));
    let both = add(k, even_a, even_b);
    let last = fma(k, odd_a, c[4], p[5]);
    k.fma(last, odd_b, c[5]);
    vec![add(k, p[0], both), dot(k, odd_a, c[0], odd_b, c[1]), dot(k, even_a, c[2], even_b, c[3]), last]
}
