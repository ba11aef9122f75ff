//! Where outputs go, checked before anything is computed, and how they are written.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::console::shown;
use crate::cli::failure::Failure;
use crate::cli::values::Named;
use crate::diag::did_you_mean;
use crate::io::{FileError, atomic};
use crate::io::picture::Format;

/// What is written, by a file's ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Kind {
    Picture(Format),
    Npy,
    Npz,
}

impl Kind {
    pub(in crate::cli) fn of(path: &Path) -> Result<Kind, Failure> {
        // A folder or a device is refused as what it is, whatever its ending.
        atomic::check(path, &[]).map_err(|e| refused(path, e))?;
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        let kind = match extension.to_ascii_lowercase().as_str() {
            "npy" => Some(Kind::Npy),
            "npz" => Some(Kind::Npz),
            other => Format::of_extension(other).map(Kind::Picture),
        };
        kind.ok_or_else(|| {
            Failure::usage(format!("{}: the ending says no format that can be written", shown(path)))
                .help("endings are .png .jpg .jpeg .pnm .ppm .pgm .npy .npz")
        })
    }
}

/// A file and the outputs that go into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Destination {
    pub(in crate::cli) path: PathBuf,
    pub(in crate::cli) kind: Kind,
    /// Indices of the model's outputs.
    pub(in crate::cli) outputs: Vec<usize>,
}

/// Says which output goes where.
pub(in crate::cli) fn destinations(files: &[Named], outputs: &[&str]) -> Result<Vec<Destination>, Failure> {
    let all: Vec<usize> = (0..outputs.len()).collect();
    let mut destinations: Vec<Destination> = Vec::new();
    for Named { name, file } in files {
        let kind = Kind::of(file)?;
        let wanted = match name {
            Some(name) => vec![index_of(name, outputs)?],
            None if outputs.len() == 1 || kind == Kind::Npz => all.clone(),
            None => {
                return Err(Failure::usage(format!(
                    "the model has {} outputs ({}), and {} holds one",
                    outputs.len(),
                    outputs.join(", "),
                    shown(file)
                ))
                .help("write them to one .npz, or each to its own file: -o NAME=FILE"));
            }
        };
        if let Some(other) = destinations.iter().find(|d| same_place(&d.path, file)) {
            return Err(Failure::usage(format!("{} and {} are one file", shown(&other.path), shown(file)))
                .help("several outputs go to one .npz when it is named without an output: -o out.npz"));
        }
        destinations.push(Destination { path: file.clone(), kind, outputs: wanted });
    }
    Ok(destinations)
}

fn index_of(name: &str, outputs: &[&str]) -> Result<usize, Failure> {
    outputs.iter().position(|o| *o == name).ok_or_else(|| {
        let failure = Failure::usage(format!("the model has no output `{name}`"))
            .note(format!("its outputs are {}", outputs.join(", ")));
        match did_you_mean(name, outputs.iter().copied()) {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure,
        }
    })
}

/// Whether two paths would be one file: the same after links, or two names of one file.
fn same_place(a: &Path, b: &Path) -> bool {
    atomic::same_file(a, b) || matches!((resolved(a), resolved(b)), (Some(a), Some(b)) if a == b)
}

/// The path after links; for a file that does not exist yet, its folder's with its name.
fn resolved(path: &Path) -> Option<PathBuf> {
    if let Ok(path) = fs::canonicalize(path) {
        return Some(path);
    }
    Some(fs::canonicalize(folder_of(path)).ok()?.join(path.file_name()?))
}

/// The folder that a file is in.
pub(in crate::cli) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn refused(path: &Path, error: FileError) -> Failure {
    let failure = Failure::file(error);
    match path.is_dir() {
        true => failure.help("name a file in it; a folder is for a folder of inputs, or --each"),
        false => failure,
    }
}

/// Checks that a file can be written there and is none of those that are read.
pub(in crate::cli) fn check(path: &Path, read: &[PathBuf]) -> Result<(), Failure> {
    let read: Vec<&Path> = read.iter().map(PathBuf::as_path).collect();
    atomic::check(path, &read).map_err(|e| refused(path, e))?;
    let folder = folder_of(path);
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(Failure::data(format!("{}: {} is not a folder", shown(path), shown(folder)))),
        Err(e) => Err(Failure::data(format!("{}: the folder {} cannot be used: {e}", shown(path), shown(folder)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: Option<&str>, file: &str) -> Named {
        Named { name: name.map(str::to_owned), file: file.into() }
    }

    fn places(files: &[Named], outputs: &[&str]) -> Result<Vec<Vec<usize>>, u8> {
        let found = destinations(files, outputs).map_err(|f| f.exit_code())?;
        Ok(found.into_iter().map(|d| d.outputs).collect())
    }

    #[test]
    fn one_output_goes_anywhere_and_several_need_names_or_an_npz() {
        assert_eq!(places(&[named(None, "a.png"), named(None, "a.npy")], &["y"]), Ok(vec![vec![0], vec![0]]));
        assert_eq!(places(&[named(None, "a.npz")], &["y", "z"]), Ok(vec![vec![0, 1]]));
        assert_eq!(places(&[named(Some("z"), "a.png")], &["y", "z"]), Ok(vec![vec![1]]));
        assert_eq!(places(&[named(None, "a.png")], &["y", "z"]), Err(2));
        assert_eq!(places(&[named(Some("q"), "a.png")], &["y", "z"]), Err(2));
        assert_eq!(places(&[named(None, "a.gif")], &["y"]), Err(2));
        assert_eq!(places(&[named(None, "a")], &["y"]), Err(2));
        assert_eq!(places(&[named(Some("y"), "a.npy"), named(Some("z"), "./a.npy")], &["y", "z"]), Err(2));
    }

    #[test]
    fn files_that_must_not_be_written_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("in.png"), "x").expect("it is written");
        let read = [path("in.png")];
        assert!(check(&path("out.png"), &read).is_ok());
        assert!(check(&path("in.png"), &read).is_err());
        assert!(check(folder.path(), &read).is_err());
        assert!(check(&path("missing/out.png"), &read).is_err());
        assert!(check(&path("in.png/out.png"), &read).is_err());
        fs::hard_link(path("in.png"), path("same.png")).expect("it is linked");
        assert!(check(&path("same.png"), &read).is_err());
        fs::write(path("fixed.png"), "x").expect("it is written");
        let mut permissions = fs::metadata(path("fixed.png")).expect("it is there").permissions();
        permissions.set_readonly(true);
        fs::set_permissions(path("fixed.png"), permissions).expect("they are set");
        assert!(check(&path("fixed.png"), &read).is_err());
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("in.png", path("link.png")).expect("it is linked");
            assert!(check(&path("link.png"), &read).is_err());
            assert!(check(Path::new("/dev/null"), &read).is_err());
        }
    }
}
