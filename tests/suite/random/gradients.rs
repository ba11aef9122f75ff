//! Gradients of random graphs: what differences of f64 say they are, and the same by every executor.

use convc::graph::eval::{evaluate, evaluate_wide};
use convc::graph::grad::{GradError, with_gradients};
use convc::graph::verify::verify;
use convc::graph::{Graph, Op};
use convc::tensor::Tensor;
use proptest::prelude::*;

use super::make;
use super::maker::Choices;
use crate::executors::agree;

/// How far arguments are moved. Differences of f64 lose half of their digits; corners are seldom that near.
const STEP: f64 = 1e-7;

/// A random graph with its gradients, for some samples; none where a layer has none.
fn with_inputs(script: &[u64], samples: u64) -> Option<(Graph, Graph, Vec<Tensor>, Vec<Tensor>)> {
    let (graph, _, params) = make(script).finish()?;
    let whole = match with_gradients(&graph, samples) {
        Ok(whole) => whole,
        // The sign alone, which is constant but at 0.
        Err(GradError::None { .. }) => return None,
        // The samples are one axis more than there may be.
        Err(GradError::Shape { message, .. }) if message.contains("more than 8 axes") => return None,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(verify(&whole), Ok(()));
    let mut choices = Choices::new(script.iter().fold(samples, |a, b| a.rotate_left(7) ^ b));
    let inputs = whole.inputs.iter().map(|input| {
        let dims: Vec<usize> = whole.ty(input.value).dims.iter().map(|&d| d as usize).collect();
        let data = choices.noise(dims.iter().product());
        Tensor::new(&dims, data).expect("the lengths agree")
    });
    let inputs = inputs.collect();
    Some((graph, whole, inputs, params))
}

fn wide(tensors: &[Tensor]) -> Vec<Vec<f64>> {
    tensors.iter().map(|t| t.data().iter().map(|&v| f64::from(v)).collect()).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The gradient along a random direction, beside the difference along it.
fn held_to_differences(script: &[u64], samples: u64) {
    let Some((graph, whole, inputs, params)) = with_inputs(script, samples) else { return };
    let (inputs, params) = (wide(&inputs), wide(&params));
    let outputs = graph.outputs.len();
    let seeds = &inputs[graph.inputs.len()..];
    let run =
        |inputs: &[Vec<f64>], params: &[Vec<f64>]| evaluate_wide(&whole, inputs, params).expect("it runs");
    let loss = |results: &[Vec<f64>]| results.iter().zip(seeds).map(|(y, dy)| dot(y, dy)).sum::<f64>();
    let results = run(&inputs, &params);
    if results.iter().flatten().any(|v| !v.is_finite() || v.abs() > 1e6) {
        return;
    }
    let mut choices = Choices::new(script[0] ^ 0x5555);
    for (output, gradient) in whole.outputs.iter().zip(&results).skip(outputs) {
        let name = output.name.strip_prefix("d.").expect("a gradient");
        let direction: Vec<f64> = choices.noise(gradient.len()).into_iter().map(f64::from).collect();
        let moved = |by: f64| {
            let (mut inputs, mut params) = (inputs.clone(), params.clone());
            let input = graph.inputs.iter().position(|i| i.name == name);
            let param = graph.params.iter().position(|p| p.key == name);
            let data = match (input, param) {
                (Some(i), _) => &mut inputs[i],
                (_, Some(i)) => &mut params[i],
                _ => panic!("{name} is nothing"),
            };
            data.iter_mut().zip(&direction).for_each(|(v, d)| *v += by * d);
            loss(&run(&inputs, &params))
        };
        let expected = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
        let found = dot(gradient, &direction);
        let size: f64 = gradient.iter().zip(&direction).map(|(g, d)| (g * d).abs()).sum();
        let magnitude = loss(&results).abs() + size + 1.0;
        assert!(
            (found - expected).abs() <= 2e-5 * magnitude,
            "{name}: {found}, but differences say {expected}\n{}",
            convc::graph::print::print(&whole)
        );
    }
}

/// The samples at once give what they give one by one.
fn held_to_samples(script: &[u64], samples: u64) {
    let Some((graph, whole, inputs, params)) = with_inputs(script, samples) else { return };
    let views: Vec<_> = inputs.iter().map(Tensor::view).collect();
    let batched = graph.inputs.iter().any(|i| graph.ty(i.value).batched);
    if !batched || graph.values().any(|(_, n)| matches!(n.op, Op::GroupNorm { .. } | Op::LayerNorm { .. })) {
        return;
    }
    let one_by_one = evaluate(&graph, &views[..graph.inputs.len()], &params).expect("it runs");
    let at_once = evaluate(&whole, &views, &params).expect("it runs");
    for (i, output) in graph.outputs.iter().enumerate().filter(|(_, o)| graph.ty(o.value).batched) {
        for (a, b) in one_by_one[i].data().iter().zip(at_once[i].data()) {
            let near = (a - b).abs() <= 1e-5 * (1.0 + a.abs()) || (a.is_nan() && b.is_nan());
            let text = convc::graph::print::print(&whole);
            assert!(near, "{}: {b} at once, {a} one by one\n{text}", output.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn gradients_are_what_differences_say(script in prop::collection::vec(any::<u64>(), 1..5), samples in 1u64..4) {
        held_to_differences(&script, samples);
        held_to_samples(&script, samples);
    }
}

/// A norm pool whose last window would begin in the padding, which its shape leaves out.
#[test]
fn a_norm_pool_has_the_windows_of_its_shape() {
    held_to_samples(&[15_915_059_655_233_126_095], 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn executors_agree_about_gradients(script in prop::collection::vec(any::<u64>(), 1..4), samples in 1u64..4) {
        if let Some((_, whole, inputs, params)) = with_inputs(&script, samples) {
            let views: Vec<_> = inputs.iter().map(Tensor::view).collect();
            agree(&whole, &views, &params, 5e-4);
        }
    }
}
