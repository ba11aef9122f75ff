//! A picture or an array, and another one that is wanted of it.

use std::path::Path;

use super::Args;
use super::data::{Found, fits};
use crate::cli::console::{Console, shown};
use crate::cli::failure::Failure;
use crate::cli::inputs::{self, Bound, Content, Conversion};
use crate::cli::models::{Opened, with_sizes};
use crate::cli::report::shape;
use crate::cli::values::Named;
use crate::graph::Graph;
use crate::io::picture;
use crate::tensor::Tensor;
use crate::train::{Dataset, Loss};

/// A pair of files.
pub(super) struct Pair {
    /// The sizes that `--data` has where the model leaves them open.
    pub(super) sizes: Vec<(String, u64)>,
    /// The model's graph for them.
    pub(super) graph: Graph,
    /// What is learned from.
    pub(super) found: Found,
}

/// Reads `--data` as `convc run` reads an input, and then the target.
pub(super) fn read(
    args: &Args,
    target: &Path,
    opened: &Opened,
    console: &mut Console,
) -> Result<Pair, Failure> {
    let memory = args.making.memory();
    if let Some(folder) = [&*args.data, target].into_iter().find(|path| path.is_dir()) {
        return Err(Failure::data("it is a folder").about(&shown(folder)).help(
            "--target pairs two files; many samples are an .npz file with `x` and `y`, or two arrays [N, …]",
        ));
    }
    opened.know_sizes(args.choice.sizes())?;
    let mut bound = Bound::new(args.choice.sizes());
    let given = [Named { name: None, file: args.data.clone() }];
    let conversion = Conversion { fit: None, memory };
    let read = inputs::read(opened, &given, &mut bound, conversion, args.making.seed(), console)?;
    let sizes = bound.sizes();
    let graph = opened.graph(&with_sizes(opened.options(), &sizes), console)?;
    let samples = read.samples(opened.inputs());
    let mut tensors = Vec::new();
    for ready in read.ready {
        ready.notes.iter().for_each(|note| console.note(note));
        tensors.push(ready.tensor);
    }
    let target = wanted(target, &graph, args.loss(), samples, memory, console)?;
    let train = Dataset { inputs: tensors, target };
    fits(&args.data, &train, &graph, args.loss())?;
    Ok(Pair { sizes, graph, found: Found { train, test: None, classes: Vec::new() } })
}

/// The target: axes of length 1 in front may be missing.
fn wanted(
    path: &Path,
    graph: &Graph,
    loss: Loss,
    samples: u64,
    memory: u64,
    console: &Console,
) -> Result<Tensor, Failure> {
    let output = graph.outputs.first().ok_or_else(|| Failure::Bug("a model without outputs".to_owned()))?;
    let mut dims = vec![samples];
    dims.extend(&graph.ty(output.value).dims);
    let dims = loss.target_dims(&dims);
    let about = |failure: Failure| failure.about(&shown(path));
    let tensor = match inputs::load_one(path, memory)? {
        Content::Array(tensor) => tensor,
        Content::Picture(_) if loss == Loss::CrossEntropy => {
            let failure = Failure::data("a picture has no numbers of classes, which cross_entropy wants");
            return Err(about(failure.help("give an array: .npy")));
        }
        Content::Picture(found) => {
            let channels = if dims.len() == 4 { dims[1] } else { 1 };
            let found = picture::with_channels(found, channels)
                .map_err(|e| about(Failure::data(e.to_string()).help("give an array: .npy")))?;
            found.notes.iter().for_each(|note| console.note(format!("{}: {note}", shown(path))));
            found.tensor
        }
    };
    let missing = dims.len().saturating_sub(tensor.shape().len());
    let (front, rest) = dims.split_at(missing);
    let same = tensor.shape().iter().map(|&d| d as u64).eq(rest.iter().copied());
    if !same || front.iter().any(|&d| d != 1) {
        let failure = Failure::data(format!(
            "its shape is {}, but targets for this model and this data have {}",
            shape(tensor.shape()),
            shape(&dims)
        ));
        return Err(about(failure));
    }
    reshaped(tensor, dims.iter().map(|&d| d as usize).collect())
}

fn reshaped(tensor: Tensor, dims: Vec<usize>) -> Result<Tensor, Failure> {
    tensor.reshape(&dims).map_err(|e| Failure::Bug(e.to_string()))
}
