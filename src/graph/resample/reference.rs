//! ONNX's reference implementation of `Resize` along one axis, written after its Python
//! (onnx/reference/ops/op_resize.py, Apache-2.0): what the tables are held to.

use crate::graph::{Coordinates, Nearest, Resize, ResizeMode};

/// The value of output `o` of `m`, from a line of `n` elements.
pub(crate) fn sample(resize: &Resize, axis: usize, n: i64, m: i64, o: i64, line: &dyn Fn(i64) -> f64) -> f64 {
    let (scale, x) = (resize.scale[axis], o as f64);
    // The quotient of the sizes stands for itself, as the tables have it.
    let exact = scale == m as f64 / n as f64;
    let (nf, mf) = (n as f64, m as f64);
    let half_pixel = if exact { ((2.0 * x + 1.0) * nf - mf) / (2.0 * mf) } else { (x + 0.5) / scale - 0.5 };
    let original = match resize.coordinates {
        Coordinates::AlignCorners => {
            if m == 1 {
                0.0
            } else {
                x * (nf - 1.0) / (mf - 1.0)
            }
        }
        Coordinates::Asymmetric => {
            if exact {
                x * nf / mf
            } else {
                x / scale
            }
        }
        Coordinates::TfCropAndResize { roi, extrapolation } => {
            let [start, end] = roi[axis].map(f64::from);
            let inside = if m == 1 {
                (start + end) / 2.0 * (nf - 1.0)
            } else {
                start * (nf - 1.0) + x * (end - start) * (nf - 1.0) / (mf - 1.0)
            };
            if inside < 0.0 || inside > nf - 1.0 {
                return f64::from(extrapolation);
            }
            inside
        }
        Coordinates::PytorchHalfPixel if m == 1 => 0.0,
        Coordinates::PytorchHalfPixel | Coordinates::HalfPixel => half_pixel,
        Coordinates::TfHalfPixelForNn => half_pixel + 0.5,
        Coordinates::HalfPixelSymmetric => nf / 2.0 * (1.0 - mf / (scale * nf)) + (x + 0.5) / scale - 0.5,
    };
    // The element on the left of a whole coordinate comes first.
    let ratio = if original.fract() == 0.0 { 1.0 } else { original - original.floor() };
    let mut weights = coefficients(resize, ratio, scale);
    let count = weights.len() as i64;
    let first = original.ceil() as i64 - count / 2;
    let indices: Vec<i64> = (first..first + count).collect();
    if resize.exclude_outside {
        for (weight, index) in weights.iter_mut().zip(&indices) {
            if !(0..n).contains(index) {
                *weight = 0.0;
            }
        }
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|w| *w /= sum);
    }
    let points = indices.iter().map(|&i| line(i.clamp(0, n - 1)));
    weights.iter().zip(points).map(|(w, p)| w * p).sum()
}

fn coefficients(resize: &Resize, ratio: f64, scale: f64) -> Vec<f64> {
    let scale = if resize.antialias { scale.min(1.0) } else { 1.0 };
    match resize.mode {
        ResizeMode::Nearest(rounding) => {
            let right = match rounding {
                _ if ratio == 1.0 => true,
                Nearest::RoundPreferFloor => ratio > 0.5,
                Nearest::RoundPreferCeil => ratio >= 0.5,
                Nearest::Floor => false,
                Nearest::Ceil => true,
            };
            if right { vec![0.0, 1.0] } else { vec![1.0, 0.0] }
        }
        ResizeMode::Linear => {
            let start = (-1.0 / scale).floor() as i64 + 1;
            let weights: Vec<f64> = (start..2 - start)
                .map(|i| (1.0 - ((i as f64 - ratio) * scale).abs()).clamp(0.0, 1.0))
                .collect();
            let sum: f64 = weights.iter().sum();
            weights.iter().map(|w| w / sum).collect()
        }
        ResizeMode::Cubic { a } => {
            let a = f64::from(a);
            let kernel = |x: f64| match x.abs() {
                x if x <= 1.0 => (a + 2.0) * x.powi(3) - (a + 3.0) * x.powi(2) + 1.0,
                x if x < 2.0 => a * x.powi(3) - 5.0 * a * x.powi(2) + 8.0 * a * x - 4.0 * a,
                _ => 0.0,
            };
            let start = (-2.0 / scale).floor() as i64 + 1;
            let weights: Vec<f64> = (start..2 - start).map(|i| kernel(scale * (i as f64 - ratio))).collect();
            let sum = if resize.antialias { weights.iter().sum() } else { 1.0 };
            weights.iter().map(|w| w / sum).collect()
        }
    }
}

/// Any resize whose factors are near `to / from`.
pub(crate) fn resizes(from: [u64; 2], to: [u64; 2]) -> impl proptest::strategy::Strategy<Value = Resize> {
    use proptest::prelude::*;
    let mode = prop_oneof![
        Just(ResizeMode::Nearest(Nearest::Floor)),
        Just(ResizeMode::Nearest(Nearest::Ceil)),
        Just(ResizeMode::Nearest(Nearest::RoundPreferFloor)),
        Just(ResizeMode::Nearest(Nearest::RoundPreferCeil)),
        Just(ResizeMode::Linear),
        Just(ResizeMode::Cubic { a: -0.75 }),
        Just(ResizeMode::Cubic { a: -0.5 }),
    ];
    let share =
        || (-4..8i32, 1..8i32).prop_map(|(start, len)| [start as f32 / 8.0, (start + len) as f32 / 8.0]);
    let crop = (share(), share())
        .prop_map(|(h, w)| Coordinates::TfCropAndResize { roi: [h, w], extrapolation: 7.5 });
    let coordinates = prop_oneof![
        Just(Coordinates::HalfPixel),
        Just(Coordinates::HalfPixelSymmetric),
        Just(Coordinates::PytorchHalfPixel),
        Just(Coordinates::TfHalfPixelForNn),
        Just(Coordinates::Asymmetric),
        Just(Coordinates::AlignCorners),
        crop,
    ];
    let beside = prop_oneof![3 => Just(1.0), 1 => 1.0..1.2f64];
    (mode, coordinates, any::<[bool; 2]>(), beside).prop_map(move |(mode, coordinates, flags, beside)| {
        let weighted = !matches!(mode, ResizeMode::Nearest(_));
        let scale = [0, 1].map(|i| to[i] as f64 / from[i] as f64 * beside);
        // Without an element inside there is no weight to scale to 1.
        let exclude_outside = flags[0] && weighted && !matches!(coordinates, Coordinates::TfHalfPixelForNn);
        Resize { mode, coordinates, scale, exclude_outside, antialias: flags[1] && weighted, adjoint: false }
    })
}
