//! Recorded cases: a model's text, its inputs and weights, and what another framework computed.
//!
//! A collection is `tests/data/cases/NAME.txt`, in which each `## case` is followed by the text, and
//! `NAME.safetensors` with the tensors `case/in/INPUT`, `case/out/OUTPUT` and `case/w/KEY`. A text may begin
//! with `# recorded with 4 decimals`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use convc::diag::{RenderOptions, render};
use convc::graph::check::{CheckOptions, check, signature};
use convc::graph::verify::verify;
use convc::graph::{Graph, Type};
use convc::runtime::params::Params;
use convc::source::Source;
use convc::syntax::parse;
use convc::target::Math;
use convc::tensor::{Tensor, TensorView};
use safetensors::SafeTensors;

use crate::executors::Executor;

/// How far a result may be from what was recorded.
#[derive(Clone, Copy, Debug)]
pub enum Tolerance {
    /// For each element: absolute, and as much relative.
    Element(f32),
    /// Relative to the difference of the largest and the smallest element recorded.
    Range(f32),
}

/// One recorded case.
pub struct Case {
    pub name: String,
    pub text: String,
    /// By the input's name; with a batch axis where the model has one.
    pub inputs: BTreeMap<String, Tensor>,
    /// In the order of the model's outputs.
    pub outputs: Vec<Tensor>,
    /// A safetensors file.
    pub weights: Vec<u8>,
}

/// A file under `tests/data`.
pub fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)
}

/// Reads an array of `tests/data/nets`.
pub fn array(path: &Path) -> Tensor {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    convc::io::npy::read(&bytes, 1 << 30).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The tensors of a safetensors file in f32, by key.
pub fn tensors(bytes: &[u8]) -> BTreeMap<String, Tensor> {
    let file = SafeTensors::deserialize(bytes).expect("the file is sound");
    let f32s = |data: &[u8]| data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
    file.iter()
        .map(|(key, view)| {
            (key.to_owned(), Tensor::new(view.shape(), f32s(view.data())).expect("the lengths agree"))
        })
        .collect()
}

/// The names and texts of a collection.
pub fn texts(collection: &str) -> Vec<(String, String)> {
    let path = data(&format!("cases/{collection}.txt"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let sections = text.split("\n## ").skip(1);
    sections
        .map(|s| {
            let (name, text) = s.split_once('\n').expect("a text follows its name");
            (name.to_owned(), text.to_owned())
        })
        .collect()
}

/// The cases of a collection.
pub fn load(collection: &str) -> Vec<Case> {
    let bytes = std::fs::read(data(&format!("cases/{collection}.safetensors"))).expect("it is there");
    let mut all: BTreeMap<String, BTreeMap<(String, String), Tensor>> = BTreeMap::new();
    for (key, tensor) in tensors(&bytes) {
        let parts: Vec<&str> = key.splitn(3, '/').collect();
        let [case, kind, name] = parts[..] else { panic!("{key} is no key of a case") };
        all.entry(case.to_owned()).or_default().insert((kind.to_owned(), name.to_owned()), tensor);
    }
    let cases: Vec<Case> = texts(collection)
        .into_iter()
        .map(|(name, text)| {
            let tensors = all.remove(&name).unwrap_or_else(|| panic!("{name} has no tensors"));
            let of = |kind: &'static str| {
                let own = tensors.iter().filter(move |((k, _), _)| k == kind);
                own.map(|((_, name), tensor)| (name.clone(), tensor.clone()))
            };
            Case {
                inputs: of("in").collect(),
                outputs: of("out").map(|(_, tensor)| tensor).collect(),
                weights: safetensors_of(&of("w").collect::<Vec<_>>()),
                name,
                text,
            }
        })
        .collect();
    assert!(all.is_empty(), "tensors without a text: {:?}", all.keys());
    cases
}

/// The bytes of a safetensors file.
pub fn safetensors_of(tensors: &[(String, Tensor)]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, t)| t.data().iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, tensor), bytes)| {
        let dtype = safetensors::Dtype::F32;
        let view = safetensors::tensor::TensorView::new(dtype, tensor.shape().to_vec(), bytes);
        (name.as_str(), view.expect("the lengths agree"))
    });
    safetensors::serialize(views, None).expect("it is serialised")
}

/// Checks a text, its inputs having the axes given (those of one sample).
pub fn graph_of(name: &str, text: &str, inputs: BTreeMap<String, Vec<u64>>) -> Graph {
    let source = Source::new(name, text);
    let (file, mut diagnostics) = parse(&source);
    let mut graph = None;
    if diagnostics.is_empty() {
        let checked = check(&file, &CheckOptions { inputs, ..CheckOptions::default() });
        diagnostics = checked.diagnostics;
        graph = checked.graph;
    }
    let shown: Vec<String> =
        diagnostics.iter().map(|d| render(&source, d, RenderOptions::default())).collect();
    assert!(shown.is_empty(), "{name}:\n{}", shown.join("\n"));
    let graph = graph.unwrap_or_else(|| panic!("{name}: sizes are not bound"));
    assert_eq!(verify(&graph), Ok(()), "{name}");
    graph
}

