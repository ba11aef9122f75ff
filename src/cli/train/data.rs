//! Data sets from files: arrays, folders of pictures by class, MNIST's own format.

use std::path::{Path, PathBuf};

use crate::cli::console::shown;
use crate::cli::failure::Failure;
use crate::graph::Graph;
use crate::io::npz::{self, NpzError};
use crate::io::{idx, picture, safe_file};
use crate::tensor::Tensor;
use crate::train::{self, Dataset, Loss};

/// What a file or folder holds.
pub(super) struct Found {
    /// What is trained on.
    pub(super) train: Dataset,
    /// What comes with it for testing: `x_test` and `y_test`, or MNIST's `t10k` files.
    pub(super) test: Option<Dataset>,
    /// Names of classes, where folders have them.
    pub(super) classes: Vec<String>,
}

/// Reads a data set for a model. `classes` are the names of those that are known, where a training has some: their
/// numbers are those of folders with these names.
pub(super) fn read(
    path: &Path,
    graph: &Graph,
    loss: Loss,
    memory: u64,
    classes: &[String],
) -> Result<Found, Failure> {
    let found = if !path.is_dir() {
        archive(path, graph, memory)?
    } else if mnist_file(path, "train", "images-idx3")?.is_some() {
        mnist(path, memory)?
    } else {
        pictures(path, graph, memory, classes)?
    };
    fits(path, &found.train, graph, loss)?;
    if let Some(test) = &found.test {
        fits(path, test, graph, loss).map_err(|failure| failure.note("so it is in its test set"))?;
    }
    Ok(found)
}

/// Checks what would otherwise be found in the middle of the training.
pub(super) fn fits(path: &Path, set: &Dataset, graph: &Graph, loss: Loss) -> Result<(), Failure> {
    let wrong = |text: String| Failure::data(text).about(&shown(path));
    let [input] = graph.inputs.as_slice() else {
        return Err(wrong(format!("it has one `x`, but the model has {} inputs", graph.inputs.len())));
    };
    if !graph.ty(input.value).batched {
        let text = format!("the model's `{}` is a tensor, which has no samples; an `input` has", input.name);
        return Err(wrong(text));
    }
    let inputs: Vec<_> = set.inputs.iter().map(Tensor::view).collect();
    train::samples(graph, loss, &inputs, set.target.view()).map(drop).map_err(|e| Failure::from(e).about(&shown(path)))
}

/// An axis of one channel, which arrays of grey pictures often lack, where the model has one.
fn with_channel(mut set: Dataset, graph: &Graph) -> Result<Dataset, Failure> {
    let dims = graph.inputs.first().map(|input| graph.ty(input.value).dims.as_slice());
    let (Some(&[1, ..]), [x]) = (dims, set.inputs.as_slice()) else { return Ok(set) };
    let &[n, rows, columns] = x.shape() else { return Ok(set) };
    if dims != Some(&[1, rows as u64, columns as u64]) {
        return Ok(set);
    }
    let data = set.inputs.pop().map_or_else(Vec::new, Tensor::into_data);
    set.inputs.push(Tensor::new(&[n, 1, rows, columns], data).map_err(|e| Failure::Bug(e.to_string()))?);
    Ok(set)
}

/// `x` and `y`, or `x_train` and `y_train`; perhaps `x_test` and `y_test`.
fn archive(path: &Path, graph: &Graph, memory: u64) -> Result<Found, Failure> {
    let bytes = safe_file::read(path, memory).map_err(Failure::file)?;
    let left = memory.saturating_sub(bytes.len() as u64);
    let mut arrays = npz::read(&bytes, left).map_err(|error| {
        let failure = Failure::data(error.to_string()).about(&shown(path));
        match error {
            NpzError::Whole => failure.help("data is an .npz file or a folder; a picture or one array wants --target beside it"),
            _ => failure,
        }
    })?;
    let names: Vec<String> = arrays.iter().map(|(name, _)| format!("`{name}`")).collect();
    let mut take = |name: &str| {
        let at = arrays.iter().position(|(found, _)| found == name)?;
        Some(arrays.swap_remove(at).1)
    };
    let mut pair = |x: &str, y: &str| match (take(x), take(y)) {
        (Some(x), Some(y)) => Ok(Some(Dataset { inputs: vec![x], target: y })),
        (None, None) => Ok(None),
        (there, _) => {
            let (there, missing) = if there.is_some() { (x, y) } else { (y, x) };
            Err(Failure::data(format!("it has `{there}`, but no `{missing}`")).about(&shown(path)))
        }
    };
    let (plain, split) = (pair("x", "y")?, pair("x_train", "y_train")?);
    if plain.is_some() && split.is_some() {
        return Err(Failure::data("it has `x` and `x_train`: which of them to learn from?").about(&shown(path)));
    }
    let test = match pair("x_test", "y_test")? {
        None => pair("x_val", "y_val")?,
        test => test,
    };
    let Some(train) = plain.or(split) else {
        let failure = Failure::data("it has no arrays `x` and `y`").about(&shown(path));
        return Err(failure.note(format!("it has {}", names.join(", "))));
    };
    let train = with_channel(train, graph)?;
    let test = test.map(|test| with_channel(test, graph)).transpose()?;
    Ok(Found { train, test, classes: Vec::new() })
}

