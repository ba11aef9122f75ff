//! What a trainer refuses, and what it promises of its numbers.

use std::collections::BTreeMap;

use convc::graph::grad::GradError;
use convc::model::Error;
use convc::train::{Decay, Init, Loss, Optimizer, Schedule, TrainError, TrainOptions, Trainer};
use convc::{Math, Model, Options, Tensor, TensorView};

use crate::cases::{data, safetensors_of, tensors};
use crate::training::weights;

const ADAM: Optimizer =
    Optimizer::Adam { betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.0, decoupled: false };
const OTHER_EPS: Optimizer =
    Optimizer::Adam { betas: [0.9, 0.999], eps: 1e-3, weight_decay: 0.0, decoupled: false };
const MOMENTUM: Optimizer = Optimizer::Sgd { momentum: 0.9, weight_decay: 0.0, nesterov: false };
const LINEAR: &str = "model m {\n input x [3]\n f = linear(out=2)\n}";

fn trainer(text: &str, options: &Options, train: TrainOptions) -> Result<Trainer, TrainError> {
    Trainer::new(&Model::from_str("m.conv", text).expect("it is sound"), options, train)
}

fn with(text: &str, change: impl FnOnce(&mut TrainOptions)) -> Result<Trainer, TrainError> {
    let mut train = TrainOptions::new(Loss::Mse);
    change(&mut train);
    trainer(text, &Options::default().threads(1), train)
}

fn refused<T>(result: Result<T, TrainError>) -> String {
    match result {
        Ok(_) => panic!("it is not refused"),
        Err(error) => error.to_string(),
    }
}

fn tensor(shape: &[usize], data: impl Fn(usize) -> f32) -> Tensor {
    Tensor::new(shape, (0..shape.iter().product()).map(data).collect()).expect("the lengths agree")
}

#[test]
fn memory_is_asked_before_it_is_taken() {
    let wide = "model m {\n input x [1000]\n f = linear(out=1000)\n}";
    let with = |optimizer, bytes: u64| {
        let train = TrainOptions { optimizer, ..TrainOptions::new(Loss::Mse) };
        trainer(wide, &Options::default().memory(bytes), train)
    };
    // Weights, as they are and as they will be; and for Adam two moments of each.
    with(TrainOptions::new(Loss::Mse).optimizer, 8_100_000).expect("weights alone fit");
    let error = with(ADAM, 20_000_000).err().expect("moments are too much");
    let TrainError::Model(Error::Memory { needed, limit, .. }) = error else { panic!("{error}") };
    assert_eq!((needed, limit), (6 * 4 * 1_001_000, 20_000_000));
}

/// The least memory with which something works, to a hundredth.
fn least(works: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (1u64, 1 << 30);
    assert!(works(high));
    while high - low > high / 100 {
        let middle = low.midpoint(high);
        if works(middle) { high = middle } else { low = middle }
    }
    high
}

#[test]
fn all_programs_share_one_limit_of_memory() {
    let text = "model m {\n input x [4, 24, 24]\n c = conv(kernel=3, out=16, pad=1)\n relu\n d = conv(kernel=3, out=2)\n}";
    let start =
        |bytes| trainer(text, &Options::default().threads(1).memory(bytes), TrainOptions::new(Loss::Mse));
    let one = least(|bytes| start(bytes).is_ok_and(|mut t| t.prepare_step(8).is_ok()));
    let two = least(|bytes| {
        start(bytes).is_ok_and(|mut t| t.prepare_step(8).is_ok() && t.prepare_evaluation(8).is_ok())
    });
    let alone = least(|bytes| start(bytes).is_ok_and(|mut t| t.prepare_evaluation(8).is_ok()));
    assert!(two > one + alone / 4, "{one} bytes for a step, {alone} for an evaluation, {two} for both");
    let mut trainer = start(one).expect("it begins");
    trainer.prepare_step(8).expect("there is room for one");
    let error = trainer.prepare_evaluation(8).expect_err("there is none for another");
    let TrainError::Model(Error::Memory { needed, limit, .. }) = error else { panic!("{error}") };
    assert!(limit == one && needed > one, "{needed} of {limit}");
}

