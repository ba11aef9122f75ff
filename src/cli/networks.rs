//! ONNX files as models: read, their inputs bound, imported.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::console::shown;
use super::failure::Failure;
use super::inputs::{Content, load};
use super::memory;
use super::report::plural;
use super::run::save::folder_of;
use super::values::Named;
use crate::diag::did_you_mean;
use crate::io::safe_file;
use crate::limits;
use crate::model::Model;
use crate::onnx::import::{self, Import, Settings};
use crate::onnx::{self, Bindings, InputAxis, Network, NetworkInput, OnnxError};
use crate::source::Source;
use crate::tensor::Tensor;

/// Whether a path names an ONNX file.
pub(super) fn is_network(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"))
}

/// What the command line gives a network.
#[derive(Clone, Copy, Default)]
pub(super) struct Given<'a> {
    /// Files in the order of the graph's inputs, or by name.
    pub(super) inputs: &'a [Named],
    pub(super) sizes: &'a [(String, u64)],
    /// Whether every file is bound as a constant, whatever its input is for.
    pub(super) only_constants: bool,
}

/// Reads a network and binds what is given: files of weights and shapes become constants, the shapes of
/// the others bind open axes. The files that remain inputs come back, each with its input's name.
pub(super) fn read(path: &Path, given: &Given<'_>) -> Result<(Network, Bindings, Vec<Named>), Failure> {
    let (network, _) = read_timed(path)?;
    let (bindings, rest) = bind(path, &network, given)?;
    Ok((network, bindings, rest))
}

/// Reads a network, and says how long its bytes and their meaning took.
fn read_timed(path: &Path) -> Result<(Network, Opening), Failure> {
    let start = Instant::now();
    let bytes = safe_file::read(path, limits::WEIGHT_FILE_BYTES.min(memory::default_limit()))
        .map_err(Failure::file)?;
    let load = start.elapsed();
    let start = Instant::now();
    let network = onnx::read(bytes, Some(folder_of(path))).map_err(|e| failure(path, &e))?;
    Ok((network, Opening { load, parse: start.elapsed() }))
}

/// What the files given are to a network; see [`read`].
fn bind(path: &Path, network: &Network, given: &Given<'_>) -> Result<(Bindings, Vec<Named>), Failure> {
    let inputs = network.inputs();
    let mut bindings = Bindings::default();
    bindings.sizes.extend(given.sizes.iter().cloned());
    let mut rest = Vec::new();
    let assigned = assign(path, &inputs, given.inputs)?;
    if let Some(missing) =
        inputs.iter().find(|i| i.parameter && !assigned.iter().any(|(a, _)| a.name == i.name))
    {
        let text = format!("{}: input `{}` is a weight, a shape or the like", shown(path), missing.name);
        return Err(Failure::usage(text).note(format!("the network has {}", list(&inputs))).help(format!(
            "give its numbers: {}=FILE.npy, after the other inputs or in their order",
            missing.name
        )));
    }
    for (input, file) in assigned {
        let constant = given.only_constants || input.parameter;
        let Some(tensor) = tensor(file, constant || is_open(input))? else {
            rest.push(Named { name: Some(input.word.clone()), file: file.clone() });
            continue;
        };
        if constant {
            bindings.bind(input, Arc::new(tensor)).map_err(|e| failure(path, &e))?;
        } else {
            bindings.shapes.insert(input.name.clone(), full_shape(input, tensor.shape()));
            rest.push(Named { name: Some(input.word.clone()), file: file.clone() });
        }
    }
    Ok((bindings, rest))
}

fn is_open(input: &NetworkInput) -> bool {
    input.axes.as_ref().is_none_or(|axes| axes.iter().any(|a| matches!(a, InputAxis::Open(_))))
}

/// The numbers of a file, or the axes of a picture's; `None` where they are not wanted yet.
fn tensor(file: &Path, wanted: bool) -> Result<Option<Tensor>, Failure> {
    if !wanted {
        return Ok(None);
    }
    let mut contents = load(file, memory::default_limit())?;
    match (contents.pop(), contents.is_empty()) {
        (Some((_, Content::Array(tensor))), true) => Ok(Some(tensor)),
        (Some((_, Content::Picture(picture))), true) => Ok(Some(picture.tensor)),
        _ => Err(Failure::data(format!("{}: the archive holds several arrays", shown(file)))
            .help("give one file for each input")),
    }
}

/// The axes of an input as ONNX has them: a sample gets the axis of the batch, and what the file fixes
/// counts (a picture's channels follow the network).
fn full_shape(input: &NetworkInput, shape: &[usize]) -> Vec<u64> {
    let shape: Vec<u64> = shape.iter().map(|&d| d as u64).collect();
    let Some(axes) = &input.axes else { return shape };
    let missing = axes.len().saturating_sub(shape.len());
    let full = std::iter::repeat_n(1, missing).chain(shape);
    let mut full: Vec<u64> = full.collect();
    if full.len() == axes.len() {
        for (n, axis) in full.iter_mut().zip(axes) {
            if let InputAxis::Fixed(fixed) = axis {
                *n = *fixed;
            }
        }
    }
    full
}

