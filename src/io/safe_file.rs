//! Opening files that nobody vouches for.
//!
//! Only regular files are read: a pipe would block, a device never ends. What a model's text names
//! lies beneath the model's folder.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use super::error::{FileError, reason};
use crate::pages::large_vec;

/// Opens a regular file; symbolic links are followed. Returns it with its length in bytes.
///
/// # Errors
/// If it cannot be opened or is not a regular file.
pub fn open(path: &Path) -> Result<(File, u64), FileError> {
    let error = |e| FileError::Open { path: path.into(), reason: reason(&e) };
    // Looked at before it is opened, since opening a device may do something, and once more after,
    // since the name may mean something else by then.
    regular(path, &fs::metadata(path).map_err(error)?)?;
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    }
    let file = options.open(path).map_err(error)?;
    let metadata = file.metadata().map_err(error)?;
    regular(path, &metadata)?;
    Ok((file, metadata.len()))
}

/// Reads a regular file whole.
///
/// # Errors
/// If it cannot be read, is not a regular file, or is longer than `limit_bytes`.
pub fn read(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, FileError> {
    let (file, length) = open(path)?;
    let too_large = |bytes| FileError::TooLarge { path: path.into(), bytes, limit: limit_bytes };
    if length > limit_bytes {
        return Err(too_large(length));
    }
    let mut bytes = usize::try_from(length).ok().and_then(large_vec).ok_or_else(|| too_large(length))?;
    // A file may grow while it is read, and some in /proc say that they are empty.
    let read = file.take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|e| FileError::Open { path: path.into(), reason: reason(&e) })?;
    if bytes.len() as u64 > limit_bytes {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

fn regular(path: &Path, metadata: &Metadata) -> Result<(), FileError> {
    match kind(metadata) {
        None => Ok(()),
        Some(kind) => Err(FileError::NotRegular { path: path.into(), kind }),
    }
}

/// What something is that is not a regular file.
pub(super) fn kind(metadata: &Metadata) -> Option<&'static str> {
    let file_type = metadata.file_type();
    if file_type.is_file() {
        return None;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if file_type.is_fifo() {
            return Some("a pipe");
        }
        if file_type.is_socket() {
            return Some("a socket");
        }
        if file_type.is_block_device() || file_type.is_char_device() {
            return Some("a device");
        }
    }
    Some(if file_type.is_dir() { "a folder" } else { "not a regular file" })
}

/// Where a file lies that a model's text names: beneath `folder`, the model's own.
///
/// # Errors
/// If the path is absolute, contains `..`, or leads out of the folder through a link, unless
/// `allow_outside`; or if there is no such file.
pub fn beneath(folder: &Path, written: &str, allow_outside: bool) -> Result<PathBuf, FileError> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let path = folder.join(written);
    if allow_outside {
        return Ok(path);
    }
    let outside = |how| FileError::Outside { path: written.into(), how };
    for component in Path::new(written).components() {
        match component {
            Component::Normal(_) | Component::CurDir => {}
            Component::ParentDir => return Err(outside("it contains `..`")),
            Component::RootDir | Component::Prefix(_) => return Err(outside("it is absolute")),
        }
    }
    let canonical = |path: &Path| {
        fs::canonicalize(path).map_err(|e| FileError::Open { path: path.into(), reason: reason(&e) })
    };
    let (root, target) = (canonical(folder)?, canonical(&path)?);
    if !target.starts_with(&root) {
        return Err(outside("a link leads out of the folder"));
    }
    Ok(target)
}

#[cfg(test)]
mod tests;
