//! NumPy's `.npz`: a zip file of named `.npy` arrays.

use std::io::{self, Cursor, Read, Seek, Write};

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::npy::{self, NpyError};
use crate::limits;
use crate::tensor::{Tensor, TensorView};

/// Why bytes are no set of arrays that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NpzError {
    /// What a zip file ends in is not there.
    #[error(
        "it is no whole .npz file: the list of arrays that it ends in is missing; it may have been cut off"
    )]
    Whole,
    /// The zip file is damaged or of a kind that is not read.
    #[error("the .npz file cannot be read: {0}")]
    Zip(String),
    /// More entries than are read.
    #[error("the .npz file has {0} entries; at most {max} are read", max = limits::ARCHIVE_ENTRIES)]
    Entries(usize),
    /// Unpacked, the arrays are larger than the caller allows.
    #[error("the arrays in the .npz file need more than the limit of {limit} bytes")]
    Limit {
        /// The limit: the caller's, or what a file of this length may unpack to.
        limit: u64,
    },
    /// Two arrays have one name.
    #[error("the .npz file has two arrays named `{0}`")]
    Twice(String),
    /// An array cannot be read.
    #[error("array `{name}`: {error}")]
    Array {
        /// Its name.
        name: String,
        /// Why.
        error: NpyError,
    },
}

/// Reads all arrays, in the order of the file. Entries that are not `.npy` are passed over.
///
/// What is unpacked at one time, with the results so far, stays within `limit_bytes` and in
/// proportion to the file, whatever the file claims about sizes.
///
/// # Errors
/// If the file is damaged, exceeds the limit, or an array cannot be read.
pub fn read(bytes: &[u8], limit_bytes: u64) -> Result<Vec<(String, Tensor)>, NpzError> {
    let zip_error = |e: ZipError| NpzError::Zip(e.to_string().escape_debug().to_string());
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| match error {
        ZipError::InvalidArchive(_) => NpzError::Whole,
        error => zip_error(error),
    })?;
    if archive.len() > limits::ARCHIVE_ENTRIES {
        return Err(NpzError::Entries(archive.len()));
    }
    let limit = limit_bytes.min(justified(bytes.len()));
    let too_large = NpzError::Limit { limit };
    let mut arrays: Vec<(String, Tensor)> = Vec::new();
    let mut left = limit;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(zip_error)?;
        let name = entry.name().map_err(zip_error)?.escape_debug().to_string();
        let Some(name) = name.strip_suffix(".npy").map(str::to_owned) else { continue };
        if arrays.iter().any(|(other, _)| *other == name) {
            return Err(NpzError::Twice(name));
        }
        let claimed = entry.size();
        if claimed > left {
            return Err(too_large);
        }
        let mut unpacked = Vec::new();
        let read = entry.take(claimed + 1).read_to_end(&mut unpacked);
        read.map_err(|e| NpzError::Zip(e.to_string().escape_debug().to_string()))?;
        if unpacked.len() as u64 != claimed {
            return Err(NpzError::Zip(format!("`{name}` does not have the {claimed} bytes that it claims")));
        }
        let tensor = match npy::read(&unpacked, left - claimed) {
            Ok(tensor) => tensor,
            Err(NpyError::Limit { .. }) => return Err(too_large),
            Err(error) => return Err(NpzError::Array { name, error }),
        };
        left = left.saturating_sub(4 * tensor.data().len() as u64);
        arrays.push((name, tensor));
    }
    Ok(arrays)
}

/// What a file of this length may unpack to: a hundred times as much, and a little in any case. Real
/// arrays hardly compress; zeros shrink a thousandfold.
fn justified(file_bytes: usize) -> u64 {
    (file_bytes as u64).saturating_mul(limits::ARCHIVE_RATIO).max(limits::ARCHIVE_FREE_BYTES)
}

/// Writes arrays under their names, not compressed, as `numpy.savez` does. The bytes depend on
/// nothing but the arrays.
///
/// # Errors
/// If a name is used twice or writing fails.
pub fn write(arrays: &[(&str, TensorView<'_>)], out: &mut (impl Write + Seek)) -> io::Result<()> {
    let mut zip = ZipWriter::new(out);
    for (name, tensor) in arrays {
        let large = tensor.data().len() as u64 * 4 > u64::from(u32::MAX) - (1 << 20);
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(0o644)
            .large_file(large);
        zip.start_file(format!("{name}.npy"), options)?;
        npy::write(*tensor, &mut zip)?;
    }
    zip.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests;
