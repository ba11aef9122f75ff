//! Values from a safetensors file, checked against the graph.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensorError, SafeTensors};

use super::{Params, STEPS, TRAINER, leave_file, tensor};
use crate::diag::{Code, Diagnostic, Severity, did_you_mean};
use crate::graph::{Graph, Param, ParamRole};
use crate::limits;
use crate::tensor::Tensor;

/// Tensors that a message lists at the most.
const LISTED: usize = 6;

/// The file's tensors by key, in alphabetical order.
type Tensors<'a> = BTreeMap<String, TensorView<'a>>;

impl Params {
    /// Values from the bytes of a safetensors file in f32, f16 or bf16.
    ///
    /// Every parameter takes the tensor of its key, or of the first of its aliases that is there. A
    /// PReLU of C slopes may find one for all. `NAME.w` and `NAME.b` stand for `NAME.weight` and `NAME.bias`. Tensors that no parameter takes give a warning, or
    /// with `strict` an error; `num_batches_tracked`, which PyTorch stores beside each batchnorm, is
    /// passed over. Numbers of f32 stay where they lie in the bytes if they are nearly all of them. On success the warnings
    /// come with the values.
    ///
    /// # Errors
    /// All that is wrong: a file that is no safetensors or lies about its sizes, and for each
    /// parameter a missing tensor, a wrong shape or another type of number.
    pub fn from_safetensors(
        bytes: impl Into<Bytes>,
        graph: &Graph,
        strict: bool,
    ) -> Result<(Params, Vec<Diagnostic>), Vec<Diagnostic>> {
        let bytes = bytes.into();
        let file = read(&bytes).map_err(|reason| {
            vec![about_file(graph, Code::WeightFile, "the weight file is damaged").note(reason)]
        })?;
        let found: Vec<Option<&str>> = graph.params.iter().map(|p| key_in(&file, p)).collect();
        let used: BTreeSet<&str> = found.iter().copied().flatten().collect();
        let mut diagnostics = Vec::new();
        let mut tensors = Vec::with_capacity(graph.params.len());
        for (param, key) in graph.params.iter().zip(&found) {
            let value = match key.and_then(|key| Some((key, file.get(key)?))) {
                Some((key, view)) => value(param, key, view, &bytes),
                None => Err(Box::new(missing(param, &file, &used))),
            };
            match value {
                Ok(tensor) => tensors.push(tensor),
                Err(diagnostic) => diagnostics.push(*diagnostic),
            }
        }
        diagnostics.extend(extra(graph, &file, &used, strict));
        if diagnostics.iter().any(Diagnostic::is_error) {
            return Err(diagnostics);
        }
        if leave_file(tensors.iter_mut().collect(), &bytes).is_none() {
            let message = "there is not enough memory for the weights";
            return Err(vec![about_file(graph, Code::ParamMemory, message)]);
        }
        Ok((Params { tensors }, diagnostics))
    }
}

/// A safetensors file in memory, whose tensors are taken one by one.
pub struct Stored<'a> {
    tensors: Tensors<'a>,
    notes: HashMap<String, String>,
}

impl<'a> Stored<'a> {
    /// Reads the file's directory.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn open(bytes: &'a [u8]) -> Result<Stored<'a>, String> {
        let tensors = read(bytes)?;
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| explain(&e))?;
        Ok(Stored { tensors, notes: metadata.metadata().clone().unwrap_or_default() })
    }

    /// The keys of the tensors, in alphabetical order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// What the file says beside its tensors.
    pub fn note(&self, name: &str) -> Option<&str> {
        self.notes.get(name).map(String::as_str)
    }

    /// Copies a tensor of some axes, converted to f32.
    ///
    /// # Errors
    /// If there is none of that key, these axes and a type that is read; then nothing is copied.
    pub fn copy(&self, key: &str, dims: &[u64], to: &mut [f32]) -> Result<(), String> {
        let view = self.tensors.get(key).ok_or_else(|| format!("it has no `{}`", key.escape_debug()))?;
        if !same(dims, view.shape()) {
            return Err(format!(
                "`{}` has the shape {:?} instead of {dims:?}",
                key.escape_debug(),
                view.shape()
            ));
        }
        let elements = elements(view)
            .ok_or_else(|| format!("`{}` holds numbers of type {}", key.escape_debug(), view.dtype()))?;
        to.iter_mut().zip(elements).for_each(|(to, from)| *to = from);
        Ok(())
    }
}

