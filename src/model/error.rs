//! What can go wrong between a text and a result.

use std::fmt;
use std::path::PathBuf;

use crate::code::CodeError;
use crate::diag::{Diagnostic, RenderOptions, render};
use crate::io::FileError;
use crate::kernels::LowerError;
use crate::onnx::OnnxError;
use crate::plan::PlanError;
use crate::runtime::{AllocError, LoadError, RunError};
use crate::source::Source;
use crate::tensor::LengthError;

/// Diagnostics with the text they are about. `Display` renders them without colour.
#[derive(Clone, Debug)]
pub struct Report {
    /// The text.
    pub source: Source,
    /// The findings, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, diagnostic) in self.diagnostics.iter().enumerate() {
            let sep = if i == 0 { "" } else { "\n\n" };
            write!(f, "{sep}{}", render(&self.source, diagnostic, RenderOptions::default()))?;
        }
        Ok(())
    }
}

/// Why there is no program, or no result.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text or its weights are wrong.
    #[error("{0}")]
    Model(Report),
    /// A file cannot be read.
    #[error("{message}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why, with the path.
        message: String,
    },
    /// What is given at run time does not fit the model.
    #[error("`{name}`: {message}")]
    Input {
        /// The input or size.
        name: String,
        /// What is wrong with it.
        message: String,
    },
    /// The program would take too much memory.
    #[error("{needed} bytes of memory are needed, {limit} are allowed; the largest part is {layer}")]
    Memory {
        /// Bytes.
        needed: u64,
        /// Bytes.
        limit: u64,
        /// What takes most of it.
        layer: String,
    },
    /// An ONNX file cannot be imported.
    #[error("{0}")]
    Onnx(#[from] OnnxError),
    /// A capability that is missing here.
    #[error("{message}")]
    Unsupported {
        /// What is missing.
        message: String,
    },
    /// A bug of ours.
    #[error("internal error: {message}")]
    Bug {
        /// What was found.
        message: String,
    },
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Error {
        let message = error.to_string();
        let (FileError::Open { path, .. }
        | FileError::NotRegular { path, .. }
        | FileError::TooLarge { path, .. }
        | FileError::Outside { path, .. }
        | FileError::OverInput { path }
        | FileError::Write { path, .. }) = error;
        Error::File { path, message }
    }
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Error {
        match error {
            PlanError::Bug(_) => Error::Bug { message: error.to_string() },
            PlanError::TooFar | PlanError::Unsupported { .. } => {
                Error::Unsupported { message: error.to_string() }
            }
        }
    }
}

impl From<LowerError> for Error {
    fn from(error: LowerError) -> Error {
        match error {
            LowerError::Distance(_) => Error::Unsupported { message: error.to_string() },
            LowerError::Plan(_) => Error::Bug { message: error.to_string() },
        }
    }
}

impl From<CodeError> for Error {
    fn from(error: CodeError) -> Error {
        match error {
            CodeError::Unsupported(message) => Error::Unsupported { message },
            error => Error::Bug { message: error.to_string() },
        }
    }
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Error {
        Error::Unsupported { message: error.to_string() }
    }
}

impl From<AllocError> for Error {
    fn from(error: AllocError) -> Error {
        Error::Memory { needed: error.bytes, limit: 0, layer: "one buffer".to_owned() }
    }
}

impl From<RunError> for Error {
    fn from(error: RunError) -> Error {
        match error {
            RunError::Alloc(error) => error.into(),
            error => Error::Bug { message: error.to_string() },
        }
    }
}

impl From<LengthError> for Error {
    fn from(error: LengthError) -> Error {
        Error::Input { name: "tensor".to_owned(), message: error.to_string() }
    }
}
