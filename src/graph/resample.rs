//! Resampling of one axis as a table: which input elements an output position reads, with which weights.
//!
//! The tables are all that [`super::Op::Resize`] means: an output element is
//! `Σ_i Σ_j wh_i · ww_j · x[h_i, w_j]` with one table for the rows and one for the columns. The
//! evaluator and the code generators both read them, so a mode is defined here and nowhere else.
//!
//! The coordinate that output position `o` of `m` looks at is said by [`Coordinates`], with the factor `s` and
//! `n` input elements. A factor that is the quotient of the sizes, `s = m/n`, is not rounded: the coordinate
//! is then the nearest f64 to the rational number, so that one that falls on an element does so exactly.
//!
//! Around the coordinate `c`, with `f = floor(c)` and `t = c − f`:
//!
//! - nearest: one element, `c` rounded as [`Nearest`] says and clamped to `0 ..= n − 1`
//! - linear: weights `1 − t` at `f` and `t` at `f + 1`
//! - cubic: Keys' kernel with parameter `a` at `f − 1 ..= f + 2` (R. Keys, 1981):
//!   `(a + 2)|u|³ − (a + 3)|u|² + 1` for `|u| ≤ 1`, `a|u|³ − 5a|u|² + 8a|u| − 4a` for `|u| < 2`
//!
//! With `antialias` and `s < 1` the kernel is stretched by `1/s`: the weight of element `i` is that of
//! `u = (i − c)·s`, for all `|u|` below the kernel's reach (1 or 2), scaled so that the weights sum to 1.
//! Elements outside of the input are those at its edge, or with `exclude_outside` do not count, and the
//! weights of the others are scaled to sum to 1. A position that `tf_crop_and_resize` puts outside of
//! `0 ..= n − 1` reads nothing: it gets [`extrapolation`].
//!
//! An adjoint reads by the transposed tables of the resize from `m` elements to `n`: an output position reads
//! every position that this one would be read for, by the same weight. One that none is read for gets 0.
//!
//! All this is what ONNX's reference implementation of `Resize` does. Nearest-floor-asymmetric is PyTorch's
//! `nearest`, linear and cubic with half pixels its `bilinear` and `bicubic` (`align_corners=False`).

use super::{Coordinates, Nearest, Resize, ResizeMode};
use crate::limits;

/// One input element that an output position reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tap {
    /// Its index along the axis, below `n`.
    pub index: u64,
    /// Its factor, never 0.
    pub weight: f64,
}

/// The smallest factor by which a kernel is stretched.
const LEAST_SCALE: f64 = 1.0 / (1 << 22) as f64;

/// The taps of each of the `m` output positions along axis 0 (h) or 1 (w) of a resize, in
/// increasing order of index. A position without taps lies outside: the output there is
/// [`extrapolation`], whatever the other axis says. `n` and `m` are at least 1.
pub fn taps(resize: &Resize, axis: usize, n: u64, m: u64) -> Vec<Vec<Tap>> {
    if !resize.adjoint {
        return (0..m).map(|o| taps_at(resize, axis, n, m, o)).collect();
    }
    let mut transposed = vec![Vec::new(); m as usize];
    for index in 0..n {
        for Tap { index: o, weight } in taps_at(resize, axis, m, n, index) {
            transposed[o as usize].push(Tap { index, weight });
        }
    }
    transposed
}

/// Whether the table of a resize's adjoint, from `m` elements back to `n`, has no more entries than texts may ask
/// for. Rows are as long as the longest.
pub fn adjoint_fits(resize: &Resize, axis: usize, n: u64, m: u64) -> bool {
    let limit = limits::TAPS_TOTAL as u64;
    if n.max(m) > limit {
        return false;
    }
    let mut counts = vec![0u64; n as usize];
    for tap in (0..m).flat_map(|o| taps_at(resize, axis, n, m, o)) {
        counts[tap.index as usize] += 1;
    }
    counts.into_iter().max().unwrap_or(0).saturating_mul(n) <= limit
}

/// What positions without taps get.
pub fn extrapolation(resize: &Resize) -> f32 {
    match resize.coordinates {
        _ if resize.adjoint => 0.0,
        Coordinates::TfCropAndResize { extrapolation, .. } => extrapolation,
        _ => 0.0,
    }
}

/// An upper bound of the taps of one output position.
pub fn most_taps(resize: &Resize, axis: usize) -> f64 {
    let reach = match resize.mode {
        ResizeMode::Nearest(_) => return 1.0,
        ResizeMode::Linear => 1.0,
        ResizeMode::Cubic { .. } => 2.0,
    };
    2.0 * reach / stretch(resize, axis) + 1.0
}

