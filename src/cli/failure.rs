//! How a command ends, and the exit code of each way.

use serde_json::{Value, json};

use super::console::{Console, Format, escaped};
use super::report;
use crate::io::FileError;
use crate::model::{self, Report};

/// Exit code: the model or the data is wrong.
pub(super) const EXIT_DATA: u8 = 1;
/// Exit code: the command line is wrong. Clap uses the same.
pub(super) const EXIT_USAGE: u8 = 2;
/// Exit code: convc is wrong.
pub(super) const EXIT_BUG: u8 = 3;

/// What is asked for when a bug shows.
pub(super) const PLEASE_REPORT: &str =
    "this is a bug in convc: please report it with the command and the model";

/// How a command that did its work ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All is well.
    Fine,
    /// Its result says that something is wrong with what it was given.
    Wrong,
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command line asks for something that does not exist or does not fit together.
    Usage(Message),
    /// A file or a value is wrong.
    Data(Message),
    /// The model is wrong.
    Model(Box<Report>),
    /// An internal inconsistency.
    Bug(String),
}

/// A message that belongs to no place in a text.
#[derive(Debug)]
pub(super) struct Message {
    text: String,
    notes: Vec<String>,
    help: Vec<String>,
}

impl Message {
    fn new(text: impl Into<String>) -> Message {
        Message { text: text.into(), notes: Vec::new(), help: Vec::new() }
    }
}

impl Failure {
    pub(super) fn usage(text: impl Into<String>) -> Failure {
        Failure::Usage(Message::new(text))
    }

    pub(super) fn data(text: impl Into<String>) -> Failure {
        Failure::Data(Message::new(text))
    }

    /// A file cannot be read or written; the error names it.
    pub(super) fn file(error: FileError) -> Failure {
        Failure::data(error.to_string())
    }

    /// Adds what would mend it.
    pub(super) fn help(mut self, text: impl Into<String>) -> Failure {
        if let Failure::Usage(m) | Failure::Data(m) = &mut self {
            m.help.push(text.into());
        }
        self
    }

    /// Adds a fact.
    pub(super) fn note(mut self, text: impl Into<String>) -> Failure {
        if let Failure::Usage(m) | Failure::Data(m) = &mut self {
            m.notes.push(text.into());
        }
        self
    }

    /// Puts what it is about in front: `photo.png: …`.
    pub(super) fn about(mut self, subject: &str) -> Failure {
        if let Failure::Usage(m) | Failure::Data(m) = &mut self {
            m.text = format!("{subject}: {}", m.text);
        }
        self
    }

    /// The code the program exits with.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) => EXIT_USAGE,
            Failure::Data(_) | Failure::Model(_) => EXIT_DATA,
            Failure::Bug(_) => EXIT_BUG,
        }
    }

    /// The message in one line, for summaries.
    pub(super) fn summary(&self) -> String {
        match self {
            Failure::Usage(m) | Failure::Data(m) => m.text.clone(),
            Failure::Model(report) => {
                report.diagnostics.first().map_or_else(String::new, |d| d.message.clone())
            }
            Failure::Bug(text) => format!("internal error: {text}"),
        }
    }

    /// Says on stderr what is wrong and, where JSON is asked for, on stdout as data.
    pub(super) fn report(&self, console: &mut Console, format: Format) {
        match self {
            Failure::Usage(m) | Failure::Data(m) => {
                console.error(escaped(&m.text));
                m.notes.iter().for_each(|n| console.below("note", escaped(n)));
                m.help.iter().for_each(|h| console.below("help", escaped(h)));
            }
            Failure::Model(model) => {
                let Report { source, diagnostics } = model.as_ref();
                console.diagnostics(source, diagnostics);
                console.error(escaped(&format!("{}: {}", source.name(), report::count(diagnostics))));
            }
            Failure::Bug(text) => {
                console.error(format!("internal error: {}", escaped(text)));
                console.below("note", PLEASE_REPORT);
            }
        }
        if format == Format::Json {
            // If stdout cannot be written either, stderr has said it all.
            let _ = console.json(&self.as_json());
        }
    }

    fn as_json(&self) -> Value {
        let error = match self {
            Failure::Usage(m) | Failure::Data(m) => {
                json!({ "message": m.text, "notes": m.notes, "help": m.help })
            }
            Failure::Model(model) => {
                let Report { source, diagnostics } = model.as_ref();
                let found = diagnostics.iter().map(|d| report::diagnostic(source, d)).collect::<Vec<_>>();
                return json!({ "ok": false, "model": source.name(), "diagnostics": found });
            }
            Failure::Bug(text) => json!({ "message": text, "notes": [PLEASE_REPORT], "help": [] }),
        };
        json!({ "ok": false, "exit_code": self.exit_code(), "error": error })
    }
}

impl From<model::Error> for Failure {
    fn from(error: model::Error) -> Failure {
        match error {
            model::Error::Model(report) => Failure::Model(Box::new(report)),
            model::Error::Memory { needed, limit: 0, layer } => {
                Failure::data(format!("{} of memory are not to be had for {layer}", report::bytes(needed)))
            }
            model::Error::Memory { needed, limit, layer } => Failure::data(format!(
                "{} of memory are needed, the limit leaves {}",
                report::bytes(needed),
                report::bytes(limit)
            ))
            .note(format!("the largest part is {layer}"))
            .help("--memory SIZE raises the limit"),
            model::Error::Bug { message } => Failure::Bug(message),
            error => Failure::data(error.to_string()),
        }
    }
}
