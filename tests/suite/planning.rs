//! Models in which the planner has to keep things apart, by every executor.

use convc::graph::Graph;
use convc::kernels::interpret::{self, FmaRounding, Memory};
use convc::kernels::step::Base;
use convc::plan::LayoutKind;
use convc::plan::PlanOptions;
use convc::runtime::params::Params;
use convc::target::Target;
use convc::tensor::Tensor;
use convc::{Model, Options, pipeline};

use crate::executors::{Executor, agree};

fn graph(body: &str) -> Graph {
    let text = format!("model m {{\n{body}\n}}\n");
    let model = Model::from_str("model.conv", &text).unwrap_or_else(|e| panic!("{e}"));
    model.graph(&Options::default()).unwrap_or_else(|e| panic!("{e}")).0
}

/// Numbers below 0, so that a border of zeros is not one of −∞.
fn negative(graph: &Graph) -> Tensor {
    let dims: Vec<usize> = graph.ty(graph.inputs[0].value).dims.iter().map(|&d| d as usize).collect();
    let n: usize = dims.iter().product();
    let data = (0..n).map(|i| -0.5 - (i * 7919 % 101) as f32 / 101.0).collect();
    Tensor::new(&dims, data).expect("the lengths agree")
}

fn check(body: &str) {
    let graph = graph(body);
    let params = Params::seeded(&graph, 5).expect("there is memory");
    agree(&graph, &[negative(&graph).view()], params.tensors(), 1e-5);
}

#[test]
fn readers_may_want_different_borders_of_one_value() {
    for channels in [2, 8] {
        check(&format!(
            "  input x [{channels}, 7, 9]
  a = abs(x) * -1
  b = a |> conv(kernel=3, pad=1, out={channels})
  c = a |> maxpool(kernel=3, stride=1, pad=1)
  d = a |> conv(kernel=3, pad=1, out={channels}, border=reflect)
  e = a |> filter(gaussian(3), pad=1, border=replicate)
  concat(b, c, d, e)"
        ));
        check(&format!(
            "  input x [{channels}, 7, 9]
  a = conv(kernel=1, out=16)
  b = a |> maxpool(kernel=3, stride=1, pad=1)
  c = a |> conv(kernel=3, pad=1, out=16)
  d = a |> avgpool(kernel=3, stride=1, pad=2)
  e = a |> conv(kernel=5, pad=2, groups=16, out=16, border=wrap)
  concat(b + c + e, d |> crop(1))"
        ));
    }
}

fn words(body: &str) -> Vec<&'static str> {
    let optimised = pipeline::optimise(&graph(body));
    let plan = pipeline::plan(&optimised, &PlanOptions::new(Target::host())).expect("the graph has a plan");
    plan.run.iter().map(|task| task.kind.word()).collect()
}

#[test]
fn windows_of_one_channel_read_the_callers_planes_as_they_lie() {
    for (layer, task) in [
        ("conv(kernel=3, pad=1, out=3, groups=3)", "depthwise"),
        ("conv(kernel=(5, 3), pad=1, stride=(2, 1), out=6, groups=3)", "planar"),
        ("filter(gaussian(5), pad=2) |> relu", "depthwise"),
    ] {
        let body = format!("  input x [3, 9, 21]\n  {layer}");
        assert_eq!(words(&body), [task], "{layer}");
        check(&body);
        // Rows that are too short for it, and a border that is not zero.
        let short = format!("  input x [3, 9, 11]\n  {layer}");
        let other = body.replace("pad=", "border=replicate, pad=");
        for framed in [short, other] {
            assert_eq!(words(&framed), ["copy", "halo", task], "{framed}");
            check(&framed);
        }
    }
}

#[test]
fn planes_that_fall_on_each_other_in_a_cache_become_blocks() {
    let of = |pixels: u64| words(&format!("  input x [64, {pixels}, {pixels}]\n  conv(kernel=1, out=16)"));
    for pixels in [36, 40, 56, 100] {
        assert_eq!(of(pixels), ["planar"], "{pixels}");
    }
    for pixels in [32, 48, 64, 128, 256] {
        assert_eq!(of(pixels), ["convert", "contract", "convert"], "{pixels}");
    }
    check("  input x [64, 32, 32]\n  conv(kernel=1, out=16)");
}

#[test]
fn a_convolution_of_pixels_joins_what_it_alone_reads() {
    let chain = |first: &str, last: &str| {
        format!("  input x [1, 10, 33]\n  a = x |> conv(kernel=3, pad=1, out={first}) |> relu\n  {last}")
    };
    let joined = chain("2", "a |> conv(kernel=1, out=3) |> relu");
    assert_eq!(words(&joined), ["planar"]);
    check(&joined);
    // However many planes follow, and however their sums go on.
    for width in [33, 70, 150] {
        for (first, last, after) in
            [(1, 2, "relu"), (1, 9, "clamp(-1, 1)"), (2, 4, "relu"), (2, 7, "leaky_relu"), (3, 5, "relu6")]
        {
            let body = format!(
                "  input x [1, 13, {width}]\n  x |> conv(kernel=3, pad=1, out={first}) |> {after}\n  conv(kernel=1, out={last})\n  {after}"
            );
            assert_eq!(words(&body), ["planar"], "{body}");
            check(&body);
        }
    }
    for (body, tasks) in [
        (chain("4", "a |> conv(kernel=1, out=1)"), 2),
        (chain("2", "(a |> conv(kernel=1, out=2)) + a"), 2),
        (chain("2", "a |> conv(kernel=(2, 1), out=1)"), 2),
        (chain("2", "b = a |> conv(kernel=1, out=1)\n  output a, b"), 2),
    ] {
        assert_eq!(words(&body).iter().filter(|word| **word == "planar").count(), tasks, "{body}");
        check(&body);
    }
}

