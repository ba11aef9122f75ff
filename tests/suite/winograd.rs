//! Winograd's filtering: its bound, what a non-finite input reaches, and when it is chosen.

use std::fmt::Write as _;

use convc::code::Backend;
use convc::graph::Graph;
use convc::plan::task::WinogradTile;
use convc::plan::{PlanOptions, TaskKind};
use convc::target::{Math, Target};
use convc::tensor::Tensor;
use convc::{Model, Options, pipeline};
use proptest::prelude::*;

use crate::cases::load;
use crate::executors::{Executor, agree, filters};

/// A 3×3 convolution of `c` to `o` channels.
fn layer(c: usize, o: usize, [h, w]: [usize; 2], settings: &str, after: &str) -> Graph {
    let text =
        format!("model m {{\n  input x [{c}, {h}, {w}]\n  conv(kernel=3, out={o}{settings})\n{after}}}\n");
    let model = Model::from_str("layer.conv", &text).unwrap_or_else(|e| panic!("{e}"));
    model.graph(&Options::default()).unwrap_or_else(|e| panic!("{e}")).0
}

/// Numbers in no order.
struct Numbers(u64);

impl Numbers {
    /// Between −1 and 1.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as i32 - (1 << 23)) as f32 / (1 << 23) as f32
    }
}

/// A tensor whose element at `[.., row, column]` or at its number is made by `element`.
fn tensor(dims: &[u64], mut element: impl FnMut(usize) -> f32) -> Tensor {
    let dims: Vec<usize> = dims.iter().map(|&d| d as usize).collect();
    let data = (0..dims.iter().product()).map(&mut element).collect();
    Tensor::new(&dims, data).expect("the lengths agree")
}

fn params(graph: &Graph, mut element: impl FnMut(usize) -> f32) -> Vec<Tensor> {
    graph.params.iter().map(|p| tensor(&p.dims, &mut element)).collect()
}

fn input(graph: &Graph, element: impl FnMut(usize) -> f32) -> Tensor {
    tensor(&graph.ty(graph.inputs[0].value).dims, element)
}

/// The fastest executor of this machine.
fn compiled() -> Executor {
    if Executor::all().contains(&Executor::Compiled(Backend::X64)) {
        Executor::Compiled(Backend::X64)
    } else {
        Executor::Compiled(Backend::Cranelift)
    }
}

/// Holds a layer of `dilation` rows and columns, padded by as many, to the bound of `docs/performance.md`, with sums in f64.
fn holds_bound(graph: &Graph, dilation: usize, x: &Tensor, params: &[Tensor]) {
    assert!(filters(graph), "taps were chosen");
    let found = compiled().run_by(Math::Default, graph, &[x.view()], params);
    let (w, bias) = (&params[0], &params[1]);
    let [c, h, width] = [0, 1, 2].map(|i| x.shape()[i]);
    let apart = dilation as isize;
    // The first input of the tile that has an output: tiles are of outputs that are as far apart as taps.
    let first = |out: isize| out % apart + (out / apart / 4 * 4 - 1) * apart;
    let at = |c: usize, y: isize, col: isize| {
        let inside = (0..h as isize).contains(&y) && (0..width as isize).contains(&col);
        if inside { f64::from(x.data()[(c * h + y as usize) * width + col as usize]) } else { 0.0 }
    };
    for (o, &bias) in bias.data().iter().enumerate() {
        let taps = &w.data()[o * c * 9..(o + 1) * c * 9];
        let weights: f64 = taps.iter().map(|w| f64::from(w.abs())).sum();
        for y in 0..h as isize {
            for column in 0..width as isize {
                let mut sum = f64::from(bias);
                for (i, &tap) in taps.iter().enumerate() {
                    let (row, tap_column) = ((i % 9 / 3) as isize - 1, (i % 3) as isize - 1);
                    sum += f64::from(tap) * at(i / 9, y + row * apart, column + tap_column * apart);
                }
                let mut most = 0.0f64;
                for i in 0..36 * c {
                    let (row, tile_column) = ((i % 36 / 6) as isize, (i % 6) as isize);
                    let (y, column) = (first(y) + row * apart, first(column) + tile_column * apart);
                    most = most.max(at(i / 36, y, column).abs());
                }
                let unit = 2f64.powi(-24);
                let growth = WinogradTile::Four.growth();
                let bound = (c as f64 + 24.0) * unit * growth * most * weights + unit * f64::from(bias.abs());
                let y = found[0].data()[(o * h + y as usize) * width + column as usize];
                let apart = (f64::from(y) - sum).abs();
                assert!(apart <= bound, "{y}, not {sum}: {apart:e} apart, the bound is {bound:e}");
            }
        }
    }
}

