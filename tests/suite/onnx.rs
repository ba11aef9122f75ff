//! Networks from ONNX files: the node tests of ONNX's own backend suite through the importer, as text,
//! by every executor.

use std::collections::BTreeMap;
use std::sync::Arc;

use convc::code::Backend;
use convc::onnx::import::{Settings, import};
use convc::onnx::{Bindings, Network, read};
use convc::tensor::Tensor;
use safetensors::{Dtype, SafeTensors};

use crate::cases::{Case, Tolerance, data, safetensors_of};
use crate::executors::Executor;

/// What separates one order of summation in f32 from another.
const CLOSE: Tolerance = Tolerance::Element(1e-5);

/// Cases that are left out, each with its reason; `docs/onnx.md` lists them.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("test_maxpool_with_argmax_2d_precomputed_pads", "asks for the second output, the indices"),
    ("test_maxpool_with_argmax_2d_precomputed_strides", "asks for the second output, the indices"),
    ("test_reshape_allowzero_reordered", "has an axis of no elements"),
];

/// Cases whose expected numbers were written down with four decimals.
const ROUNDED: &[&str] = &["test_averagepool_2d_ceil_last_window_starts_on_pad"];

/// A node test: a file, its inputs and the outputs expected.
pub struct NodeTest {
    pub name: String,
    pub model: Vec<u8>,
    pub inputs: Vec<(String, Tensor)>,
    pub outputs: Vec<Tensor>,
}

/// All node tests, in alphabetical order.
pub fn node_tests() -> Vec<NodeTest> {
    let bytes = std::fs::read(data("onnx/backend.safetensors")).expect("it is there");
    let file = SafeTensors::deserialize(&bytes).expect("the file is sound");
    let mut tests: BTreeMap<String, NodeTest> = BTreeMap::new();
    let mut entries: Vec<_> = file.iter().collect();
    // Inputs and outputs have their numbers before their names.
    entries.sort_by_key(|(key, _)| (*key).to_owned());
    for (key, view) in entries {
        let parts: Vec<&str> = key.splitn(4, '/').collect();
        let test = tests.entry(parts[0].to_owned()).or_insert_with(|| NodeTest {
            name: parts[0].to_owned(),
            model: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        });
        let tensor = || {
            let numbers: Vec<f32> = match view.dtype() {
                Dtype::F32 => view.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
                Dtype::I64 => {
                    view.data().as_chunks().0.iter().map(|&b| i64::from_le_bytes(b) as f32).collect()
                }
                other => panic!("{key} is of type {other}"),
            };
            Tensor::new(view.shape(), numbers).expect("the lengths agree")
        };
        match parts[1..] {
            ["model"] => test.model = view.data().to_vec(),
            ["in", _, name] => test.inputs.push((name.to_owned(), tensor())),
            ["out", ..] => test.outputs.push(tensor()),
            _ => panic!("{key} is no key of a node test"),
        }
    }
    tests.into_values().collect()
}

impl NodeTest {
    /// The case as text with inputs and weights.
    pub fn import(&self) -> Result<Case, String> {
        let network = read(self.model.clone(), None).map_err(|e| e.to_string())?;
        let (bindings, inputs) = bind(&network, &self.inputs);
        let imported = import(&network, &bindings, &Settings::default()).map_err(|e| e.to_string())?;
        let weights: Vec<(String, Tensor)> =
            imported.weights.iter().map(|(key, t)| (key.clone(), Tensor::clone(t))).collect();
        let named = imported.inputs.iter().cloned().zip(inputs).collect();
        let rounded = if ROUNDED.contains(&self.name.as_str()) { "# recorded with 4 decimals\n" } else { "" };
        Ok(Case {
            name: self.name.clone(),
            text: format!("{rounded}{}", imported.text),
            inputs: named,
            outputs: self.outputs.clone(),
            weights: safetensors_of(&weights),
        })
    }
}

/// What is bound as a constant, and the other inputs in order.
fn bind(network: &Network, given: &[(String, Tensor)]) -> (Bindings, Vec<Tensor>) {
    let mut bindings = Bindings::default();
    let mut inputs = Vec::new();
    for input in network.inputs() {
        let Some((_, tensor)) = given.iter().find(|(name, _)| *name == input.name) else { continue };
        if input.parameter {
            bindings.bind(&input, Arc::new(tensor.clone())).expect("it can be bound");
        } else {
            let shape = tensor.shape().iter().map(|&d| d as u64).collect();
            bindings.shapes.insert(input.name.clone(), shape);
            inputs.push(tensor.clone());
        }
    }
    (bindings, inputs)
}

fn check_all(executor: Executor) {
    let tests = node_tests();
    assert_eq!(tests.len(), 214);
    let failures: Vec<String> = tests
        .iter()
        .filter(|t| !LEFT_OUT.iter().any(|(name, _)| *name == t.name))
        .filter_map(|test| {
            let result = test.import().and_then(|case| {
                std::panic::catch_unwind(|| case.check(executor, CLOSE))
                    .unwrap_or_else(|_| Err("it panicked".to_owned()))
                    .map_err(|e| format!("{e}\n{}", case.text))
            });
            result.err().map(|e| format!("{}: {e}", test.name))
        })
        .collect();
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn node_tests_by_the_evaluator() {
    check_all(Executor::Evaluator);
}

#[test]
fn node_tests_by_cranelift() {
    check_all(Executor::Compiled(Backend::Cranelift));
}

#[test]
fn node_tests_by_x64() {
    if Executor::all().contains(&Executor::Compiled(Backend::X64)) {
        check_all(Executor::Compiled(Backend::X64));
    } else {
        eprintln!("skipped: this machine cannot run the x64 emitter's code");
    }
}

#[test]
fn what_is_left_out_is_refused_by_name() {
    for test in node_tests() {
        if let Some((name, why)) = LEFT_OUT.iter().find(|(name, _)| *name == test.name) {
            let error = test.import().err().unwrap_or_else(|| panic!("{name} is imported though it {why}"));
            let said = ["places instead of values", "no elements"].iter().any(|words| error.contains(words));
            assert!(said, "{name}: {error}");
        }
    }
}
