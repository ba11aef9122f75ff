//! Whole trained nets against what their original runtimes computed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use convc::code::Backend;
use convc::runtime::params::Params;
use convc::target::Math;
use convc::tensor::{Tensor, TensorView};

use crate::cases::{Tolerance, array, compare, data, graph_of};
use crate::executors::Executor;

/// Other runtimes agree with the recorded outputs to 5e-6 of their range.
const NEAR: Tolerance = Tolerance::Range(1e-4);

/// A net and a picture with what comes out.
struct Net {
    /// The model's text.
    text: PathBuf,
    weights: PathBuf,
    input: Tensor,
    /// In the order of the model's outputs.
    outputs: Vec<Tensor>,
}

/// A net of `tests/data/nets`.
fn kept(name: &str) -> Net {
    Net {
        text: data(&format!("nets/{name}.conv")),
        weights: data(&format!("nets/{name}.safetensors")),
        input: array(&data(&format!("nets/{name}_input.npy"))),
        outputs: vec![array(&data(&format!("nets/{name}_output.npy")))],
    }
}

/// A net of `examples/`; its arrays are in `tests/data/nets`.
fn example(name: &str, input: &str, outputs: &[&str]) -> Net {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let kept = |array_name: &str| array(&data(&format!("nets/{name}_{array_name}.npy")));
    Net {
        text: examples.join(format!("{name}.conv")),
        weights: examples.join(format!("{name}.safetensors")),
        input: kept(input),
        outputs: outputs.iter().map(|o| kept(o)).collect(),
    }
}

/// The folder of recordings that are too large for the repository, where it is there.
pub fn shared(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("CONVC_CASES").map(PathBuf::from);
    let root = root.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cases"));
    let path = root.join(folder);
    if !path.is_dir() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

impl Net {
    fn check(&self, executor: Executor) {
        let text = std::fs::read_to_string(&self.text).expect("the model is there");
        let axes: Vec<u64> = self.input.shape()[1..].iter().map(|&d| d as u64).collect();
        let first = text.lines().find_map(|line| line.trim().strip_prefix("input "));
        let name = first.and_then(|rest| rest.split(' ').next()).expect("it has an input");
        let graph = graph_of(&self.text.to_string_lossy(), &text, BTreeMap::from([(name.to_owned(), axes)]));
        let weights = std::fs::read(&self.weights).expect("the weights are there");
        let (params, warnings) = Params::from_safetensors(weights, &graph, true).expect("the weights fit");
        assert_eq!(warnings, []);
        let samples = self.input.shape()[0];
        let len = self.input.data().len() / samples;
        let mut found = vec![Vec::new(); graph.outputs.len()];
        for sample in self.input.data().chunks(len) {
            let view = TensorView::new(&self.input.shape()[1..], sample).expect("the lengths agree");
            let outputs = executor.run_by(Math::Default, &graph, &[view], params.tensors());
            for (all, one) in found.iter_mut().zip(outputs) {
                all.extend_from_slice(one.data());
            }
        }
        assert_eq!(found.len(), self.outputs.len());
        for ((found, expected), output) in found.iter().zip(&self.outputs).zip(&graph.outputs) {
            let shape: Vec<u64> = expected.shape()[1..].iter().map(|&d| d as u64).collect();
            assert_eq!(graph.ty(output.value).dims, shape, "{}", output.name);
            if let Err(e) = compare(found, expected.data(), NEAR) {
                panic!("`{}` by {executor:?}: {e}", output.name);
            }
        }
    }
}

fn upscale4x(executor: Executor) {
    example("upscale4x", "input", &["output"]).check(executor);
}

fn find_faces(executor: Executor) {
    for size in ["", "_12x12"] {
        let (prob, reg) = (format!("output{size}_prob"), format!("output{size}_reg"));
        let mut net = example("find_faces", &format!("input{size}"), &[&prob, &reg]);
        // The original was given (RGB − 127.5)/128, the example normalises 0..1 itself.
        net.input.data_mut().iter_mut().for_each(|v| *v = (*v * 128.0 + 127.5) / 255.0);
        net.check(executor);
    }
}

fn waifu2x(executor: Executor) {
    let Some(folder) = shared("models/waifu2x_upconv7_photo_scale2x") else { return };
    let net = Net {
        text: data("nets/waifu2x.conv"),
        weights: folder.join("weights.safetensors"),
        input: array(&folder.join("input.npy")),
        outputs: vec![array(&folder.join("output.npy"))],
    };
    net.check(executor);
}

fn squeezenet(executor: Executor) {
    let Some(folder) = shared("topologies/squeezenet") else { return };
    let net = Net {
        text: data("nets/squeezenet.conv"),
        weights: folder.join("weights.safetensors"),
        input: array(&folder.join("input.npy")),
        outputs: ["output", "output_logits"].map(|o| array(&folder.join(format!("{o}.npy")))).to_vec(),
    };
    net.check(executor);
}

fn upscale4x_of_a_larger_photo(executor: Executor) {
    let Some(folder) = shared("models/realesr_animevideov3_x4") else { return };
    let mut net = example("upscale4x", "input", &["output"]);
    net.input = array(&folder.join("input_astronaut_120x160.npy"));
    net.outputs = vec![array(&folder.join("output_astronaut_120x160.npy"))];
    net.check(executor);
}

/// A test of each net for each executor. The interpreter of kernels would take minutes.
macro_rules! executors {
    ($($module:ident: $executor:expr;)*) => {$(
        mod $module {
            use super::*;

            fn run(net: impl Fn(Executor)) {
                if Executor::all().contains(&$executor) {
                    net($executor);
                } else {
                    eprintln!("skipped: this machine cannot run {:?}", $executor);
                }
            }

            #[test]
            fn upscale4x() {
                run(super::upscale4x);
            }

            #[test]
            fn upscale4x_of_a_larger_photo() {
                run(super::upscale4x_of_a_larger_photo);
            }

            #[test]
            fn find_faces() {
                run(super::find_faces);
            }

            #[test]
            fn face_landmarks() {
                run(|executor| kept("face_landmarks").check(executor));
            }

            #[test]
            fn text_direction() {
                run(|executor| kept("text_direction").check(executor));
            }

            #[test]
            fn waifu2x() {
                run(super::waifu2x);
            }

            #[test]
            fn squeezenet() {
                run(super::squeezenet);
            }
        }
    )*};
}

executors! {
    evaluator: Executor::Evaluator;
    cranelift: Executor::Compiled(Backend::Cranelift);
    x64: Executor::Compiled(Backend::X64);
}
