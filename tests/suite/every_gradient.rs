//! The gradient of every layer of the language, element by element, beside differences in f64; no layer is left out.

use std::collections::{BTreeMap, BTreeSet};

use convc::graph::check::reference;
use convc::graph::eval::evaluate_wide;
use convc::graph::grad::{GradError, with_gradients};
use convc::graph::verify::verify;
use convc::graph::{BinaryOp, Graph, Op, Output, PoolKind, ReduceKind, UnaryOp};

use crate::cases::graph_of;
use crate::check::docs::sections;

/// How far an element is moved: differences of f64 then have about ten digits.
const STEP: f64 = 1e-6;
/// Constants of rules, such as 1/√2, are numbers of f32.
const CLOSE: f64 = 1e-6;
const SAMPLES: u64 = 2;

/// Layers and functions with statements that use them, on `x` `[4, 5, 6]` with magnitudes from 0.1 to 1. Where a function
/// has corners at other places than 0, x is scaled to reach them.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "conv",
        &[
            "conv(kernel=3, out=3, pad=1, stride=2)",
            "conv(kernel=(2, 3), out=4, dilation=2, groups=2, pad=((1, 0), (2, 1)))",
            "conv(kernel=3, out=4, groups=4, pad=1, bias=false)",
            "conv(kernel=3, out=2, pad=2, border=replicate)",
            "conv(kernel=3, out=2, pad=2, border=reflect)",
            "conv(kernel=3, out=2, pad=2, border=wrap)",
        ],
    ),
    ("filter", &["filter(sobel_x, pad=1, border=reflect)", "filter([[1, 2], [3, -4]], stride=2)"]),
    (
        "conv_transpose",
        &[
            "conv_transpose(kernel=3, out=3, stride=2, pad=1, output_pad=1)",
            "conv_transpose(kernel=(2, 3), out=4, groups=2, dilation=2, bias=false)",
        ],
    ),
    (
        "maxpool",
        &["maxpool(2)", "maxpool(kernel=3, stride=2, pad=1)", "maxpool(kernel=2, stride=2, ceil_mode=true)"],
    ),
    (
        "avgpool",
        &[
            "avgpool(2)",
            "avgpool(kernel=3, stride=2, pad=1)",
            "avgpool(kernel=3, stride=2, pad=1, count_include_pad=false)",
            "avgpool(kernel=3, stride=2, ceil_mode=true)",
        ],
    ),
    ("global_avgpool", &["global_avgpool"]),
    ("global_maxpool", &["global_maxpool"]),
    ("lppool", &["lppool(kernel=2, p=3)", "lppool(kernel=3, stride=2, p=2)"]),
    ("global_lppool", &["global_lppool(p=2)"]),
    ("linear", &["flatten\n linear(out=3)", "reshape([20, 6])\n linear(out=3, bias=false)"]),
    ("flatten", &["flatten"]),
    ("batchnorm", &["batchnorm", "flatten\n batchnorm"]),
    ("instance_norm", &["instance_norm"]),
    ("group_norm", &["group_norm(2)"]),
    ("layer_norm", &["layer_norm", "layer_norm(axes=2, bias=false)"]),
    ("lrn", &["lrn(3, alpha=0.5, beta=0.75, k=1)"]),
    ("normalize", &["normalize(mean=0.5, std=[1, 2, 3, 4])"]),
    ("relu", &["relu"]),
    ("relu6", &["relu6(x * 10)"]),
    ("leaky_relu", &["leaky_relu(slope=0.2)"]),
    ("prelu", &["prelu"]),
    ("elu", &["elu(alpha=1.5)"]),
    ("selu", &["selu"]),
    ("celu", &["celu(alpha=0.7)"]),
    ("gelu", &["gelu", "gelu(approximate=tanh)"]),
    ("silu", &["silu"]),
    ("sigmoid", &["sigmoid"]),
    ("tanh", &["tanh"]),
    ("hardsigmoid", &["hardsigmoid(x * 5)"]),
    ("hardswish", &["hardswish(x * 5)"]),
    ("softplus", &["softplus"]),
    ("softsign", &["softsign"]),
    ("mish", &["mish"]),
    ("thresholded_relu", &["thresholded_relu(alpha=0.3)"]),
    ("softmax", &["softmax", "softmax(axis=-1)"]),
    ("log_softmax", &["log_softmax", "log_softmax(axis=-1)"]),
    ("clamp", &["clamp(min=-0.5, max=0.4)"]),
    ("upsample", &["upsample(scale=2)", "upsample(scale=2, mode=bilinear)"]),
    (
        "resize",
        &[
            "resize(scale=2, mode=linear, coordinates=align_corners)",
            "resize(size=(3, 9), mode=cubic)",
            "resize(size=(3, 4), mode=linear, antialias=true)",
            "resize(size=(4, 9), mode=nearest, nearest=ceil)",
        ],
    ),
    ("pixel_shuffle", &["pixel_shuffle(2)"]),
    (
        "pad",
        &[
            "pad(1, value=2)",
            "pad(((1, 0), (2, 2)), border=reflect)",
            "pad(2, border=replicate)",
            "pad(2, border=wrap)",
            "pad(before=[0, 0, 1], after=[5, 0, 0])",
        ],
    ),
    ("crop", &["crop(top=1, left=2)"]),
    ("reshape", &["reshape([3, 2, -1])"]),
    ("permute", &["permute([1, 2, 0])"]),
    (
        "slice",
        &["slice(axis=1, start=-4, end=-1)", "slice(axis=2, start=-1, step=-2)", "slice(axis=0, step=3)"],
    ),
    ("reduce_sum", &["reduce_sum(axes=[0])"]),
    ("reduce_mean", &["reduce_mean(axes=[-2, -1], keepdims=false)"]),
    ("reduce_max", &["reduce_max(axes=[2])"]),
    ("reduce_min", &["reduce_min(axes=[0, 1])"]),
    ("depth_to_space", &["depth_to_space(2)"]),
    ("space_to_depth", &["crop(bottom=1)\n space_to_depth(2)"]),
    ("sqrt", &["sqrt(abs(x))"]),
    ("abs", &["abs(x)"]),
    ("exp", &["exp(x)"]),
    ("log", &["log(abs(x))"]),
    ("erf", &["erf(x)"]),
    ("pow", &["pow(abs(x), 2.2)", "pow(abs(x), exp(x))"]),
    ("min", &["min(x, 0.3)", "m = x |> reduce_mean(axes=[0])\n min(x, m)"]),
    ("max", &["max(x, 1 - x)"]),
    ("concat", &["concat(x, relu(-x))", "concat(x, x * x, axis=-1)"]),
    ("matmul", &["param w [6, 3]\n matmul(x, w)", "t = x |> permute([0, 2, 1])\n matmul(x, t)"]),
    (OPERATORS, &["x * x + 2 / (x - 3)", "square = x * x\n reduce_sum(axes=[1])\n (x - 2) / it"]),
];

