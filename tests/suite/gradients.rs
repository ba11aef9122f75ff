//! Gradients against what PyTorch computed, and against what defines them.

use std::collections::BTreeMap;

use convc::graph::Graph;
use convc::graph::grad::with_gradients;
use convc::graph::verify::verify;
use convc::tensor::{Tensor, TensorView};

use crate::cases::{Case, data, load, tensors};
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