#[test]
fn the_bound_holds_for_adversarial_inputs() {
    adversarial(&layer(24, 32, [23, 18], ", pad=1", ""), 1);
}

#[test]
fn the_bound_holds_for_adversarial_inputs_of_dilated_layers() {
    adversarial(&layer(24, 32, [31, 18], ", pad=2, dilation=2", ""), 2);
}

fn adversarial(graph: &Graph, dilation: usize) {
    let holds_bound = |x: Tensor, weights: &[Tensor]| holds_bound(graph, dilation, &x, weights);
    let mut numbers = Numbers(1);
    let mut noise = move || numbers.next();
    let weights = params(graph, |_| noise());
    let mut numbers = Numbers(2);
    let mut noise = move || numbers.next();
    let wide = 18;
    // Neighbours that cancel; one that dwarfs its tile; magnitudes over 60 binades; all alike.
    holds_bound(input(graph, |i| if i % 2 == 0 { 1e6 } else { -1e6 }), &weights);
    holds_bound(input(graph, |i| if (i / wide + i % wide) % 2 == 0 { 1e6 } else { -1e6 }), &weights);
    holds_bound(input(graph, |i| if i % 29 == 0 { 1e8 } else { noise() }), &weights);
    let mut numbers = Numbers(3);
    let mut spread = move || numbers.next() * (numbers.next() * 30.0).exp2();
    holds_bound(input(graph, |_| spread()), &weights);
    holds_bound(input(graph, |_| 1.0), &weights);
    // Weights that cancel one another, and that span as much.
    let alternating = params(graph, |i| if i % 2 == 0 { 1e3 } else { -1e3 });
    holds_bound(input(graph, |i| 1.0 + i as f32 / 4096.0), &alternating);
    let mut numbers = Numbers(4);
    let spread = params(graph, |_| numbers.next() * (numbers.next() * 30.0).exp2());
    let mut numbers = Numbers(5);
    holds_bound(input(graph, |_| numbers.next()), &spread);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn layers_of_odd_sizes_agree(
        c in 9usize..=40,
        o in 17usize..=50,
        size in [3usize..=29, 3usize..=29],
        pad in 0usize..=2,
        border in prop_oneof![Just(""), Just(", border=replicate"), Just(", border=reflect"), Just(", border=wrap")],
        after in prop_oneof![Just(""), Just("  relu\n"), Just("  c = it\n  c + relu(c)\n"), Just("  clamp(-0.5, 2)\n")],
    ) {
        let graph = layer(c, o, size, &format!(", pad={pad}{border}"), after);
        let mut numbers = Numbers((c * o * size[0] * size[1]) as u64);
        let weights = params(&graph, |_| numbers.next() / 8.0);
        let x = input(&graph, |_| numbers.next());
        agree(&graph, &[x.view()], &weights, 1e-5);
    }

    /// Also where paddings and sizes are no multiples of the dilation, and rows and columns differ.
    #[test]
    fn dilated_layers_of_odd_sizes_agree(
        c in 9usize..=40,
        o in 17usize..=50,
        size in [9usize..=33, 9usize..=33],
        dilation in [1usize..=4, 1usize..=4],
        pad in [0usize..=5, 0usize..=5],
        border in prop_oneof![3 => Just(""), 1 => Just(", border=replicate"), 1 => Just(", border=reflect"), 1 => Just(", border=wrap")],
        after in prop_oneof![Just(""), Just("  relu\n"), Just("  c = it\n  c + relu(c)\n"), Just("  clamp(-0.5, 2)\n")],
    ) {
        let ([dy, dx], [py, px]) = (dilation, pad);
        let settings = format!(", pad=({py}, {px}), dilation=({dy}, {dx}){border}");
        let graph = layer(c, o, size, &settings, after);
        let mut numbers = Numbers((c * o * size[0] * size[1] + dy) as u64);
        let weights = params(&graph, |_| numbers.next() / 8.0);
        let x = input(&graph, |_| numbers.next());
        agree(&graph, &[x.view()], &weights, 1e-5);
    }
}