#[test]
fn weights_without_names_are_refused() {
    let text = "model m {\n input x [1, 2, 2]\n conv(kernel=1, out=2)\n flatten\n}";
    assert!(refused(with(text, |_| ())).contains("E0212"));
}

#[test]
fn options_out_of_range_are_refused() {
    let sgd = |momentum, weight_decay, nesterov| Optimizer::Sgd { momentum, weight_decay, nesterov };
    let adam = |betas, eps| Optimizer::Adam { betas, eps, weight_decay: 0.0, decoupled: true };
    for (optimizer, says) in [
        (sgd(-0.5, 0.0, false), "momentum is -0.5"),
        (sgd(f64::INFINITY, 0.0, false), "momentum is inf"),
        (sgd(0.0, 0.0, true), "momentum is 0.0; it must be above 0"),
        (sgd(0.0, f64::NAN, false), "weight decay is NaN"),
        (sgd(0.0, 1e39, false), "weight decay is 1e39"),
        (adam([0.9, 1.0], 1e-8), "beta is 1.0;"),
        (adam([-0.1, 0.9], 1e-8), "beta is -0.1"),
        (adam([0.9, 0.9], -1e-8), "eps is -1e-8"),
        (adam([0.9, f64::NAN], 1e-8), "beta is NaN"),
    ] {
        let said = refused(with(LINEAR, |train| train.optimizer = optimizer));
        assert!(said.contains(says), "{said}");
    }
    for (rate, says) in [(f64::NAN, "rate is NaN"), (-1.0, "rate is -1.0"), (1e39, "rate is 1e39")] {
        assert!(refused(with(LINEAR, |train| train.rate = rate)).contains(says));
    }
    for decay in [
        Decay::Step { every: 0, factor: 0.1 },
        Decay::Step { every: 1, factor: f64::NAN },
        Decay::Cosine { floor: -1.0 },
    ] {
        refused(with(LINEAR, |train| train.schedule = Schedule { decay, warmup: 0 }));
    }
    refused(with(LINEAR, |train| train.statistics_momentum = 1.5));
    refused(with(LINEAR, |train| train.init = Some(Init::Constant(f32::INFINITY))));
    with(LINEAR, |train| train.rate = 0.0).expect("a rate of 0 is one");
}

/// The loss is finite, what the step makes is not: nothing of it is kept.
#[test]
fn weights_stay_finite() {
    let batch = (tensor(&[4, 3], |i| i as f32 * 3.0), tensor(&[4, 2], |i| -(i as f32)));
    let mut steep = with(LINEAR, |train| train.rate = 3e38).expect("it can be trained");
    let before = weights(&steep);
    let error = steep.step(&[batch.0.view()], batch.1.view()).expect_err("it diverges");
    let TrainError::Diverged { step: 1, key, value } = &error else { panic!("{error}") };
    assert!(key.starts_with("f.") && !value.is_finite(), "{error}");
    assert_eq!((weights(&steep), steep.steps()), (before, 0));

    // A variance beyond f32, of a batch that is normalised nevertheless.
    let text = "model m {\n input x [3]\n b = batchnorm\n f = linear(out=2)\n}";
    let mut normed = with(text, |_| ()).expect("it can be trained");
    let huge = tensor(&[4, 3], |i| i as f32 * 1e19);
    let error = normed.step(&[huge.view()], batch.1.view()).expect_err("it diverges");
    assert!(!matches!(error, TrainError::Shape { .. }), "{error}");
    assert!(weights(&normed).values().all(|t| t.data().iter().all(|v| v.is_finite())));
}

