//! Which model a command is about, and for which sizes.

use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::models::Opened;
use super::networks::Given;
use super::values::{Named, Sizes};

/// The arguments of every command that opens one model.
#[derive(clap::Args)]
pub(super) struct Choice {
    /// The model: a .conv text or an .onnx file
    #[arg(value_name = "MODEL")]
    model: PathBuf,

    #[command(flatten)]
    size: Sizes,

    /// The model of a file with several
    #[arg(long = "model", id = "model_name", value_name = "NAME")]
    model_name: Option<String>,
}

impl Choice {
    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.model
    }

    /// The sizes given.
    pub(super) fn sizes(&self) -> &[(String, u64)] {
        &self.size.0
    }

    /// Opens the model.
    pub(super) fn open(&self) -> Result<Opened, Failure> {
        Ok(self.open_for(&[])?.0)
    }

    /// Opens the model for inputs; an ONNX file binds some of them. Those that remain come back.
    pub(super) fn open_for(&self, inputs: &[Named]) -> Result<(Opened, Vec<Named>), Failure> {
        let given = Given { inputs, sizes: self.sizes(), only_constants: false };
        Opened::open(&self.model, self.model_name.as_deref(), &given)
    }
}
