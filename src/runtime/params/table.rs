//! Values from a table in memory, as an importer makes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use safetensors::tensor::{Dtype, TensorView};

use super::Params;
use crate::diag::{Code, Diagnostic};
use crate::graph::Graph;
use crate::tensor::Tensor;

/// Tensors by their keys.
pub type Table = BTreeMap<String, Arc<Tensor>>;

impl Params {
    /// Values from a table whose keys are those of the graph's parameters.
    ///
    /// # Errors
    /// For each parameter without a tensor, or with one of another shape.
    pub fn from_table(table: &Table, graph: &Graph) -> Result<Params, Vec<Diagnostic>> {
        let mut tensors = Vec::with_capacity(graph.params.len());
        let mut diagnostics = Vec::new();
        for param in &graph.params {
            let fits = |t: &&Arc<Tensor>| t.shape().iter().map(|&d| d as u64).eq(param.dims.iter().copied());
            match (table.get(&param.key), table.get(&param.key).filter(fits)) {
                (_, Some(tensor)) => tensors.push(Tensor::clone(tensor)),
                (Some(tensor), None) => {
                    let (have, want) = (tensor.shape(), &param.dims);
                    let message =
                        format!("`{}` has the shape {have:?}, but its layer wants {want:?}", param.key);
                    diagnostics.push(Diagnostic::error(Code::TensorShape, param.span, message));
                }
                (None, None) => {
                    let message = format!("there is no tensor `{}`", param.key);
                    diagnostics.push(Diagnostic::error(Code::MissingTensor, param.span, message));
                }
            }
        }
        if diagnostics.is_empty() { Ok(Params { tensors }) } else { Err(diagnostics) }
    }
}

/// The bytes of a safetensors file of f32 tensors.
///
/// # Errors
/// What the format cannot hold: a name or a size beyond its limits.
pub fn to_safetensors(table: &Table) -> Result<Vec<u8>, String> {
    let mut views = Vec::with_capacity(table.len());
    let bytes: Vec<Vec<u8>> =
        table.values().map(|t| t.data().iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
    for ((key, tensor), bytes) in table.iter().zip(&bytes) {
        let view = TensorView::new(Dtype::F32, tensor.shape().to_vec(), bytes);
        views.push((key.as_str(), view.map_err(|e| e.to_string())?));
    }
    safetensors::serialize(views, None).map_err(|e| e.to_string())
}