/// Weights that are known, of which some are 0 and some equal.
#[test]
fn known_weights_are_left_out_or_shared() {
    for (kernel, pad) in [([3, 3], 1), ([1, 9], 4)] {
        let [h, w] = kernel;
        let body = format!(
            "  input x [1, 12, 35]\n  conv(kernel=({h}, {w}), pad={pad}, out=2)\n  relu\n  conv(kernel=1, out=3)"
        );
        let graph = graph(&body);
        let mut params = Params::seeded(&graph, 7).expect("there is memory").tensors().to_vec();
        let sobel =
            [-1.0, 0.0, 1.0, -2.0, 0.0, 2.0, -1.0, 0.0, 1.0, -1.0, -2.0, -1.0, 0.0, 0.0, 0.0, 1.0, 2.0, 1.0];
        params[0] = Tensor::new(&[2, 1, h, w], sobel.to_vec()).expect("the lengths agree");
        let x = negative(&graph);
        let expected = Executor::Evaluator.run(&graph, &[x.view()], &params);
        let known = pipeline::specialise(&graph, &params, convc::Math::Default);
        let mut bits: Option<Vec<u32>> = None;
        for executor in Executor::all().into_iter().skip(1) {
            let found = executor.run_by(convc::Math::Default, &known, &[x.view()], &params);
            let unknown = executor.run_by(convc::Math::Default, &graph, &[x.view()], &params);
            assert!(found[0].data() == unknown[0].data(), "{executor:?}: what is known changes results");
            let found = found[0].data();
            for (f, e) in found.iter().zip(expected[0].data()) {
                assert!((f - e).abs() <= 1e-5 * (1.0 + e.abs()), "{executor:?}: {f} is not {e}");
            }
            let found: Vec<u32> = found.iter().map(|f| f.to_bits()).collect();
            assert_eq!(*bits.get_or_insert_with(|| found.clone()), found, "{executor:?} differs in a bit");
        }
    }
}

#[test]
fn planes_and_blocks_are_added() {
    check(
        "  input x [8, 6, 7]
  p = filter(gaussian(3), pad=1)
  c = x |> conv(kernel=3, pad=1, out=8)
  relu(c + p) * p",
    );
    check(
        "  input x [8, 6, 7]
  p = abs(x)
  c = x |> conv(kernel=3, pad=1, out=8)
  p - c",
    );
}

#[test]
fn a_value_that_is_read_twice_is_computed_once_and_kept() {
    check(
        "  input x [8, 6, 7]
  c = conv(kernel=3, pad=1, out=9)
  bn = batchnorm
  r = relu
  s = r |> conv(kernel=1, out=9)
  s + r + c
  output s, r, c, bn",
    );
}

/// Padding lanes are 0 after an epilogue that does not keep zeros.
#[test]
fn padding_lanes_hold_zero() {
    for after in ["it + 1", "clamp(0.5, 2)", "1 / it", "hardsigmoid", "exp(it)", "relu6(it) - 3"] {
        let graph = graph(&format!("  input x [3, 4, 5]\n  c = conv(kernel=3, pad=1, out=11)\n  {after}"));
        let plan = pipeline::plan(&pipeline::optimise(&graph), &PlanOptions::new(Target::X64_AVX2))
            .expect("there is a plan");
        let lowered = pipeline::lower(&plan).expect("the plan is lowered");
        let mut memory = Memory::new(&lowered).expect("there is memory");
        let params = Params::seeded(&graph, 5).expect("there is memory");
        for (i, param) in params.tensors().iter().enumerate() {
            memory.write(&lowered, Base::Param(i as u32), param.data()).expect("a parameter fits");
        }
        memory.write(&lowered, Base::Input(0), negative(&graph).data()).expect("the input fits");
        interpret::run_prepare(&lowered, &mut memory, FmaRounding::Once).expect("it prepares");
        interpret::run(&lowered, &mut memory, FmaRounding::Once).expect("it runs");
        // The last blocked buffer that is written holds the result; nothing is written over it.
        let blocked = |id: &convc::plan::BufferId| plan.buffer(*id).layout.kind == LayoutKind::Blocked;
        let last = plan.run.iter().map(|t| t.out).rfind(blocked).expect("the result is in blocks");
        let (view, arena) = (plan.view(last), memory.read(&lowered, Base::Arena));
        assert_eq!(view.base, Base::Arena);
        for position in 0..20 {
            let at = (view.origin + view.strides[1] + 32 * position) as usize / 4;
            assert_eq!(arena[at + 3..at + 8], [0.0; 5], "{after}, position {position}");
            assert!(arena[at..at + 3].iter().all(|x| !x.is_nan()), "{after}");
        }
    }
}