/// Which file is which input: by name, the others in the graph's order.
fn assign<'a>(
    path: &Path,
    inputs: &'a [NetworkInput],
    given: &'a [Named],
) -> Result<Vec<(&'a NetworkInput, &'a std::path::PathBuf)>, Failure> {
    let mut slots: Vec<Option<&std::path::PathBuf>> = vec![None; inputs.len()];
    for named in given {
        let Some(name) = &named.name else { continue };
        match inputs.iter().position(|i| i.name == *name || i.word == *name) {
            Some(i) => slots[i] = Some(&named.file),
            None => {
                let failure = Failure::usage(format!("the network has no input `{name}`")).note(format!(
                    "{} has {}",
                    shown(path),
                    list(inputs)
                ));
                return Err(match did_you_mean(name, inputs.iter().map(|i| i.name.as_str())) {
                    Some(near) => failure.help(format!("did you mean `{near}`?")),
                    None => failure,
                });
            }
        }
    }
    let mut free = slots.iter_mut().filter(|s| s.is_none());
    for named in given.iter().filter(|n| n.name.is_none()) {
        match free.next() {
            Some(slot) => *slot = Some(&named.file),
            None => {
                return Err(Failure::usage(format!(
                    "{} are given, {} has {}",
                    plural(given.len(), "file"),
                    shown(path),
                    list(inputs)
                ))
                .help("--each maps the model over many files"));
            }
        }
    }
    Ok(inputs.iter().zip(slots).filter_map(|(input, slot)| Some((input, slot?))).collect())
}

/// "2 inputs: x, W (a parameter)".
fn list(inputs: &[NetworkInput]) -> String {
    let one = |i: &NetworkInput| format!("{}{}", i.name, if i.parameter { " (a parameter)" } else { "" });
    format!("{}: {}", plural(inputs.len(), "input"), inputs.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// A network to a text.
pub(super) fn import(
    path: &Path,
    network: &Network,
    bindings: &Bindings,
    weights_file: Option<String>,
    flat: bool,
) -> Result<Import, Failure> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut comment = vec![format!("Imported from {}", name.escape_debug())];
    if !network.producer().is_empty() {
        comment[0].push_str(&format!(", which {} wrote", network.producer().escape_debug()));
    }
    comment[0].push('.');
    let settings = Settings { flat, weights_file, comment };
    import::import(network, bindings, &settings).map_err(|e| failure(path, &e))
}

/// How long a model's opening took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Opening {
    /// Its file into memory.
    pub(super) load: Duration,
    /// From there to a syntax tree, weights beside it where the file holds them.
    pub(super) parse: Duration,
}

/// An ONNX file as a model.
pub(super) struct AsModel {
    pub(super) model: Model,
    /// The files that are its inputs, by name.
    pub(super) inputs: Vec<Named>,
    /// The sizes that the file leaves open. The text may have numbers for them.
    pub(super) sizes: Vec<String>,
    pub(super) opening: Opening,
}

/// Reads and imports an ONNX file.
pub(super) fn open(path: &Path, given: &Given<'_>) -> Result<AsModel, Failure> {
    let (network, mut opening) = read_timed(path)?;
    let (bindings, inputs) = bind(path, &network, given)?;
    let symbols = network.inputs().into_iter().filter_map(|i| i.axes).flatten();
    let sizes = symbols.filter_map(|axis| match axis {
        InputAxis::Open(symbol) => Some(symbol),
        InputAxis::Fixed(_) => None,
    });
    let sizes = sizes.collect();
    let start = Instant::now();
    let imported = import(path, &network, &bindings, None, false)?;
    let model = Model::from_import(&shown(path), imported)?;
    opening.parse += start.elapsed();
    Ok(AsModel { model, inputs, sizes, opening })
}

/// The text of an ONNX file, for those who look for mistakes in texts.
pub(super) fn text(path: &Path, sizes: &[(String, u64)]) -> Result<Source, Failure> {
    let (network, bindings, _) = read(path, &Given { sizes, ..Given::default() })?;
    let imported = import(path, &network, &bindings, None, false)?;
    Ok(Source::new(shown(path), imported.text))
}

/// Checks the text of an import before it is written.
pub(super) fn check(path: &Path, imported: &Import) -> Result<(), Failure> {
    Model::from_import(&shown(path), imported.clone())?;
    Ok(())
}

fn failure(path: &Path, error: &OnnxError) -> Failure {
    let failure = Failure::data(format!("{}: {error}", shown(path)));
    match error {
        OnnxError::OpenSize { symbol, .. } => {
            failure.help(format!("--size {symbol}=… gives it, or an input file of that size"))
        }
        OnnxError::Unknown(_) => failure.note("docs/onnx.md lists the operators that are known"),
        _ => failure,
    }
}
