//! One model over many files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Args;
use super::apply::{self, Results};
use super::save::{Destination, Kind};
use crate::cli::console::{Console, Format, shown};
use crate::cli::failure::{Failure, Outcome};
use crate::cli::inputs::{self, Bound, Inputs};
use crate::cli::models::{Compiled, Opened};
use crate::cli::report::plural;
use crate::cli::values::Named;
use crate::io::picture;

/// Programs kept for sizes that come again.
const PROGRAMS: usize = 4;

/// Runs the model on each file, and on each file of each folder; the outputs go into the folder that
/// `-o` names.
pub(super) fn map(args: &Args, model: &Opened, given: &[PathBuf], console: &mut Console) -> Result<Outcome, Failure> {
    let out = out_folder(args)?;
    let files = list(given, console)?;
    prepare(out, &files)?;
    let mut stems: BTreeMap<_, usize> = BTreeMap::new();
    files.iter().for_each(|f| *stems.entry(f.file_stem()).or_default() += 1);

    let mut mapper = Mapper { args, model, out, memory: args.making.memory(), programs: Vec::new() };
    let mut failed = 0;
    let mut documents = Vec::new();
    console.progress_start(files.len());
    for file in &files {
        let unique = stems.get(&file.file_stem()).is_none_or(|n| *n == 1);
        match mapper.one(file, unique, console) {
            Ok(document) => documents.push(document),
            Err(failure @ (Failure::Bug(_) | Failure::Usage(_))) => return Err(failure),
            Err(failure) => {
                failed += 1;
                failure.report(console, Format::Text);
                documents.push(json!({ "file": shown(file), "ok": false, "error": failure.summary() }));
            }
        }
        console.progress_step(shown(file));
    }
    console.progress_end();
    if args.format == Format::Json {
        console.json(&json!({ "ok": failed == 0, "failed": failed, "files": documents }))?;
    }
    if failed > 0 {
        console.error(format!("{failed} of {} failed", plural(files.len(), "file")));
        return Ok(Outcome::Wrong);
    }
    console.status(format!("{} written to {}", plural(files.len(), "result"), shown(out)));
    Ok(Outcome::Fine)
}

fn out_folder(args: &Args) -> Result<&Path, Failure> {
    match args.output.as_slice() {
        [Named { name: None, file }] => Ok(file),
        _ => Err(Failure::usage("many inputs need one folder for their outputs").help("add -o FOLDER")),
    }
}

/// The files given and those in the folders given, sorted by name, that are named as pictures or arrays.
fn list(given: &[PathBuf], console: &Console) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in given {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let unreadable = |e: std::io::Error| Failure::data(format!("{}: the folder cannot be read: {e}", shown(path)));
        let entries = fs::read_dir(path).map_err(unreadable)?;
        let entries = entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        let all = entries.len();
        let mut found: Vec<PathBuf> = entries.into_iter().filter(|p| is_input(p)).collect();
        found.sort();
        if found.is_empty() {
            return Err(Failure::data(format!("{}: the folder holds no picture or array", shown(path))));
        }
        if found.len() < all {
            console.note(format!(
                "{}: {} that no ending marks as picture or array {} passed over",
                shown(path),
                plural(all - found.len(), "entry").replace("entrys", "entries"),
                if all - found.len() == 1 { "was" } else { "were" }
            ));
        }
        files.extend(found);
    }
    Ok(files)
}

fn is_input(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let known = ["png", "jpg", "jpeg", "pnm", "ppm", "pgm", "pbm", "pam", "npy", "npz"];
    known.contains(&extension.as_str()) && path.is_file()
}

/// Makes the folder of outputs, which must not be one that is read from.
fn prepare(out: &Path, files: &[PathBuf]) -> Result<(), Failure> {
    if !out.exists() {
        fs::create_dir(out)
            .map_err(|e| Failure::data(format!("{}: the folder cannot be made: {e}", shown(out))))?;
    }
    if !out.is_dir() {
        return Err(Failure::data(format!("{}: it is not a folder", shown(out)))
            .help("the outputs of many inputs go to a folder"));
    }
    let canonical = fs::canonicalize(out).ok();
    let into_itself = files.iter().find(|f| fs::canonicalize(super::save::folder_of(f)).ok() == canonical);
    match into_itself {
        Some(file) => Err(Failure::data(format!(
            "{}: the outputs would be written into the folder of {}, which is read",
            shown(out),
            shown(file)
        ))),
        None => Ok(()),
    }
}