/// Those of expressions, which the reference does not list.
const OPERATORS: &str = "+ - * /";

/// They make kernels, which are constants.
const KERNELS: [&str; 9] =
    ["gaussian", "box", "sobel_x", "sobel_y", "laplacian", "sharpen", "identity", "transpose", "flip"];

/// What an operation is called here. A new one belongs into [`WRITTEN`] or the lists after it.
fn kind(op: &Op) -> &'static str {
    match op {
        Op::Input(_) => "input",
        Op::Const(_) => "constant",
        Op::Param(_) => "parameter",
        Op::Conv(_) => "conv",
        Op::Filter(..) => "filter",
        Op::ConvTranspose(_) => "conv_transpose",
        Op::Pool(pool) => match pool.kind {
            PoolKind::Max => "maxpool",
            PoolKind::Average { .. } => "avgpool",
            PoolKind::Lp { .. } => "lppool",
        },
        Op::Reduce(ReduceKind::Sum, _) => "reduce_sum",
        Op::Reduce(ReduceKind::Mean, _) => "reduce_mean",
        Op::Reduce(ReduceKind::Max, _) => "reduce_max",
        Op::Linear => "linear",
        Op::BatchNorm { .. } => "batchnorm",
        Op::Unary(op) => unary(*op),
        Op::Binary(BinaryOp::Add) => "add",
        Op::Binary(BinaryOp::Sub) => "sub",
        Op::Binary(BinaryOp::Mul) => "mul",
        Op::Binary(BinaryOp::Div) => "div",
        Op::Binary(BinaryOp::Pow) => "pow",
        Op::Binary(BinaryOp::Min) => "min",
        Op::Binary(BinaryOp::Max) => "max",
        Op::Prelu => "prelu",
        Op::GroupNorm { .. } => "group_norm",
        Op::LayerNorm { .. } => "layer_norm",
        Op::Lrn { .. } => "lrn",
        Op::Softmax { .. } => "softmax",
        Op::LogSoftmax { .. } => "log_softmax",
        Op::MatMul => "matmul",
        Op::Concat { .. } => "concat",
        Op::Slice { .. } => "slice",
        Op::Pad { .. } => "pad",
        Op::Resize(_) => "resize",
        Op::PixelShuffle { .. } => "pixel_shuffle",
        Op::Reshape => "reshape",
        Op::Expand => "expand",
        Op::WeightGrad(_) => "weight_grad",
        Op::MaxPoolGrad(_) => "max_pool_grad",
        Op::Transpose { .. } => "transpose",
    }
}

