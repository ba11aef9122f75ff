//! A file → what it holds, by its first bytes.

use std::path::Path;

use super::bind::Content;
use crate::cli::console::shown;
use crate::cli::failure::Failure;
use crate::io::{npy, npz, picture, safe_file};

/// Reads a picture, an array, or the arrays of an archive, which have names.
///
/// The file and what it becomes each stay within `memory` bytes.
pub(in crate::cli) fn load(path: &Path, memory: u64) -> Result<Vec<(Option<String>, Content)>, Failure> {
    let bytes = safe_file::read(path, memory).map_err(Failure::file)?;
    let wrong = |e: &dyn std::fmt::Display| Failure::data(format!("{}: {e}", shown(path)));
    let memory = memory.saturating_sub(bytes.len() as u64);
    match bytes.as_slice() {
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => {
            let tensor = npy::read(&bytes, memory).map_err(|e| wrong(&e))?;
            Ok(vec![(None, Content::Array(tensor))])
        }
        [b'P', b'K', ..] => {
            let arrays = npz::read(&bytes, memory).map_err(|e| wrong(&e))?;
            if arrays.is_empty() {
                return Err(wrong(&"the archive holds no array (.npy)"));
            }
            Ok(arrays.into_iter().map(|(name, tensor)| (Some(name), Content::Array(tensor))).collect())
        }
        _ if picture::looks_like_picture(&bytes) => {
            let picture = picture::decode(&bytes, memory).map_err(|e| match e {
                picture::PictureError::Memory { .. } => wrong(&e).help("--memory raises the limit"),
                _ => wrong(&e),
            })?;
            Ok(vec![(None, Content::Picture(picture))])
        }
        _ => Err(wrong(&"it is neither a picture (PNG, JPEG, PNM) nor an array (.npy, .npz)")),
    }
}

/// Reads a file that stands for one input.
pub(in crate::cli) fn load_one(path: &Path, memory: u64) -> Result<Content, Failure> {
    let mut contents = load(path, memory)?;
    match (contents.pop(), contents.is_empty()) {
        (Some((_, content)), true) => Ok(content),
        (last, _) => {
            let names = contents.into_iter().chain(last).filter_map(|(name, _)| name).collect::<Vec<_>>();
            Err(Failure::data(format!("{}: the archive holds several arrays: {}", shown(path), names.join(", ")))
                .help("they are taken by their names when the archive is the only input and the model has inputs so named"))
        }
    }
}
