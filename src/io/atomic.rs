//! Writing a file whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::{FileError, reason};
use super::safe_file::kind;

/// Writes a file: `contents` goes to a temporary file in the same folder, which takes the name only
/// when all is written. Until then nothing is at `path`, or what was there stays; after a failure no
/// temporary file is left.
///
/// # Errors
/// If `path` is one of the `inputs`, a folder, a device or a read-only file, if `contents` fails, or
/// if the system refuses.
pub fn write(
    path: &Path,
    inputs: &[&Path],
    contents: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), FileError> {
    let refuse = |reason: String| FileError::Write { path: path.into(), reason };
    let error = |e: io::Error| refuse(reason(&e));
    let target = check(path, inputs)?;
    let folder = folder_of(&target);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".convc-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file, which the process's mask restricts; temporary files are private otherwise.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let (file, temporary) = builder.tempfile_in(folder).map_err(error)?.into_parts();
    let mut file = BufWriter::new(file);
    contents(&mut file).map_err(error)?;
    file.flush().map_err(error)?;
    if let Ok(old) = fs::metadata(&target) {
        // Who may read the old file may read the new one, and nobody else.
        file.get_ref().set_permissions(old.permissions()).map_err(error)?;
    }
    drop(file);
    temporary.persist(&target).map_err(|e| error(e.error))
}

/// Checks that [`write()`] may replace what is at `path`, and follows links: a link stays and what it
/// leads to, which is returned, is replaced.
///
/// # Errors
/// If `path` is one of the `inputs`, a folder, a device or a read-only file.
pub fn check(path: &Path, inputs: &[&Path]) -> Result<PathBuf, FileError> {
    let Ok(metadata) = fs::metadata(path) else { return Ok(path.into()) };
    if let Some(kind) = kind(&metadata) {
        return Err(FileError::NotRegular { path: path.into(), kind });
    }
    if inputs.iter().any(|input| same_file(path, input)) {
        return Err(FileError::OverInput { path: path.into() });
    }
    let refuse = |reason: String| FileError::Write { path: path.into(), reason };
    if metadata.permissions().readonly() {
        return Err(refuse("it is read-only".into()));
    }
    fs::canonicalize(path).map_err(|e| refuse(reason(&e)))
}

/// Checks, before long work whose result will be there, that [`write()`] can replace what is at `path` or make it.
/// Gives the place, the same for all paths that lead to it.
///
/// # Errors
/// As [`check`], and if the folder is missing or takes no files.
pub fn ready(path: &Path, inputs: &[&Path]) -> Result<PathBuf, FileError> {
    let error = |e: io::Error| FileError::Write { path: path.into(), reason: reason(&e) };
    let target = check(path, inputs)?;
    let folder = fs::canonicalize(folder_of(&target)).map_err(error)?;
    tempfile::Builder::new().prefix(".convc-").suffix(".tmp").tempfile_in(&folder).map_err(error)?;
    match target.file_name() {
        Some(name) => Ok(folder.join(name)),
        None => Err(FileError::NotRegular { path: path.into(), kind: "a folder" }),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Whether two paths lead to one file that exists.
pub fn same_file(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let id = |path: &Path| fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
        if id(a).is_some() && id(a) == id(b) {
            return true;
        }
    }
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests;