fn unary(op: UnaryOp) -> &'static str {
    match op {
        UnaryOp::Neg => "neg",
        UnaryOp::Abs => "abs",
        UnaryOp::Sign => "sign",
        UnaryOp::Sqrt => "sqrt",
        UnaryOp::Exp => "exp",
        UnaryOp::Log => "log",
        UnaryOp::Reciprocal => "reciprocal",
        UnaryOp::Erf => "erf",
        UnaryOp::Relu => "relu",
        UnaryOp::Clamp { .. } => "clamp",
        UnaryOp::LeakyRelu { .. } => "leaky_relu",
        UnaryOp::Elu { .. } => "elu",
        UnaryOp::Selu { .. } => "selu",
        UnaryOp::Celu { .. } => "celu",
        UnaryOp::Gelu => "gelu",
        UnaryOp::GeluTanh => "gelu_tanh",
        UnaryOp::Silu => "silu",
        UnaryOp::Sigmoid => "sigmoid",
        UnaryOp::Tanh => "tanh",
        UnaryOp::Softplus => "softplus",
        UnaryOp::Softsign => "softsign",
        UnaryOp::Mish => "mish",
        UnaryOp::HardSigmoid { .. } => "hardsigmoid",
        UnaryOp::HardSwish => "hardswish",
        UnaryOp::ThresholdedRelu { .. } => "thresholded_relu",
    }
}

/// Every operation that a text makes.
const WRITTEN: [&str; 58] = [
    "abs",
    "add",
    "avgpool",
    "batchnorm",
    "celu",
    "clamp",
    "concat",
    "constant",
    "conv",
    "conv_transpose",
    "div",
    "elu",
    "erf",
    "exp",
    "filter",
    "gelu",
    "gelu_tanh",
    "group_norm",
    "hardsigmoid",
    "hardswish",
    "input",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log",
    "log_softmax",
    "lppool",
    "lrn",
    "matmul",
    "max",
    "maxpool",
    "min",
    "mish",
    "mul",
    "neg",
    "pad",
    "parameter",
    "pixel_shuffle",
    "pow",
    "prelu",
    "reduce_max",
    "reduce_mean",
    "reduce_sum",
    "relu",
    "reshape",
    "resize",
    "selu",
    "sigmoid",
    "silu",
    "slice",
    "softmax",
    "softplus",
    "softsign",
    "sqrt",
    "sub",
    "tanh",
    "thresholded_relu",
    "transpose",
];

/// Those that passes and gradients make, which have gradients as well.
const MADE: [&str; 2] = ["expand", "reciprocal"];

/// And those without.
const WITHOUT: [&str; 3] = ["max_pool_grad", "sign", "weight_grad"];

fn graph(layer: &str, statements: &str) -> Graph {
    graph_of(layer, &format!("model m {{\n input x [4, 5, 6]\n {statements}\n}}"), BTreeMap::new())
}

/// Numbers with magnitudes from 0.1 to 1, by a linear congruential generator.
fn numbers(count: u64, state: &mut u64) -> Vec<f64> {
    let next = |_| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let magnitude = 0.1 + 0.9 * ((*state >> 11) as f64 / (1u64 << 53) as f64);
        if *state >> 5 & 1 == 0 { magnitude } else { -magnitude }
    };
    (0..count).map(next).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Holds every element of every gradient of a model to a difference; how many there were.
