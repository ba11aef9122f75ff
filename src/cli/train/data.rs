//! Data sets from files: arrays, folders of pictures by class, MNIST's own format.

use std::path::{Path, PathBuf};

use crate::cli::console::shown;
use crate::cli::failure::Failure;
use crate::graph::Graph;
use crate::io::{idx, npz, picture, safe_file};
use crate::tensor::Tensor;
use crate::train::{Dataset, Loss, not_below, not_finite};

/// What a file or folder holds.
pub(super) struct Found {
    /// What is trained on.
    pub(super) train: Dataset,
    /// What comes with it for testing: `x_test` and `y_test`, or MNIST's `t10k` files.
    pub(super) test: Option<Dataset>,
    /// Names of classes, where folders have them.
    pub(super) classes: Vec<String>,
}

/// Reads a data set for a model.
pub(super) fn read(path: &Path, graph: &Graph, loss: Loss, memory: u64) -> Result<Found, Failure> {
    let found = if !path.is_dir() {
        archive(path, memory)?
    } else if mnist_file(path, "train", "images-idx3").is_some() {
        mnist(path, memory)?
    } else {
        pictures(path, graph, memory)?
    };
    for set in std::iter::once(&found.train).chain(&found.test) {
        fits(path, set, graph, loss)?;
    }
    Ok(found)
}

/// Checks what would otherwise be found in the middle of the training.
pub(super) fn fits(path: &Path, set: &Dataset, graph: &Graph, loss: Loss) -> Result<(), Failure> {
    let wrong = |text: String| Err(Failure::data(text).about(&shown(path)));
    let [input] = graph.inputs.as_slice() else {
        return wrong(format!("it has one `x`, but the model has {} inputs", graph.inputs.len()));
    };
    if !graph.ty(input.value).batched {
        return wrong(format!("the model's `{}` is a tensor, which has no samples; an `input` has", input.name));
    }
    let samples = set.samples();
    if samples == 0 {
        return wrong("it is empty".to_owned());
    }
    let x = &set.inputs[0];
    let dims = &graph.ty(input.value).dims;
    let [n, sample @ ..] = x.shape() else { return wrong("`x` has no axes".to_owned()) };
    if !sample.iter().map(|&d| d as u64).eq(dims.iter().copied()) {
        return wrong(format!("a sample of `x` has the shape {sample:?}, but the model's input is {dims:?}"));
    }
    if *n != samples {
        return wrong(format!("`x` has {n} samples, but `y` has {samples}"));
    }
    if let Some(output) = graph.outputs.first() {
        let mut y = vec![samples as u64];
        y.extend(&graph.ty(output.value).dims);
        let target = loss.target(&y);
        let given = set.target.shape();
        if !given.iter().map(|&d| d as u64).eq(target.iter().copied()) {
            let what = if loss == Loss::CrossEntropy { "classes" } else { "targets" };
            return wrong(format!("`y` has the shape {given:?}; {what} for this model have {target:?}"));
        }
        if let Some(classes) = loss.classes(&y)
            && let Some(at) = not_below(set.target.data(), classes)
        {
            let class = set.target.data()[at];
            return wrong(format!("element {at} of `y` is {class}; the model tells {classes} classes apart, 0 to {}", classes - 1));
        }
    }
    for (name, tensor) in [("x", x), ("y", &set.target)] {
        if let Some(at) = not_finite(tensor.data()) {
            return wrong(format!("element {at} of `{name}` is {}", tensor.data()[at]));
        }
    }
    Ok(())
}

/// `x` and `y`, or `x_train` and `y_train`; perhaps `x_test` and `y_test`.
fn archive(path: &Path, memory: u64) -> Result<Found, Failure> {
    let bytes = safe_file::read(path, memory).map_err(Failure::file)?;
    let mut arrays = npz::read(&bytes, memory).map_err(|e| Failure::data(e.to_string()).about(&shown(path)))?;
    let names: Vec<String> = arrays.iter().map(|(name, _)| format!("`{name}`")).collect();
    let mut take = |name: &str| {
        let at = arrays.iter().position(|(found, _)| found == name)?;
        Some(arrays.swap_remove(at).1)
    };
    let mut pair = |x: &str, y: &str| Some(Dataset { inputs: vec![take(x)?], target: take(y)? });
    let train = pair("x", "y").or_else(|| pair("x_train", "y_train"));
    let test = pair("x_test", "y_test").or_else(|| pair("x_val", "y_val"));
    let Some(train) = train else {
        let failure = Failure::data("it has no arrays `x` and `y`").about(&shown(path));
        return Err(failure.note(format!("it has {}", names.join(", "))));
    };
    Ok(Found { train, test, classes: Vec::new() })
}

