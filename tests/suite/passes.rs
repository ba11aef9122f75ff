//! Passes over the graph: what each makes of a small model, and that it means the same.

use std::fmt::Write as _;

use convc::graph::eval::evaluate;
use convc::graph::passes::{self, PASSES, Pass};
use convc::graph::print::print;
use convc::graph::verify::verify;
use convc::graph::{Graph, Op};
use convc::plan::PlanOptions;
use convc::runtime::params::Params;
use convc::target::Target;
use convc::tensor::Tensor;
use convc::{Model, Options, pipeline};
use proptest::prelude::*;

use crate::executors::agree;

fn try_graph(body: &str) -> Result<Graph, String> {
    let text = format!("model m {{\n{body}\n}}\n");
    let model = Model::from_str("model.conv", &text).map_err(|e| e.to_string())?;
    Ok(model.graph(&Options::default()).map_err(|e| e.to_string())?.0)
}

fn graph(body: &str) -> Graph {
    try_graph(body).unwrap_or_else(|e| panic!("{body}\n{e}"))
}

fn inputs(graph: &Graph) -> Vec<Tensor> {
    let input = |i: &convc::graph::Input| {
        let dims: Vec<usize> = graph.ty(i.value).dims.iter().map(|&d| d as usize).collect();
        let n: usize = dims.iter().product();
        let data = (0..n).map(|i| (i * 7919 % 211) as f32 / 50.0 - 2.1).collect();
        Tensor::new(&dims, data).expect("the lengths agree")
    };
    graph.inputs.iter().map(input).collect()
}

/// Holds a graph after a pass to the one before, by the evaluator.
fn means_the_same(before: &Graph, after: &Graph, what: &str) {
    assert_eq!(verify(after), Ok(()), "{what}\n{}", print(after));
    let params = Params::seeded(before, 3).expect("there is memory");
    let inputs = inputs(before);
    let views: Vec<_> = inputs.iter().map(Tensor::view).collect();
    let expected = evaluate(before, &views, params.tensors()).expect("it runs");
    let found = evaluate(after, &views, params.tensors()).expect("it runs");
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found.shape(), expected.shape(), "{what}");
        let largest = expected.data().iter().fold(1.0f32, |m, v| m.max(v.abs()));
        for (i, (&f, &e)) in found.data().iter().zip(expected.data()).enumerate() {
            let close = (f - e).abs() <= 2e-5 * largest || f == e || f.is_nan() && e.is_nan();
            assert!(close, "{what}: element {i}: {f}, not {e}\n{}\n{}", print(before), print(after));
        }
    }
}

/// The graph before and after a pass, and what the passes behind it leave is as good.
fn shown(body: &str, pass: Pass) -> String {
    let before = graph(body);
    let after = passes::remove_dead(&pass(&before));
    means_the_same(&before, &after, body);
    let mut text = format!("{body}\n----- BEFORE\n{}\n", print(&before).trim_end());
    let _ = write!(text, "----- AFTER\n{}\n", print(&after).trim_end());
    text
}

#[test]
fn identities_go_and_movements_merge() {
    insta::assert_snapshot!(shown(
        "  input x [4, 6, 8]
  concat(it)
  reshape([24, 8])
  reshape([4, 6, 8])
  permute([2, 0, 1])
  permute([1, 2, 0])
  pad(0)
  resize(scale=1, mode=cubic)
  slice(axis=1, start=1, step=2)
  slice(axis=1, start=1)
  slice(axis=0, start=3, end=1, step=-1)
  pad(1)
  pad(((0, 1), (2, 0)))
  global_avgpool
  permute([1, 2, 0])",
        passes::remove_identities
    ));
}

#[test]
fn paddings_become_those_of_windows() {
    insta::assert_snapshot!(shown(
        "  input x [2, 9, 9]
  pad(((1, 0), (2, 1)))
  a = conv(kernel=3, pad=1, out=2)
  pad(1, border=reflect)
  filter(box(3))
  pad(1)
  avgpool(3, stride=1, count_include_pad=false)
  pad(1, value=5)
  avgpool(3, stride=2)
  pad(1)
  b = it |> maxpool(2, stride=1)
  pad(1)
  lppool(2, stride=1)",
        passes::fold_pad
    ));
}

#[test]
fn factors_and_summands_go_into_layers() {
    insta::assert_snapshot!(shown(
        "  input x [2, 9, 9]
  param k [4, 1, 1]
  param t [4, 1, 1]
  it / 255
  a = conv(kernel=3, out=4, bias=false)
  it * k
  it + t
  relu
  it * k
  b = conv(kernel=3, pad=1, groups=4, out=4)
  2 * it
  it - t
  c = conv_transpose(kernel=2, stride=2, out=6)
  global_maxpool
  d = linear(out=3)
  it / 4",
        passes::fold_scale
    ));
}