fn check(model: &Graph, statements: &str) -> usize {
    let whole = with_gradients(model, SAMPLES).unwrap_or_else(|e| panic!("{statements}: {e}"));
    assert_eq!(verify(&whole), Ok(()), "{statements}");
    let mut state = 7;
    let mut inputs: Vec<Vec<f64>> =
        whole.inputs.iter().map(|input| numbers(whole.ty(input.value).elements(), &mut state)).collect();
    let mut params: Vec<Vec<f64>> =
        whole.params.iter().map(|param| numbers(param.dims.iter().product(), &mut state)).collect();
    for (param, values) in whole.params.iter().zip(&mut params) {
        if param.key.ends_with("running_var") {
            values.iter_mut().for_each(|v| *v = v.abs());
        }
    }
    let count = model.outputs.len();
    let run =
        |inputs: &[Vec<f64>], params: &[Vec<f64>]| evaluate_wide(&whole, inputs, params).expect("it runs");
    let loss = |inputs: &[Vec<f64>], params: &[Vec<f64>]| -> f64 {
        let results = run(inputs, params);
        results.iter().zip(&inputs[model.inputs.len()..]).map(|(y, dy)| dot(y, dy)).sum()
    };
    let gradients = run(&inputs, &params).split_off(count);
    let mut held = 0;
    for (output, gradient) in whole.outputs[count..].iter().zip(gradients) {
        let name = output.name.strip_prefix("d.").expect("a gradient");
        for (i, found) in gradient.into_iter().enumerate() {
            let mut moved = |by: f64| {
                let input = model.inputs.iter().position(|input| input.name == name);
                let param = model.params.iter().position(|param| param.key == name);
                let element = |inputs: &mut [Vec<f64>], params: &mut [Vec<f64>], by: f64| match (input, param)
                {
                    (Some(input), _) => inputs[input][i] += by,
                    (_, Some(param)) => params[param][i] += by,
                    _ => panic!("{name} is nothing"),
                };
                element(&mut inputs, &mut params, by);
                let loss = loss(&inputs, &params);
                element(&mut inputs, &mut params, -by);
                loss
            };
            let expected = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
            assert!(
                (found - expected).abs() <= CLOSE * (1.0 + expected.abs()),
                "{statements}: element {i} of d.{name} is {found}, but differences say {expected}"
            );
            held += 1;
        }
    }
    held
}

#[test]
fn every_layer_s_gradient_is_what_differences_say() {
    for (layer, cases) in LAYERS {
        for statements in *cases {
            // That of the input at least.
            assert!(check(&graph(layer, statements), statements) >= 240, "{statements}");
        }
    }
}

#[test]
fn no_layer_is_left_out() {
    let known: BTreeSet<String> = sections(&reference()).into_keys().collect();
    let held = LAYERS.iter().map(|(layer, _)| *layer).filter(|layer| *layer != OPERATORS).chain(KERNELS);
    let held: BTreeSet<String> = held.map(str::to_owned).collect();
    assert_eq!(held, known);
    for (layer, cases) in LAYERS {
        for statements in *cases {
            let used = *layer == OPERATORS || statements.contains(layer);
            assert!(used, "{statements:?} is no use of {layer}");
        }
    }
}

#[test]
fn no_operation_is_left_out() {
    let mut seen = BTreeSet::new();
    for (layer, cases) in LAYERS {
        for statements in *cases {
            seen.extend(graph(layer, statements).values().map(|(_, node)| kind(&node.op)));
        }
    }
    assert_eq!(seen.iter().copied().collect::<Vec<_>>(), WRITTEN);
    // A reciprocal, and the sum's gradient, which repeats.
    let mut reciprocal = graph("reciprocal", "y = exp(x)");
    replace(&mut reciprocal, UnaryOp::Exp, UnaryOp::Reciprocal);
    let sum = graph("expand", "y = reduce_sum(axes=[1])");
    let mut expand = with_gradients(&sum, SAMPLES).expect("it has gradients");
    // Gradients of gradients have the names of these.
    expand.nodes.iter_mut().for_each(|node| node.name.insert_str(0, "first/"));
    expand.inputs[1].name = "repeated".into();
    expand.outputs = vec![Output { name: "first".into(), ..expand.outputs[1].clone() }];
    for (made, graph) in MADE.iter().zip([&expand, &reciprocal]) {
        assert!(graph.values().any(|(_, node)| kind(&node.op) == *made), "{made}");
        check(graph, made);
        seen.insert(made);
    }
    assert!(WITHOUT.iter().all(|kind| !seen.contains(kind)));
}

fn replace(graph: &mut Graph, old: UnaryOp, new: UnaryOp) {
    let node = graph.nodes.iter_mut().find(|node| node.op == Op::Unary(old)).expect("it has one");
    node.op = Op::Unary(new);
}

/// The error names the layer and says why.
#[test]
fn what_has_no_gradient_says_so_by_name() {
    let mut sign = graph("sign", "y = abs(x)");
    replace(&mut sign, UnaryOp::Abs, UnaryOp::Sign);
    let said = with_gradients(&sign, SAMPLES).expect_err("it has none").to_string();
    assert_eq!(said, "`y` has no gradient: the sign is constant but at 0");
    // Gradients of gradients: those of convolutions and max pools are their own operations.
    for (statements, layer) in [("c1 = conv(kernel=2, out=2)", "c1"), ("p1 = maxpool(2)", "p1")] {
        let once = with_gradients(&graph("twice", statements), SAMPLES).expect("it has gradients");
        let error = with_gradients(&once, 1).expect_err("it has none");
        let GradError::None { name, why } = &error else { panic!("{error}") };
        assert!(name.contains(layer) && *why == "it is a gradient itself", "{error}");
    }
}