/// The keys of a safetensors file's tensors of one shape, in their order; none where the file is damaged.
pub fn tensors_of_shape(bytes: &[u8], dims: &[u64]) -> Vec<String> {
    let tensors = read(bytes).unwrap_or_default();
    let fitting = tensors.iter().filter(|(_, view)| same(dims, view.shape()));
    fitting.map(|(key, _)| key.clone()).collect()
}

/// A diagnostic at the model's `weights` statement, or about the file where there is none.
fn about_file(graph: &Graph, code: Code, message: impl Into<String>) -> Diagnostic {
    match &graph.weights {
        Some(file) => Diagnostic::error(code, file.span, message),
        None => Diagnostic::file_error(code, message),
    }
}

/// Reads the file's directory; the error is a fact for a note.
fn read(bytes: &[u8]) -> Result<Tensors<'_>, String> {
    let header = match bytes.first_chunk::<8>() {
        Some(length) => u64::from_le_bytes(*length),
        None => return Err(format!("it has {} bytes, a safetensors file at least 8", bytes.len())),
    };
    if header > bytes.len() as u64 - 8 {
        let rest = bytes.len() - 8;
        return Err(format!("its header claims {header} bytes, but only {rest} follow"));
    }
    if header > limits::WEIGHT_HEADER_BYTES {
        let most = limits::WEIGHT_HEADER_BYTES;
        return Err(format!("its header has {header} bytes, more than the limit of {most}"));
    }
    let file = SafeTensors::deserialize(bytes).map_err(|e| explain(&e))?;
    Ok(file.tensors().into_iter().collect())
}

fn explain(error: &SafeTensorError) -> String {
    match error {
        SafeTensorError::InvalidHeader(_) => "its header is not valid UTF-8".into(),
        SafeTensorError::InvalidHeaderDeserialization(e) | SafeTensorError::JsonError(e) => {
            format!("its header is not a directory of tensors: {}", e.to_string().escape_debug())
        }
        SafeTensorError::InvalidOffset(key) => {
            format!("the bytes of `{}` overlap others, or a gap is before them", key.escape_debug())
        }
        SafeTensorError::TensorInvalidInfo => "a tensor's shape does not fit its number of bytes".into(),
        SafeTensorError::MetadataIncompleteBuffer => {
            "the tensors it lists do not end where the file ends: it is cut off, or something follows".into()
        }
        SafeTensorError::ValidationOverflow => "a tensor's size overflows".into(),
        other => other.to_string().escape_debug().to_string(),
    }
}

/// The key under which the file has a parameter.
fn key_in<'f>(file: &'f Tensors<'_>, param: &Param) -> Option<&'f str> {
    let keys = || std::iter::once(&param.key).chain(&param.aliases);
    let short = || keys().filter_map(|key| short(key));
    let found = keys().find_map(|key| file.get_key_value(key));
    found.or_else(|| short().find_map(|key| file.get_key_value(&key))).map(|(key, _)| key.as_str())
}

/// `conv1.w` for `conv1.weight`, `conv1.b` for `conv1.bias`, as who writes trainers by hand likes it.
fn short(key: &str) -> Option<String> {
    let stem = key.strip_suffix("eight").filter(|stem| stem.ends_with(".w"));
    stem.or_else(|| key.strip_suffix("ias").filter(|stem| stem.ends_with(".b"))).map(str::to_owned)
}

/// Converts a tensor of a file to what a parameter wants.
fn value(param: &Param, key: &str, view: &TensorView<'_>, file: &Bytes) -> Result<Tensor, Box<Diagnostic>> {
    let fits = same(&param.dims, view.shape());
    let one_slope = param.role == ParamRole::Slope && view.shape() == [1];
    if !fits && !one_slope {
        return Err(Box::new(wrong_shape(param, key, view.shape())));
    }
    if fits
        && view.dtype() == Dtype::F32
        && let Some(tensor) = Tensor::in_file(view.shape(), file.slice_ref(view.data()))
    {
        return Ok(tensor);
    }
    let Some(mut elements) = elements(view) else {
        let message =
            format!("`{key}` holds numbers of type {}; f32, f16 and bf16 can be read", view.dtype());
        let diagnostic = Diagnostic::error(Code::TensorType, param.span, message);
        return Err(Box::new(diagnostic.help(format!("store `{key}` as f32"))));
    };
    let tensor = match elements.next() {
        Some(slope) if !fits => tensor(&param.dims, std::iter::repeat(slope)),
        first => tensor(&param.dims, first.into_iter().chain(elements)),
    };
    tensor.ok_or_else(|| {
        let message = format!("there is not enough memory for `{key}`");
        let diagnostic = Diagnostic::error(Code::ParamMemory, param.span, message);
        Box::new(diagnostic.note(format!("its shape is {:?}", param.dims)))
    })
}