#[test]
fn written_out_activations_are_recognised() {
    insta::assert_snapshot!(shown(
        "  input x [2, 3, 3]
  it * clamp(it + 3, 0, 6) / 6
  abs(it) - 1
  it * (relu6(3 + it) * 0.16666667)
  abs(it) - 2
  it * hardsigmoid(it)
  abs(it) - 3
  clamp(it * 0.2 + 0.5, 0, 1) * it
  abs(it) - 4
  sigmoid(it) * it
  abs(it) - 5
  it * tanh(softplus(it))
  abs(it) - 6
  0.5 * it * (erf(it / 1.4142135) + 1)
  abs(it) - 7
  it * ((1 + erf(it * 0.70710678)) * 0.5)
  abs(it) - 8
  clamp(it + 3, 0, 6) / 6",
        passes::recognise_idioms
    ));
}

#[test]
fn what_looks_like_an_activation_and_is_none_stays() {
    for body in [
        "it * clamp(it + 3, 0, 6) / 5",
        "it * clamp(it + 2, 0, 6) / 6",
        "it * clamp(x + 3, 0, 6) / 6",
        "it * sigmoid(x)",
        "it * (1 + erf(it / 1.4142135))",
        "0.5 * it * (1 + erf(it / 1.5))",
    ] {
        let before = graph(&format!("  input x [2, 3, 3]\n  abs(it)\n  {body}"));
        assert_eq!(passes::recognise_idioms(&before), before, "{body}");
    }
    // The gate is an output too: it is computed anyway.
    let before = graph("  input x [2, 3, 3]\n  gate = sigmoid\n  y = x * gate\n  output gate, y");
    assert_eq!(passes::recognise_idioms(&before), before);
}

#[test]
fn norms_become_reductions_and_elementwise_steps() {
    insta::assert_snapshot!(shown(
        "  input x [4, 5, 6]
  a = instance_norm
  b = group_norm(2)
  c = layer_norm(axes=2, bias=false)
  lrn(3)
  lppool(2, stride=1, p=3)
  global_lppool(p=2)
  log_softmax",
        passes::expand
    ));
}

#[test]
fn what_only_one_of_two_readers_wants_stays() {
    let twice = "  input x [2, 9, 9]\n  p = pad(1)\n  a = p |> conv(kernel=3, out=2)\n  s = a * 2\n  b = (p |> crop(1)) + a\n  output b, s";
    let before = graph(twice);
    for pass in [passes::fold_pad as Pass, passes::fold_scale] {
        assert_eq!(pass(&before), before);
    }
}

/// Squeeze-and-excite and a hard swish after a convolution: no value of the picture's size is made but by
/// the convolution and by one pass over it.
#[test]
fn squeeze_excite_and_hard_swish_are_fused() {
    let graph = graph(
        "  input x [8, 6, 6]
  body = conv(kernel=3, pad=1, out=16)
  it * relu6(it + 3) / 6
  h = it
  global_avgpool
  fc1 = conv(kernel=1, out=8)
  relu
  fc2 = conv(kernel=1, out=16)
  hardsigmoid
  h * it",
    );
    let optimised = pipeline::optimise(&graph);
    assert!(!optimised.nodes.iter().any(|n| matches!(n.op, Op::Unary(convc::graph::UnaryOp::Clamp { .. }))));
    let plan = pipeline::plan(&optimised, &PlanOptions::new(Target::X64_AVX2)).expect("there is a plan");
    insta::assert_snapshot!(convc::plan::print(&plan));
    let (params, inputs) = (Params::seeded(&graph, 5).expect("there is memory"), inputs(&graph));
    agree(&graph, &[inputs[0].view()], params.tensors(), 1e-5);
}