struct Mapper<'a> {
    args: &'a Args,
    model: &'a Opened,
    out: &'a Path,
    memory: u64,
    /// By their sizes, the one used last at the end.
    programs: Vec<(Vec<(String, u64)>, Compiled)>,
}

impl Mapper<'_> {
    /// Runs on one file and writes its outputs; returns what JSON says about it.
    fn one(&mut self, file: &Path, unique: bool, console: &mut Console) -> Result<Value, Failure> {
        let (args, model, out) = (self.args, self.model, self.out);
        let mut bound = Bound::new(args.sizes());
        let given = [Named { name: None, file: file.to_path_buf() }];
        let inputs = inputs::read(model, &given, &mut bound, args.conversion(self.memory), args.making.seed(), console)?;
        let mut notes: Vec<String> = inputs.ready.iter().flat_map(|r| r.notes.clone()).collect();
        let left = self.memory.saturating_sub(inputs.bytes());
        let compiled = self.program(&bound.sizes(), &inputs, console)?;
        compiled.check_batch(inputs.samples(model.inputs()), left)?;
        let results = apply::run(compiled, &inputs)?;
        let read = apply::files_read(&args.choice, &args.making, model, compiled.graph(), &inputs);
        let destinations = destinations(out, file, unique, compiled, &results);
        for destination in &destinations {
            apply::write(destination, compiled, &results.tensors, args.normalize, &read, &mut notes)?;
        }
        notes.iter().for_each(|n| console.note(format!("{}: {n}", shown(file))));
        let written: Vec<String> = destinations.iter().map(|d| shown(&d.path)).collect();
        if args.format == Format::Text {
            let best: Vec<String> = results.summaries.iter().filter_map(|s| s.best()).collect();
            let best = if best.is_empty() { String::new() } else { format!("  {}", best.join(", ")) };
            console.line(format_args!("{} -> {}{best}", shown(file), written.join(", ")))?;
        }
        Ok(json!({
            "file": shown(file),
            "ok": true,
            "outputs": results.summaries.iter().map(|s| s.as_json()).collect::<Vec<_>>(),
            "written": written,
            "notes": notes,
            "run_ms": apply::milliseconds(results.time),
        }))
    }

    /// The program for some sizes, compiled now or before.
    fn program(
        &mut self,
        sizes: &[(String, u64)],
        inputs: &Inputs,
        console: &Console,
    ) -> Result<&Compiled, Failure> {
        let entry = match self.programs.iter().position(|(s, _)| s == sizes) {
            Some(at) => self.programs.remove(at),
            None => {
                let options = self.args.making.options(self.model, sizes, self.memory.saturating_sub(inputs.bytes()))?;
                let options = inputs.declare(self.model.inputs(), options);
                let compiled = self.model.compile(&options, console)?;
                if self.programs.is_empty() {
                    apply::say_seeded(compiled.seeded(), self.args.making.seed(), console);
                }
                console.status(compiled.describe());
                if self.programs.len() >= PROGRAMS {
                    self.programs.remove(0);
                }
                (sizes.to_vec(), compiled)
            }
        };
        self.programs.push(entry);
        let last = self.programs.last().ok_or_else(|| Failure::Bug("no program is kept".to_owned()))?;
        Ok(&last.1)
    }
}

/// Where the outputs of a file go: pictures stay pictures, all else becomes arrays.
fn destinations(
    out: &Path,
    file: &Path,
    unique: bool,
    compiled: &Compiled,
    results: &Results,
) -> Vec<Destination> {
    let stem = if unique { file.file_stem() } else { file.file_name() };
    let stem = stem.unwrap_or_default().to_string_lossy();
    let from_picture = !matches!(file.extension().and_then(|e| e.to_str()), Some("npy" | "npz"));
    let outputs = &compiled.graph().outputs;
    let one = |(i, tensor): (usize, &crate::tensor::Tensor)| {
        let drawable = apply::one_sample(tensor.view(), compiled.output_batched(i).unwrap_or(false)).is_ok();
        let name = match outputs.as_slice() {
            [_] => stem.to_string(),
            several => format!("{stem}.{}", several.get(i).map_or("", |o| o.name.as_str())),
        };
        let (kind, ending) = match from_picture && drawable {
            true => (Kind::Picture(picture::Format::Png), "png"),
            false => (Kind::Npy, "npy"),
        };
        Destination { path: out.join(format!("{name}.{ending}")), kind, outputs: vec![i] }
    };
    results.tensors.iter().enumerate().map(one).collect()
}
