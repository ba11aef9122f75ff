//! Resampling of one axis as a table: which input elements an output position reads, with which weights.
//!
//! The tables are all that [`super::Op::Resize`] means: an output element is
//! `Σ_i Σ_j wh_i · ww_j · x[h_i, w_j]` with one table for the rows and one for the columns. The
//! evaluator and the code generators both read them, so a mode is defined here and nowhere else.
//!
//! With `n` input and `m` output elements and the factor `s`, output position `o` looks at
//! the coordinate
//!
//! - half pixel: `(o + 0.5)/s − 0.5`
//! - asymmetric: `o/s`
//! - align corners: `o·(n − 1)/(m − 1)`, 0 where m = 1
//!
//! A factor that is the quotient of the sizes, `s = m/n`, is not rounded: the coordinate is then the
//! nearest f64 to the rational number, so that a coordinate that falls on an element does so exactly.
//!
//! Around the coordinate `c`, with `f = floor(c)` and `t = c − f`:
//!
//! - nearest: one element, `c` rounded as [`Nearest`] says and clamped to `0 ..= n − 1`
//! - linear: `c` is clamped to `0 ..= n − 1` first; weights `1 − t` at `f` and `t` at `f + 1`
//! - cubic: Keys' kernel with parameter `a` at `f − 1 ..= f + 2`, indices clamped (R. Keys, 1981):
//!   `(a + 2)|u|³ − (a + 3)|u|² + 1` for `|u| ≤ 1`, `a|u|³ − 5a|u|² + 8a|u| − 4a` for `|u| < 2`
//!
//! Nearest-floor-asymmetric is PyTorch's `nearest`, linear and cubic with half pixels its
//! `bilinear` and `bicubic` (`align_corners=False`); all are ONNX's `Resize` without antialiasing.

use super::{Coordinates, Nearest, Resize, ResizeMode};

/// One input element that an output position reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tap {
    /// Its index along the axis, below `n`.
    pub index: u64,
    /// Its factor, never 0.
    pub weight: f64,
}

/// The taps of each of the `m` output positions along axis 0 (h) or 1 (w) of a resize, in
/// increasing order of index; from one to four each. `n` and `m` are at least 1.
pub fn taps(resize: &Resize, axis: usize, n: u64, m: u64) -> Vec<Vec<Tap>> {
    (0..m).map(|o| taps_at(resize, axis, n, m, o)).collect()
}

/// The taps of one output position; see [`taps`].
pub fn taps_at(resize: &Resize, axis: usize, n: u64, m: u64, o: u64) -> Vec<Tap> {
    let scale = resize.scale.get(axis).copied().unwrap_or(1.0);
    let c = coordinate(resize.coordinates, scale, n, m, o);
    match resize.mode {
        ResizeMode::Nearest(rounding) => vec![Tap { index: nearest(rounding, c, n), weight: 1.0 }],
        ResizeMode::Linear => linear(c, n),
        ResizeMode::Cubic { a } => cubic(c, n, f64::from(a)),
    }
}

/// The input coordinate of output position `o`.
fn coordinate(coordinates: Coordinates, scale: f64, n: u64, m: u64, o: u64) -> f64 {
    let (nf, mf, of) = (n as f64, m as f64, o as f64);
    let exact = scale == mf / nf;
    match coordinates {
        Coordinates::AlignCorners if m == 1 => 0.0,
        Coordinates::AlignCorners => of * (nf - 1.0) / (mf - 1.0),
        Coordinates::Asymmetric if exact => of * nf / mf,
        Coordinates::Asymmetric => of / scale,
        Coordinates::HalfPixel if exact => ((2.0 * of + 1.0) * nf - mf) / (2.0 * mf),
        Coordinates::HalfPixel => (of + 0.5) / scale - 0.5,
        Coordinates::HalfPixelSymmetric => {
            // The output's length that the factor asks for may not be whole: what it lacks goes to both ends.
            let adjustment = mf / (scale * nf);
            nf / 2.0 * (1.0 - adjustment) + (of + 0.5) / scale - 0.5
        }
        Coordinates::PytorchHalfPixel if m == 1 => 0.0,
        Coordinates::PytorchHalfPixel => coordinate(Coordinates::HalfPixel, scale, n, m, o),
        Coordinates::TfHalfPixelForNn => coordinate(Coordinates::HalfPixel, scale, n, m, o) + 0.5,
        Coordinates::TfCropAndResize { .. } => 0.0,
    }
}

/// An index clamped to the axis. `i` is whole and may be out of range; NaN gives 0.
fn clamp(i: f64, n: u64) -> u64 {
    // A cast of a float saturates: below 0 gives 0.
    (i as u64).min(n.saturating_sub(1))
}

fn nearest(rounding: Nearest, c: f64, n: u64) -> u64 {
    let i = match rounding {
        Nearest::Floor => c.floor(),
        Nearest::Ceil => c.ceil(),
        Nearest::RoundPreferFloor => (c - 0.5).ceil(),
        Nearest::RoundPreferCeil => (c + 0.5).floor(),
    };
    clamp(i, n)
}

fn linear(c: f64, n: u64) -> Vec<Tap> {
    let c = c.clamp(0.0, n.saturating_sub(1) as f64);
    let f = c.floor();
    gather(&[(f, 1.0 - (c - f)), (f + 1.0, c - f)], n)
}

fn cubic(c: f64, n: u64, a: f64) -> Vec<Tap> {
    let f = c.floor();
    let t = c - f;
    let near = |u: f64| ((a + 2.0) * u - (a + 3.0)) * u * u + 1.0;
    let far = |u: f64| ((a * u - 5.0 * a) * u + 8.0 * a) * u - 4.0 * a;
    gather(&[(f - 1.0, far(t + 1.0)), (f, near(t)), (f + 1.0, near(1.0 - t)), (f + 2.0, far(2.0 - t))], n)
}

/// Clamps the indices, adds up the weights of equal ones and leaves out those that are 0: an
/// element that does not count must not spread its NaN.
fn gather(points: &[(f64, f64)], n: u64) -> Vec<Tap> {
    let mut taps: Vec<Tap> = Vec::with_capacity(points.len());
    for &(i, weight) in points {
        let index = clamp(i, n);
        match taps.last_mut() {
            Some(last) if last.index == index => last.weight += weight,
            _ => taps.push(Tap { index, weight }),
        }
    }
    taps.retain(|t| t.weight != 0.0);
    taps
}

#[cfg(test)]
mod tests;