/// As PyTorch does for a module that is called twice.
#[test]
fn batchnorms_that_share_statistics_change_them_one_after_the_other() {
    let text = "model m {\n input x [1]\n p = batchnorm(key=\"a\")\n q = batchnorm(key=\"a\")\n}";
    let mut trainer = with(text, |train| train.rate = 0.0).expect("it can be trained");
    let x = [1.0f32, 2.0, 4.0, 9.0];
    let x = TensorView::new(&[4, 1], &x).expect("the lengths agree");
    trainer.step(&[x], x).expect("it runs");
    let learned = weights(&trainer);
    // Mean 4, variance 9.5; then mean 0, and a variance of nearly 1. Running variances have n − 1 = 3 below.
    let (first, second) = (0.9 + 0.1 * 38.0 / 3.0, 4.0 / 3.0 * 9.5 / (9.5 + 1e-5));
    for (key, expected) in [("a.running_mean", 0.9 * 0.4), ("a.running_var", 0.9 * first + 0.1 * second)] {
        let found = f64::from(learned[key].data()[0]);
        assert!((found - expected).abs() < 1e-5, "{key}: {found}, not {expected}");
    }
}

#[test]
fn a_batch_of_one_value_for_each_channel_has_no_variance() {
    let text = "model m {\n input x [3]\n b = batchnorm\n f = linear(out=2)\n}";
    let mut trainer = with(text, |_| ()).expect("it can be trained");
    let error = trainer.prepare_step(1).expect_err("it has no variance");
    assert!(matches!(&error, TrainError::Grad(GradError::OneValue { name }) if name == "b"), "{error}");
    trainer.prepare_evaluation(1).expect("running statistics are there");
}

#[test]
fn equal_scores_are_right_for_the_first_class_alone() {
    let text = "model m {\n input x [3]\n f = linear(out=4)\n}";
    let train = |train: &mut TrainOptions| {
        (train.loss, train.init) = (Loss::CrossEntropy, Some(Init::Constant(0.0)));
    };
    let mut trainer = with(text, train).expect("it can be trained");
    let (x, classes) = (tensor(&[4, 3], |i| i as f32), tensor(&[4], |i| i as f32));
    let result = trainer.evaluate(&[x.view()], classes.view()).expect("it runs");
    assert_eq!(result.accuracy, Some(0.25));
}

/// A softmax that is flattened is the loss's own as well.
#[test]
fn a_softmax_is_recognised_behind_a_reshape() {
    let text = |tail: &str| format!("model m {{\n input x [1, 2, 2]\n c = conv(kernel=2, out=3)\n{tail}}}");
    let losses =
        ["", " flatten\n", " softmax\n", " softmax\n flatten\n", " flatten\n softmax\n"].map(|tail| {
            let mut trainer =
                with(&text(tail), |train| train.loss = Loss::CrossEntropy).expect("it can be trained");
            let classes: &[usize] = if tail.contains("flatten") { &[2] } else { &[2, 1, 1] };
            let (x, t) = (tensor(&[2, 1, 2, 2], |i| i as f32), tensor(classes, |i| i as f32));
            trainer.step(&[x.view()], t.view()).expect("it runs")
        });
    assert!(losses.iter().all(|loss| *loss == losses[0]), "{losses:?}");
}

#[test]
fn inputs_may_be_called_as_they_like() {
    let text = "model m {\n input target [3]\n f = linear(out=3)\n loss = linear(out=2)\n}";
    for name in ["target", "rate", "correction", "decay", "scores"] {
        let mut trainer = with(&text.replace("target", name), |_| ()).expect("it can be trained");
        let (x, t) = (tensor(&[2, 3], |i| i as f32), tensor(&[2, 2], |i| i as f32));
        trainer.step(&[x.view()], t.view()).expect("it runs");
        trainer.evaluate(&[x.view()], t.view()).expect("it runs");
    }
}