/// The elements as f32, or `None` for a type that is not read.
fn elements<'a>(view: &TensorView<'a>) -> Option<Box<dyn Iterator<Item = f32> + 'a>> {
    let data = view.data();
    match view.dtype() {
        Dtype::F32 => Some(Box::new(data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)))),
        Dtype::F16 => Some(Box::new(data.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()))),
        Dtype::BF16 => Some(Box::new(data.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()))),
        _ => None,
    }
}

fn same(dims: &[u64], shape: &[usize]) -> bool {
    dims.len() == shape.len() && dims.iter().zip(shape).all(|(&d, &s)| d == s as u64)
}

fn wrong_shape(param: &Param, key: &str, shape: &[usize]) -> Diagnostic {
    let message = format!("`{key}` has the shape {shape:?}, but its layer wants {:?}", param.dims);
    let diagnostic =
        Diagnostic::error(Code::TensorShape, param.span, message).label(format!("wants {:?}", param.dims));
    let reversed = shape.iter().rev().map(|&d| d as u64).eq(param.dims.iter().copied());
    if reversed {
        return diagnostic.help("its axes stand in the reverse order; store it transposed");
    }
    diagnostic
}

/// Names that are near and tensors of a fitting shape that nothing else uses.
fn missing(param: &Param, file: &Tensors<'_>, used: &BTreeSet<&str>) -> Diagnostic {
    let message = format!("the weight file has no tensor `{}`", param.key);
    let mut diagnostic = Diagnostic::error(Code::MissingTensor, param.span, message)
        .label(format!("needs `{}` of shape {:?}", param.key, param.dims));
    let free = || file.keys().map(String::as_str).filter(|key| !used.contains(key));
    let fitting: Vec<&str> =
        free().filter(|key| file.get(*key).is_some_and(|t| same(&param.dims, t.shape()))).collect();
    if fitting.is_empty() {
        diagnostic = diagnostic.note(format!("no unused tensor in the file has the shape {:?}", param.dims));
    } else {
        diagnostic = diagnostic.note(format!("unused tensors of shape {:?}: {}", param.dims, list(&fitting)));
    }
    let near = did_you_mean(&param.key, fitting).or_else(|| did_you_mean(&param.key, free()));
    match near {
        Some(near) => diagnostic.help(format!("did you mean `{}`?", near.escape_debug())),
        None => diagnostic,
    }
}

/// The tensors that no parameter takes, in one diagnostic.
fn extra(graph: &Graph, file: &Tensors<'_>, used: &BTreeSet<&str>, strict: bool) -> Option<Diagnostic> {
    let unused = file.keys().map(String::as_str).filter(|key| !used.contains(key));
    let checkpoint = file.keys().any(|key| key == STEPS);
    let trainers = |key: &str| checkpoint && key.starts_with(TRAINER);
    let unused: Vec<&str> = unused.filter(|key| !counts_batches(key) && !trainers(key)).collect();
    let message = match unused.as_slice() {
        [] => return None,
        [key] => {
            format!("the weight file has a tensor that the model does not use: `{}`", key.escape_debug())
        }
        keys => format!("the weight file has {} tensors that the model does not use", keys.len()),
    };
    let mut diagnostic = about_file(graph, Code::ExtraTensor, message);
    if unused.len() > 1 {
        diagnostic = diagnostic.note(list(&unused));
    }
    if !strict {
        diagnostic.severity = Severity::Warning;
    }
    Some(diagnostic)
}

/// Whether it is the counter that PyTorch stores beside each batchnorm's statistics.
fn counts_batches(key: &str) -> bool {
    key == "num_batches_tracked" || key.ends_with(".num_batches_tracked")
}

/// The first few names; they come from a file, so control characters are escaped.
fn list(keys: &[&str]) -> String {
    let mut text = keys
        .iter()
        .take(LISTED)
        .map(|key| format!("`{}`", key.escape_debug()))
        .collect::<Vec<_>>()
        .join(", ");
    if keys.len() > LISTED {
        text.push_str(&format!(" and {} more", keys.len() - LISTED));
    }
    text
}
