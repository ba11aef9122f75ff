//! Optimizers, losses and schedules beside recorded runs of PyTorch's (`tests/data/make/training.py`).

use std::collections::BTreeMap;

use convc::train::{Decay, Loss, Optimizer, Schedule, TrainOptions, Trainer};
use convc::{Math, Model, Options, Tensor};

use crate::cases::{array, data, tensors};
use crate::training::{digits, file, gather, weights, worst};

/// Four times as far as PyTorch's own f64 is from its f64, at the most.
const CLOSE: f32 = 1e-5;

fn adam(betas: [f64; 2], eps: f64, weight_decay: f64, decoupled: bool) -> Optimizer {
    Optimizer::Adam { betas, eps, weight_decay, decoupled }
}

/// Steps through a recorded training, and is held to its losses and parameters.
fn follow(trainer: &mut Trainer, trace: &str, x: &Tensor, y: &Tensor, order: &[&[f32]]) {
    let folder = data(&format!("train/{trace}"));
    let losses = array(&folder.join("losses.npy"));
    assert_eq!(losses.data().len(), order.len(), "{trace}");
    let mut held = 0;
    for (step, (numbers, expected)) in (1..).zip(order.iter().zip(losses.data())) {
        let loss = trainer.step(&[gather(x, numbers).view()], gather(y, numbers).view()).expect("it runs");
        assert!(
            (loss - expected).abs() < CLOSE * (1.0 + expected),
            "{trace}, step {step}: {loss}, not {expected}"
        );
        let saved = folder.join(format!("after_{step}.safetensors"));
        if saved.exists() {
            let far = worst(&weights(trainer), &file(&saved), CLOSE);
            assert!(far <= 1.0, "{trace}, after {step} steps: {far} times what is allowed");
            held += 1;
        }
    }
    assert!(held >= 2, "{trace}");
}

#[test]
fn optimizers_go_the_way_of_pytorch() {
    let ways = [
        ("digits_adam", 0.001, adam([0.9, 0.999], 1e-8, 0.0, false)),
        ("digits_adam_decay", 0.002, adam([0.8, 0.99], 1e-6, 0.01, false)),
        ("digits_adamw", 0.001, adam([0.9, 0.999], 1e-8, 0.1, true)),
        ("digits_nesterov", 0.02, Optimizer::Sgd { momentum: 0.9, weight_decay: 0.001, nesterov: true }),
    ];
    let given = data("train/digits8x8_cnn");
    let set = digits();
    let order = array(&given.join("batch_indices.npy"));
    let order: Vec<&[f32]> = order.data().chunks(order.shape()[1]).take(40).collect();
    for (trace, rate, optimizer) in ways {
        let model = Model::from_path("examples/digits.conv").expect("it is sound");
        let options = Options::default().math(Math::Strict).weights_file(given.join("init.safetensors"));
        let train = TrainOptions { optimizer, rate, ..TrainOptions::new(Loss::CrossEntropy) };
        let mut trainer = Trainer::new(&model, &options, train).expect("it can be trained");
        follow(&mut trainer, trace, &set["x_train"], &set["y_train"], &order);
    }
}

#[test]
fn losses_are_those_of_pytorch() {
    let start = data("train/loss_mse/start.safetensors");
    let given: BTreeMap<String, Tensor> = tensors(&std::fs::read(&start).expect("it is there"));
    let order: Vec<&[f32]> = given["order"].data().chunks(3).collect();
    let text = "model m {\n input x [2, 6, 7]\n c = conv(kernel=3, pad=1, out=3)\n}";
    for (trace, loss) in [("loss_mse", Loss::Mse), ("loss_l1", Loss::L1)] {
        let model = Model::from_str("m.conv", text).expect("it is sound");
        let train = TrainOptions { rate: 0.1, ..TrainOptions::new(loss) };
        let options = Options::default().math(Math::Strict).weights_file(&start);
        let mut trainer = Trainer::new(&model, &options, train).expect("it can be trained");
        follow(&mut trainer, trace, &given["x"], &given["y"], &order);
    }
}

#[test]
fn schedules_are_those_of_pytorch() {
    let recorded = tensors(&std::fs::read(data("train/schedules.safetensors")).expect("it is there"));
    let step = Decay::Step { every: 7, factor: 0.3 };
    let cosine = Decay::Cosine { floor: 0.1 };
    let schedules = [
        ("step", Schedule { decay: step, warmup: 0 }),
        ("cosine", Schedule { decay: cosine, warmup: 0 }),
        ("warmup", Schedule { decay: Decay::Constant, warmup: 5 }),
        ("warmup_step", Schedule { decay: step, warmup: 5 }),
        ("warmup_cosine", Schedule { decay: cosine, warmup: 5 }),
    ];
    assert_eq!(schedules.len(), recorded.len());
    for (name, schedule) in schedules {
        for (step, &expected) in (0..).zip(recorded[name].data()) {
            let factor = schedule.factor(step, 24);
            assert!(
                (factor - f64::from(expected)).abs() < 1e-6,
                "{name}, step {step}: {factor}, not {expected}"
            );
        }
    }
}
