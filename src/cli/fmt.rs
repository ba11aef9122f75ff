//! `convc fmt`: the syntax tree's printer.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::console::{Console, Format, shown};
use super::failure::{Failure, Outcome};
use super::report::plural;
use super::sources;
use crate::io::atomic;
use crate::limits;
use crate::model::Report;
use crate::source::Source;
use crate::syntax;

const EXAMPLES: &str = "\
Examples:
  convc fmt edges.conv lenet.conv     format files in place
  convc fmt --check *.conv            name the files that are not formatted, exit with 1 if there are any
  convc fmt - < edges.conv            read stdin, write stdout";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Models to format in place; `-` reads stdin and writes stdout
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Change nothing; list the files that are not formatted
    #[arg(long)]
    check: bool,
}

impl Args {
    pub(super) fn format(&self) -> Format {
        Format::Text
    }
}

pub(super) fn execute(args: &Args, console: &mut Console) -> Result<Outcome, Failure> {
    let mut failed = 0;
    let mut unformatted = 0;
    for file in &args.files {
        match format_one(file, args.check, console) {
            Ok(true) => {}
            Ok(false) => unformatted += 1,
            // One bad file does not keep the others from being formatted.
            Err(failure @ (Failure::Data(_) | Failure::Model(_))) => {
                failure.report(console, Format::Text);
                failed += 1;
            }
            Err(other) => return Err(other),
        }
    }
    if args.files.len() > 1 && failed > 0 {
        console.error(format!("{failed} of {} could not be formatted", plural(args.files.len(), "file")));
    }
    Ok(if failed + unformatted > 0 { Outcome::Wrong } else { Outcome::Fine })
}

/// Formats one file; false if it was not formatted and is only checked.
fn format_one(file: &Path, check: bool, console: &mut Console) -> Result<bool, Failure> {
    let stdin = file == Path::new("-");
    let source = if stdin { read_stdin()? } else { sources::read(file)? };
    let formatted = match syntax::format(&source) {
        Ok(text) => text,
        Err(diagnostics) => return Err(Failure::Model(Box::new(Report { source, diagnostics }))),
    };
    match (check, stdin) {
        (true, _) if formatted == source.text() => Ok(true),
        (true, _) => {
            console.line(format_args!("{}", shown(file)))?;
            Ok(false)
        }
        (false, true) => console.print(format_args!("{formatted}")).map(|()| true),
        (false, false) if formatted == source.text() => Ok(true),
        (false, false) => {
            atomic::write(file, &[], |out| out.write_all(formatted.as_bytes())).map_err(Failure::file)?;
            console.status(format!("{} formatted", shown(file)));
            Ok(true)
        }
    }
}

fn read_stdin() -> Result<Source, Failure> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(limits::TEXT_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::data(format!("stdin could not be read: {e}")))?;
    sources::decode("stdin", bytes)
}
