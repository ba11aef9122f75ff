use proptest::prelude::*;

use super::reference::{resizes, sample};
use super::*;

fn pairs(mode: ResizeMode, coordinates: Coordinates, n: u64, m: u64) -> Vec<Vec<(u64, f64)>> {
    let scale = m as f64 / n as f64;
    let table = taps(
        &Resize {
            mode,
            coordinates,
            scale: [scale, scale],
            exclude_outside: false,
            antialias: false,
            adjoint: false,
        },
        1,
        n,
        m,
    );
    table.iter().map(|t| t.iter().map(|t| (t.index, t.weight)).collect()).collect()
}

fn indices(rounding: Nearest, coordinates: Coordinates, n: u64, m: u64) -> Vec<u64> {
    pairs(ResizeMode::Nearest(rounding), coordinates, n, m).iter().map(|t| t[0].0).collect()
}

#[test]
fn nearest_of_pytorch_repeats_elements() {
    assert_eq!(indices(Nearest::Floor, Coordinates::Asymmetric, 3, 6), [0, 0, 1, 1, 2, 2]);
    assert_eq!(indices(Nearest::Floor, Coordinates::Asymmetric, 5, 3), [0, 1, 3]);
}

#[test]
fn nearest_on_an_element_is_exact_for_every_size() {
    for n in 1..60u64 {
        for m in 1..60 {
            let found = indices(Nearest::Floor, Coordinates::Asymmetric, n, m);
            let expected: Vec<u64> = (0..m).map(|o| o * n / m).collect();
            assert_eq!(found, expected, "{n} to {m}");
        }
    }
}

#[test]
fn halves_are_rounded_as_asked() {
    // Coordinates 0, 0.5, 1, 1.5
    assert_eq!(indices(Nearest::RoundPreferFloor, Coordinates::Asymmetric, 2, 4), [0, 0, 1, 1]);
    assert_eq!(indices(Nearest::RoundPreferCeil, Coordinates::Asymmetric, 2, 4), [0, 1, 1, 1]);
    assert_eq!(indices(Nearest::Ceil, Coordinates::Asymmetric, 2, 4), [0, 1, 1, 1]);
    // Coordinates −0.25, 0.25, 0.75, 1.25
    assert_eq!(indices(Nearest::RoundPreferFloor, Coordinates::HalfPixel, 2, 4), [0, 0, 1, 1]);
    assert_eq!(indices(Nearest::Ceil, Coordinates::HalfPixel, 2, 4), [0, 1, 1, 1]);
}

#[test]
fn linear_with_half_pixels_is_a_quarter_apart() {
    let table = pairs(ResizeMode::Linear, Coordinates::HalfPixel, 2, 4);
    assert_eq!(
        table,
        [vec![(0, 1.0)], vec![(0, 0.75), (1, 0.25)], vec![(0, 0.25), (1, 0.75)], vec![(1, 1.0)]]
    );
}

#[test]
fn linear_with_aligned_corners_meets_both_ends() {
    let table = pairs(ResizeMode::Linear, Coordinates::AlignCorners, 2, 5);
    let at_one: Vec<f64> = table.iter().map(|t| t.iter().filter(|t| t.0 == 1).map(|t| t.1).sum()).collect();
    assert_eq!(at_one, [0.0, 0.25, 0.5, 0.75, 1.0]);
    assert_eq!(pairs(ResizeMode::Linear, Coordinates::AlignCorners, 7, 1), [vec![(0, 1.0)]]);
}

#[test]
fn a_factor_beside_the_quotient_of_the_sizes_is_used_as_given() {
    // ONNX: scale 0.6 of 2 elements gives floor(1.2) = 1, at (0 + 0.5)/0.6 − 0.5 = 1/3.
    let resize = Resize {
        mode: ResizeMode::Linear,
        coordinates: Coordinates::HalfPixel,
        scale: [0.6, 0.6],
        exclude_outside: false,
        antialias: false,
        adjoint: false,
    };
    let table = taps(&resize, 0, 2, 1);
    assert!((table[0][1].weight - 1.0 / 3.0).abs() < 1e-12, "{table:?}");
}