/// A residual block, whose second convolution adds its input.
#[test]
fn residual_blocks_agree() {
    let after = "  relu\n  a = it\n  conv(kernel=3, pad=1, out=32)\n  it + a\n  relu\n";
    for size in [[14, 14], [17, 30], [28, 28]] {
        let graph = layer(32, 32, size, ", pad=1", after);
        assert!(filters(&graph));
        let mut numbers = Numbers(size[1] as u64);
        let weights = params(&graph, |_| numbers.next() / 8.0);
        let x = input(&graph, |_| numbers.next());
        agree(&graph, &[x.view()], &weights, 1e-5);
    }
}

/// Dilated residual blocks, of several pictures in a batch that is an axis, and transposed.
#[test]
fn dilated_blocks_agree() {
    let after = "  relu\n  a = it\n  conv(kernel=3, pad=3, dilation=3, out=32)\n  it + a\n  relu\n";
    for (size, settings) in [([14, 14], ", pad=2, dilation=2"), ([17, 30], ", pad=(3, 2), dilation=(4, 2)")] {
        let graph = layer(32, 32, size, settings, after);
        assert!(filters(&graph));
        let mut numbers = Numbers(size[1] as u64);
        let weights = params(&graph, |_| numbers.next() / 8.0);
        let x = input(&graph, |_| numbers.next());
        agree(&graph, &[x.view()], &weights, 1e-5);
    }
    for text in [
        "tensor x [3, 32, 13, 22]\n  conv(kernel=3, pad=2, dilation=2, out=48)",
        "input x [32, 19, 22]\n  conv_transpose(kernel=3, pad=(3, 1), dilation=2, out=48)",
        "input x [32, 19, 22]\n  conv_transpose(kernel=3, pad=4, dilation=(3, 1), out=48)\n  relu",
    ] {
        let model = Model::from_str("layer.conv", &format!("model m {{\n  {text}\n}}\n")).expect(text);
        let graph = model.graph(&Options::default()).expect(text).0;
        assert!(filters(&graph), "{text}");
        let mut numbers = Numbers(text.len() as u64);
        let weights = params(&graph, |_| numbers.next() / 8.0);
        let x = input(&graph, |_| numbers.next());
        agree(&graph, &[x.view()], &weights, 1e-5);
    }
}

/// Outputs of other tiles are to the bit what they are without it.
#[test]
fn a_non_finite_input_stays_in_its_tiles() {
    for dilation in [1, 2] {
        non_finite(dilation);
    }
}

fn non_finite(dilation: usize) {
    let graph = layer(16, 32, [26, 21], &format!(", pad={dilation}, dilation={dilation}"), "");
    assert!(filters(&graph));
    let mut numbers = Numbers(7);
    let weights = params(&graph, |_| numbers.next());
    let x = input(&graph, |_| numbers.next());
    let clean = compiled().run_by(Math::Default, &graph, &[x.view()], &weights);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for (row, column) in [(0, 0), (7, 8), (12, 20), (25, 3), (3, 4)] {
            let mut x = x.clone();
            x.data_mut()[(5 * 26 + row) * 21 + column] = bad;
            let found = compiled().run_by(Math::Default, &graph, &[x.view()], &weights);
            let mut touched = 0;
            for (i, (f, c)) in found[0].data().iter().zip(clean[0].data()).enumerate() {
                let (y, x) = (i / 21 % 26, i % 21);
                // Of every so many rows and columns, a tile's inputs begin one before its outputs and are six.
                let within = |at: usize, out: usize| {
                    let first = out / dilation / 4 * 4;
                    at % dilation == out % dilation && (first..first + 6).contains(&(at / dilation + 1))
                };
                let in_tile = within(row, y) && within(column, x);
                assert!(in_tile || f.to_bits() == c.to_bits(), "{bad} at {row}, {column} reaches {y}, {x}");
                let is_tap = |a: usize, b: usize| [0, dilation].contains(&a.abs_diff(b));
                let in_window = is_tap(y, row) && is_tap(x, column);
                assert!(!in_window || !f.is_finite(), "{bad} at {row}, {column} is lost at {y}, {x}");
                touched += usize::from(!f.is_finite());
            }
            assert!(touched > 0);
        }
    }
}

