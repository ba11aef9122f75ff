//! Where a model's weights come from.

use std::sync::Arc;

use super::{Error, Model, Options, Report};
use crate::diag::{Code, Diagnostic};
use crate::graph::{FileRef, Graph};
use crate::io::safe_file;
use crate::limits;
use crate::runtime::params::Params;
use crate::runtime::{AllocError, Fenced, Param, Placement};
use crate::tensor::{Raw, Tensor};

/// The values of a graph's parameters.
#[derive(Clone, Debug)]
pub struct Weights {
    /// In the order of the graph's parameters.
    pub params: Params,
    /// Whether they are random numbers, for want of a file.
    pub seeded: bool,
    /// What could surprise about them.
    pub warnings: Vec<Diagnostic>,
}

/// A parameter as a program's code reads it.
pub(super) enum Placed {
    /// Where the caller sees it, too.
    Shared(Tensor),
    /// A copy beside a fence.
    Fenced(Fenced),
}

impl Param for Placed {
    fn raw(&self) -> Raw<'_> {
        match self {
            Placed::Shared(tensor) => tensor.raw(),
            Placed::Fenced(copy) => Raw::Numbers(copy.values()),
        }
    }
}

/// The parameters at a placement; they are copied only where there is a fence.
pub(super) fn placed(params: &Params, placement: Placement) -> Result<Arc<[Placed]>, AllocError> {
    let place = |tensor: &Tensor| {
        Ok(match placement {
            Placement::Plain => Placed::Shared(tensor.clone()),
            _ => Placed::Fenced(Fenced::new(tensor.data(), placement)?),
        })
    };
    params.tensors().iter().map(place).collect()
}

/// The weights: from the file given or named, from those that came with the text, else seeded.
pub(super) fn weights(model: &Model, options: &Options, graph: &Graph) -> Result<Weights, Error> {
    let report = |diagnostics| Error::Model(Report { source: model.source.clone(), diagnostics });
    let path = match (&options.weights, &graph.weights, &model.weights) {
        (Some(path), ..) => path.clone(),
        (None, Some(file), _) => beneath(model, options, &file.path).map_err(|e| at(model, file, e))?,
        (None, None, Some(table)) => {
            let params = Params::from_table(table, graph).map_err(report)?;
            return Ok(Weights { params, seeded: false, warnings: Vec::new() });
        }
        (None, None, None) => {
            let params = seeded(model, options, graph)?;
            return Ok(Weights { params, seeded: !graph.params.is_empty(), warnings: Vec::new() });
        }
    };
    let limit = options.memory.unwrap_or(limits::WEIGHT_FILE_BYTES).min(limits::WEIGHT_FILE_BYTES);
    let bytes = safe_file::read(&path, limit).map_err(|e| match (&options.weights, &graph.weights) {
        (None, Some(file)) => at(model, file, e.into()),
        _ => e.into(),
    })?;
    let (params, warnings) =
        Params::from_safetensors(bytes, graph, options.strict_weights).map_err(report)?;
    Ok(Weights { params, seeded: false, warnings })
}

/// Weights by the options' seed, whatever file there is for them.
pub(super) fn seeded(model: &Model, options: &Options, graph: &Graph) -> Result<Params, Error> {
    Params::seeded(graph, options.seed)
        .map_err(|diagnostics| Error::Model(Report { source: model.source.clone(), diagnostics }))
}

/// An error about a weight file, said at the statement that names it.
fn at(model: &Model, file: &FileRef, error: Error) -> Error {
    let diagnostic = Diagnostic::error(Code::WeightFile, file.span, error.to_string());
    Error::Model(Report { source: model.source.clone(), diagnostics: vec![diagnostic] })
}

/// Where a file lies that the text names.
pub(super) fn beneath(model: &Model, options: &Options, written: &str) -> Result<std::path::PathBuf, Error> {
    let Some(folder) = &model.folder else {
        return Err(Error::File {
            path: written.into(),
            message: format!("{written:?} is named by a text that lies in no folder"),
        });
    };
    Ok(safe_file::beneath(folder, written, options.outside_weights)?)
}
