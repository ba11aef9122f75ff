//! Gradients against what PyTorch computed, and against what defines them.

use std::collections::BTreeMap;

use convc::graph::Graph;
use convc::graph::grad::with_gradients;
use convc::graph::verify::verify;
use convc::tensor::{Tensor, TensorView};
use proptest::prelude::*;

use crate::cases::{Case, data, graph_of, load, tensors};
use crate::executors::Executor;

/// Where PyTorch's own f32 lies: absolute and as much relative.
const CLOSE: f32 = 1e-5;

/// The recorded gradients of a case.
struct Recorded {
    target: Tensor,
    /// By `in/NAME` and `w/KEY`.
    gradients: BTreeMap<String, Tensor>,
}

fn recorded() -> BTreeMap<String, Recorded> {
    let bytes = std::fs::read(data("cases/torch_gradients.safetensors")).expect("it is there");
    let mut all = BTreeMap::new();
    for (key, tensor) in tensors(&bytes) {
        let (case, what) = key.split_once('/').expect("a case and what it is");
        let of = all.entry(case.to_owned()).or_insert_with(|| Recorded {
            target: Tensor::new(&[0], Vec::new()).expect("an empty tensor"),
            gradients: BTreeMap::new(),
        });
        match what {
            "target/y" => of.target = tensor,
            "loss/y" => {}
            what => drop(of.gradients.insert(what.to_owned(), tensor)),
        }
    }
    all
}

/// The gradient of the loss in y: of the mean square of y − t, or of the mean cross-entropy where t are classes.
fn seed(case: &Case, target: &Tensor) -> Vec<f32> {
    let y = &case.outputs[0];
    if target.data().len() == y.data().len() {
        let n = y.data().len() as f64;
        let of = |(&y, &t): (&f32, &f32)| (2.0 * (f64::from(y) - f64::from(t)) / n) as f32;
        return y.data().iter().zip(target.data()).map(of).collect();
    }
    let (rows, classes) = (y.shape()[0], y.shape()[1]);
    let mut seed = Vec::new();
    for (row, &class) in y.data().chunks(classes).zip(target.data()) {
        let sum: f64 = row.iter().map(|&v| f64::from(v).exp()).sum();
        for (i, &v) in row.iter().enumerate() {
            let share = f64::from(v).exp() / sum;
            let hit = if i == class as usize { 1.0 } else { 0.0 };
            seed.push(((share - hit) / rows as f64) as f32);
        }
    }
    seed
}

#[test]
fn layers_and_chains_of_pytorch() {
    for executor in Executor::all() {
        held_to_pytorch(executor);
    }
}

