//! Random models as text, by every executor.

use convc::graph::check::{CheckOptions, check};
use convc::runtime::params::Params;
use convc::source::Source;
use convc::syntax::parse;
use convc::tensor::Tensor;
use proptest::prelude::*;

use crate::executors::agree;

/// One statement of a model; `{n}` stands for a name of its own.
fn statement() -> impl Strategy<Value = String> {
    let odd = prop_oneof![Just(1u32), Just(3), Just(5)];
    let border = prop_oneof![Just("zero"), Just("replicate"), Just("reflect")];
    let out = prop_oneof![1u32..=5, Just(8), Just(11), Just(16), Just(24)];
    let conv = (1u32..=3, 1u32..=2, 0u32..=2, 1u32..=2, out.clone(), border.clone(), any::<bool>()).prop_map(
        |(k, s, p, d, o, border, bias)| {
            format!("c{{n}} = conv(kernel={k}, stride={s}, pad={p}, dilation={d}, out={o}, border={border}, bias={bias})")
        },
    );
    let wide = (odd.clone(), odd.clone(), out.clone())
        .prop_map(|(h, w, o)| format!("c{{n}} = conv(kernel=({h}, {w}), pad=same, out={o})"));
    let transposed = (1u32..=3, 1u32..=3, out)
        .prop_map(|(k, s, o)| format!("t{{n}} = conv_transpose(kernel={k}, stride={s}, out={o})"));
    let filter =
        (odd, border).prop_map(|(k, border)| format!("filter(gaussian({k}), pad=same, border={border})"));
    let pool = (1u32..=3, 1u32..=2, any::<bool>(), any::<bool>()).prop_map(|(k, s, ceil, max)| {
        let name = if max { "maxpool" } else { "avgpool" };
        format!("{name}(kernel={k}, stride={s}, ceil_mode={ceil})")
    });
    let simple = prop_oneof![
        Just("relu"),
        Just("relu6"),
        Just("leaky_relu(0.1)"),
        Just("elu"),
        Just("gelu"),
        Just("gelu(approximate=tanh)"),
        Just("silu"),
        Just("sigmoid"),
        Just("tanh"),
        Just("hardsigmoid"),
        Just("hardswish"),
        Just("clamp(-0.5, 0.75)"),
        Just("p{n} = prelu"),
        Just("p{n} = prelu(per_channel=true)"),
        Just("b{n} = batchnorm"),
        Just("softmax"),
        Just("upsample(scale=2)"),
        Just("upsample(scale=2, mode=bilinear)"),
        Just("pad(1)"),
        Just("crop(1)"),
        Just("global_avgpool"),
        Just("it * 0.5 + 0.25"),
        Just("abs(it) - min(it, 0.1)"),
        Just("exp(-it * it)"),
        Just("concat(it, it)"),
        Just("concat(it, relu(it), 2 * it)"),
        Just("it * sigmoid(it)"),
        Just("it / (1 + abs(it))"),
        Just("reshape([1, 1, -1])"),
        Just("depth_to_space(2)"),
        Just("space_to_depth(2)"),
        Just("space_to_depth(3, order=crd)"),
        Just("reduce_mean(axes=[0])"),
        Just("reduce_min(axes=[-1])"),
        Just("erf(it)"),
        Just("pad(before=[1, 0, 2], after=[0, 1, 0], border=replicate)"),
        Just("param w{n} []\nit * w{n}"),
    ]
    .prop_map(str::to_owned);
    let moved = (
        prop_oneof![Just([0, 2, 1]), Just([1, 0, 2]), Just([1, 2, 0]), Just([2, 0, 1]), Just([2, 1, 0])],
        0..3usize,
        -3i64..3,
        prop_oneof![Just(-2i64), Just(-1), Just(1), Just(2)],
        any::<bool>(),
    )
        .prop_map(|(perm, axis, start, step, cut)| match cut {
            true => format!("slice(axis={axis}, start={start}, step={step})"),
            false => format!("permute({perm:?})"),
        });
    // A value and something made of it, joined again.
    let joined = prop_oneof![
        Just("r{n} = it\nf{n} = conv(kernel=3, pad=1, out=8)\nrelu\nconcat(it, r{n})"),
        Just("r{n} = it\nglobal_avgpool\nsigmoid\nit * r{n}"),
        Just("r{n} = it\nreduce_max(keepdims=false)\nit * r{n}"),
        Just("r{n} = it\npermute([0, 2, 1])\nmatmul(it, r{n})\nit * 0.1"),
        Just("r{n} = it |> permute([0, 2, 1])\nparam m{n} [5, 1]\nr{n} |> reduce_sum(axes=[1])\nmatmul(m{n}, it)"),
        Just("q{n} = relu\nfilter(sobel_x, pad=1)\nit + q{n}"),
    ]
    .prop_map(str::to_owned);
    prop_oneof![3 => conv, 1 => wide, 1 => transposed, 1 => filter, 2 => pool, 4 => simple, 1 => moved, 1 => joined]
}

fn noise(dims: &[usize], seed: u32) -> Tensor {
    let mut state = seed | 1;
    let n = dims.iter().product();
    let data = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    });
    Tensor::new(dims, data.take(n).collect()).expect("the lengths agree")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, max_global_rejects: 4000, ..ProptestConfig::default() })]

    #[test]
    fn compiled_pipelines_agree_with_the_evaluator(
        c in prop_oneof![1usize..=4, Just(8usize), Just(9)],
        h in 3usize..=14,
        w in 3usize..=19,
        statements in prop::collection::vec(statement(), 1..=6),
        seed in 1u32..,
    ) {
        let mut body = String::new();
        for (i, statement) in statements.iter().enumerate() {
            for line in statement.replace("{n}", &i.to_string()).lines() {
                body.push_str("  ");
                body.push_str(line);
                body.push('\n');
            }
        }
        let text = format!("model m {{\n  input x [{c}, {h}, {w}]\n{body}}}\n");
        let source = Source::new("random.conv", text.as_str());
        let (file, errors) = parse(&source);
        prop_assert!(errors.is_empty(), "{text}{errors:?}");
        let checked = check(&file, &CheckOptions::default());
        // Sizes may not fit; then there is nothing to run.
        prop_assume!(!checked.has_errors());
        let graph = checked.graph.expect("all sizes are bound");
        prop_assume!(graph.nodes.iter().all(|n| n.ty.elements() < 60_000));
        let params = Params::seeded(&graph, u64::from(seed)).expect("there is memory");
        agree(&graph, &[noise(&[c, h, w], seed).view()], params.tensors(), 1e-4);
    }
}
