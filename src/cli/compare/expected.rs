//! What another runtime computed, by the names of outputs or layers.

use crate::cli::console::shown;
use crate::cli::failure::Failure;
use crate::cli::inputs::{Content, load};
use crate::cli::models::Compiled;
use crate::cli::values::Named;
use crate::diag::did_you_mean;
use crate::graph::Graph;
use crate::model::{Layer, Options};
use crate::tensor::{Tensor, TensorView};

/// Recorded tensors with the names of the values that they are of.
pub(super) struct Expected(Vec<(String, Tensor)>);

impl Expected {
    /// Reads the files; `None` where there are none. Arrays without a name are the outputs in order.
    pub(super) fn read(files: &[Named], graph: &Graph, memory: u64) -> Result<Option<Expected>, Failure> {
        if files.is_empty() {
            return Ok(None);
        }
        let mut outputs = graph.outputs.iter().map(|o| o.name.clone());
        let mut all: Vec<(String, Tensor)> = Vec::new();
        for Named { name, file } in files {
            let contents = load(file, memory)?;
            let single = contents.len() == 1;
            for (within, content) in contents {
                let Content::Array(tensor) = content else {
                    return Err(Failure::data(format!("{}: recorded numbers are an array", shown(file)))
                        .help("a picture's numbers are rounded to 8 bits; record .npy or .npz"));
                };
                let name = match (name, within) {
                    (Some(name), _) if single => name.clone(),
                    (_, Some(within)) => within,
                    _ => outputs.next().ok_or_else(|| {
                        Failure::usage(format!(
                            "{}: the model has {} outputs, and more arrays are given",
                            shown(file),
                            graph.outputs.len()
                        ))
                    })?,
                };
                all.push((name, tensor));
            }
        }
        let names = || graph.nodes.iter().map(|n| n.name.as_str()).chain(graph.outputs.iter().map(|o| o.name.as_str()));
        match all.iter().find(|(name, _)| !names().any(|n| n == name)) {
            None => Ok(Some(Expected(all))),
            Some((unknown, _)) => {
                let failure = Failure::usage(format!("--expect: the model has no layer or output `{unknown}`"))
                    .note("`convc explain` lists the layers");
                Err(match did_you_mean(unknown, names()) {
                    Some(near) => failure.help(format!("did you mean `{near}`?")),
                    None => failure,
                })
            }
        }
    }

    /// Compiles the values asked for as outputs and compares them.
    pub(super) fn against(
        &self,
        compiled: &Compiled,
        options: &Options,
        inputs: &[TensorView<'_>],
    ) -> Result<Vec<Layer>, Failure> {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        let found = compiled.values(&names, options, inputs)?;
        let mut layers = Vec::new();
        for ((name, expected), found) in self.0.iter().zip(found) {
            layers.push(found.against(expected).ok_or_else(|| {
                Failure::data(format!(
                    "`{name}` has the shape {:?}, what was recorded has {:?}",
                    found.tensor.shape(),
                    expected.shape()
                ))
            })?);
        }
        Ok(layers)
    }
}