fn held_to_pytorch(executor: Executor) {
    let recorded = recorded();
    let mut wrong = Vec::new();
    let mut held = 0;
    for case in load("torch") {
        let want = &recorded[&case.name];
        let (graph, params) = case.build();
        let x = &case.inputs["x"];
        let samples = if graph.ty(graph.inputs[0].value).batched { x.shape()[0] } else { 1 };
        let whole: Graph = with_gradients(&graph, samples as u64).expect("it has gradients");
        assert_eq!(verify(&whole), Ok(()), "{}", case.name);
        let dy = seed(&case, &want.target);
        let dy = TensorView::new(case.outputs[0].shape(), &dy).expect("the lengths agree");
        let results = executor.run(&whole, &[x.view(), dy], params.tensors());
        for (output, result) in whole.outputs.iter().zip(&results).skip(1) {
            let name = output.name.strip_prefix("d.").expect("a gradient");
            let key = if name == "x" { "in/x".to_owned() } else { format!("w/{name}") };
            let Some(expected) = want.gradients.get(&key) else {
                assert!(name.contains("running"), "{}: no gradient of {name} was recorded", case.name);
                continue;
            };
            assert_eq!(expected.data().len(), result.data().len(), "{}: {name}", case.name);
            let far = expected
                .data()
                .iter()
                .zip(result.data())
                .find(|(e, r)| (*e - *r).abs() > CLOSE * (1.0 + e.abs()) || r.is_nan());
            held += 1;
            if let Some((e, r)) = far {
                wrong.push(format!("{executor:?}: {}: {name}: {r} instead of {e}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {held}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(held > 1000, "only {held} gradients were held to anything");
}

/// Numbers in −1 .. 1.
fn noise(dims: &[usize], mut state: u32) -> Tensor {
    let numbers = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    });
    Tensor::new(dims, numbers.take(dims.iter().product()).collect()).expect("the lengths agree")
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    a.data().iter().zip(b.data()).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// `⟨Ax, y⟩ = ⟨x, Aᵀy⟩`, A being a convolution without bias; and `⟨A(w)x, y⟩ = ⟨w, ∂w⟩`, for it is linear in its
    /// weights as well.
    #[test]
    fn gradients_of_convolutions_are_adjoints(
        (groups, c, o) in (prop_oneof![Just(1usize), Just(2), Just(3)], 1usize..10, 1usize..10),
        (kernel, stride, pad, dilation) in (1usize..4, 1usize..4, 0usize..3, 1usize..3),
        border in prop_oneof![Just("zero"), Just("replicate")],
        (samples, seed) in (1usize..4, any::<u32>()),
    ) {
        let (c, o) = (groups * c, groups * o);
        let text = format!(
            "model m {{\n input x [{c}, 9, 11]\n k = conv(kernel={kernel}, stride={stride}, pad={pad}, \
             dilation={dilation}, groups={groups}, out={o}, border={border}, bias=false)\n}}"
        );
        let graph = graph_of("adjoint", &text, BTreeMap::new());
        let whole = with_gradients(&graph, samples as u64).expect("it has gradients");
        let dims = |value| whole.ty(value).dims.iter().map(|&d| d as usize).collect::<Vec<_>>();
        let x = noise(&dims(whole.inputs[0].value), seed);
        let y = noise(&dims(whole.inputs[1].value), !seed);
        let shape: Vec<usize> = whole.params[0].dims.iter().map(|&d| d as usize).collect();
        let w = noise(&shape, seed.rotate_left(9));
        for executor in Executor::all().into_iter().skip(1) {
            let results = executor.run(&whole, &[x.view(), y.view()], std::slice::from_ref(&w));
            let [ax, dx, dw] = results.as_slice() else { panic!("three outputs") };
            let (forward, size) = (dot(ax, &y), dot(ax, ax).sqrt() * dot(&y, &y).sqrt());
            for (name, back) in [("x", dot(&x, dx)), ("w", dot(&w, dw))] {
                prop_assert!((forward - back).abs() <= 1e-6 * size, "{executor:?}, {name}: {forward} and {back}\n{text}");
            }
        }
    }
}

/// Where functions have corners: what PyTorch 2.15 gives there, which is a convention.
#[test]
fn gradients_at_corners_are_those_of_pytorch() {
    const CORNERS: &[(&str, &[f32], &[f32])] = &[
        ("relu", &[0.0, -0.0], &[0.0, 0.0]),
        ("relu6", &[0.0, 6.0], &[0.0, 0.0]),
        ("abs(x)", &[0.0], &[0.0]),
        ("clamp(min=-0.5, max=0.5)", &[-0.5, 0.5], &[0.0, 0.0]),
        ("leaky_relu(slope=0.2)", &[0.0], &[0.2]),
        ("elu(alpha=1.5)", &[0.0], &[1.5]),
        ("selu", &[0.0], &[1.758_099_3]),
        ("celu(alpha=0.7)", &[0.0], &[1.0]),
        ("hardsigmoid", &[-3.0, 3.0], &[0.0, 0.0]),
        ("hardswish", &[-3.0, 3.0], &[0.0, 1.0]),
        ("thresholded_relu(alpha=0.5)", &[0.5], &[0.0]),
        ("sqrt(x)", &[0.0], &[f32::INFINITY]),
        ("max(x, 1)", &[1.0], &[0.5]),
        ("min(x, 1)", &[1.0], &[0.5]),
        ("maxpool(kernel=(1, 4))", &[1.0; 4], &[1.0, 0.0, 0.0, 0.0]),
        // As `amax`; PyTorch's adaptive pool takes the first.
        ("global_maxpool", &[1.0; 4], &[0.25; 4]),
        ("reduce_max(axes=[2])", &[1.0; 4], &[0.25; 4]),
    ];
    for (layer, x, slopes) in CORNERS {
        let text = format!("model m {{\n input x [1, 1, {}]\n y = {layer}\n}}", x.len());
        let whole = with_gradients(&graph_of(layer, &text, BTreeMap::new()), 1).expect("it has gradients");
        let shape = |value| whole.ty(value).dims.iter().map(|&d| d as usize).collect::<Vec<_>>();
        let [x_shape, dy_shape] = [0, 1].map(|i| shape(whole.inputs[i].value));
        let ones = vec![1.0; dy_shape.iter().product()];
        let x = TensorView::new(&x_shape, x).expect("the lengths agree");
        let dy = TensorView::new(&dy_shape, &ones).expect("the lengths agree");
        for executor in Executor::all() {
            let dx = executor.run(&whole, &[x, dy], &[]).remove(1);
            for (found, expected) in dx.data().iter().zip(*slopes) {
                let near = found == expected || (found - expected).abs() < 1e-6;
                assert!(near, "{layer} by {executor:?}: {found}, not {expected}, at {:?}", x.data());
            }
        }
    }
}

/// The gradient of a resize is one by a table as long as the axis; beyond a limit it is refused.
#[test]
fn resizes_of_wide_pictures_have_gradients() {
    let with = |width: u64, how: &str| {
        let text = format!("model m {{\n input x [1, 2, {width}]\n up = upsample({how})\n}}");
        with_gradients(&graph_of("wide", &text, BTreeMap::new()), 1)
    };
    for how in [
        "scale=2, mode=bilinear, align_corners=false",
        "size=(3, 100000)",
        "scale=1.5, mode=bicubic, align_corners=true",
    ] {
        let whole = with(1 << 17, how).expect("it has gradients");
        let numbers: usize = whole.consts.iter().map(|c| c.data.len()).sum();
        assert!(numbers < 100, "{how}: {numbers} numbers");
        assert_eq!(verify(&whole), Ok(()));
    }
    let refused = with(1 << 24, "scale=2").expect_err("it is too wide").to_string();
    assert!(refused.contains("gradient of `up`") && refused.contains("limit of 16777216 taps"), "{refused}");
}

/// Tables of averages and of windows are as small.
#[test]
fn tables_of_gradients_stay_within_the_limit() {
    let pool = "model m {\n input x [1, 30000, 30000]\n p = avgpool(3, stride=2, pad=1)\n}";
    let whole = with_gradients(&graph_of("pool", pool, BTreeMap::new()), 1).expect("it has gradients");
    assert!(whole.consts.iter().all(|c| c.data.len() <= 15_000));
    let wide = "model m {\n input x [1, 20000, 20000]\n p = avgpool(10000, stride=7)\n}";
    let refused = with_gradients(&graph_of("pool", wide, BTreeMap::new()), 1).expect_err("it is too large");
    assert!(refused.to_string().contains("limit of 16777216 elements"), "{refused}");
}
