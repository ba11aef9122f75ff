//! Single layers and small chains against what PyTorch, ONNX and SciPy computed.

use convc::code::Backend;
use convc::graph::eval::evaluate;

use crate::cases::{self, Tolerance, check_all, load};
use crate::executors::Executor;

/// What separates one order of summation in f32 from another.
const CLOSE: Tolerance = Tolerance::Element(1e-5);

/// A test of each collection for each executor.
macro_rules! executors {
    ($($module:ident: $executor:expr;)*) => {$(
        mod $module {
            use super::*;

            /// Whether this machine can run it; says so if not.
            fn runs() -> bool {
                let runs = Executor::all().contains(&$executor);
                if !runs {
                    eprintln!("skipped: this machine cannot run {:?}", $executor);
                }
                runs
            }

            #[test]
            fn layers_and_chains_of_pytorch() {
                if runs() {
                    check_all("torch", $executor, CLOSE);
                }
            }

            #[test]
            fn nodes_of_onnx() {
                if runs() {
                    check_all("onnx", $executor, CLOSE);
                }
            }

            #[test]
            fn resizes_of_onnx() {
                if runs() {
                    check_all("onnx_resize", $executor, CLOSE);
                }
            }

            #[test]
            fn norms_and_pools_of_onnx() {
                if runs() {
                    check_all("onnx_networks", $executor, CLOSE);
                }
            }

            #[test]
            fn classical_filters_on_a_photo() {
                if runs() {
                    check_all("filters", $executor, CLOSE);
                }
            }
        }
    )*};
}

executors! {
    evaluator: Executor::Evaluator;
    interpreter: Executor::Interpreter;
    cranelift: Executor::Compiled(Backend::Cranelift);
    x64: Executor::Compiled(Backend::X64);
}

#[test]
fn a_batch_gives_the_same_bits_as_its_samples() {
    let batched = |c: &&cases::Case| c.inputs["x"].shape()[0] > 1 && c.text.contains("input x");
    for case in load("torch").iter().filter(batched).step_by(5) {
        let (graph, params) = case.build();
        let x = &case.inputs["x"];
        let whole = evaluate(&graph, &[x.view()], params.tensors()).expect("it runs");
        let len = x.data().len() / x.shape()[0];
        let mut one_by_one = Vec::new();
        for sample in x.data().chunks(len) {
            let view = convc::tensor::TensorView::new(&x.shape()[1..], sample).expect("the lengths agree");
            let y = evaluate(&graph, &[view], params.tensors()).expect("it runs");
            one_by_one.extend_from_slice(y[0].data());
        }
        assert_eq!(whole[0].data(), one_by_one, "{}", case.name);
        assert_eq!(whole[0].shape(), case.outputs[0].shape(), "{}", case.name);
    }
}
