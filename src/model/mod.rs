//! The library's face: models, programs, sessions.
//!
//! ```no_run
//! # fn main() -> Result<(), convc::model::Error> {
//! use convc::{Model, Options, Tensor};
//!
//! let model = Model::from_path("edges.conv")?;
//! let program = model.compile(&Options::default().input([1, 480, 640]))?;
//! let photo = Tensor::zeros(&[1, 480, 640])?;
//! let edges = program.run(&[photo.view()])?;
//! assert_eq!(edges[0].shape(), [1, 480, 640]);
//! # Ok(())
//! # }
//! ```

mod compare;
mod error;
mod memory;
mod options;
mod profile;
mod program;
mod session;
mod stages;
mod weights;

pub use crate::target::Math;
pub use compare::{Comparison, Difference, Found, Layer, compare, values};
pub use error::{Error, Report};
pub use memory::{Memory, memory};
pub use options::Options;
pub use profile::{Part, parts};
pub(crate) use program::pool_for;
pub use program::{Port, Program, Scratch};
pub use session::Session;
pub use stages::Stats;
pub(crate) use stages::machine_code;
pub use weights::Weights;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::diag::{Code, Diagnostic, escape};
use crate::graph::check::{self, Checked, Signature};
use crate::io::safe_file;
use crate::limits;
use crate::onnx::import::{Import, Settings};
use crate::onnx::{self, Bindings};
use crate::runtime::params::{Table, tensors_of_shape};
use crate::source::Source;
use crate::syntax::{self, ast};

/// A model's text, parsed.
#[derive(Clone, Debug)]
pub struct Model {
    source: Source,
    file: ast::File,
    /// Where weights and labels are looked for; `None` for a text that lies nowhere.
    folder: Option<PathBuf>,
    /// Weights that came with the text, as an importer gives them.
    weights: Option<Arc<Table>>,
}

impl Model {
    /// Parses a text. `name` is shown in diagnostics.
    ///
    /// # Errors
    /// [`Error::Model`] with every syntax error.
    pub fn from_str(name: &str, text: &str) -> Result<Model, Error> {
        Model::from_source(Source::new(name, text), None)
    }