/// The factor that arguments of the kernel are multiplied by, at most 1.
fn stretch(resize: &Resize, axis: usize) -> f64 {
    let scale = resize.scale.get(axis).copied().unwrap_or(1.0);
    if resize.antialias { scale.clamp(LEAST_SCALE, 1.0) } else { 1.0 }
}

/// The taps of one output position, see [`taps`], of what is no adjoint.
pub fn taps_at(resize: &Resize, axis: usize, n: u64, m: u64, o: u64) -> Vec<Tap> {
    let scale = resize.scale.get(axis).copied().unwrap_or(1.0);
    let c = match resize.coordinates {
        Coordinates::TfCropAndResize { roi, .. } => {
            let c = cropped(roi.get(axis).copied().unwrap_or([0.0, 1.0]), n, m, o);
            if !(0.0..=n.saturating_sub(1) as f64).contains(&c) {
                return Vec::new();
            }
            c
        }
        coordinates => coordinate(coordinates, scale, n, m, o),
    };
    let stretch = stretch(resize, axis);
    let points = match resize.mode {
        ResizeMode::Nearest(rounding) => {
            return vec![Tap { index: nearest(rounding, c, n), weight: 1.0 }];
        }
        ResizeMode::Linear => around(c, 1.0, stretch, |u| 1.0 - u),
        ResizeMode::Cubic { a } => around(c, 2.0, stretch, |u| keys(u, f64::from(a))),
    };
    weigh(points, c, n, resize.exclude_outside, stretch < 1.0)
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
        Coordinates::TfCropAndResize { roi: [side, _], .. } => cropped(side, n, m, o),
    }
}

/// The coordinate in a part of the axis, `[start, end]` as shares of it.
fn cropped([start, end]: [f32; 2], n: u64, m: u64, o: u64) -> f64 {
    let (start, end, last) = (f64::from(start), f64::from(end), n.saturating_sub(1) as f64);
    if m == 1 {
        return (start + end) / 2.0 * last;
    }
    start * last + o as f64 * (end - start) * last / (m as f64 - 1.0)
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

/// Keys' cubic kernel at a distance of 0 to 2.
fn keys(u: f64, a: f64) -> f64 {
    if u <= 1.0 {
        ((a + 2.0) * u - (a + 3.0)) * u * u + 1.0
    } else {
        ((a * u - 5.0 * a) * u + 8.0 * a) * u - 4.0 * a
    }
}

/// The elements within `reach / stretch` of a coordinate, each with the kernel's value at its distance times `stretch`.
fn around(c: f64, reach: f64, stretch: f64, kernel: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    let (f, radius) = (c.floor(), reach / stretch);
    // Distances are taken from the fraction: it is exact, and coordinates may be large.
    let t = c - f;
    let mut points = Vec::new();
    let mut i = -(radius - t).floor();
    while i - t < radius {
        points.push((f + i, kernel((i - t).abs() * stretch)));
        i += 1.0;
    }
    points
}

/// Clamps the indices, or leaves out those outside, adds up the weights of equal ones, scales the sum to
/// 1 if asked to, and drops weights of 0: an element that does not count must not spread its NaN.
fn weigh(points: Vec<(f64, f64)>, c: f64, n: u64, exclude_outside: bool, scaled: bool) -> Vec<Tap> {
    let last = n.saturating_sub(1) as f64;
    let inside = |i: f64| (0.0..=last).contains(&i);
    let mut taps: Vec<Tap> = Vec::with_capacity(points.len());
    for (i, weight) in points {
        if exclude_outside && !inside(i) {
            continue;
        }
        let index = clamp(i, n);
        match taps.last_mut() {
            Some(last) if last.index == index => last.weight += weight,
            _ => taps.push(Tap { index, weight }),
        }
    }
    if let [only] = taps.as_mut_slice() {
        only.weight = 1.0;
    } else if exclude_outside || scaled {
        let sum: f64 = taps.iter().map(|t| t.weight).sum();
        taps.iter_mut().for_each(|t| t.weight /= sum);
    }
    taps.retain(|t| t.weight != 0.0);
    if taps.iter().all(|t| t.weight.is_finite()) && !taps.is_empty() {
        return taps;
    }
    // All of the weight lay outside.
    vec![Tap { index: clamp(c.round(), n), weight: 1.0 }]
}

#[cfg(test)]
pub(crate) mod reference;
#[cfg(test)]
mod tests;