#[test]
fn a_checkpoint_of_another_training_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("c.safetensors");
    let start = |optimizer, seed: &str| {
        with(LINEAR, |train| {
            train.optimizer = optimizer;
            train.notes = BTreeMap::from([("seed".to_owned(), seed.to_owned())]);
        })
        .expect("it can be trained")
    };
    let plain = TrainOptions::new(Loss::Mse).optimizer;
    let (x, t) = (tensor(&[2, 3], |i| i as f32), tensor(&[2, 2], |i| i as f32));
    let mut first = start(ADAM, "7");
    first.step(&[x.view()], t.view()).expect("it runs");
    first.checkpoint(&path).expect("it is written");
    start(ADAM, "7").resume(&path).expect("it is its own");
    for (mut other, says) in [
        (start(plain, "7"), "with optimizer adam; this one has sgd"),
        (start(MOMENTUM, "7"), "this one has sgd with momentum"),
        (start(ADAM, "8"), "with seed 7; this one has 8"),
        (start(OTHER_EPS, "7"), "with eps 0.00000001; this one has 0.001"),
    ] {
        let before = weights(&other);
        let said = refused(other.resume(&path));
        assert!(said.contains(says), "{said}");
        assert_eq!((weights(&other), other.steps()), (before, 0));
    }
    // What a file without notes says by itself.
    let whole = tensors(&std::fs::read(&path).expect("it is there"));
    let refused_with = |change: &dyn Fn(&mut BTreeMap<String, Tensor>), says: &str| {
        let mut changed = whole.clone();
        change(&mut changed);
        let listed: Vec<_> = changed.into_iter().collect();
        std::fs::write(&path, safetensors_of(&listed)).expect("it is written");
        let mut other = start(ADAM, "8");
        let said = refused(other.resume(&path));
        assert!(said.contains(says), "{said}");
        assert_eq!(other.steps(), 0);
    };
    let steps = |low: f32, high: f32| tensor(&[2], move |i| if i == 0 { low } else { high });
    for (low, high) in [(1.0, 1e30), (-5.0, 0.0), (0.5, 0.0), (f32::NAN, 0.0), (16_777_216.0, 0.0)] {
        refused_with(
            &|t| drop(t.insert("trainer.steps".into(), steps(low, high))),
            "`trainer.steps` is damaged",
        );
    }
    refused_with(&|t| drop(t.remove("trainer.steps")), "weights alone");
    refused_with(&|t| drop(t.remove("trainer.mean.f.bias")), "no `trainer.mean.f.bias`");
    refused_with(
        &|t| drop(t.insert("trainer.third.f.bias".into(), steps(0.0, 0.0))),
        "of another model or optimizer",
    );
    refused_with(&|t| drop(t.insert("f.bias".into(), steps(0.0, f32::NAN))), "`f.bias` holds NaN");
    refused_with(&|t| drop(t.insert("f.bias".into(), tensor(&[3], |_| 0.0))), "shape [3]");
}

/// Betas, eps and decay are rounded once, where they are applied.
#[test]
fn adams_coefficients_are_computed_in_f64() {
    let recorded = tensors(&std::fs::read(data("train/adam_moments.safetensors")).expect("it is there"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let start: Vec<_> = ["weight", "bias"]
        .map(|key| (format!("f.{key}"), recorded[&format!("start.{key}")].clone()))
        .into_iter()
        .collect();
    std::fs::write(path("start"), safetensors_of(&start)).expect("it is written");
    let optimizer =
        Optimizer::Adam { betas: [0.7, 0.9999], eps: 1e-5, weight_decay: 0.001, decoupled: false };
    let train = TrainOptions { optimizer, rate: 0.003, ..TrainOptions::new(Loss::Mse) };
    let options = Options::default().math(Math::Strict).weights_file(path("start"));
    let mut trainer = trainer(LINEAR, &options, train).expect("it can be trained");
    for _ in 0..12 {
        trainer.step(&[recorded["x"].view()], recorded["y"].view()).expect("it runs");
    }
    trainer.checkpoint(&path("end")).expect("it is written");
    let end = tensors(&std::fs::read(path("end")).expect("it is there"));
    for key in ["weight", "bias"] {
        for (name, prefix, relative) in
            [("", "", 0.0), ("mean.", "trainer.mean.", 2e-6f32), ("square.", "trainer.square.", 2e-6)]
        {
            let (found, expected) = (&end[&format!("{prefix}f.{key}")], &recorded[&format!("{name}{key}")]);
            for (found, expected) in found.data().iter().zip(expected.data()) {
                let far = (found - expected).abs();
                let close = if name.is_empty() { 1e-7 } else { relative * expected.abs() };
                assert!(far <= close, "{prefix}{key}: {found}, not {expected}");
            }
        }
    }
}