#[test]
fn strict_math_does_without() {
    for settings in [", pad=1", ", pad=2, dilation=2"] {
        let graph = layer(64, 64, [56, 56], settings, "");
        for (math, expected) in [(Math::Default, true), (Math::Strict, false)] {
            let options = PlanOptions { target: Target::X64_AVX2, math };
            let plan = pipeline::plan(&pipeline::optimise(&graph), &options).expect("there is a plan");
            let found = plan.run.iter().any(|task| matches!(task.kind, TaskKind::Winograd(_)));
            assert_eq!(found, expected, "{math:?}");
        }
    }
}

#[test]
fn tiles_beyond_the_halo_are_found() {
    let graph = layer(64, 64, [56, 56], ", pad=2, dilation=2", "");
    let plan = pipeline::plan(&pipeline::optimise(&graph), &PlanOptions::new(Target::X64_AVX2));
    let plan = plan.expect("there is a plan");
    assert_eq!(convc::plan::verify(&plan), Vec::<String>::new());
    for (origin, dilation, expected) in
        [([-2, -3], [2, 2], "beyond"), ([-2, -2], [2, 3], "phases"), ([-2, -2], [4, 2], "beyond")]
    {
        let mut plan = plan.clone();
        for task in &mut plan.run {
            if let TaskKind::Winograd(task) = &mut task.kind {
                (task.tiles.origin, task.tiles.dilation) = (origin, dilation);
            }
        }
        let problems = convc::plan::verify(&plan);
        assert!(matches!(problems.as_slice(), [one] if one.contains(expected)), "{problems:?}");
    }
}

/// Recorded layers that the planner would filter are as close under default math, within ten times.
#[test]
fn recorded_layers_agree_under_default_math() {
    let mut checked = 0;
    for collection in ["torch", "onnx", "filters"] {
        for case in load(collection) {
            if filters(&case.build().0) {
                case.check_by(Math::Default, compiled(), crate::cases::Tolerance::Element(1e-4)).unwrap();
                checked += 1;
            }
        }
    }
    eprintln!("{checked} recorded cases");
}

/// What is chosen where, for pinned targets.
#[test]
fn choices() {
    let mut text = String::new();
    for (name, target) in
        [("x86_64-avx2", Target::X64_AVX2), ("x86_64", Target::X64), ("aarch64", Target::AARCH64)]
    {
        let _ = writeln!(text, "{name}:");
        for (c, o, size, dilation) in [
            (64, 64, [56, 56], 1),
            (128, 128, [28, 28], 1),
            (256, 256, [14, 14], 1),
            (512, 512, [7, 7], 1),
            (16, 16, [112, 112], 1),
            (8, 8, [64, 64], 1),
            (32, 3, [64, 64], 1),
            (64, 64, [480, 640], 1),
            (24, 40, [5, 5], 1),
            (64, 64, [56, 56], 2),
            (512, 512, [33, 33], 4),
            (512, 256, [33, 33], 18),
            (64, 64, [7, 7], 5),
        ] {
            let graph = layer(c, o, size, &format!(", pad={dilation}, dilation={dilation}"), "");
            let plan = pipeline::plan(&pipeline::optimise(&graph), &PlanOptions::new(target))
                .expect("there is a plan");
            for task in &plan.run {
                if let TaskKind::Winograd(_) | TaskKind::Contract(_) = task.kind {
                    let apart = if dilation > 1 { format!(" by {dilation}") } else { String::new() };
                    let _ = writeln!(text, "  {c} to {o} at {}x{}{apart}: {}", size[0], size[1], task.reason);
                }
            }
        }
    }
    insta::assert_snapshot!(text);
}