/// A statement on a value `it`, most of them of a kind that some pass looks for. `i` makes names unique.
fn statement(i: usize, which: usize, size: u64, [c, h, w]: [u64; 3]) -> String {
    let all = [
        format!("l{i} = conv(kernel={size}, out=4)"),
        format!("l{i} = conv(kernel=3, pad=1, out=6, bias=false)"),
        format!("l{i} = conv(kernel={size}, groups={c}, out={c})"),
        format!("l{i} = conv(kernel=3, pad={size}, out=3, border=replicate)"),
        format!("l{i} = conv_transpose(kernel=2, stride=2, out=4)"),
        format!("l{i} = conv_transpose(kernel={size}, groups={c}, out={c}, bias=false)"),
        format!("l{i} = linear(out={w})"),
        format!("l{i} = batchnorm"),
        "it * 0.5".to_owned(),
        "it / 3".to_owned(),
        "it - 0.25".to_owned(),
        "1 - it".to_owned(),
        format!("param p{i} [{c}, 1, 1]\n  it * p{i}"),
        format!("param p{i} [{c}, 1, 1]\n  p{i} * it"),
        format!("param p{i} [{c}, 1, 1]\n  it + p{i}"),
        format!("param p{i} [{c}, 1, 1]\n  it - p{i}"),
        format!("param p{i} [1, {w}]\n  it * p{i}"),
        format!("param p{i} [1]\n  it * p{i}"),
        format!("pad({size})"),
        format!("pad(((0, {size}), (1, 0)))"),
        format!("pad({size}, border=reflect)"),
        format!("pad({size}, border=wrap)"),
        format!("pad({size}, value=1)"),
        "pad(0)".to_owned(),
        format!("avgpool({size}, stride=1)"),
        format!("avgpool({size}, stride=2, ceil_mode=true, count_include_pad=false)"),
        "avgpool(3, stride=2, pad=1)".to_owned(),
        format!("maxpool({size}, stride=1)"),
        format!("filter(box({size}), pad=1)"),
        format!("reshape([{c}, {}])\n  reshape([{c}, {h}, {w}])", h * w),
        format!("reshape([{}, {h}, {w}])", c),
        "permute([1, 0, 2])".to_owned(),
        "permute([2, 0, 1])".to_owned(),
        format!("slice(axis={}, start=1)", size % 3),
        format!("slice(axis={}, start=-1, end=0, step=-1)", size % 3),
        format!("slice(axis=1, start=0, step={size})"),
        "crop(0)".to_owned(),
        "resize(scale=1, mode=linear)".to_owned(),
        format!("upsample(scale={size})"),
        "concat(it)".to_owned(),
        "it + relu(it)".to_owned(),
        "it * clamp(it + 3, 0, 6) / 6".to_owned(),
        "it * (clamp(it + 3, 0, 6) / 6)".to_owned(),
        "it * hardsigmoid(it)".to_owned(),
        "it * sigmoid(it)".to_owned(),
        "0.5 * it * (1 + erf(it / 1.4142135))".to_owned(),
        "clamp(it * 0.25 + 0.5, 0, 1)".to_owned(),
        format!("l{i} = group_norm({}, eps=0.01)", if c.is_multiple_of(2) { 2 } else { 1 }),
        format!("l{i} = instance_norm(affine={}, eps=0.01)", size.is_multiple_of(2)),
        format!("l{i} = layer_norm(axes={size}, bias={}, eps=0.01)", size.is_multiple_of(2)),
        format!("lrn({size}, alpha=0.5, beta={})", [0.5, 0.75, 1.25][size as usize % 3]),
        "log_softmax".to_owned(),
        format!("lppool({size}, p={}, stride=2, pad=1, ceil_mode=true)", size + 1),
        format!("global_lppool(p={size})"),
    ];
    all[which % all.len()].clone()
}

/// A model of the statements that fit one after the other.
fn model(script: &[(usize, u64)]) -> Graph {
    let mut body = "  input x [4, 7, 6]\n  relu(x) - 0.3".to_owned();
    let mut last = graph(&body);
    for (i, &(which, size)) in script.iter().enumerate() {
        let Some(chw) = last.ty(last.outputs[0].value).chw() else { break };
        let longer = format!("{body}\n  {}", statement(i, which, size, chw));
        // One that does not fit the value's size is left out.
        if let Ok(graph) = try_graph(&longer) {
            (body, last) = (longer, graph);
        }
    }
    last
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_pass_keeps_what_a_graph_means(
        script in prop::collection::vec((0..1000usize, 1..4u64), 1..8),
    ) {
        let before = model(&script);
        for (name, pass) in PASSES {
            means_the_same(&before, &pass(&before), name);
        }
        let optimised = passes::optimise(&before);
        means_the_same(&before, &optimised, "all passes");
        // Nothing is left that the planner does not know.
        let left = |op: &Op| matches!(op, Op::GroupNorm { .. } | Op::LayerNorm { .. } | Op::Lrn { .. }
            | Op::LogSoftmax { .. } | Op::BatchNorm { .. });
        prop_assert!(!optimised.nodes.iter().any(|n| left(&n.op)), "{}", print(&optimised));
    }
}

#[test]
fn optimised_models_run_on_every_executor() {
    for seed in 0..40usize {
        let script: Vec<(usize, u64)> =
            (0..6).map(|i| (seed * 7 + i * 13 + seed * i, 1 + ((seed + i) % 3) as u64)).collect();
        let graph = model(&script);
        let (params, inputs) = (Params::seeded(&graph, 5).expect("there is memory"), inputs(&graph));
        agree(&graph, &[inputs[0].view()], params.tensors(), 1e-4);
    }
}
