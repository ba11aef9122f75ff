//! Every example: formatted, free of warnings, and the same by both emitters and the evaluator.

use std::path::{Path, PathBuf};

use convc::code::Backend;
use convc::graph::check::DimSignature;
use convc::graph::eval::evaluate;
use convc::{Model, Options, Tensor, TensorView};

use crate::fenced;

fn examples() -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for folder in ["examples", "examples/textbook"] {
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|e| e == "conv") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    assert!(paths.len() >= 14, "{paths:?}");
    paths
}

/// Numbers in 0..1 that depend on the seed.
fn noise(dims: &[usize], mut state: u32) -> Tensor {
    let numbers = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    });
    Tensor::new(dims, numbers.take(dims.iter().product()).collect()).expect("the lengths agree")
}

/// Inputs of an example, open sizes at their defaults or taken as small numbers.
fn inputs(model: &Model) -> Vec<Tensor> {
    let signature = model.signature(None);
    let sizes = ["H", "W"];
    let shape = |dims: &[DimSignature]| -> Vec<usize> {
        dims.iter()
            .map(|dim| match dim {
                DimSignature::Fixed(n) => *n as usize,
                DimSignature::Open { default: Some(n), .. } => *n as usize,
                DimSignature::Open { name, .. } => 29 + 8 * sizes.iter().position(|s| s == name).unwrap_or(0),
                DimSignature::Derived => panic!("an example with a derived size"),
            })
            .collect()
    };
    signature.inputs.iter().zip(1..).map(|(input, seed)| noise(&shape(&input.dims), seed)).collect()
}

/// Elements agree within 1e-4 of the range.
fn assert_near(path: &Path, found: &[Tensor], expected: &[Tensor]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.shape(), expected.shape(), "{}", path.display());
        let (lo, hi) = expected.data().iter().fold((f32::MAX, f32::MIN), |(l, h), &x| (l.min(x), h.max(x)));
        for (f, e) in found.data().iter().zip(expected.data()) {
            assert!((f - e).abs() <= 1e-4 * (hi - lo).max(1e-3), "{}: {f} is not {e}", path.display());
        }
    }
}

#[test]
fn every_example_gives_what_the_evaluator_gives() {
    for path in examples() {
        let model = Model::from_path(&path).unwrap_or_else(|e| panic!("{e}"));
        let inputs = inputs(&model);
        let views: Vec<TensorView<'_>> = inputs.iter().map(Tensor::view).collect();
        let mut options = Options::default();
        for input in &inputs {
            options = options.input(input.shape());
        }
        let mut expected = None;
        for backend in [Options::default().resolved_backend(), Backend::Cranelift] {
            let (program, found) = fenced::run_model(&model, &options.clone().backend(backend), &views);
            assert_eq!(program.warnings(), [], "{}", path.display());
            let expected = expected.get_or_insert_with(|| {
                evaluate(program.graph(), &views, program.params().tensors()).expect("the evaluator runs")
            });
            assert_near(&path, &found, expected);
        }
    }
}

#[test]
fn every_example_is_formatted() {
    for path in examples() {
        let text = std::fs::read_to_string(&path).expect("it can be read");
        let source = convc::source::Source::new(path.display().to_string(), text.as_str());
        let formatted = convc::syntax::format(&source).expect("it parses");
        assert!(formatted == text, "{}: `convc fmt` would change it to\n{formatted}", path.display());
    }
}

#[test]
fn a_batch_is_its_samples_and_runs_share_a_program() {
    let model = Model::from_path("examples/lenet.conv").expect("it parses");
    let program = model.compile(&Options::default().placement(fenced::ENDS[1])).expect("it compiles");
    let batch = noise(&[5, 1, 28, 28], 7);
    let together = program.run(&[batch.view()]).expect("it runs");
    assert_eq!(together[0].shape(), [5, 10]);
    std::thread::scope(|scope| {
        for (sample, digits) in batch.data().chunks(28 * 28).enumerate() {
            let (program, together) = (&program, &together);
            scope.spawn(move || {
                let digit = TensorView::new(&[1, 28, 28], digits).expect("the lengths agree");
                let alone = program.run(&[digit]).expect("it runs");
                // Bit for bit.
                assert_eq!(alone[0].data(), &together[0].data()[10 * sample..10 * sample + 10]);
            });
        }
    });
}
