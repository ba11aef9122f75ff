//! Values from a table in memory, as an importer makes it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::{Entry, Params, write_safetensors};
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
/// None: memory takes what is written to it.
pub fn to_safetensors(table: &Table) -> io::Result<Vec<u8>> {
    let mut entries = Vec::with_capacity(table.len());
    for (key, tensor) in table {
        let dims = tensor.shape().iter().map(|&d| d as u64).collect();
        entries.push(Entry { key: key.clone(), dims, data: tensor.raw() });
    }
    let mut bytes = Vec::new();
    write_safetensors(&mut entries, &BTreeMap::new(), &mut bytes)?;
    Ok(bytes)
}