    /// Reads and parses a file. Weights and labels that it names are looked for in its folder.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read or is not a regular file, [`Error::Model`] with every
    /// syntax error.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Model, Error> {
        let path = path.as_ref();
        let bytes = safe_file::read(path, limits::TEXT_BYTES as u64)?;
        let name = path.display().to_string();
        let source = Source::from_bytes(name.clone(), bytes).map_err(|diagnostic| {
            Error::Model(Report { source: Source::new(name, ""), diagnostics: vec![*diagnostic] })
        })?;
        Model::from_source(source, path.parent().map(Path::to_path_buf))
    }

    /// A network that was imported, with its weights. `name` is shown in diagnostics.
    ///
    /// # Errors
    /// [`Error::Model`] if the text is wrong, which would be the importer's mistake.
    pub fn from_import(name: &str, imported: Import) -> Result<Model, Error> {
        let mut model = Model::from_source(Source::new(name, imported.text), None)?;
        model.weights = Some(Arc::new(imported.weights));
        Ok(model)
    }

    /// Reads an ONNX file and imports it. Its external data is looked for in its folder. Sizes that the
    /// file leaves open stay open, where nothing in the network depends on them.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read, [`Error::Onnx`] if it cannot be imported.
    pub fn from_onnx(path: impl AsRef<Path>, bindings: &Bindings) -> Result<Model, Error> {
        let path = path.as_ref();
        let bytes = safe_file::read(path, limits::WEIGHT_FILE_BYTES)?;
        let network = onnx::read(bytes, path.parent())?;
        Model::from_network(&path.display().to_string(), &network, bindings)
    }

    /// As [`Model::from_onnx`], of bytes in memory, such as a `Vec<u8>`: they are not copied, and stay for as long as the
    /// model where they are weights. External data is looked for in `folder`.
    ///
    /// # Errors
    /// [`Error::Onnx`] if it cannot be imported.
    pub fn from_onnx_bytes(
        name: &str,
        bytes: impl Into<Bytes>,
        folder: Option<&Path>,
        bindings: &Bindings,
    ) -> Result<Model, Error> {
        Model::from_network(name, &onnx::read(bytes, folder)?, bindings)
    }

    fn from_network(name: &str, network: &onnx::Network, bindings: &Bindings) -> Result<Model, Error> {
        Model::from_import(name, onnx::import::import(network, bindings, &Settings::default())?)
    }

    pub(crate) fn from_source(source: Source, folder: Option<PathBuf>) -> Result<Model, Error> {
        let (file, diagnostics) = syntax::parse(&source);
        if diagnostics.iter().any(Diagnostic::is_error) {
            return Err(Error::Model(Report { source, diagnostics }));
        }
        Ok(Model { source, file, folder, weights: None })
    }

    /// The text.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The syntax tree.
    pub fn syntax(&self) -> &ast::File {
        &self.file
    }

    /// The folder that weights and labels are looked for in.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// What the model takes, before sizes are known.
    pub fn signature(&self, model: Option<&str>) -> Signature {
        check::signature(&self.file, model)
    }

    /// Finds every error and warning; with all sizes bound and no error, gives the graph.
    pub fn check(&self, options: &Options) -> Checked {
        let mut checked = check::check(&self.file, &options.check_options(self));
        self.list_fitting_tensors(&mut checked, options);
        checked
    }

    /// Says to layers that lack a name which tensors of the weight file would fit them. A file that
    /// cannot be read is not this finding's matter.
    fn list_fitting_tensors(&self, checked: &mut Checked, options: &Options) {
        if checked.unnamed.is_empty() {
            return;
        }
        let named = self.signature(options.model.as_deref()).weights;
        let path = match (&options.weights, &self.folder, named) {
            (Some(path), ..) => path.clone(),
            (None, Some(folder), Some(file)) => {
                match safe_file::beneath(folder, &file.path, options.outside_weights) {
                    Ok(path) => path,
                    Err(_) => return,
                }
            }
            _ => return,
        };
        let limit = options.memory.unwrap_or(limits::WEIGHT_FILE_BYTES).min(limits::WEIGHT_FILE_BYTES);
        let Ok(bytes) = safe_file::read(&path, limit) else { return };
        for diagnostic in checked.diagnostics.iter_mut().filter(|d| d.code == Code::UnnamedWeights) {
            let at = diagnostic.primary.as_ref().map(|label| label.span);
            for unnamed in checked.unnamed.iter().filter(|u| Some(u.span) == at) {
                let keys = tensors_of_shape(&bytes, &unnamed.dims);
                let shown: Vec<String> = keys.iter().take(8).map(|k| format!("`{}`", escape(k))).collect();
                let more =
                    if keys.len() > 8 { format!(", and {} more", keys.len() - 8) } else { String::new() };
                let list = if keys.is_empty() { "none".to_owned() } else { shown.join(", ") };
                diagnostic
                    .notes
                    .push(format!("tensors of shape {:?} in the file: {list}{more}", unnamed.dims));
            }
        }
    }

    /// The graph for the sizes in `options`, and the warnings.
    ///
    /// # Errors
    /// [`Error::Model`] with every error; [`Error::Input`] where a size is left open.
    pub fn graph(&self, options: &Options) -> Result<(crate::graph::Graph, Vec<Diagnostic>), Error> {
        let checked = self.check(options);
        match checked.graph {
            Some(graph) => Ok((graph, checked.diagnostics)),
            None if checked.diagnostics.iter().any(Diagnostic::is_error) => {
                Err(Error::Model(Report { source: self.source.clone(), diagnostics: checked.diagnostics }))
            }
            None => Err(Error::Input {
                name: checked.unbound.join(", "),
                message: "the model leaves this size open; give an input of that size, or the size itself"
                    .into(),
            }),
        }
    }

    /// The weights for a graph of this model: from the file given or named, from those that came with the
    /// text, else seeded.
    ///
    /// # Errors
    /// [`Error::File`] and [`Error::Model`].
    pub fn weights(&self, graph: &crate::graph::Graph, options: &Options) -> Result<Weights, Error> {
        weights::weights(self, options, graph)
    }

    /// Weights by the options' seed, whatever file there is for them.
    pub(crate) fn seeded_weights(
        &self,
        graph: &crate::graph::Graph,
        options: &Options,
    ) -> Result<crate::runtime::params::Params, Error> {
        weights::seeded(self, options, graph)
    }

    /// Compiles a program for one size of its inputs, with its weights.
    ///
    /// # Errors
    /// As [`Model::graph`]; [`Error::File`] and [`Error::Model`] for weights; [`Error::Memory`] where
    /// the program would take more than [`Options::memory`]; [`Error::Unsupported`] for a backend that
    /// this machine lacks.
    pub fn compile(&self, options: &Options) -> Result<Program, Error> {
        Program::compile(self, options)
    }
}
