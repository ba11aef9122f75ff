//! Which file is which input.

use std::path::{Path, PathBuf};

use super::bind::{self, Bound, Content, Conversion, Declared, Ready};
use super::load::{load, load_one};
use crate::cli::console::shown;
use crate::cli::failure::Failure;
use crate::cli::values::Named;
use crate::diag::did_you_mean;
use crate::io::safe_file;
use crate::model::Options;

/// What an input is read from.
#[derive(Debug)]
pub(in crate::cli) enum Origin {
    File(PathBuf),
    /// The file that the model names, beneath its folder.
    Default(PathBuf),
    Random,
}

/// Inputs in the model's order, ready to run.
#[derive(Debug)]
pub(in crate::cli) struct Inputs {
    pub(in crate::cli) ready: Vec<Ready>,
    pub(in crate::cli) origins: Vec<Origin>,
}

impl Inputs {
    /// Bytes that they take.
    pub(in crate::cli) fn bytes(&self) -> u64 {
        self.ready.iter().map(|r| 4 * r.tensor.data().len() as u64).sum()
    }

    /// How many samples the batch has.
    pub(in crate::cli) fn samples(&self, declared: &[Declared]) -> u64 {
        let batched = declared.iter().zip(&self.ready).find(|(d, _)| d.batched);
        batched.and_then(|(_, r)| r.tensor.shape().first()).map_or(1, |&n| n as u64)
    }

    /// Tells the checker their axes.
    pub(in crate::cli) fn declare(&self, declared: &[Declared], options: Options) -> Options {
        declared.iter().zip(&self.ready).fold(options, |options, (input, ready)| {
            let dims = ready.tensor.shape();
            let sample = if input.batched { dims.get(1..).unwrap_or_default() } else { dims };
            options.named_input(&input.name, sample)
        })
    }

    /// The files that were read.
    pub(in crate::cli) fn files(&self) -> Vec<PathBuf> {
        let file = |origin: &Origin| match origin {
            Origin::File(path) | Origin::Default(path) => Some(path.clone()),
            Origin::Random => None,
        };
        self.origins.iter().filter_map(file).collect()
    }
}

/// Says the axes of one sample of an input, by its number, for some sizes.
pub(super) type DimsOf<'a> = dyn Fn(usize, &[(String, u64)]) -> Result<Vec<u64>, Failure> + 'a;

/// How inputs are read where none or not all are given.
pub(super) struct Reading<'a> {
    /// The model's folder.
    pub(super) folder: &'a Path,
    pub(super) conversion: Conversion,
    pub(super) seed: u64,
    /// The axes of one sample of an input, by its number, once the sizes are bound.
    pub(super) dims: &'a DimsOf<'a>,
}

/// Reads the inputs that a model declares: from the files given, from those that the model names, or,
/// where there are none at all, at random.
pub(super) fn read(
    declared: &[Declared],
    given: &[Named],
    bound: &mut Bound,
    reading: &Reading<'_>,
) -> Result<Inputs, Failure> {
    if let ([only], [_, _, ..]) = (given, declared)
        && only.name.is_none()
        && let Some(inputs) = read_archive(declared, &only.file, bound, reading)?
    {
        return Ok(inputs);
    }
    let files = assign(declared, given)?;
    let mut slots: Vec<Option<(Ready, Origin)>> = Vec::new();
    for (input, file) in declared.iter().zip(&files) {
        slots.push(read_file(input, file.as_deref(), bound, reading)?);
    }
    // Random inputs take the sizes that files have bound.
    let mut notes = Vec::new();
    for (input, slot) in declared.iter().zip(&slots) {
        match slot {
            Some(_) => {}
            None if given.is_empty() => bind::bind_defaults(input, bound, &mut notes),
            None => {
                return Err(Failure::usage(format!("input `{}` is not given", input.name))
                    .note(format!("the model has {}", list(declared))));
            }
        }
    }
    let mut inputs = Inputs { ready: Vec::new(), origins: Vec::new() };
    for (i, (input, slot)) in declared.iter().zip(slots).enumerate() {
        let (mut ready, origin) = match slot {
            Some(read) => read,
            None => {
                let dims = (reading.dims)(i, &bound.sizes())?;
                (bind::random(input, &dims, reading.seed, reading.conversion.memory)?, Origin::Random)
            }
        };
        ready.notes.append(&mut notes);
        inputs.ready.push(ready);
        inputs.origins.push(origin);
    }
    Ok(inputs)
}