/// A file of MNIST's, whichever way its name is spelt.
fn mnist_file(folder: &Path, part: &str, what: &str) -> Option<PathBuf> {
    let names = [format!("{part}-{what}-ubyte"), format!("{part}-{}-ubyte", what.replace("-idx", ".idx"))];
    names.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

fn mnist(folder: &Path, memory: u64) -> Result<Found, Failure> {
    let train = mnist_part(folder, "train", memory)?;
    let train = train.ok_or_else(|| Failure::data("train-labels-idx1-ubyte is missing").about(&shown(folder)))?;
    Ok(Found { train, test: mnist_part(folder, "t10k", memory)?, classes: Vec::new() })
}

/// Pictures from 0 to 1 in `[N, 1, H, W]`, and their classes.
fn mnist_part(folder: &Path, part: &str, memory: u64) -> Result<Option<Dataset>, Failure> {
    let (Some(images), Some(labels)) =
        (mnist_file(folder, part, "images-idx3"), mnist_file(folder, part, "labels-idx1"))
    else {
        return Ok(None);
    };
    let read = |path: &Path| {
        // Bytes become f32.
        let bytes = safe_file::read(path, memory / 4).map_err(Failure::file)?;
        idx::read(&bytes).map_err(|e| Failure::data(e.to_string()).about(&shown(path)))
    };
    let (x, y) = (read(&images)?, read(&labels)?);
    let &[n, h, w] = x.shape.as_slice() else {
        return Err(Failure::data(format!("its axes are {:?} instead of three", x.shape)).about(&shown(&images)));
    };
    let pixels = x.data.iter().map(|&v| f32::from(v) / 255.0).collect();
    let classes = y.data.iter().map(|&v| f32::from(v)).collect();
    let bug = |e: crate::tensor::LengthError| Failure::Bug(e.to_string());
    let x = Tensor::new(&[n, 1, h, w], pixels).map_err(bug)?;
    Ok(Some(Dataset { inputs: vec![x], target: Tensor::new(&y.shape, classes).map_err(bug)? }))
}

/// The entries of a folder in the order of their names, hidden ones left out.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let error = |e: std::io::Error| Failure::data(e.to_string()).about(&shown(folder));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(error)? {
        let entry = entry.map_err(error)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// A folder for each class; pictures of the model's size.
fn pictures(folder: &Path, graph: &Graph, memory: u64) -> Result<Found, Failure> {
    let dims = graph.inputs.first().map(|input| graph.ty(input.value).dims.clone());
    let Some(&[channels, height, width]) = dims.as_deref() else {
        return Err(Failure::data("the model's input is no picture [C, H, W]").about(&shown(folder)));
    };
    let folders: Vec<PathBuf> = entries(folder)?.into_iter().filter(|path| path.is_dir()).collect();
    if folders.is_empty() {
        let failure = Failure::data("it has no folders").about(&shown(folder));
        return Err(failure.help("a data set is an .npz file with `x` and `y`, MNIST's four files, or a folder of pictures for each class"));
    }
    let each = (channels * height * width) as usize;
    let (mut data, mut target, mut classes) = (Vec::new(), Vec::new(), Vec::new());
    for (class, folder) in folders.iter().enumerate() {
        for file in entries(folder)? {
            let about = |e: String| Failure::data(e).about(&shown(&file));
            let bytes = safe_file::read(&file, memory).map_err(Failure::file)?;
            let decoded = picture::decode(&bytes, memory).map_err(|e| about(e.to_string()))?;
            let decoded = picture::with_channels(decoded, channels).map_err(|e| about(e.to_string()))?;
            if decoded.tensor.shape()[1..] != [height as usize, width as usize] {
                let [h, w] = [decoded.tensor.shape()[1], decoded.tensor.shape()[2]];
                return Err(about(format!("it has {w}×{h} pixels, but the model wants {width}×{height}"))
                    .help("bring all pictures to one size first"));
            }
            if (data.len() + each) as u64 * 4 > memory {
                return Err(Failure::data("the pictures do not fit into memory").about(&shown(folder)));
            }
            data.extend_from_slice(decoded.tensor.data());
            target.push(class as f32);
        }
        classes.push(folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()));
    }
    let n = target.len();
    let bug = |e: crate::tensor::LengthError| Failure::Bug(e.to_string());
    let x = Tensor::new(&[n, channels as usize, height as usize, width as usize], data).map_err(bug)?;
    let train = Dataset { inputs: vec![x], target: Tensor::new(&[n], target).map_err(bug)? };
    Ok(Found { train, test: None, classes })
}
