//! What can go wrong with a file as such.

use std::io;
use std::path::PathBuf;

/// Why a file cannot be read or written. Names are escaped when shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The system refuses.
    #[error("cannot read {path:?}: {reason}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It is a folder, a pipe, a device or a socket.
    #[error("{path:?} is {kind}, not a file")]
    NotRegular {
        /// The path.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// It is longer than allowed, or than the memory.
    #[error("{path:?} has {bytes} bytes or more, but at most {limit} can be read")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length as far as it is known.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A model's text names a file that is not beneath the model's folder.
    #[error("{path:?} is not beneath the model's folder: {how}")]
    Outside {
        /// The path as written.
        path: PathBuf,
        /// How it leads out.
        how: &'static str,
    },
    /// The output would replace something that is read.
    #[error("{path:?} is an input; write the output to another file")]
    OverInput {
        /// The output.
        path: PathBuf,
    },
    /// The system refuses, or what makes the contents does.
    #[error("cannot write {path:?}: {reason}")]
    Write {
        /// The output.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// A system's error in words, without its number where it is a common one.
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder".into(),
        io::ErrorKind::PermissionDenied => "permission is denied".into(),
        io::ErrorKind::StorageFull => "the disk is full".into(),
        io::ErrorKind::QuotaExceeded => "the disk quota is used up".into(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".into(),
        io::ErrorKind::NotADirectory => "a part of the path is not a folder".into(),
        _ => error.to_string(),
    }
}
