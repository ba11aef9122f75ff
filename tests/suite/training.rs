//! Training beside what PyTorch did from the same start.

use std::collections::BTreeMap;
use std::path::Path;

use convc::train::{Loss, Optimizer, TrainOptions, Trainer};
use convc::{Math, Model, Options, Tensor};

use crate::cases::{array, data, load, safetensors_of, tensors};

/// Samples by their numbers.
pub fn gather(tensor: &Tensor, numbers: &[f32]) -> Tensor {
    let each = tensor.data().len() / tensor.shape()[0];
    let data = numbers.iter().flat_map(|&n| tensor.data()[n as usize * each..][..each].iter().copied());
    let mut shape = tensor.shape().to_vec();
    shape[0] = numbers.len();
    Tensor::new(&shape, data.collect()).expect("the lengths agree")
}

/// The largest difference, as a share of what is allowed: `close` absolute and as much relative.
pub fn worst(got: &BTreeMap<String, Tensor>, expected: &BTreeMap<String, Tensor>, close: f32) -> f32 {
    assert!(!expected.is_empty());
    let mut worst = 0.0f32;
    for (key, expected) in expected {
        let got = &got[key];
        assert_eq!(got.shape(), expected.shape(), "{key}");
        for (g, e) in got.data().iter().zip(expected.data()) {
            worst = worst.max((g - e).abs() / (close * (1.0 + e.abs())));
        }
    }
    worst
}

/// The handwritten digits by the names of their arrays.
pub fn digits() -> BTreeMap<String, Tensor> {
    let bytes = std::fs::read("examples/digits8x8.npz").expect("the data set is there");
    convc::io::npz::read(&bytes, 1 << 30).expect("it is sound").into_iter().collect()
}

pub fn weights(trainer: &Trainer) -> BTreeMap<String, Tensor> {
    let table = trainer.weights().expect("there are weights");
    table.into_iter().map(|(key, tensor)| (key, Tensor::clone(&tensor))).collect()
}

pub fn file(path: &Path) -> BTreeMap<String, Tensor> {
    // Keys may be `c1.w` and `c1.b`.
    let full = |key: String| match (key.strip_suffix(".w"), key.strip_suffix(".b")) {
        (Some(layer), _) => format!("{layer}.weight"),
        (_, Some(layer)) => format!("{layer}.bias"),
        _ => key,
    };
    let found = tensors(&std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())));
    found.into_iter().map(|(key, tensor)| (full(key), tensor)).collect()
}

/// As PyTorch's was when it was recorded, but for the weight decay.
fn trainer_of_digits(folder: &Path, weight_decay: f64) -> Trainer {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let model = Model::from_path(examples.join("digits.conv")).expect("it is sound");
    let options = Options::default().math(Math::Strict).weights_file(folder.join("init.safetensors"));
    let mut train = TrainOptions::new(Loss::CrossEntropy);
    train.optimizer = Optimizer::Sgd { momentum: 0.9, weight_decay, nesterov: false };
    train.rate = 0.05;
    Trainer::new(&model, &options, train).expect("it can be trained")
}

#[test]
fn digits_go_the_way_of_pytorch() {
    let folder = data("train/digits8x8_cnn");
    let set = digits();
    let mut trainer = trainer_of_digits(&folder, 1e-4);
    let order = array(&folder.join("batch_indices.npy"));
    let losses = array(&folder.join("losses_fp64.npy"));
    let (x, y) = (&set["x_train"], &set["y_train"]);
    for (step, (batch, &expected)) in order.data().chunks(order.shape()[1]).zip(losses.data()).enumerate() {
        let loss = trainer.step(&[gather(x, batch).view()], gather(y, batch).view()).expect("it runs");
        // Until an element crosses the corner of a relu in one run and not in the other, which happens to
        // PyTorch's f32 as well; what follows goes its own way.
        let held = step < 240;
        assert!(!held || (loss - expected).abs() < 1e-5, "step {step}: {loss} instead of {expected}");
        let name = format!("params_after_{}.safetensors", step + 1);
        if folder.join(&name).exists() {
            let far = worst(&weights(&trainer), &file(&folder.join(&name)), 1e-5);
            assert!(far <= 1.0, "{name}: {far} times what is allowed");
        }
    }
    assert_eq!(trainer.steps(), 440);
    let result = trainer.evaluate(&[set["x_test"].view()], set["y_test"].view()).expect("it runs");
    let accuracy = result.accuracy.expect("classes have an accuracy");
    assert!((accuracy - 0.983).abs() < 0.01, "{accuracy}");
}