/// Reads the file given for an input, or the one that the model names.
fn read_file(
    input: &Declared,
    file: Option<&Path>,
    bound: &mut Bound,
    reading: &Reading<'_>,
) -> Result<Option<(Ready, Origin)>, Failure> {
    let memory = reading.conversion.memory;
    match (file, &input.file) {
        (Some(file), _) => {
            let content = load_one(file, memory)?;
            let ready = bind::bind(input, content, &shown(file), bound, reading.conversion)?;
            Ok(Some((ready, Origin::File(file.to_path_buf()))))
        }
        (None, Some(written)) => {
            let path = safe_file::beneath(reading.folder, written, false)
                .map_err(|e| Failure::file(e).note(format!("it is the default of input `{}`", input.name)))?;
            let content = load_one(&path, memory)?;
            let mut ready = bind::bind(input, content, &shown(&path), bound, reading.conversion)?;
            ready
                .notes
                .insert(0, format!("input `{}` is {}, which the model names", input.name, shown(&path)));
            Ok(Some((ready, Origin::Default(path))))
        }
        (None, None) => Ok(None),
    }
}

/// An archive as the only file for several inputs: each takes the array of its name.
fn read_archive(
    declared: &[Declared],
    file: &Path,
    bound: &mut Bound,
    reading: &Reading<'_>,
) -> Result<Option<Inputs>, Failure> {
    let mut arrays = load(file, reading.conversion.memory)?;
    if arrays.iter().any(|(name, _)| name.is_none()) {
        return Ok(None);
    }
    let mut inputs = Inputs { ready: Vec::new(), origins: Vec::new() };
    for input in declared {
        let position = arrays.iter().position(|(name, _)| name.as_deref() == Some(&input.name));
        let Some(position) = position else {
            let names: Vec<String> = arrays.into_iter().filter_map(|(name, _)| name).collect();
            return Err(Failure::data(format!("{}: it has no array `{}`", shown(file), input.name)).note(
                format!("its other arrays are {}; the model has {}", names.join(", "), list(declared)),
            ));
        };
        let (_, content): (_, Content) = arrays.swap_remove(position);
        inputs.ready.push(bind::bind(input, content, &shown(file), bound, reading.conversion)?);
        inputs.origins.push(Origin::File(file.to_path_buf()));
    }
    Ok(Some(inputs))
}

/// For each declared input the file given for it: by name, the others in order.
fn assign(declared: &[Declared], given: &[Named]) -> Result<Vec<Option<PathBuf>>, Failure> {
    let mut files: Vec<Option<PathBuf>> = vec![None; declared.len()];
    for named in given {
        let Some(name) = &named.name else { continue };
        let position = declared.iter().position(|d| d.name == *name);
        let Some(slot) = position.and_then(|i| files.get_mut(i)) else {
            let failure = Failure::usage(format!("the model has no input `{name}`"))
                .note(format!("the model has {}", list(declared)));
            return Err(match did_you_mean(name, declared.iter().map(|d| d.name.as_str())) {
                Some(near) => failure.help(format!("did you mean `{near}`?")),
                None => failure,
            });
        };
        if slot.replace(named.file.clone()).is_some() {
            return Err(Failure::usage(format!("input `{name}` is given twice")));
        }
    }
    let mut free = files.iter_mut().filter(|f| f.is_none());
    for named in given.iter().filter(|n| n.name.is_none()) {
        match free.next() {
            Some(slot) => *slot = Some(named.file.clone()),
            None => {
                return Err(Failure::usage(format!(
                    "{} files are given, the model has {}",
                    given.len(),
                    list(declared)
                ))
                .help("--each maps the model over many files"));
            }
        }
    }
    Ok(files)
}

/// "2 inputs: a [1, H, W], b [1, H, W]".
fn list(declared: &[Declared]) -> String {
    let each: Vec<String> =
        declared.iter().map(|d| format!("{} {}", d.name, crate::cli::report::shape(&d.axes))).collect();
    format!("{}: {}", crate::cli::report::plural(declared.len(), "input"), each.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(names: &[&str]) -> Vec<Declared> {
        let one =
            |name: &&str| Declared { name: (*name).to_owned(), batched: true, axes: vec![], file: None };
        names.iter().map(one).collect()
    }

    fn named(name: Option<&str>, file: &str) -> Named {
        Named { name: name.map(str::to_owned), file: file.into() }
    }

    fn order(given: &[Named]) -> Result<Vec<Option<String>>, u8> {
        let files = assign(&declared(&["a", "b", "c"]), given).map_err(|f| f.exit_code())?;
        Ok(files.into_iter().map(|f| f.map(|p| p.to_string_lossy().into_owned())).collect())
    }

    #[test]
    fn names_come_first_and_the_rest_fills_up() {
        let some = |s: &str| Some(s.to_owned());
        assert_eq!(order(&[]), Ok(vec![None, None, None]));
        assert_eq!(order(&[named(None, "1"), named(None, "2")]), Ok(vec![some("1"), some("2"), None]));
        assert_eq!(
            order(&[named(None, "1"), named(Some("a"), "2"), named(None, "3")]),
            Ok(vec![some("2"), some("1"), some("3")])
        );
        assert_eq!(order(&[named(Some("a"), "1"), named(Some("a"), "2")]), Err(2));
        assert_eq!(order(&[named(Some("d"), "1")]), Err(2));
        assert_eq!(order(&[named(None, "1"), named(None, "2"), named(None, "3"), named(None, "4")]), Err(2));
    }
}
