//! `convc check`: every error and warning.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::console::{Console, Format, shown};
use super::failure::{Failure, Outcome};
use super::models::{self, Finding};
use super::report;
use super::values::Sizes;

const EXAMPLES: &str = "\
Examples:
  convc check edges.conv                          all that can be found without sizes
  convc check edges.conv --size H=480,W=640       and what depends on them
  convc check *.conv --format json                as data";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Models' texts
    #[arg(value_name = "MODEL", required = true)]
    files: Vec<PathBuf>,

    #[command(flatten)]
    size: Sizes,

    /// Check only the model of this name
    #[arg(long = "model", value_name = "NAME")]
    model: Option<String>,

    /// How results are printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

impl Args {
    pub(super) fn format(&self) -> Format {
        self.format
    }
}

pub(super) fn execute(args: &Args, console: &mut Console) -> Result<Outcome, Failure> {
    let mut wrong = false;
    let mut documents = Vec::new();
    for file in &args.files {
        match models::findings(file, args.model.as_deref(), &args.size.0) {
            Ok(found) => {
                wrong |= found.diagnostics.iter().any(|d| d.is_error());
                match args.format {
                    Format::Text => print(file, &found, console)?,
                    Format::Json => documents.push(as_json(file, &found)),
                }
            }
            // One unreadable file does not keep the others from being checked.
            Err(failure @ (Failure::Data(_) | Failure::Model(_))) => {
                wrong = true;
                failure.report(console, Format::Text);
                let summary = failure.summary();
                documents.push(json!({ "file": shown(file), "ok": false, "error": summary, "diagnostics": [] }));
            }
            Err(other) => return Err(other),
        }
    }
    if args.format == Format::Json {
        console.json(&json!({ "ok": !wrong, "files": documents }))?;
    }
    Ok(if wrong { Outcome::Wrong } else { Outcome::Fine })
}

fn print(file: &Path, found: &Finding, console: &mut Console) -> Result<(), Failure> {
    console.diagnostics_as_result(&found.source, &found.diagnostics)?;
    let unbound = match found.unbound.as_slice() {
        [] => String::new(),
        names => format!(" ({} left open)", names.join(", ")),
    };
    console.line(format_args!("{}: {}{unbound}", shown(file), report::count(&found.diagnostics)))
}

fn as_json(file: &Path, found: &Finding) -> Value {
    let diagnostics: Vec<Value> =
        found.diagnostics.iter().map(|d| report::diagnostic(&found.source, d)).collect();
    json!({
        "file": shown(file),
        "ok": !found.diagnostics.iter().any(|d| d.is_error()),
        "models": found.models,
        "unbound": found.unbound,
        "diagnostics": diagnostics,
    })
}