impl Case {
    /// The model's graph and the values of its parameters.
    pub fn build(&self) -> (Graph, Params) {
        // The recorded inputs of pictures have a batch axis that the text does not count.
        let (file, _) = parse(&Source::new(self.name.as_str(), self.text.as_str()));
        let declared = signature(&file, None).inputs;
        let axes = self.inputs.iter().map(|(name, tensor)| {
            let batched = declared.iter().any(|d| d.name == *name && d.batched);
            let axes = if batched { &tensor.shape()[1..] } else { tensor.shape() };
            (name.clone(), axes.iter().map(|&d| d as u64).collect())
        });
        let graph = graph_of(&self.name, &self.text, axes.collect());
        match Params::from_safetensors(self.weights.clone(), &graph, true) {
            Ok((params, warnings)) => {
                assert_eq!(warnings, [], "{}", self.name);
                (graph, params)
            }
            Err(errors) => panic!("{}: {errors:#?}", self.name),
        }
    }

    /// How many decimals were recorded, where it is not all.
    fn decimals(&self) -> Option<i32> {
        let rest = self.text.strip_prefix("# recorded with ")?;
        rest.split(' ').next()?.parse().ok()
    }

    /// Runs the case sample by sample in strict math; says where the results differ from what was recorded.
    pub fn check(&self, executor: Executor, tolerance: Tolerance) -> Result<(), String> {
        self.check_by(Math::Strict, executor, tolerance)
    }

    /// As [`Self::check`], by the algorithms that `math` allows.
    pub fn check_by(&self, math: Math, executor: Executor, tolerance: Tolerance) -> Result<(), String> {
        // Shown where the executor itself fails.
        eprintln!("{} by {executor:?}", self.name);
        let (graph, params) = self.build();
        let inputs: Vec<&Tensor> = graph
            .inputs
            .iter()
            .map(|i| self.inputs.get(&i.name).unwrap_or_else(|| panic!("{}: no input {}", self.name, i.name)))
            .collect();
        let samples = graph
            .inputs
            .iter()
            .zip(&inputs)
            .find_map(|(i, tensor)| graph.ty(i.value).batched.then(|| tensor.shape()[0]))
            .unwrap_or(1);
        let mut found: Vec<Vec<f32>> = vec![Vec::new(); graph.outputs.len()];
        for sample in 0..samples {
            let shapes: Vec<Vec<usize>> = graph.inputs.iter().map(|i| sizes(graph.ty(i.value))).collect();
            let views: Vec<TensorView<'_>> = graph
                .inputs
                .iter()
                .zip(&inputs)
                .zip(&shapes)
                .map(|((i, tensor), shape)| {
                    let len: usize = shape.iter().product();
                    let start = if graph.ty(i.value).batched { sample * len } else { 0 };
                    TensorView::new(shape, &tensor.data()[start..start + len]).expect("the lengths agree")
                })
                .collect();
            for (all, one) in found.iter_mut().zip(executor.run_by(math, &graph, &views, params.tensors())) {
                all.extend(one.data());
            }
        }
        if graph.outputs.len() != self.outputs.len() {
            return Err(format!("{} outputs, not {}", graph.outputs.len(), self.outputs.len()));
        }
        for (output, (found, expected)) in graph.outputs.iter().zip(found.iter().zip(&self.outputs)) {
            let ty = graph.ty(output.value);
            let mut shape = sizes(ty);
            if ty.batched {
                shape.insert(0, samples);
            }
            if shape != expected.shape() {
                return Err(format!("`{}` has the shape {shape:?}, not {:?}", output.name, expected.shape()));
            }
            let result = match (self.decimals(), tolerance) {
                (Some(n), Tolerance::Element(t)) => {
                    compare(found, expected.data(), Tolerance::Element(t + 0.5 * 0.1f32.powi(n)))
                }
                _ => compare(found, expected.data(), tolerance),
            };
            result.map_err(|e| format!("`{}`: {e}", output.name))?;
        }
        Ok(())
    }
}

fn sizes(ty: &Type) -> Vec<usize> {
    ty.dims.iter().map(|&d| d as usize).collect()
}

/// Holds numbers to what was recorded.
pub fn compare(found: &[f32], expected: &[f32], tolerance: Tolerance) -> Result<(), String> {
    if found.len() != expected.len() {
        return Err(format!("{} elements, not {}", found.len(), expected.len()));
    }
    let range =
        expected.iter().copied().fold(f32::MIN, f32::max) - expected.iter().copied().fold(f32::MAX, f32::min);
    for (i, (&f, &e)) in found.iter().zip(expected).enumerate() {
        let allowed = match tolerance {
            Tolerance::Element(t) => t * (1.0 + e.abs()),
            Tolerance::Range(t) => t * range,
        };
        // Not `>`: a NaN is not close to anything but a NaN.
        if !((f - e).abs() <= allowed || f.is_nan() && e.is_nan() || f == e) {
            return Err(format!("element {i} is {f}, not {e}; {:e} apart", (f - e).abs()));
        }
    }
    Ok(())
}

/// Runs all cases of a collection by one executor and reports every one that fails.
pub fn check_all(collection: &str, executor: Executor, tolerance: Tolerance) {
    let cases = load(collection);
    assert!(!cases.is_empty());
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| case.check(executor, tolerance).err().map(|e| format!("{}: {e}", case.name)))
        .collect();
    assert!(failures.is_empty(), "{} of {} fail:\n{}", failures.len(), cases.len(), failures.join("\n"));
}