/// A file of MNIST's, whichever way its name is spelt.
fn mnist_file(folder: &Path, part: &str, what: &str) -> Result<Option<PathBuf>, Failure> {
    let names = [format!("{part}-{what}-ubyte"), format!("{part}-{}-ubyte", what.replace("-idx", ".idx"))];
    if let Some(path) = names.iter().map(|name| folder.join(name)).find(|path| path.is_file()) {
        return Ok(Some(path));
    }
    match names.iter().map(|name| folder.join(format!("{name}.gz"))).find(|path| path.is_file()) {
        Some(packed) => Err(Failure::data("it is packed").about(&shown(&packed)).help("unpack it: gunzip *.gz")),
        None => Ok(None),
    }
}

fn mnist(folder: &Path, memory: u64) -> Result<Found, Failure> {
    let train = mnist_part(folder, "train", memory)?;
    let train = train.ok_or_else(|| Failure::data("train-labels-idx1-ubyte is missing").about(&shown(folder)))?;
    let left = memory.saturating_sub(4 * train.inputs.iter().map(|x| x.data().len() as u64).sum::<u64>());
    Ok(Found { train, test: mnist_part(folder, "t10k", left)?, classes: Vec::new() })
}

/// Pictures from 0 to 1 in `[N, 1, H, W]`, and their classes.
fn mnist_part(folder: &Path, part: &str, memory: u64) -> Result<Option<Dataset>, Failure> {
    let files = (mnist_file(folder, part, "images-idx3")?, mnist_file(folder, part, "labels-idx1")?);
    let (images, labels) = match files {
        (Some(images), Some(labels)) => (images, labels),
        (None, None) => return Ok(None),
        (images, _) => {
            let missing = if images.is_some() { "labels-idx1" } else { "images-idx3" };
            return Err(Failure::data(format!("{part}-{missing}-ubyte is missing")).about(&shown(folder)));
        }
    };
    let read = |path: &Path| {
        // Each byte is there as such, too, while it becomes an f32.
        let bytes = safe_file::read(path, memory / 5).map_err(Failure::file)?;
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

/// A folder for each class; pictures of the model's size. Folders are numbered in the order of their names, or as
/// `known` says.
fn pictures(folder: &Path, graph: &Graph, memory: u64, known: &[String]) -> Result<Found, Failure> {
    let dims = graph.inputs.first().map(|input| graph.ty(input.value).dims.clone());
    let Some(&[channels, height, width]) = dims.as_deref() else {
        return Err(Failure::data("the model's input is no picture [C, H, W]").about(&shown(folder)));
    };
    let folders: Vec<PathBuf> = entries(folder)?.into_iter().filter(|path| path.is_dir()).collect();
    if folders.is_empty() {
        let failure = Failure::data("it has no folders").about(&shown(folder));
        return Err(failure.help("a data set is an .npz file with `x` and `y`, MNIST's four files, or a folder of pictures for each class"));
    }
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names: Vec<String> = folders.iter().map(name).collect();
    let classes = if known.is_empty() { names.clone() } else { known.to_vec() };
    let (mut files, mut target) = (Vec::new(), Vec::new());
    for (path, name) in folders.iter().zip(&names) {
        let Some(class) = classes.iter().position(|class| class == name) else {
            let failure = Failure::data("there is no such class in the training data").about(&shown(path));
            return Err(failure.note(format!("its classes are {}", classes.join(", "))));
        };
        for file in entries(path)? {
            files.push(file);
            target.push(class as f32);
        }
    }
    let each = channels * height * width;
    let mut data = Vec::new();
    let room = (files.len() as u64).saturating_mul(each);
    if room.saturating_mul(4) > memory || data.try_reserve_exact(room as usize).is_err() {
        return Err(Failure::data("the pictures do not fit into memory").about(&shown(folder)));
    }
    let left = memory - 4 * room;
    for file in &files {
        let about = |e: String| Failure::data(e).about(&shown(file));
        let bytes = safe_file::read(file, left).map_err(Failure::file)?;
        let decoded = picture::decode(&bytes, left).map_err(|e| about(e.to_string()))?;
        let decoded = picture::with_channels(decoded, channels).map_err(|e| about(e.to_string()))?;
        if decoded.tensor.shape()[1..] != [height as usize, width as usize] {
            let [h, w] = [decoded.tensor.shape()[1], decoded.tensor.shape()[2]];
            return Err(about(format!("it has {w}×{h} pixels, but the model wants {width}×{height}"))
                .help("bring all pictures to one size first"));
        }
        data.extend_from_slice(decoded.tensor.data());
    }
    let n = files.len();
    let bug = |e: crate::tensor::LengthError| Failure::Bug(e.to_string());
    let x = Tensor::new(&[n, channels as usize, height as usize, width as usize], data).map_err(bug)?;
    let train = Dataset { inputs: vec![x], target: Tensor::new(&[n], target).map_err(bug)? };
    Ok(Found { train, test: None, classes })
}