#[test]
fn weights_sum_to_one_and_indices_are_in_range() {
    let modes = [ResizeMode::Linear, ResizeMode::Cubic { a: -0.75 }, ResizeMode::Cubic { a: -0.5 }];
    let coordinates = [Coordinates::HalfPixel, Coordinates::Asymmetric, Coordinates::AlignCorners];
    for mode in modes {
        for coordinates in coordinates {
            for (n, m) in (1..9).flat_map(|n| (1..20).map(move |m| (n, m))) {
                for taps in pairs(mode, coordinates, n, m) {
                    let sum: f64 = taps.iter().map(|t| t.1).sum();
                    assert!((sum - 1.0).abs() < 1e-12, "{mode:?} {coordinates:?} {n} to {m}: {taps:?}");
                    assert!(taps.iter().all(|t| t.0 < n) && taps.is_sorted_by(|a, b| a.0 < b.0), "{taps:?}");
                    assert!((1..=4).contains(&taps.len()));
                }
            }
        }
    }
}

#[test]
fn cubic_reproduces_a_parabola_inside() {
    // Keys' kernel with a = −0.5 is exact for polynomials of degree 2.
    let table = pairs(ResizeMode::Cubic { a: -0.5 }, Coordinates::HalfPixel, 10, 20);
    for (o, taps) in table.iter().enumerate().skip(4).take(12) {
        let c = (o as f64 + 0.5) / 2.0 - 0.5;
        let value: f64 = taps.iter().map(|&(i, w)| w * (i as f64).powi(2)).sum();
        assert!((value - c * c).abs() < 1e-12, "{o}: {value} is not {}", c * c);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn tables_are_what_the_reference_of_onnx_computes(
        (n, m, resize) in (1..12u64, 1..24u64).prop_flat_map(|(n, m)| (Just(n), Just(m), resizes([n, n], [m, m]))),
        axis in 0..2usize,
    ) {
        let line = |i: i64| ((i * 37 + 11) % 17) as f64 - 8.0;
        for o in 0..m {
            let taps = taps_at(&resize, axis, n, m, o);
            let found: f64 = match taps.as_slice() {
                [] => f64::from(extrapolation(&resize)),
                taps => taps.iter().map(|t| t.weight * line(t.index as i64)).sum(),
            };
            let expected = sample(&resize, axis, n as i64, m as i64, o as i64, &line);
            prop_assert!((found - expected).abs() < 1e-9, "{o} of {m} from {n}: {found}, not {expected}: {taps:?}");
            prop_assert!(taps.len() as f64 <= most_taps(&resize, axis));
            prop_assert!(taps.iter().all(|t| t.index < n && t.weight != 0.0));
            prop_assert!(taps.is_sorted_by(|a, b| a.index < b.index));
        }
    }
}

#[test]
fn an_extreme_factor_costs_no_more_than_its_bound() {
    let resize = Resize {
        mode: ResizeMode::Cubic { a: -0.75 },
        coordinates: Coordinates::HalfPixel,
        scale: [1e-300, f64::MIN_POSITIVE],
        exclude_outside: true,
        antialias: true,
        adjoint: false,
    };
    for axis in 0..2 {
        let taps = taps_at(&resize, axis, 4, 1, 0);
        assert!(!taps.is_empty() && taps.iter().all(|t| t.index < 4 && t.weight.is_finite()), "{taps:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn an_adjoint_reads_by_the_transposed_table(
        (n, m, resize) in (1..12u64, 1..24u64).prop_flat_map(|(n, m)| (Just(n), Just(m), resizes([n, n], [m, m]))),
        axis in 0..2usize,
    ) {
        let matrix = |table: &[Vec<Tap>], columns: u64| -> Vec<Vec<f64>> {
            let row = |taps: &Vec<Tap>| {
                let mut row = vec![0.0; columns as usize];
                taps.iter().for_each(|tap| row[tap.index as usize] += tap.weight);
                row
            };
            table.iter().map(row).collect()
        };
        let adjoint = Resize { adjoint: true, ..resize };
        let forward = matrix(&taps(&resize, axis, n, m), n);
        let table = taps(&adjoint, axis, m, n);
        let back = matrix(&table, m);
        for i in 0..n as usize {
            for o in 0..m as usize {
                prop_assert_eq!(forward[o][i], back[i][o]);
            }
        }
        prop_assert!(table.iter().all(|taps| taps.is_sorted_by(|a, b| a.index < b.index)));
        prop_assert_eq!(extrapolation(&adjoint), 0.0);
        prop_assert!(adjoint_fits(&resize, axis, n, m));
    }
}
