//! Random graphs, not written as text: every operation on values of every rank, by every executor.

mod extremes;
mod gradients;
mod maker;
mod ops;

use convc::tensor::Tensor;
use proptest::prelude::*;

use crate::executors::agree;
use maker::{Choices, Maker};

/// A graph of some operations; each number says which and how.
fn make(script: &[u64]) -> Maker {
    let mut maker = Maker::new();
    for &seed in script {
        maker.choices = Choices::new(seed);
        let which = maker.choices.below(ops::KINDS);
        // Sizes may not fit.
        if let Some(value) = (0..3).find_map(|_| ops::append(&mut maker, which)) {
            maker.results.push(value);
        }
    }
    maker
}

fn run(script: &[u64]) {
    let Some((graph, inputs, params)) = make(script).finish() else { return };
    let inputs: Vec<_> = inputs.iter().map(Tensor::view).collect();
    agree(&graph, &inputs, &params, 2e-4);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn graphs_agree_with_the_evaluator(script in prop::collection::vec(any::<u64>(), 1..10)) {
        run(&script);
    }
}
