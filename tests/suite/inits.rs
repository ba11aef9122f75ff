//! How weights begin: each scheme by its bound and its variance, by the seed and the key alone.

use std::collections::BTreeMap;

use convc::train::{Init, Loss, TrainOptions, Trainer};
use convc::{Model, Options, Tensor};

use crate::training::weights;

/// A weight of every kind of layer, with enough elements for a variance.
const LAYERS: [&str; 4] = [
    "c = conv(kernel=(5, 3), out=24, pad=(2, 1))",
    "g = conv(kernel=3, out=24, pad=1, groups=4)\n bn = batchnorm\n slope = prelu",
    "t = conv_transpose(kernel=3, out=24, pad=1)",
    "d = conv(kernel=3, out=24, pad=1, bias=false)",
];

fn model(layers: impl Iterator<Item = &'static str>) -> Model {
    let lines: String = layers.map(|layer| format!(" {layer}\n")).collect();
    let text = format!("model m {{\n input x [24, 4, 4]\n{lines} flatten\n fc = linear(out=40)\n}}");
    Model::from_str("m.conv", &text).expect("it is sound")
}

fn begun(model: &Model, init: Option<Init>, seed: u64) -> BTreeMap<String, Tensor> {
    let train = TrainOptions { init, ..TrainOptions::new(Loss::Mse) };
    weights(&Trainer::new(model, &Options::default().seed(seed), train).expect("it can be trained"))
}

/// PyTorch's `_calculate_fan_in_and_fan_out`, whichever the layer.
fn fans(weight: &Tensor) -> [f64; 2] {
    let taps: usize = weight.shape()[2..].iter().product();
    [weight.shape()[1] * taps, weight.shape()[0] * taps].map(|n| n as f64)
}

const WEIGHTS: [&str; 5] = ["c.weight", "g.weight", "t.weight", "d.weight", "fc.weight"];
const BIASES: [&str; 4] = ["c.bias", "g.bias", "t.bias", "fc.bias"];

#[track_caller]
fn uniform(key: &str, tensor: &Tensor, bound: f64) {
    let n = tensor.data().len() as f64;
    let values = || tensor.data().iter().map(|&v| f64::from(v));
    let largest = values().fold(0.0, |m: f64, v| m.max(v.abs()));
    assert!(largest <= bound * (1.0 + 1e-6), "{key}: {largest} is beyond {bound}");
    // Of n numbers the chance that none is in the outer 20/n is e^-20.
    assert!(largest >= bound * (1.0 - 20.0 / n), "{key}: {largest} where {bound} is the bound");
    // The mean square of uniform numbers is a third of the bound's; its deviation 0.9/√n of that.
    let square = values().map(|v| v * v).sum::<f64>() / n;
    let share = square / (bound * bound / 3.0);
    assert!((share - 1.0).abs() < 5.0 / n.sqrt(), "{key}: the variance is {share} of what it should be");
    let mean = values().sum::<f64>() / n;
    assert!(mean.abs() < 3.0 * bound / n.sqrt(), "{key}: a mean of {mean}");
}

#[test]
fn schemes_have_their_bounds_and_variances() {
    type Bound = fn([f64; 2]) -> f64;
    let schemes: [(Init, Bound); 3] = [
        (Init::PyTorch, |[fan_in, _]| 1.0 / fan_in.sqrt()),
        (Init::Kaiming, |[fan_in, _]| (6.0 / fan_in).sqrt()),
        (Init::Xavier, |[fan_in, fan_out]| (6.0 / (fan_in + fan_out)).sqrt()),
    ];
    for (init, bound) in schemes {
        let found = begun(&model(LAYERS.into_iter()), Some(init), 3);
        for key in WEIGHTS {
            uniform(&format!("{init:?}, {key}"), &found[key], bound(fans(&found[key])));
        }
        for key in BIASES {
            let zero = found[key].data().iter().all(|&v| v == 0.0);
            let weight = &found[&key.replace("bias", "weight")];
            match init {
                Init::PyTorch => uniform(key, &found[key], bound(fans(weight))),
                _ => assert!(zero, "{init:?}, {key}"),
            }
        }
    }
}

#[test]
fn constants_are_constant_and_norms_begin_as_ever() {
    for value in [0.0, 0.25] {
        let found = begun(&model(LAYERS.into_iter()), Some(Init::Constant(value)), 3);
        let all = |key: &str, value: f32| {
            assert!(found[key].data().iter().all(|&v| v == value), "{key} is not {value}");
        };
        WEIGHTS.iter().for_each(|key| all(key, value));
        BIASES.iter().for_each(|key| all(key, 0.0));
        for (key, value) in [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)] {
            all(&format!("bn.{key}"), value);
        }
        all("slope.weight", 0.25);
    }
}

#[test]
fn values_depend_on_the_seed_and_the_key_alone() {
    let (forth, back) = (model(LAYERS.into_iter()), model(LAYERS.into_iter().rev()));
    for init in [Init::PyTorch, Init::Kaiming, Init::Xavier] {
        let first = begun(&forth, Some(init), 3);
        assert_eq!(first, begun(&forth, Some(init), 3));
        assert_eq!(first, begun(&back, Some(init), 3), "layers in another order");
        let other = begun(&forth, Some(init), 4);
        for key in WEIGHTS {
            assert_ne!(first[key], other[key], "{init:?}, {key}");
        }
    }
    // Without a scheme a model without weights begins as PyTorch's layers.
    assert_eq!(begun(&forth, None, 3), begun(&forth, Some(Init::PyTorch), 3));
}

#[test]
fn a_scheme_is_taken_whatever_file_there_is() {
    let model = model(LAYERS.into_iter());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("w.safetensors");
    let seeded = |options, init| {
        let train = TrainOptions { init, ..TrainOptions::new(Loss::Mse) };
        Trainer::new(&model, &options, train).expect("it can be trained")
    };
    seeded(Options::default().seed(9), None).save(&path).expect("it is written");
    let with_file = |init| weights(&seeded(Options::default().seed(3).weights_file(&path), init));
    assert_eq!(with_file(None), begun(&model, None, 9));
    assert_eq!(with_file(Some(Init::Xavier)), begun(&model, Some(Init::Xavier), 3));
}