/// A first step's momentum is its gradient.
#[test]
fn first_gradients_are_those_of_pytorch() {
    let folder = data("train/digits8x8_cnn");
    let set = digits();
    let mut trainer = trainer_of_digits(&folder, 0.0);
    let order = array(&folder.join("batch_indices.npy"));
    let first = &order.data()[..order.shape()[1]];
    let (x, y) = (gather(&set["x_train"], first), gather(&set["y_train"], first));
    trainer.step(&[x.view()], y.view()).expect("it runs");
    let there = tempfile::tempdir().expect("a folder");
    let path = there.path().join("checkpoint");
    trainer.checkpoint(&path).expect("it is written");
    let moments = file(&path).into_iter();
    let gradients: BTreeMap<String, Tensor> = moments
        .filter_map(|(key, tensor)| Some((key.strip_prefix("trainer.momentum.")?.to_owned(), tensor)))
        .collect();
    let expected = file(&folder.join("grads_step_1.safetensors"));
    assert_eq!(gradients.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    let far = worst(&gradients, &expected, 1e-5);
    assert!(far <= 1.0, "{far} times what is allowed");
}

#[test]
fn the_kernel_of_edges_is_learned_as_pytorch_learns_it() {
    let folder = data("train/edge_kernel");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/textbook");
    let set = std::fs::read(examples.join("edges_6x8.npz")).expect("the data set is there");
    let set: BTreeMap<String, Tensor> =
        convc::io::npz::read(&set, 1 << 30).expect("it is sound").into_iter().collect();
    let model = Model::from_path(examples.join("edge_kernel.conv")).expect("it is sound");
    let options = Options::default().weights_file(folder.join("init.safetensors"));
    let mut train = TrainOptions::new(Loss::Mse);
    train.rate = 0.1;
    let mut trainer = Trainer::new(&model, &options, train).expect("it can be trained");
    let losses = array(&folder.join("losses.npy"));
    let mut last = f32::INFINITY;
    for (epoch, &expected) in losses.data().iter().enumerate() {
        let loss = trainer.step(&[set["x"].view()], set["y"].view()).expect("it runs");
        assert!((loss - expected).abs() <= 1e-5 * (1.0 + expected), "epoch {epoch}: {loss}, not {expected}");
        assert!(loss < last, "epoch {epoch}: {loss} after {last}");
        last = loss;
    }
    assert!(worst(&weights(&trainer), &file(&folder.join("final.safetensors")), 1e-5) <= 1.0);
    // What the example says: 100 epochs stop short, 1000 arrive.
    let kernel = |trainer: &Trainer| weights(trainer)["k.weight"].data().to_vec();
    assert!((kernel(&trainer)[0] - 0.934).abs() < 1e-3, "{:?}", kernel(&trainer));
    for _ in 0..900 {
        trainer.step(&[set["x"].view()], set["y"].view()).expect("it runs");
    }
    assert!((kernel(&trainer)[0] - 1.0).abs() < 1e-5 && (kernel(&trainer)[1] + 1.0).abs() < 1e-5);
}

#[test]
fn a_checkpoint_goes_on_with_the_same_bits() {
    let text = "model m {\n input x [2, 6, 6]\n c = conv(kernel=3, out=9, pad=1)\n bn = batchnorm\n relu\n \
                d = conv(kernel=3, out=3, stride=2, groups=3)\n}";
    let model = Model::from_str("m.conv", text).expect("it is sound");
    let mut train = TrainOptions::new(Loss::Mse);
    train.optimizer = Optimizer::Adam { betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.01, decoupled: true };
    let batch = |k: usize, shape: &[usize]| {
        let len = shape.iter().product();
        let data = (0..len).map(|i| ((i * 37 + k * 11) % 41) as f32 / 20.0 - 1.0).collect();
        Tensor::new(shape, data).expect("the lengths agree")
    };
    let steps = |trainer: &mut Trainer, from: usize, to: usize| {
        for k in from..to {
            let (x, t) = (batch(k, &[5, 2, 6, 6]), batch(k + 1, &[5, 3, 2, 2]));
            trainer.step(&[x.view()], t.view()).expect("it runs");
        }
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("half.safetensors");
    let start = |threads| {
        Trainer::new(&model, &Options::default().threads(threads), train.clone()).expect("it can be trained")
    };
    let mut whole = start(1);
    steps(&mut whole, 0, 3);
    whole.checkpoint(&path).expect("it is written");
    steps(&mut whole, 3, 6);
    for threads in [1, 2, 7] {
        let mut resumed = start(threads);
        resumed.resume(&path).expect("it is read");
        assert_eq!(resumed.steps(), 3);
        steps(&mut resumed, 3, 6);
        assert_eq!(weights(&resumed), weights(&whole), "{threads} threads");
    }
    // What is written last is a weight file as any other.
    let options = Options::default().weights_file(&path);
    model.weights(&model.graph(&options).expect("it is sound").0, &options).expect("it is a weight file");
}

/// A step of plain descent at a rate of 1 subtracts the gradient, which PyTorch has recorded; running statistics are
/// computed beside it in f64.
#[test]
fn batchnorm_learns_by_the_statistics_of_its_batch() {
    let cases = load("torch");
    let case = cases.iter().find(|case| case.name.ends_with("bn_train")).expect("it is recorded");
    let recorded = tensors(&std::fs::read(data("cases/torch_gradients.safetensors")).expect("it is there"));
    let recorded = |what: &str| &recorded[&format!("{}/{what}", case.name)];
    let of = |key: &str| recorded(&format!("w/{key}")).clone();
    let given = tensors(&case.weights);
    let mut all: Vec<(String, Tensor)> = given.clone().into_iter().collect();
    let five = |value: f32| Tensor::new(&[5], vec![value; 5]).expect("the lengths agree");
    all.push(("bn.running_mean".into(), five(0.5)));
    all.push(("bn.running_var".into(), five(2.0)));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("w.safetensors");
    std::fs::write(&path, safetensors_of(&all)).expect("it is written");

    let conv = "model m {\n input x [3, 6, 7]\n c = conv(kernel=3, out=5, pad=1, bias=false)\n";
    let model = Model::from_str("m.conv", &format!("{conv} bn = batchnorm\n relu\n}}")).expect("it is sound");
    let mut train = TrainOptions::new(Loss::Mse);
    train.rate = 1.0;
    let options = Options::default().math(Math::Strict).weights_file(&path);
    let mut trainer = Trainer::new(&model, &options, train).expect("it can be trained");
    let x = &case.inputs["x"];
    let loss = trainer.step(&[x.view()], recorded("target/y").view()).expect("it runs");
    assert!((loss - recorded("loss/y").data()[0]).abs() < 1e-5, "{loss}");
    let learned = weights(&trainer);
    for key in ["c.weight", "bn.weight", "bn.bias"] {
        for ((new, old), gradient) in learned[key].data().iter().zip(given[key].data()).zip(of(key).data()) {
            assert!(
                (old - new - gradient).abs() < 1e-5 * (1.0 + gradient.abs()),
                "{key}: {old} to {new}, not {gradient}"
            );
        }
    }
    let plain = Model::from_str("c.conv", &format!("{conv}}}")).expect("it is sound");
    let options = Options::default().math(Math::Strict).weights_file(&path);
    let c = plain.compile(&options).expect("it is compiled").run(&[x.view()]).expect("it runs").remove(0);
    let (samples, plane) = (c.shape()[0], 42);
    for channel in 0..5 {
        let values = || {
            (0..samples)
                .flat_map(|n| c.data()[(n * 5 + channel) * plane..][..plane].iter().map(|&v| f64::from(v)))
        };
        let n = values().count() as f64;
        let mean = values().sum::<f64>() / n;
        let variance = values().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let near = |key: &str, expected: f64| {
            let found = f64::from(learned[key].data()[channel]);
            assert!((found - expected).abs() < 1e-5, "{key}: {found}, not {expected}");
        };
        near("bn.running_mean", 0.9 * 0.5 + 0.1 * mean);
        near("bn.running_var", 0.9 * 2.0 + 0.1 * variance);
    }
}
